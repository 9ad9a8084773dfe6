"""Predicting: batches, windows of long files joined, test-time views averaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from augspec.batches import Batch, check_batch, collate
from augspec.classes import as_count
from augspec.frontend import Frontend
from augspec.random import example_keys
from augspec.transfer import move

__all__ = ["Predictions", "predict"]

# Keys of an item that say which file a window is of.
_SOURCES = ("source", "recording")
_ACTIVATIONS = {"softmax": lambda logits: logits.softmax(-1), "sigmoid": torch.sigmoid}


class Predictions(NamedTuple):
    """What `predict` found: a row of ``scores`` for each item or file.

    Attributes:
        scores: ``(file, classes)`` float32, on the CPU.
        source: ``(file,)`` int64, ascending: which item of the data set the row belongs to, or
            which of the files that its windows are of.
    """

    scores: Tensor
    source: Tensor


def predict(
    model: nn.Module,
    frontend: Frontend,
    data: Any,
    views: int = 1,
    *,
    batch_size: int = 32,
    activation: Literal["softmax", "sigmoid"] | None = "softmax",
    seed: int = 0,
) -> Predictions:
    """Predict the classes of every item of a data set.

    The model sees plain features, in batches, without gradients. Items with one ``source``, or one
    ``recording``, are windows of one file: their scores are averaged, and the file is one row. The
    modes of ``model`` and ``frontend`` are as before afterwards.

    Examples of several lengths are padded to the longest of their batch, which the model sees:
    bring them to one length, with ``T.CenterCrop``, ``T.PadTo`` or windows, where that matters.

    Args:
        model: Takes ``(batch, channel, freq, frame)`` and gives logits, or an output with
            ``logits``. Its device is where everything is computed.
        frontend: Makes the spectrograms; it is moved to that device.
        data: A data set whose items have ``waveform``, a ``DataLoader`` of it, or any iterable of
            batches.
        views: How many times each item is seen: once as it is, and else augmented by the front end.
            The scores are averaged.
        batch_size: Items in a batch, where ``data`` is a data set.
        activation: What makes scores of logits before they are averaged: ``"softmax"`` for one
            class an item, ``"sigmoid"`` for several at once, None leaves them.
        seed: Seed of the augmented views; they also depend on the item's ``index``.

    Returns:
        ``scores`` and ``source``, which counts from 0 where items have no number.

    Raises:
        ValueError: If a count is less than 1, ``activation`` is not known, ``data`` is empty, or
            the front end mixes examples and ``views`` is more than 1.
        TypeError: If an item or a batch is no dictionary.
        KeyError: If a batch has no ``waveform``.

    Example:
        >>> from augspec import features as F
        >>> notes = [{"waveform": torch.randn(1, 4000)} for _ in range(5)]
        >>> frontend = augspec.Frontend(features=F.LogMelSpectrogram(n_fft=256, n_mels=32))
        >>> model = augspec.create_backbone("test_resnet", num_classes=3)
        >>> augspec.predict(model, frontend, notes).scores.shape
        torch.Size([5, 3])
    """
    views, batch_size = as_count("views", views, 1), as_count("batch_size", batch_size, 1)
    if activation not in (None, *_ACTIVATIONS):
        raise ValueError(f'`activation` must be "softmax", "sigmoid" or None, got {activation!r}')
    if views > 1 and (frontend.waveform.mixes_examples or frontend.specgram.mixes_examples):
        raise ValueError("`frontend` must not mix examples to make several views of them")
    some = next(iter(model.parameters()), None)
    device = torch.device("cpu") if some is None else some.device
    frontend.to(device)
    scores, sources, count = [], [], 0
    with torch.no_grad(), _mode(model, training=False):
        for batch in _batches(data, batch_size):
            check_batch(batch, "data", index=False)
            own = torch.arange(count, count + len(batch["waveform"]))
            count += len(own)
            index = batch.get("index", own)
            found = _score(model, frontend, move(batch, device), views, activation, seed, index)
            scores.append(found.float().cpu())
            named = next((batch[name] for name in _SOURCES if name in batch), index)
            sources.append(torch.as_tensor(named).cpu())
    if not scores:
        raise ValueError("`data` must hold at least one item, got none")
    return _join(torch.cat(scores), torch.cat(sources))


def _score(
    model: nn.Module,
    frontend: Frontend,
    batch: Batch,
    views: int,
    activation: str | None,
    seed: int,
    index: Tensor,
) -> Tensor:
    """Average the scores of a batch over its views."""
    waveform, lengths = batch["waveform"], batch.get("lengths")
    waveform = waveform.float() if waveform.dtype == torch.float64 else waveform
    total: Any = 0.0
    for view in range(views):
        # The first view is the plain example.
        with _mode(frontend, training=view > 0):
            keys = example_keys(seed, 0, index.cpu(), view).to(waveform.device)
            made = frontend(waveform, lengths, keys=keys)
        output: Any = model(made[0] if isinstance(made, tuple) else made)
        logits: Tensor = getattr(output, "logits", output)
        total = total + (logits if activation is None else _ACTIVATIONS[activation](logits))
    average: Tensor = total / views
    return average


def _batches(data: Any, batch_size: int) -> Iterable[Batch]:
    """Give batches: of the items of a data set, or as they are."""
    items = isinstance(data, Dataset) or (hasattr(data, "__getitem__") and hasattr(data, "__len__"))
    if isinstance(data, list | tuple) and len(data) and isinstance(data[0], dict):
        items = getattr(data[0].get("waveform"), "ndim", 0) == 2
    return DataLoader(data, batch_size=batch_size, collate_fn=_collate) if items else data


def _collate(examples: list[dict[str, Any]]) -> Batch:
    names = ("waveform", "lengths", "index", *_SOURCES)
    return collate(
        [
            {name: row[name] for name in names if name in row} if isinstance(row, Mapping) else row
            for row in examples
        ]
    )


def _join(scores: Tensor, sources: Tensor) -> Predictions:
    """Average the rows of one source."""
    index, row, counts = sources.unique(return_inverse=True, return_counts=True)
    total = torch.zeros(len(index), scores.shape[1], dtype=torch.float64)
    total.index_add_(0, row, scores.double())
    return Predictions((total / counts[:, None]).float(), index)


@contextmanager
def _mode(module: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a module and all inside it into a mode; afterwards their modes are as before."""
    modes = {part: part.training for part in module.modules()}
    try:
        module.train(training)
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
