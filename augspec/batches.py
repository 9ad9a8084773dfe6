"""Batches as dictionaries: padding examples of several lengths, and adding the spectrogram."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from augspec.classes import as_count
from augspec.frontend import Frontend
from augspec.functional.shapes import fit
from augspec.transforms.base import LeafTransform

__all__ = ["add_specgram", "augmenting", "check_batch", "collate", "draws"]

Batch: TypeAlias = dict[str, Any]


def collate(examples: Sequence[Mapping[str, Any]], size: int | None = None) -> Batch:
    """Collate examples of several lengths: pad them with zeros and add their ``lengths``.

    Pass it to a ``DataLoader`` as ``collate_fn``, directly or with a ``size``:
    ``functools.partial(augspec.collate, size=64_000)``. Transforms and features respect
    ``lengths``, so that padding does not change the result of an example. Other keys are collated
    as PyTorch does by default.

    Args:
        examples: Dictionaries with the same keys, including ``waveform`` ``(channel, time)``.
            Existing ``lengths`` are kept.
        size: Samples to pad to, at least as many as the longest example has; ``None`` takes the
            longest. With one size for every batch, a compiled front end does not compile again.

    Returns:
        A batch of ``waveform`` ``(batch, channel, time)``, ``lengths`` ``(batch,)`` int64 and the
        other keys.

    Raises:
        KeyError: If an example lacks ``waveform`` or a key that others have.
        TypeError: If the values under a key cannot be collated; the message names the key.
        ValueError: If there is no example, a waveform has another rank or number of channels than
            the others, or one is longer than ``size``.

    Example:
        >>> batch = augspec.collate([{"waveform": torch.ones(1, n), "label": n} for n in (3, 5)])
        >>> batch["waveform"].shape, batch["lengths"], batch["label"]
        (torch.Size([2, 1, 5]), tensor([3, 5]), tensor([3, 5]))
    """
    if not examples:
        raise ValueError("`examples` must hold at least one example, got none")
    for example in examples:
        if not isinstance(example, Mapping):
            raise TypeError(
                f"`examples` must be dictionaries with `waveform`, got {type(example).__name__}; "
                f"{_dictionaries(example)}"
            )
    names = list(dict.fromkeys(name for example in examples for name in example))
    for name in dict.fromkeys(["waveform", *names]):
        lacking = [place for place, example in enumerate(examples) if name not in example]
        if lacking:
            raise KeyError(f"`examples` must all have `{name}`, but number {lacking[0]} lacks it")
    waveforms = [example["waveform"] for example in examples]
    batch = {"waveform": _pad(waveforms, size)}
    batch["lengths"] = torch.tensor([waveform.shape[-1] for waveform in waveforms])
    for name in names:
        if name != "waveform":
            batch[name] = _collate_key(name, [example[name] for example in examples])
    return batch


def _dictionaries(example: Any) -> str:
    """Return how examples of another type become dictionaries."""
    if isinstance(example, tuple | list):
        return "augspec.datasets.Indexed(pairs, names=('waveform', 'label')) makes them of tuples"
    return "augspec.datasets.AudioTable and AudioFolder read files"


def _pad(waveforms: list[Tensor], size: int | None) -> Tensor:
    shapes = [tuple(waveform.shape) for waveform in waveforms]
    if any(len(shape) != 2 or shape[0] != shapes[0][0] for shape in shapes):
        raise ValueError(
            "`waveform` must be (channel, time) with the same number of channels in every example, "
            f"got shapes {', '.join(map(str, sorted(set(shapes))))}; give the data set mono=True "
            "if its files have several numbers of channels"
        )
    longest = max(shape[1] for shape in shapes)
    if size is not None and size < longest:
        raise ValueError(
            f"`size` must be at least the longest example's {longest} samples, got {size}; "
            "cut examples in the data set, or pad to a larger size and crop with T.RandomCrop"
        )
    return torch.stack([fit(waveform, size or longest) for waveform in waveforms])


def _collate_key(name: str, values: list[Any]) -> Any:
    if name in ("label", "frames") and all(isinstance(value, list | tuple) for value in values):
        # PyTorch's collate would transpose a list of classes.
        values = [torch.as_tensor(value) for value in values]
    try:
        return default_collate(values)
    except (TypeError, RuntimeError, KeyError, ValueError) as error:
        raise TypeError(
            f"`{name}` cannot be collated: {error}; remove it from the examples, or give it the "
            f"same type and shape in all of them"
        ) from error


def check_batch(batch: Any, source: str, *, index: bool = True) -> None:
    """Raise unless ``batch``, from ``source``, has the keys for a spectrogram.

    Args:
        batch: The batch.
        source: Name of the argument that yielded it, for the message.
        index: Whether draws need the ``index`` of the examples.
    """
    if not isinstance(batch, dict):
        raise TypeError(
            f"`{source}` must yield dictionaries, got {type(batch).__name__}: {_remedy(batch)}"
        )
    if "waveform" not in batch:
        raise KeyError(
            f"`{source}` must yield `waveform` in its batches, got {sorted(map(str, batch))}"
            + (f": {_remedy(batch)}" if _holds_batches(batch.values()) else "")
        )
    if not isinstance(batch["waveform"], Tensor):
        raise TypeError(
            f"`waveform` must be a tensor, got {type(batch['waveform']).__name__}: give the "
            "DataLoader collate_fn=augspec.collate"
        )
    if not index:
        return
    if "index" not in batch:
        raise KeyError(
            f"`{source}` must yield `index` in its batches, got {sorted(map(str, batch))}: "
            "augspec.datasets.Indexed(dataset) adds it"
        )
    if isinstance(batch["index"], int):
        raise TypeError(
            f"`{source}` must yield batches, got a single example: put the data set into a "
            "torch.utils.data.DataLoader"
        )
    if not isinstance(batch["index"], Tensor):
        raise TypeError(
            f"`index` must hold integers, got {type(batch['index']).__name__}: "
            "augspec.datasets.Indexed(dataset) numbers the items"
        )


def _holds_batches(parts: Iterable[Any]) -> bool:
    return any(isinstance(part, Mapping) and "waveform" in part for part in parts)


def _remedy(batch: Any) -> str:
    parts = batch.values() if isinstance(batch, Mapping) else batch
    if isinstance(batch, list | tuple) and batch and isinstance(batch[0], dict | list | tuple):
        nested = batch[0]
        parts = [*batch, *(nested.values() if isinstance(nested, dict) else nested)]
    if isinstance(parts, Iterable) and _holds_batches(parts):
        return (
            "a CombinedLoader yields batches of several loaders; wrap each of its loaders in an "
            "augspec.DeviceLoader"
        )
    return (
        "name the parts of an item, augspec.datasets.Indexed(dataset, names=('waveform', 'label'))"
    )


def draws(frontend: Frontend) -> bool:
    """Whether a random transform acts in the present mode, so that examples need keys."""
    return frontend.acts() and any(
        module.training for module in frontend.modules() if isinstance(module, LeafTransform)
    )


def add_specgram(
    batch: Batch, frontend: Frontend, keys: Tensor | None, *, num_classes: int | None = None
) -> Batch:
    """Return a copy of a batch with ``specgram`` and its transformed labels.

    Args:
        batch: A batch as for `DeviceLoader`, on the device of ``frontend``.
        frontend: Computes the spectrogram, in its own mode; in float32 also for float64 waveforms,
            because models are float32.
        keys: Key of each example; may be None if `draws` is false.
        num_classes: If given, ``label`` is returned as ``(batch, num_classes)`` float32.
    """
    batch = dict(batch)
    waveform, lengths = _single(batch["waveform"]), batch.get("lengths")
    given = batch.get("label")
    if "label" in batch:
        batch["label"] = _check_label(batch["label"], num_classes, needed=draws(frontend))
    for name in ("label", "frames"):
        if isinstance(batch.get(name), Tensor):
            batch[name] = _single(batch[name])
    if keys is None:
        keys = torch.zeros(len(waveform), dtype=torch.int64, device=waveform.device)
    acts = frontend.acts()
    with torch.no_grad():
        if acts:
            # Pass class numbers if the batch has them, so that 0 is known to be the negative class.
            own = given if isinstance(given, Tensor) else batch.get("label")
            own = own if isinstance(own, Tensor) and _looks_at_labels(frontend) else None
            made, params = frontend.draw_and_run(waveform, lengths, keys=keys, label=own)
        else:
            made = frontend(waveform, lengths)
    if isinstance(made, tuple):
        batch["specgram"], batch["specgram_lengths"] = made
    else:
        batch["specgram"] = made
    if not acts:
        return batch
    return frontend.run_targets(batch, params, lengths, time=waveform.shape[-1], by_mode=True)


def _looks_at_labels(frontend: Frontend) -> bool:
    """Whether draws depend on labels; otherwise they stay out of the compiled graph."""
    return any(getattr(part, "partners", "any") != "any" for part in frontend.modules())


def _single(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32) if tensor.dtype == torch.float64 else tensor


def _check_label(label: Any, num_classes: int | None, *, needed: bool) -> Any:
    """Return labels as one tensor, as class weights if ``num_classes`` is given."""
    if isinstance(label, list | tuple) and label and all(isinstance(x, Tensor) for x in label):
        # PyTorch's collate transposes lists of classes.
        label = torch.stack(list(label), dim=1)
    if isinstance(label, Tensor):
        return label if num_classes is None else _class_weights(label, num_classes)
    if needed or num_classes is not None:
        shown = label[0] if isinstance(label, list | tuple) and label else label
        raise TypeError(
            f"`label` must hold numbers, got {type(label).__name__} of {shown!r}: number the "
            "classes in the data set, as augspec.datasets.AudioFolder does (its `classes` are "
            "their names)"
        )
    return label


@contextmanager
def augmenting(frontend: nn.Module, wanted: bool) -> Iterator[None]:
    """Switch augmentation of ``frontend`` off unless ``wanted``; restore its modes afterwards."""
    modes = {module: module.training for module in frontend.modules()}
    try:
        if not wanted:
            frontend.eval()
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _class_weights(label: Tensor, num_classes: int) -> Tensor:
    num_classes = as_count("num_classes", num_classes, 1)
    if label.ndim == 1:
        try:
            label = nn.functional.one_hot(label, num_classes)
        except RuntimeError as error:  # said by the CPU alone: a GPU is not asked for its values
            raise ValueError(
                f"`label` must hold numbers from 0 to num_classes - 1 = {num_classes - 1}: {error}"
            ) from error
    elif label.shape[1:] != (num_classes,):
        raise ValueError(
            f"`label` must be (batch,) or (batch, num_classes = {num_classes}), "
            f"got shape {tuple(label.shape)}"
        )
    return label.to(torch.float32)
