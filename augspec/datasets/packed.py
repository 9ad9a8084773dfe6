"""Any data set as one memory-mapped file: the fastest to read at random, and easy to move."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from augspec.datasets._items import attribute_of
from augspec.datasets._pack_format import SAMPLE_TYPES, read_contents, read_tables
from augspec.datasets._pack_writer import PackWriter
from augspec.datasets._progress import progress_bar

_decode_json = json.JSONDecoder().raw_decode  # half the time of json.loads for so short a text
_SCALE = np.float32(2.0**-15)


class Packed(Dataset[dict[str, Any]]):
    """Read a file that `pack` wrote.

    An item is the dictionary that the packed data set gave: ``waveform`` (float32 tensor),
    ``index`` (int), ``label`` and whatever else there was; tensors other than ``waveform`` come
    back as lists. The file is mapped, not read: opening takes milliseconds, the pages are shared by
    all processes on the machine, and an object that is pickled opens the file again where it
    arrives.

    Opening checks the header, the size and the tables. The audio has a checksum an item, which
    ``verify`` compares; reading an item does not.

    Args:
        path: The file.
        verify: Check all audio now, which reads the whole file.
        copy: Give each item audio of its own. Without it a ``waveform`` is a view of the mapped
            file, for files of float32: reading an item moves nothing, and a loader's batch is the
            only copy. Whoever edits a view in place edits what this process reads from then on,
            never the file.

    Attributes:
        classes: The labels' names, as the packed data set had them, or ``None``.
        sample_rate: Sampling rate in Hz.
        labels: Label of every item, int64, or ``None`` if the items have no integer labels.
        lengths: Samples a channel of every item.

    Shape:
        ``waveform`` is ``(channel, time)``.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If the file is not one of `pack`, is cut or damaged, or has another version, or
            if ``copy`` is off and it does not hold float32.

    Example:
        >>> import tempfile
        >>> from augspec.datasets import GMNotes, Packed, pack
        >>> path = Path(tempfile.mkdtemp()) / "notes.packed"
        >>> notes = pack(torch.utils.data.Subset(GMNotes("valid"), range(3)), path,
        ...              sample_rate=16_000, progress=False)
        >>> Packed(path)[2]["instrument"]
        'bass_fluid_035'
    """

    def __init__(
        self, path: str | os.PathLike[str], verify: bool = False, *, copy: bool = True
    ) -> None:
        self.path = Path(path)
        self.copy = copy
        if not self.path.is_file():
            raise FileNotFoundError(f"`path` must be a packed file, got {self.path}")
        with self.path.open("rb") as file:
            contents = read_contents(file, self.path.stat().st_size, self.path)
            self._rows, records = read_tables(file, contents, self.path)
            self._records = records.data  # a memoryview is sliced faster than an array
            dtype = SAMPLE_TYPES[contents["dtype"]]
            shape = (contents["rows"] // dtype.itemsize,)
            if not copy and dtype != np.float32:
                raise ValueError(
                    f"`copy` must be on for {self.path}, which holds {dtype} and not float32"
                )
            # "c" maps pages that become this process's own when they are written to.
            self._samples = np.asarray(np.memmap(file, dtype, "r" if copy else "c", shape=shape))
        self.classes: list[str] | None = contents["classes"]
        self.sample_rate = int(contents["sample_rate"])
        self.labels: NDArray[np.int64] | None = (
            np.ascontiguousarray(self._rows["label"]) if contents["labelled"] else None
        )
        self.lengths: NDArray[np.int64] = np.ascontiguousarray(self._rows["time"])
        if verify:
            self.verify()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self._rows))[index]
        start, time, record, _, channels, record_bytes, _, _ = self._rows[index].item()
        try:
            item, _ = _decode_json(str(self._records[record : record + record_bytes], "utf-8"))
        except (ValueError, RecursionError) as error:
            raise self._damaged(index) from error
        if type(item) is not dict:
            raise self._damaged(index)
        item["waveform"] = self._waveform(start, channels, time)
        item["index"] = index
        return item

    def _damaged(self, index: int) -> ValueError:
        return ValueError(f"{self.path}: the record of item {index} is no JSON object; pack again")

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "copy": self.copy}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def waveform(self, index: int) -> Tensor:
        """Return the audio of an item alone, ``(channel, time)``."""
        start, time, _, _, channels, _, _, _ = self._rows[index].item()
        return self._waveform(start, channels, time)

    def column(self, name: str) -> list[Any]:
        """Return what every item holds under ``name``, ``None`` where an item holds nothing."""
        text = self._records.tobytes()
        places = zip(
            self._rows["record"].tolist(), self._rows["record_bytes"].tolist(), strict=True
        )
        values = []
        for index, (start, size) in enumerate(places):
            try:
                values.append(json.loads(text[start : start + size]).get(name))
            except (AttributeError, ValueError, RecursionError) as error:
                raise self._damaged(index) from error
        return values

    def verify(self) -> None:
        """Compare the audio of every item with its checksum.

        Raises:
            ValueError: If one differs; the message names the item.
        """
        for index in range(len(self)):
            if zlib.crc32(self._block(index).data) != self._rows["crc"][index]:
                raise ValueError(
                    f"{self.path} is damaged: the audio of item {index} differs from its checksum; "
                    "copy or pack it again"
                )

    def hashes(self, indices: NDArray[np.int64]) -> list[bytes]:
        """Return a value for the audio of each item that only the same audio has too.

        The checksums tell most apart; only audio that shares one is read and hashed.
        """
        crcs = self._rows["crc"][indices]
        _, inverse, counts = np.unique(crcs, return_inverse=True, return_counts=True)
        return [
            hashlib.blake2b(self._block(index).data, digest_size=16).hexdigest().encode()
            if count > 1
            else b"%d" % crc
            for index, crc, count in zip(indices, crcs, counts[inverse], strict=True)
        ]

    def _block(self, index: int) -> NDArray[Any]:
        row = self._rows[index]
        first = row["start"] // self._samples.itemsize
        return self._samples[first : first + row["channels"] * row["time"]]

    def _waveform(self, start: int, channels: int, time: int) -> Tensor:
        first = start // self._samples.itemsize
        samples = self._samples[first : first + channels * time]
        if self.copy:
            samples = samples.astype(np.float32)
        if self._samples.itemsize == 2:
            samples *= _SCALE
        return torch.from_numpy(samples.reshape(channels, time))


def pack(
    dataset: Dataset[dict[str, Any]],
    path: str | os.PathLike[str],
    *,
    dtype: str = "int16",
    sample_rate: int | None = None,
    workers: int = 0,
    progress: bool = True,
    overwrite: bool = False,
) -> Packed:
    """Write every item of a data set to one file, and open it as `Packed`.

    ``"int16"`` keeps audio from 16-bit files exactly and rounds anything else, which takes half the
    space of ``"float32"``, and reads faster. What has been written lies in ``path.partial`` and
    ``path.journal`` until the end. After a kill the same call goes on where it stopped, and the
    file comes out with the same bytes. A data set that draws at random must not be packed: it would
    be kept as it came out once.

    Args:
        dataset: Has a length and gives dictionaries with ``waveform`` ``(channel, time)``, in any
            number of channels and any length, beside numbers, strings, lists and tensors.
        path: The file to make.
        dtype: ``"int16"`` or ``"float32"``.
        sample_rate: Sampling rate in Hz; by default the data set's own ``sample_rate``, or that of
            the one it is a subset of.
        workers: Processes that decode; 0 decodes in this one.
        progress: Show a progress bar.
        overwrite: Replace a finished file.

    Raises:
        FileExistsError: If the file exists and ``overwrite`` is not set.
        BlockingIOError: If another process is packing to the same path.
        ValueError: If an argument is not one of those above, an item cannot be kept in ``dtype``,
            or what an earlier call left is not of this data set.
        TypeError: If the data set has no length, or an item holds what JSON cannot.
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
        raise ValueError("`sample_rate` must be given: the data set does not say it")
    count = len(dataset)
    if count == 0:
        raise ValueError("`dataset` must hold at least one item")
    classes = attribute_of(dataset, "classes")
    about = {"dtype": dtype, "sample_rate": int(rate), "classes": classes}
    with PackWriter(
        path, {**about, "source": [type(dataset).__name__, count]}, overwrite
    ) as writer:
        _check_same(writer, dataset)
        bar = progress_bar(f"packing {path.name}", count, writer.count, progress)
        with bar:
            for item in _decode(dataset, range(writer.count, count), workers):
                writer.add(item)
                bar.update()
        writer.finish()
    return Packed(path)


def _check_same(writer: PackWriter, dataset: Dataset[dict[str, Any]]) -> None:
    """Compare the last item that an earlier call completed with what the data set gives now."""
    if writer.last is None:
        return
    number = writer.count - 1
    _, entry = writer.entry(dataset[number], number)
    if any(entry[key] != writer.last[key] for key in entry):
        raise ValueError(
            f"{writer.path}.partial holds another item {number} than `dataset` gives; "
            "delete it and its journal, or choose another path"
        )


def _decode(
    dataset: Dataset[dict[str, Any]], indices: range, workers: int
) -> Iterator[dict[str, Any]]:
    if workers == 0:
        return (dataset[index] for index in indices)
    rest = Subset(dataset, indices)
    return iter(DataLoader(rest, None, num_workers=workers, collate_fn=_as_it_is))


def _as_it_is(item: Any) -> Any:
    return item
