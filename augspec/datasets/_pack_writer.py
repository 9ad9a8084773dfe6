"""Writing a packed file so that it can be resumed after a kill with the same result."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from augspec.datasets._items import TENSORS, split_item
from augspec.datasets._locks import only_writer
from augspec.datasets._pack_format import ALIGNMENT, AUDIO_START, ROW, SAMPLE_TYPES, write_header

_PATIENCE = 15.0  # seconds: workers of a process that was killed notice within five
_SAFE = 256  # number of items after which everything is flushed to the disk


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in errors of writing it."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


def _open(path: Path) -> BinaryIO:
    """Open a file to be changed; make it if it is not there."""
    path.touch()
    return path.open("r+b")


class PackWriter:
    """Append items to ``path.partial`` and rename it to ``path`` in the end.

    Complete items are listed in ``path.journal``, one line of JSON each. A writer that finds both
    files continues after the last complete item, so that the finished file has the same bytes as
    one written without a stop. A file that was begun in another dtype, or holds no item yet, is
    begun again.

    Args:
        path: The file to make.
        about: ``dtype``, ``sample_rate`` and ``classes``, and other values that identify the data
            set; a partial file is continued only if all agree.
        overwrite: Replace a finished file.
        over: ``"clip"`` clips samples beyond full scale, ``"raise"`` raises an error.
    """

    def __init__(
        self, path: Path, about: dict[str, Any], overwrite: bool = False, over: str = "raise"
    ) -> None:
        self.path = path
        self.about = about
        self.over = over
        self._dtype = SAMPLE_TYPES[about["dtype"]]
        self._partial = path.with_name(path.name + ".partial")
        self._journal_path = path.with_name(path.name + ".journal")
        self.count, self._end = 0, AUDIO_START
        with contextlib.ExitStack() as opened:
            opened.enter_context(only_writer(self._partial, _PATIENCE))
            if path.exists() and not overwrite:
                raise FileExistsError(f"{path} is there already; delete it or set `overwrite`")
            self._journal = opened.enter_context(_open(self._journal_path))
            self._audio = opened.enter_context(_open(self._partial))
            with _naming(self._partial):
                self._recover()
            self._opened = opened.pop_all()

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A full disk raises again when the file is closed; the first error is enough.
        with contextlib.nullcontext() if error is None else contextlib.suppress(OSError):
            self.close()

    def close(self) -> None:
        """Close the files and release the lock."""
        self._opened.close()

    def entry(self, item: dict[str, Any], number: int) -> tuple[bytes, dict[str, Any]]:
        """Encode an item: its audio, and its line of the journal without the index."""
        samples, record = split_item(item, self._dtype, number, self.over)
        audio = samples.tobytes()
        channels, length = samples.shape
        line = {"channels": channels, "time": length, "crc": zlib.crc32(audio), "record": record}
        return audio, line

    def done(self) -> Iterator[dict[str, Any]]:
        """Yield the entries of the items that are complete."""
        self._journal.flush()
        with self._journal_path.open("rb") as journal:
            next(journal)
            for text in itertools.islice(journal, self.count):
                yield json.loads(text)

    def add(self, item: dict[str, Any], fingerprint: str | None = None) -> None:
        """Append an item; its fingerprint is kept until the file is finished."""
        audio, line = self.entry(item, self.count)
        if fingerprint is not None:
            line["fingerprint"] = fingerprint
        start = -(-self._end // ALIGNMENT) * ALIGNMENT
        with _naming(self._partial):
            self._audio.seek(start)
            self._audio.write(audio)
            self._audio.flush()  # before the journal lists the item
            self._journal.write(json.dumps({"start": start, **line}).encode() + b"\n")
            self._journal.flush()
            self.count += 1
            self._end = start + len(audio)
            if self.count % _SAFE == 0:
                os.fsync(self._audio.fileno())
                os.fsync(self._journal.fileno())

    def finish(self) -> None:
        """Write the tables and the header, and rename the file to its final path."""
        rows = np.zeros(self.count, ROW)
        records: list[bytes] = []
        labelled, record_start = True, 0
        label_kinds: list[Any] = []
        self._journal.seek(0)
        self._journal.readline()
        for row, text in zip(rows, self._journal, strict=True):
            line = json.loads(text)
            record = json.dumps(line["record"]).encode()
            label = line["record"].get("label")
            labelled = labelled and isinstance(label, int)
            kind = line["record"].get(TENSORS, {}).get("label")
            if kind not in label_kinds:
                label_kinds.append(kind)
            for name in ("start", "time", "channels", "crc"):
                row[name] = line[name]
            row["record"], row["record_bytes"] = record_start, len(record)
            row["label"] = label if labelled else 0
            records.append(record)
            record_start += len(record)
        if not labelled:
            rows["label"] = 0
        with _naming(self._partial):
            self._write_tables(
                rows, b"".join(records), {"labelled": labelled, **_label_size(label_kinds)}
            )
            self._audio.close()
        self._partial.replace(self.path)
        self._journal.close()
        self._journal_path.unlink()
        self.close()

    def _write_tables(self, rows: NDArray[Any], records: bytes, labels: dict[str, Any]) -> None:
        start = -(-self._end // ALIGNMENT) * ALIGNMENT
        self._audio.truncate(start)
        self._audio.seek(start)
        tables = rows.tobytes() + records
        self._audio.write(tables)
        contents = json.dumps(
            {
                **self.about,
                "count": len(rows),
                **labels,
                "rows": start,
                "records": start + rows.nbytes,
                "end": start + len(tables),
                "crc": zlib.crc32(tables),
            }
        ).encode()
        self._audio.write(contents)
        self._audio.flush()
        os.fsync(self._audio.fileno())
        write_header(self._audio, start + len(tables), contents)
        self._audio.flush()
        os.fsync(self._audio.fileno())

    def _recover(self) -> None:
        """Find the items that an earlier writer completed, and drop the rest."""
        head = json.dumps(self.about).encode() + b"\n"
        lines = self._journal.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()  # torn by the kill
        if len(lines) > 1 and lines[0] != head:
            if json.loads(lines[0]) | {"dtype": self.about["dtype"]} != json.loads(head):
                raise ValueError(
                    f"{self._partial} was begun with another data set "
                    f"({lines[0].decode().strip()}); delete it and its journal, or choose another "
                    "path"
                )
            lines = []
        entries = lines[1:]
        # Older items were flushed to the disk; the latest may be lost after a power cut.
        while entries and not all(map(self._is_whole, entries[-_SAFE:])):
            entries = entries[: max(0, len(entries) - _SAFE)]
        last = json.loads(entries[-1]) if entries else None
        self.count = len(entries)
        self._end = AUDIO_START if last is None else last["start"] + self._bytes(last)
        self._audio.truncate(self._end)
        self._journal.seek(0)
        self._journal.truncate(len(head) + sum(map(len, entries)))
        self._journal.write(head)
        self._journal.seek(0, os.SEEK_END)

    def _bytes(self, line: dict[str, Any]) -> int:
        return int(line["channels"] * line["time"] * self._dtype.itemsize)

    def _is_whole(self, text: bytes) -> bool:
        line = json.loads(text)
        self._audio.seek(line["start"])
        return bool(zlib.crc32(self._audio.read(self._bytes(line))) == line["crc"])


def _label_size(kinds: list[Any]) -> dict[str, int]:
    """Return the number of classes if every label is a tensor of that many floats."""
    if len(kinds) != 1 or kinds[0] is None:
        return {}
    dtype, shape = kinds[0]
    return {"label_size": shape[0]} if dtype == "float32" and len(shape) == 1 else {}
