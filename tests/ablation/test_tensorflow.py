"""Checkpoints of TensorFlow, written by hand here and read without TensorFlow."""

import contextlib
import struct

import numpy as np
import pytest

from augspec.ablation.tensorflow import MAGIC, read_checkpoint


def varint(number):
    found = b""
    while number >= 0x80:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def field(number, value):
    """Write one field of a protocol buffer: a whole number, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(dtype, shape, offset, size, shard=0):
    """Write a BundleEntryProto as TensorFlow does, without what is zero, with a checksum."""
    message = field(1, dtype)
    message += field(2, b"".join(field(2, field(1, n)) for n in shape))
    message += field(3, shard) if shard else b""
    message += field(4, offset) if offset else b""
    return message + field(5, size) + varint(6 << 3 | 5) + b"\1\2\3\4"


def block(entries):
    """Write a block of a table: keys share their beginning with the one before."""
    data, before = b"", b""
    for key, value in entries:
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        data += varint(shared) + varint(len(key) - shared) + varint(len(value))
        data, before = data + key[shared:] + value, key
    return data + struct.pack("<II", 0, 1)


def write(folder, tensors, kind=0, **more):
    """Write a checkpoint: `.index` and `.data-00000-of-00001` in a folder."""
    codes = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}
    values, entries = b"", [(b"", field(1, 1))]  # of the empty key: how many files there are
    for name, array in sorted(tensors.items()):
        raw = array.tobytes()
        own = entry(codes[str(array.dtype)], array.shape, len(values), len(raw), **more)
        entries.append((name.encode(), own))
        values += raw
    half = len(entries) // 2
    index, handles = b"", []
    for part in (entries[:half], entries[half:]):  # two blocks
        written = block(part)
        handles.append((part[-1][0], varint(len(index)) + varint(len(written))))
        index += written + bytes([kind]) + b"\0\0\0\0"
    blocks = block(handles)
    where = varint(0) + varint(0) + varint(len(index)) + varint(len(blocks))
    index += blocks + bytes(5) + where.ljust(40, b"\0") + struct.pack("<Q", MAGIC)
    (folder / ".index").write_bytes(index)
    (folder / ".data-00000-of-00001").write_bytes(values)
    return f"{folder}/"


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    return {
        "1CNN/bias": rng.normal(size=3).astype(np.float32),
        "1CNN/kernel": rng.normal(size=(2, 3, 1, 300)).astype(np.float32),  # varints of two bytes
        "1CNN/kernel/Adam": rng.normal(size=(2, 2)),
        "beta1_power": np.array(0.5, np.float32),
        "global_step": np.array(7, np.int64),
        "many": np.arange(6, dtype=np.int32).reshape(3, 2),
    }


def test_what_was_written_is_read(tmp_path, tensors):
    found = read_checkpoint(write(tmp_path, tensors))
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)
        assert found[name].flags.writeable


@pytest.mark.parametrize("length", [0, 20, 100, 250])
def test_an_index_that_is_cut_is_refused(tmp_path, tensors, length):
    prefix = write(tmp_path, tensors)
    index = tmp_path / ".index"
    index.write_bytes(index.read_bytes()[:length])
    with pytest.raises(ValueError, match="it is no checkpoint, or cut"):
        read_checkpoint(prefix)


def test_values_that_are_cut_are_refused(tmp_path, tensors):
    prefix = write(tmp_path, tensors)
    values = tmp_path / ".data-00000-of-00001"
    values.write_bytes(values.read_bytes()[:-1])
    with pytest.raises(ValueError, match="a tensor of shape"):
        read_checkpoint(prefix)


def test_other_kinds_are_refused_by_name(tmp_path, tensors):
    with pytest.raises(ValueError, match="must not be compressed"):
        read_checkpoint(write(tmp_path, tensors, kind=1))
    with pytest.raises(ValueError, match="must be in one file of values"):
        read_checkpoint(write(tmp_path, tensors, shard=1))
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "other")


def test_damage_anywhere_is_an_error_or_another_value_and_never_more(tmp_path, tensors):
    """Each byte of the index is inverted in turn."""
    prefix = write(tmp_path, {"a": tensors["1CNN/bias"], "b": tensors["many"]})
    index = tmp_path / ".index"
    whole = index.read_bytes()
    for place in range(len(whole)):
        index.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(ValueError):
            read_checkpoint(prefix)
