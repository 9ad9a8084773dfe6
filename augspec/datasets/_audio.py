"""Decoding audio files, and telling a cut or damaged file from a good one."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import soundfile
import torch
from torch import Tensor

# Formats with a header of their own; libsndfile's headerless RAW and numeric MAT are left out.
SUFFIXES = frozenset(
    {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".snd"}
    | {".w64", ".wav"}
)

# By the first four bytes: how a chunk's name and size are written, and which chunk holds the sound.
_CHUNKS = {b"RIFF": ("<4sI", b"data"), b"FORM": (">4sI", b"SSND")}


def read_audio(path: Path, sample_rate: int) -> Tensor:
    """Decode a whole file.

    libsndfile reads a wav or aiff file that was cut as if it were a shorter one, so the length that
    the header promises is compared with the file. A cut Ogg or MP3 file cannot be told from a short
    one.

    Args:
        path: The file.
        sample_rate: The sampling rate in Hz that the file must have.

    Shape:
        Returns ``(channel, time)``, float32.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If the file cannot be decoded, is cut, is empty or has another sampling rate.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is gone; it was there when the data set was opened")
    try:
        with soundfile.SoundFile(path) as file:
            rate, promised = file.samplerate, file.frames
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} cannot be decoded ({error.error_string}); get it again or take it out"
        ) from error
    if len(samples) < promised or _is_cut(path):
        raise ValueError(
            f"{path} is cut: its header promises more audio than there is; "
            "get it again or take it out"
        )
    if rate != sample_rate:
        raise ValueError(
            f"{path} must be sampled at {sample_rate} Hz like the others, got {rate} Hz"
        )
    if len(samples) == 0:
        raise ValueError(f"{path} holds no audio; take it out")
    return torch.from_numpy(samples.T.copy())


def header_sample_rate(path: Path) -> int:
    """Return the sampling rate in Hz that the header of a file states."""
    try:
        return int(soundfile.info(path).samplerate)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} is not audio that soundfile can read ({error.error_string}); "
            "get it again or take it out"
        ) from error


def is_cut(file: BinaryIO, size: int) -> bool:
    """Say whether the sound chunk of a WAVE or AIFF file of ``size`` bytes reaches beyond it."""
    file.seek(0)
    form = file.read(4)
    return form in _CHUNKS and _sound_chunk_end(file, *_CHUNKS[form]) > size


def _is_cut(path: Path) -> bool:
    with path.open("rb") as file:
        return is_cut(file, path.stat().st_size)


def _sound_chunk_end(file: BinaryIO, pattern: str, sound: bytes) -> int:
    """Walk the chunks of a file and return where its sound chunk says that it ends, or 0."""
    position = 12
    while True:
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            return 0
        name, size = struct.unpack(pattern, header)
        if name == sound:
            # A writer to a pipe cannot go back to fill in the size and leaves the largest number.
            return 0 if size >= 0xFFFFFF00 else position + 8 + size
        position += 8 + size + size % 2
