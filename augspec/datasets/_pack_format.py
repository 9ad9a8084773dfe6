"""The layout of a packed file, which `pack` writes and `Packed` maps.

All numbers are little-endian:

- a header of 40 bytes in the first page: magic, version, position of the contents, checksums;
- from `AUDIO_START` on the audio of the items in order, each (channel, time) in C order and
  starting at a multiple of `ALIGNMENT` bytes;
- ``rows``: one `ROW` per item with the positions of its audio and its record, and a checksum;
- ``records``: the other values of each item, as JSON;
- ``contents``: JSON with the count, the type of the samples, the sampling rate, the classes, and
  where rows and records lie, with a checksum.

A writer knows the contents only at the end, so they come last; the header is written after
everything else.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = b"augspec\x00"
VERSION = 1
AUDIO_START = 4096
ALIGNMENT = 64
SAMPLE_TYPES: dict[str, np.dtype[Any]] = {"int16": np.dtype("<i2"), "float32": np.dtype("<f4")}
ROW = np.dtype(
    [
        ("start", "<i8"),  # first byte of the audio
        ("time", "<i8"),
        ("record", "<i8"),  # first byte of the record, from the start of the records
        ("label", "<i8"),
        ("channels", "<i4"),
        ("record_bytes", "<i4"),
        ("crc", "<u4"),  # CRC-32 of the audio
        ("spare", "<u4"),
    ]
)
_HEADER = struct.Struct(
    "<8sIQQII"
)  # magic, version, contents: start, bytes, CRC; CRC of the header
_CRC = struct.Struct("<I")
_NUMBERS = ("count", "sample_rate", "rows", "records", "end", "crc")


def write_header(file: BinaryIO, start: int, contents: bytes) -> None:
    """Write the header of a file whose ``contents`` begin at byte ``start``."""
    fields = _HEADER.pack(MAGIC, VERSION, start, len(contents), zlib.crc32(contents), 0)
    file.seek(0)
    file.write(fields + _CRC.pack(zlib.crc32(fields)))


def read_contents(file: BinaryIO, size: int, path: object) -> dict[str, Any]:
    """Read and check the header and the contents of a file of ``size`` bytes."""
    file.seek(0)
    header = file.read(_HEADER.size + _CRC.size)
    if header[: len(MAGIC)] != MAGIC:
        raise ValueError(
            f"{path} is not a file that augspec.datasets.pack has finished; pack it again"
        )
    if len(header) < _HEADER.size + _CRC.size:
        raise ValueError(f"{path} is cut within its header; pack it again")
    if _CRC.unpack(header[_HEADER.size :])[0] != zlib.crc32(header[: _HEADER.size]):
        raise ValueError(f"{path} has a damaged header (its checksum differs); pack it again")
    _, version, start, length, crc, _ = _HEADER.unpack(header[: _HEADER.size])
    if version != VERSION:
        raise ValueError(
            f"{path} has version {version} of the format and this augspec reads {VERSION}; "
            "pack it again or use the augspec that wrote it"
        )
    if start + length != size:
        raise ValueError(
            f"{path} must have {start + length} bytes, got {size}; it was cut or extended, so copy "
            f"or pack it again"
        )
    file.seek(start)
    contents = file.read(length)
    if zlib.crc32(contents) != crc:
        raise ValueError(f"{path} has a damaged table of contents (its checksum differs)")
    try:
        loaded: dict[str, Any] = json.loads(contents)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} has a table of contents that is not JSON ({error})") from error
    if not _is_packs(loaded, start):
        raise ValueError(f"{path} has a table of contents that `pack` does not write")
    return loaded


def _is_packs(contents: Any, end: int) -> bool:
    """Check that a table of contents has the form of `pack`: a file may come from anyone."""
    if not isinstance(contents, dict) or "classes" not in contents:
        return False
    numbers = [contents.get(name) for name in _NUMBERS]
    if not all(type(number) is int and number >= 0 for number in numbers):
        return False
    dtype, classes = contents.get("dtype"), contents["classes"]
    if not isinstance(dtype, str) or dtype not in SAMPLE_TYPES:
        return False
    if not isinstance(contents.get("labelled"), bool) or not isinstance(classes, list | None):
        return False
    places = [AUDIO_START, contents["rows"], contents["records"], contents["end"]]
    if places != sorted(places) or contents["end"] != end or contents["count"] == 0:
        return False
    return bool(contents["rows"] + contents["count"] * ROW.itemsize == contents["records"])


def read_tables(
    file: BinaryIO, contents: dict[str, Any], path: object
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Map the rows and the records, and check their checksums and that they lie in the file."""
    start, middle, end = contents["rows"], contents["records"], contents["end"]
    mapped = np.memmap(file, np.uint8, "r", start, end - start)
    if zlib.crc32(mapped.data) != contents["crc"]:
        raise ValueError(f"{path} has damaged rows or records (their checksum differs)")
    rows = np.asarray(mapped[: middle - start]).view(ROW)
    width = SAMPLE_TYPES[contents["dtype"]].itemsize
    # Use division: products and sums of hostile numbers would overflow.
    outside = (rows["start"] < AUDIO_START) | (rows["start"] > start)
    outside |= (rows["channels"] < 1) | (rows["time"] < 0) | (rows["start"] % width != 0)
    room = (start - rows["start"]) // (width * np.maximum(rows["channels"], 1).astype(np.int64))
    outside |= rows["time"] > room
    outside |= (rows["record"] < 0) | (rows["record"] > end - middle) | (rows["record_bytes"] < 2)
    outside |= rows["record_bytes"] > end - middle - rows["record"]
    if len(rows) != contents["count"] or outside.any():
        raise ValueError(f"{path} has rows that point outside of the file")
    return rows, np.asarray(mapped[middle - start :])
