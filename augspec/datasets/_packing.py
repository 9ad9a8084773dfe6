"""Writing any data set to a packed file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset, Subset

from augspec.datasets._items import attribute_of, check_over, fingerprint_of
from augspec.datasets._pack_format import SAMPLE_TYPES
from augspec.datasets._pack_writer import PackWriter
from augspec.datasets._progress import progress_bar
from augspec.datasets.packed import Packed


def pack(
    dataset: Dataset[dict[str, Any]],
    path: str | os.PathLike[str],
    *,
    dtype: str = "int16",
    sample_rate: int | None = None,
    workers: int = 0,
    progress: bool = True,
    overwrite: bool = False,
    over: str = "raise",
) -> Packed:
    """Write every item of a data set to one file, and open it as `Packed`.

    ``"int16"`` takes half the space of ``"float32"`` and reads faster. It keeps audio from 16-bit
    files exactly and rounds other audio. Until the end the data are in ``path.partial`` and
    ``path.journal``. After a kill the same call resumes, and the finished file has the same bytes:
    every written item is compared first, by the ``fingerprint(index)`` of the data set (for files
    their size and time), or, without it, by decoding it again. With another ``dtype`` it starts
    again. Do not pack a data set that draws at random, because one draw would be stored for ever.

    Args:
        dataset: Data set with a length whose items are dictionaries with ``waveform`` ``(channel,
            time)``, of any number of channels and any length, and numbers, strings, lists and
            tensors.
        path: The file to make.
        dtype: ``"int16"`` or ``"float32"``.
        sample_rate: Sampling rate in Hz; by default the ``sample_rate`` of the data set, or of the
            one it is a subset of.
        workers: Processes that decode; 0 decodes in this one.
        progress: Show a progress bar.
        overwrite: Replace a finished file.
        over: Treatment in int16 of samples beyond -1 and 1, as a loud mp3 has: ``"clip"`` or
            ``"raise"``.

    Raises:
        FileExistsError: If the file exists and ``overwrite`` is not set.
        BlockingIOError: If another process is packing to the same path.
        ValueError: If an argument has a value that is not allowed, an item cannot be stored in
            ``dtype``, or the partial file of an earlier call is of another data set.
        KeyError: If an item has no ``waveform``.
        TypeError: If the data set has no length, or an item holds a value that JSON cannot store.
    """
    path = Path(path)
    if dtype not in SAMPLE_TYPES:
        raise ValueError(f"`dtype` must be one of {', '.join(SAMPLE_TYPES)}, got {dtype!r}")
    if not hasattr(dataset, "__len__"):
        raise TypeError(f"`dataset` must have a length, got {type(dataset).__name__}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already; delete it or set `overwrite`")
    rate = attribute_of(dataset, "sample_rate") if sample_rate is None else sample_rate
    if not rate:
        raise ValueError("`sample_rate` must be given: the data set has no `sample_rate`")
    count = len(dataset)
    if count == 0:
        raise ValueError("`dataset` must hold at least one item")
    classes = attribute_of(dataset, "classes")
    if classes is not None:
        classes = [str(name) for name in classes]
    about = {"dtype": dtype, "sample_rate": int(rate), "classes": classes}
    with PackWriter(
        path,
        {**about, "source": [type(dataset).__name__, count]},
        overwrite,
        check_over(over),
    ) as writer:
        _check_same(writer, dataset, workers)
        bar = progress_bar(f"packing {path.name}", count, writer.count, progress)
        with bar:
            for item in _decode(dataset, range(writer.count, count), workers):
                writer.add(item, fingerprint_of(dataset, writer.count))
                bar.update()
        writer.finish()
    return Packed(path)


def _check_same(writer: PackWriter, dataset: Dataset[dict[str, Any]], workers: int) -> None:
    """Compare all items that an earlier call completed with the current data set."""
    unknown = []
    for number, line in enumerate(writer.done()):
        fingerprint = fingerprint_of(dataset, number)
        if fingerprint is None or "fingerprint" not in line:
            unknown.append(number)
        elif fingerprint != line["fingerprint"]:
            raise _changed(writer, number)
    undecided = set(unknown)
    decoded = _decode(dataset, unknown, workers)
    for number, line in enumerate(writer.done()):
        if number in undecided:
            _, entry = writer.entry(next(decoded), number)
            if any(entry[key] != line[key] for key in entry):
                raise _changed(writer, number)


def _changed(writer: PackWriter, number: int) -> ValueError:
    return ValueError(
        f"{writer.path}.partial holds another item {number} than `dataset`; delete it and its "
        f"journal, or choose another path"
    )


def _decode(
    dataset: Dataset[dict[str, Any]], indices: Sequence[int], workers: int
) -> Iterator[dict[str, Any]]:
    if workers == 0:
        return (dataset[index] for index in indices)
    rest = Subset(dataset, indices)
    return iter(DataLoader(rest, None, num_workers=workers, collate_fn=_as_it_is))


def _as_it_is(item: Any) -> Any:
    return item
