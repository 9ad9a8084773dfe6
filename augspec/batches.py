"""Batches as dictionaries: padding ragged examples into one, and adding the spectrogram."""

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
    """Collate examples of several lengths: pad with zeros and say where each one ends.

    Give it to a ``DataLoader`` as ``collate_fn``, as it is or with a ``size``:
    ``functools.partial(augspec.collate, size=64_000)``. Transforms and features respect the
    ``lengths``, so that the padding changes nothing in an example. What all examples have beside
    the waveform is collated as PyTorch does by default.

    Args:
        examples: Dictionaries with the same keys, among them ``waveform`` ``(channel, time)``.
            Their own ``lengths``, if there are any, are kept.
        size: Samples to pad to, at least the longest example's; ``None`` takes the longest. One
            size for every batch spares a compiled front end from compiling anew.

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
                "augspec.datasets.AudioTable and AudioFolder read files"
            )
    names = list(dict.fromkeys(name for example in examples for name in example))
    for name in dict.fromkeys(["waveform", *names]):
        lacking = [place for place, example in enumerate(examples) if name not in example]
        if lacking:
            raise KeyError(f"`examples` must all have `{name}`, number {lacking[0]} has not")
    waveforms = [example["waveform"] for example in examples]
    batch = {"waveform": _pad(waveforms, size)}
    batch["lengths"] = torch.tensor([waveform.shape[-1] for waveform in waveforms])
    for name in names:
        if name != "waveform":
            batch[name] = _collate_key(name, [example[name] for example in examples])
    return batch


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
            "cut in the data set, or pad to a larger size and crop with T.RandomCrop"
        )
    return torch.stack([fit(waveform, size or longest) for waveform in waveforms])


def _collate_key(name: str, values: list[Any]) -> Any:
    if name in ("label", "frames") and all(isinstance(value, list | tuple) for value in values):
        # PyTorch's collate would turn a list of classes the other way round.
        values = [torch.as_tensor(value) for value in values]
    try:
        return default_collate(values)
    except (TypeError, RuntimeError, KeyError, ValueError) as error:
        raise TypeError(
            f"`{name}` cannot be collated: {error}; leave it out of the examples, or give it one "
            "type and one shape"
        ) from error


def check_batch(batch: Any, source: str, *, index: bool = True) -> None:
    """Raise unless ``batch``, which ``source`` gave, has what a spectrogram is made from.

    Args:
        batch: What came.
        source: The argument that gave it, for the message.
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
            "these are batches of several loaders, as a CombinedLoader gives them; put an "
            "augspec.DeviceLoader around each of its loaders"
        )
    return (
        "name the parts of an item, augspec.datasets.Indexed(dataset, names=('waveform', 'label'))"
    )


def draws(frontend: Frontend) -> bool:
    """Whether anything random acts in the present mode, for which examples need their keys."""
    return frontend.acts() and any(
        module.training for module in frontend.modules() if isinstance(module, LeafTransform)
    )


def add_specgram(
    batch: Batch, frontend: Frontend, keys: Tensor | None, *, num_classes: int | None = None
) -> Batch:
    """Give a copy of a batch with ``specgram`` and the labels that belong to it.

    Args:
        batch: As `DeviceLoader` takes it, on the device of ``frontend``.
        frontend: Makes the spectrogram, in its own mode; of float64 waveforms in float32 too,
            which models are made of.
        keys: Key of each example; None will do where `draws` is false.
        num_classes: If given, ``label`` comes out as ``(batch, num_classes)`` float32.
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
            # Class numbers where they came: 0 is then known to be the negative class.
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
    """Whether draws depend on labels; a graph is not compiled for labels that nothing looks at."""
    return any(getattr(part, "partners", "any") != "any" for part in frontend.modules())


def _single(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32) if tensor.dtype == torch.float64 else tensor


def _check_label(label: Any, num_classes: int | None, *, needed: bool) -> Any:
    """Give labels as one tensor, as class weights where ``num_classes`` is given."""
    if isinstance(label, list | tuple) and label and all(isinstance(x, Tensor) for x in label):
        # PyTorch's collate makes of lists of classes a list of classes of examples.
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
    """Keep ``frontend`` from augmenting unless ``wanted``; afterwards its modes are as before."""
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
