"""Any data set as one memory-mapped file: fast random access, and easy to copy."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from augspec._described import Described
from augspec.datasets._items import restore
from augspec.datasets._pack_format import SAMPLE_TYPES, read_contents, read_tables

_decode_json = json.JSONDecoder().raw_decode  # half the time of json.loads for so short a text
_SCALE = np.float32(2.0**-15)


class Packed(Described, Dataset[dict[str, Any]]):
    """Read a file that `pack` wrote.

    An item is the dictionary of the packed data set: ``waveform`` (float32 tensor), ``index``
    (int), ``label`` and the other keys; tensors are tensors again. The file is memory-mapped:
    opening takes milliseconds, all processes on the machine share the pages, and a pickled object
    opens the file again in the other process.

    Opening checks the header, the size and the tables. The audio of each item has a checksum, which
    only ``verify`` compares.

    Args:
        path: The file.
        verify: Check all audio now, which reads the whole file.
        copy: Copy the audio of each item. With False, for files of float32 only, a ``waveform`` is
            a view of the mapped file: reading an item copies nothing, and the loader's batch is the
            only copy. An in-place edit of a view changes later reads in this process, but not the
            file.

    Attributes:
        classes: The labels' names, as the packed data set had them, or ``None``.
        sample_rate: Sampling rate in Hz.
        labels: Label of every item, int64; float32 ``(items, classes)`` if the labels are
            multi-hot, read at the first use; ``None`` for other labels.
        lengths: Samples per channel of every item.

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
            # "c" is copy-on-write: pages that this process writes to become private.
            self._samples = np.asarray(np.memmap(file, dtype, "r" if copy else "c", shape=shape))
        self.classes: list[str] | None = contents["classes"]
        self.sample_rate = int(contents["sample_rate"])
        self._labelled = bool(contents["labelled"])
        self._label_size = contents.get("label_size")
        self.lengths: NDArray[np.int64] = np.ascontiguousarray(self._rows["time"])
        if verify:
            self.verify()

    @cached_property
    def labels(self) -> NDArray[Any] | None:
        """Label of every item."""
        if self._labelled:
            return np.ascontiguousarray(self._rows["label"])
        if self._label_size is None:
            return None
        try:
            return torch.stack(self.column("label")).numpy()
        except (TypeError, RuntimeError) as error:
            raise ValueError(f"{self.path} must hold labels of one size ({error})") from error

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self._rows))[index]
        start, time, record, _, channels, record_bytes, _, _ = self._rows[index].item()
        item = self._record(index, record, record_bytes)
        item["waveform"] = self._waveform(start, channels, time)
        return item

    def part(self, index: int, start: int, size: int) -> dict[str, Any]:
        """Return an item with ``size`` samples from ``start``; only these are read."""
        index = range(len(self._rows))[index]
        first, time, record, _, channels, record_bytes, _, _ = self._rows[index].item()
        item = self._record(index, record, record_bytes)
        item["waveform"] = self._waveform(first, channels, time, slice(start, start + size))
        return item

    def fingerprint(self, index: int) -> str:
        """Identify an item without reading its audio, by checksums."""
        row = self._rows[index]
        record, size = int(row["record"]), int(row["record_bytes"])
        return f"{row['crc']} {zlib.crc32(self._records[record : record + size])}"

    def _record(self, index: int, start: int, size: int) -> dict[str, Any]:
        try:
            record, _ = _decode_json(str(self._records[start : start + size], "utf-8"))
            item = restore(record)
        except (ValueError, RecursionError) as error:
            raise self._damaged(index) from error
        item["index"] = index
        return item

    def _damaged(self, index: int) -> ValueError:
        return ValueError(
            f"{self.path}: the record of item {index} is not a JSON object; pack the data set again"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "copy": self.copy}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def waveform(self, index: int, start: int = 0, size: int | None = None) -> Tensor:
        """Return only the audio of an item, or ``size`` samples of it: ``(channel, time)``."""
        first, time, _, _, channels, _, _, _ = self._rows[index].item()
        part = slice(start, None if size is None else start + size)
        return self._waveform(first, channels, time, part)

    def column(self, name: str) -> list[Any]:
        """Return the value of every item under ``name``, ``None`` where an item has none."""
        text = self._records.tobytes()
        places = zip(
            self._rows["record"].tolist(), self._rows["record_bytes"].tolist(), strict=True
        )
        values = []
        for index, (start, size) in enumerate(places):
            try:
                values.append(restore(json.loads(text[start : start + size])).get(name))
            except (ValueError, RecursionError) as error:
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
        """Return a hash of the audio of each item; equal values mean equal audio.

        Checksums differ for most audio; only audio with equal checksums is read and hashed.
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

    def _waveform(self, start: int, channels: int, time: int, part: slice = slice(None)) -> Tensor:
        first = start // self._samples.itemsize
        samples = self._samples[first : first + channels * time].reshape(channels, time)[:, part]
        if self.copy:
            samples = samples.astype(np.float32)
        if self._samples.itemsize == 2:
            samples *= _SCALE
        return torch.from_numpy(samples)
