"""Known errors of NSynth: notes with the same samples, and the noise of one instrument."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from augspec.datasets._nsynth_examples import Notes
from augspec.datasets.packed import Packed

_NOISY, _NOISY_FROM = "brass_acoustic_046", 84


def clean(
    notes: Notes, audio: Path, packed: Packed | None, places: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Return the indices of the notes that have neither error, in their order."""
    noisy = notes.instrument_names[notes.instruments] == _NOISY
    kept = np.flatnonzero(~(noisy & (notes.pitches >= _NOISY_FROM)))
    if packed is None or places is None:
        hashes = _hashes(audio, notes.names[kept])
    else:
        hashes = packed.hashes(places[kept])
    _, first = np.unique(np.array(hashes, np.bytes_), return_index=True)
    return kept[np.sort(first)]


def _hashes(audio: Path, names: NDArray[np.bytes_]) -> list[bytes]:
    """Return a hash of the samples of every note; stored hashes are reused."""
    sums = audio.with_name("audio.b2sums")
    known: dict[bytes, bytes] = {}
    if sums.is_file():
        for line in sums.read_bytes().splitlines():
            digest, _, name = line.partition(b"  ")
            known[name] = digest
    missing = [name for name in names.tolist() if name not in known]
    for name in missing:
        known[name] = _hash(audio / f"{name.decode()}.wav")
    if missing:
        partial = sums.with_name(sums.name + ".partial")
        lines = b"".join(known[name] + b"  " + name + b"\n" for name in sorted(known))
        try:
            partial.write_bytes(lines)
            partial.replace(sums)
        except OSError:
            pass  # a read-only data set is hashed each time
    return [known[name] for name in names.tolist()]


def _hash(path: Path) -> bytes:
    try:
        samples: NDArray[Any] = soundfile.read(path, dtype="int32")[0]
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} cannot be decoded ({error.error_string})") from error
    return hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest().encode()
