"""Fuzz the reader of NSynth's archives: as they come, and damaged within the compression."""

import gzip
import io
import json
import sys
import tarfile

import fuzzing
import numpy as np
import soundfile

from augspec.datasets import NSynth

ALLOWED = (ValueError, FileNotFoundError)  # examples may name a note that is not there
NAMES = ["vocal_acoustic_003-060-100", "bass_synthetic_009-030-025"]
MAGIC = b"\x1f\x8b"


def _archive(form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for seed, name in enumerate(NAMES):
            note = io.BytesIO()
            samples = np.random.default_rng(seed).integers(-9000, 9000, 100, dtype=np.int16)
            soundfile.write(note, samples, 16_000, format="WAV")
            _add(archive, f"nsynth-train/audio/{name}.wav", note.getvalue())
        records = {name: {"pitch": 60, "qualities_str": ["dark"]} for name in NAMES}
        _add(archive, "nsynth-train/examples.json", json.dumps(records).encode())
    return out.getvalue()


def _add(archive, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.pax_headers = {"comment": "ä"}
    archive.addfile(member, io.BytesIO(data))


PLAIN = [_archive(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
SEEDS = [*PLAIN, *PLAIN, gzip.compress(PLAIN[1], 1)]


def target(data, folder):
    """Open the archive: either all of it is good, or nothing is in place."""
    packed = data if data.startswith(MAGIC) else gzip.compress(data, 1)
    (folder / "nsynth-train.jsonwav.tar.gz").write_bytes(packed)
    try:
        notes = NSynth(folder, "train", progress=False)
    except ALLOWED:
        if (folder / "nsynth-train" / "audio.packed").exists() and not _is_whole(folder):
            raise RuntimeError("a bad archive left something in place") from None
        raise
    for index in range(len(notes)):
        notes[index]


def _is_whole(folder):
    """Say whether audio and examples are there: names may still not fit one another."""
    return (folder / "nsynth-train" / "examples.json").exists()


if __name__ == "__main__":
    sys.exit(fuzzing.main("archives of NSynth", target, SEEDS, ALLOWED))
