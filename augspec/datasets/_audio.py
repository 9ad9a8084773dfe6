"""Decoding audio files, and telling a cut or damaged file from a good one."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

# Formats with a header of their own; libsndfile's headerless RAW and numeric MAT are left out.
SUFFIXES = frozenset(
    {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".snd"}
    | {".w64", ".wav"}
)
# What libsndfile does not read and FFmpeg, through torchcodec, does.
TORCHCODEC_SUFFIXES = frozenset({".aac", ".ac3", ".m4a", ".mka", ".webm", ".wma", ".wv"})

_BLOCK = 1 << 22  # samples a channel
_HIGHEST_RATE = 10_000_000  # Hz

# By the first four bytes: how a chunk's name and size are written, and which chunk holds the sound.
_CHUNKS = {b"RIFF": ("<4sI", b"data"), b"FORM": (">4sI", b"SSND")}


class AudioInfo(NamedTuple):
    """What a header says."""

    sample_rate: int
    frames: int


def read_audio(path: Path, sample_rate: int, start: int = 0, frames: int | None = None) -> Tensor:
    """Decode a file, or a part of it without decoding what comes before and after.

    libsndfile reads a wav or aiff file that was cut as if it were a shorter one, so the length that
    the header promises is compared with the file. A cut Ogg or MP3 file cannot be told from a short
    one.

    Args:
        path: The file.
        sample_rate: The sampling rate in Hz that the file must have.
        start: First sample to read.
        frames: Samples to read, all that follow by default.

    Shape:
        Returns ``(channel, time)``, float32.

    Raises:
        FileNotFoundError: If the file is not there.
        ImportError: If the format needs torchcodec.
        ValueError: If the file cannot be decoded, is cut, is empty or has another sampling rate.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is gone; it was there when the data set was opened")
    if path.suffix.lower() in TORCHCODEC_SUFFIXES:
        waveform, rate = _decode_with_torchcodec(path, start, frames)
    else:
        waveform, rate = _decode(path, start, frames)
    if rate != sample_rate:
        raise ValueError(
            f"{path} must be sampled at {sample_rate} Hz like the others, got {rate} Hz"
        )
    if waveform.shape[1] == 0:
        raise ValueError(f"{path} holds no audio; take it out")
    return waveform


def audio_info(path: Path) -> AudioInfo:
    """Return what the header of a file states; a file that was cut is found out."""
    if not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{path} is no file that can be read; take it out")
    if path.suffix.lower() in TORCHCODEC_SUFFIXES:
        decoder = _torchcodec_decoder(path)
        rate = int(decoder.metadata.sample_rate)
        return AudioInfo(rate, math.floor(decoder.metadata.duration_seconds * rate))
    try:
        header = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} is not audio that soundfile can read ({error.error_string}); "
            "get it again or take it out"
        ) from error
    return AudioInfo(_check_rate(path, int(header.samplerate)), int(header.frames))


def _check_rate(path: Path, rate: int) -> int:
    """Refuse a rate that only a damaged header has: to resample from it would fill the memory."""
    if rate > _HIGHEST_RATE:
        raise ValueError(f"{path} claims a sampling rate of {rate} Hz; get it again or take it out")
    return rate


def check_whole(path: Path) -> None:
    """Raise a ValueError if the header of a wav or aiff file promises more than there is."""
    with path.open("rb") as file:
        if is_cut(file, path.stat().st_size):
            raise _cut(path)


def is_cut(file: BinaryIO, size: int) -> bool:
    """Say whether the sound chunk of a WAVE or AIFF file of ``size`` bytes reaches beyond it."""
    file.seek(0)
    form = file.read(4)
    return form in _CHUNKS and _sound_chunk_end(file, *_CHUNKS[form]) > size


def _decode(path: Path, start: int, frames: int | None) -> tuple[Tensor, int]:
    try:
        with soundfile.SoundFile(path) as file:
            promised = max(file.frames - start, 0)
            wanted = promised if frames is None else min(frames, promised)
            if start:
                file.seek(min(start, file.frames))
            samples = _read(file, wanted)
            rate = _check_rate(path, int(file.samplerate))
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} cannot be decoded ({error.error_string}); get it again or take it out"
        ) from error
    if len(samples) < wanted:
        raise _cut(path)
    check_whole(path)
    return torch.from_numpy(np.ascontiguousarray(samples.T)), rate


def _read(file: soundfile.SoundFile, wanted: int) -> NDArray[np.float32]:
    """Read samples, (time, channel), a block at a time: a header may promise any number of them."""
    blocks = []
    while wanted > 0:
        block = file.read(min(wanted, _BLOCK), dtype="float32", always_2d=True)
        blocks.append(block)
        wanted = wanted - len(block) if len(block) == min(wanted, _BLOCK) else 0
    if len(blocks) == 1:
        samples: NDArray[np.float32] = blocks[0]
        return samples
    return np.concatenate(blocks) if blocks else np.zeros((0, file.channels), np.float32)


def _decode_with_torchcodec(path: Path, start: int, frames: int | None) -> tuple[Tensor, int]:
    decoder = _torchcodec_decoder(path)
    rate = int(decoder.metadata.sample_rate)
    try:
        if start == 0 and frames is None:
            waveform = decoder.get_all_samples().data
        else:
            stop = None if frames is None else (start + frames) / rate
            waveform = decoder.get_samples_played_in_range(start / rate, stop).data[:, :frames]
    except RuntimeError as error:
        raise ValueError(f"{path} cannot be decoded ({error}); get it again") from error
    return waveform, rate


def _torchcodec_decoder(path: Path) -> Any:
    try:
        from torchcodec.decoders import AudioDecoder
    except (ImportError, RuntimeError) as error:  # the latter if FFmpeg is missing
        raise ImportError(
            f"{path} is of a format that soundfile does not read; to read it install torchcodec "
            "and FFmpeg, or convert it to FLAC"
        ) from error
    try:
        return AudioDecoder(str(path))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is not audio that torchcodec can read ({error})") from error


def _cut(path: Path) -> ValueError:
    return ValueError(
        f"{path} is cut: its header promises more audio than there is; get it again or take it out"
    )


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
