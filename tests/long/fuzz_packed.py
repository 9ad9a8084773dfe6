"""Fuzz `augspec.datasets.Packed`: damaged bytes, and hostile tables with checksums in order."""

import json
import re
import sys
import tempfile
import zlib
from pathlib import Path

import fuzzing
import numpy as np
import torch

from augspec.datasets import Packed, pack
from augspec.datasets._pack_format import AUDIO_START, read_contents, write_header

ALLOWED = (ValueError,)
MARK = b"--tables-end--"  # between tables and contents in an input that gets checksums


class _Sounds(torch.utils.data.Dataset):
    sample_rate, classes = 8000, ["a", "b"]

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        waveform = torch.from_numpy(rng.uniform(-0.5, 0.5, (1 + index, 20))).float()
        return {"waveform": waveform, "label": index % 2, "name": f"n{index}"}


def _seeds():
    found = []
    for dtype in ("int16", "float32"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.packed"
            pack(_Sounds(), path, dtype=dtype, progress=False)
            raw = path.read_bytes()
            with path.open("rb") as file:
                contents = read_contents(file, len(raw), path)
        tables = raw[contents["rows"] : contents["end"]]
        found += [raw, tables + MARK + json.dumps(contents).encode()]
    return found


SEEDS = _seeds()


def _with_checksums(data):
    """Put tables and contents into a file whose checksums are right."""
    tables, _, contents = data.partition(MARK)
    crc = b'"crc": %d' % zlib.crc32(tables)
    contents = re.sub(rb'"crc": \d+', crc, contents, count=1)
    start = re.search(rb'"rows": (\d{1,5})\b', contents)
    audio = b"\1\2" * ((int(start[1]) if start else 8192) // 2 - AUDIO_START // 2)
    return audio + tables, contents


def target(data, folder):
    """Open a file and read all that it holds."""
    path = folder / "a.packed"
    if MARK in data:
        body, contents = _with_checksums(data)
        with path.open("w+b") as file:
            file.seek(AUDIO_START)
            file.write(body + contents)
            write_header(file, AUDIO_START + len(body), contents)
    else:
        path.write_bytes(data)
    packed = Packed(path)
    for index in range(min(len(packed), 4)):
        packed[index]
    packed.column("label")
    packed.hashes(np.arange(len(packed)))
    packed.verify()


if __name__ == "__main__":
    sys.exit(fuzzing.main("packed files", target, SEEDS, ALLOWED))
