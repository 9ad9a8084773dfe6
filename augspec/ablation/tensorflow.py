"""Read the weights of a TensorFlow checkpoint with numpy, without TensorFlow or running code.

A checkpoint of version 2 is an index, a sorted table of names, and files of raw values. The table
has LevelDB's format: blocks of entries that share the beginning of their key with the previous
entry, and a footer with the position of the index of blocks. An entry describes its tensor as a
protocol buffer, ``BundleEntryProto``.

References:
    LevelDB, "LevelDB file format", doc/table_format.md.
    TensorFlow, tensor_bundle.proto: the fields that are read below by their numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOOTER = 48  # bytes
MAGIC = 0xDB4775248B80FB57  # the footer's last eight bytes
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # by TensorFlow's numbers
DTYPE, SHAPE, SHARD, OFFSET, SIZE = 1, 2, 3, 4, 5  # fields of BundleEntryProto


def read_checkpoint(prefix: str | Path) -> dict[str, NDArray[Any]]:
    """Read all tensors of a checkpoint of one file of values.

    Args:
        prefix: Part of the files' names before ``.index`` and ``.data-00000-of-00001``; for files
            with only these names, the folder with a trailing slash.

    Returns:
        Arrays by the names of their variables.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If they are not such a checkpoint, or it is compressed, damaged or divided.
    """
    index = Path(f"{prefix}.index").read_bytes()
    values = Path(f"{prefix}.data-00000-of-00001").read_bytes()
    try:
        return {
            key.decode(): _tensor(_fields(entry), values)
            for key, entry in _entries(index)
            if key  # the empty key has the header
        }
    except (IndexError, struct.error, KeyError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{prefix}.index is damaged, or of another kind: {error!r}") from error


def _entries(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys of a table and their values."""
    footer = index[-FOOTER:]
    if len(footer) < FOOTER or struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise ValueError("the index must end as a LevelDB table does: it is no checkpoint, or cut")
    _, at = _handle(footer, 0)  # of the metadata, which is empty
    blocks, _ = _handle(footer, at)
    for _, handle in _block(index, *blocks):
        yield from _block(index, *_handle(handle, 0)[0])


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Read the offset and the size of a block; also return the position after them."""
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block: each key is a prefix of the previous one and a new part."""
    if index[offset + size] != 0:
        raise ValueError("the index must not be compressed")
    data = index[offset : offset + size]
    restarts = struct.unpack("<I", data[-4:])[0]  # whole keys, not needed for a full read
    end, at, key = len(data) - 4 - 4 * restarts, 0, b""
    while at < end:
        shared, at = _varint(data, at)
        new, at = _varint(data, at)
        length, at = _varint(data, at)
        key = key[:shared] + data[at : at + new]
        at += new
        yield key, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits per byte, lowest first; also return the position after it."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _fields(message: bytes) -> dict[int, list[Any]]:
    """Read a protocol buffer: by number of the field, its values, messages as bytes."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value: Any
        if tag & 7 == 0:
            value, at = _varint(message, at)
        elif tag & 7 == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        else:  # a number of fixed size, such as a checksum
            length = {1: 8, 5: 4}[tag & 7]
            value, at = message[at : at + length], at + length
        found.setdefault(tag >> 3, []).append(value)
    return found


def _tensor(entry: dict[int, list[Any]], values: bytes) -> NDArray[Any]:
    """Take a tensor out of the file of values."""
    if entry.get(SHARD, [0])[0] != 0:
        raise ValueError("the checkpoint must be in one file of values")
    shape = [
        _fields(dimension).get(1, [0])[0]
        for message in entry.get(SHAPE, [])
        for dimension in _fields(message).get(2, [])
    ]
    dtype = np.dtype(DTYPES[entry[DTYPE][0]])
    offset, size = entry.get(OFFSET, [0])[0], entry[SIZE][0]
    if size != dtype.itemsize * int(np.prod(shape)) or offset + size > len(values):
        raise ValueError(f"a tensor of shape {shape} must have its values, got {size} bytes")
    return np.frombuffer(values, dtype, int(np.prod(shape)), offset).reshape(shape).copy()
