"""Decoding audio files, and detecting cut or damaged ones."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from augspec.datasets import _torchcodec
from augspec.datasets._containers import foreign, is_known, read_head
from augspec.datasets._ogg import last_page_start

# Formats with a header; libsndfile's headerless RAW and numeric MAT are left out.
SUFFIXES = frozenset(
    {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".snd"}
    | {".w64", ".wav"}
)
# Formats that libsndfile cannot read, but FFmpeg, through torchcodec, can.
TORCHCODEC_SUFFIXES = frozenset({".aac", ".ac3", ".m4a", ".mka", ".webm", ".wma", ".wv"})
ALL_SUFFIXES = SUFFIXES | TORCHCODEC_SUFFIXES

_BLOCK = 1 << 22  # samples a channel
_HIGHEST_RATE = 10_000_000  # Hz

# By the first four bytes: how a chunk's name and size are written, and which chunk holds the sound.
_CHUNKS = {b"RIFF": ("<4sI", b"data"), b"FORM": (">4sI", b"SSND")}
# A program that writes to a pipe cannot go back to fill in the size of the sound. It leaves a very
# large one, rounded down to whole frames: FFmpeg and libsndfile the largest number, SoX 0x7FFFF000
# in a WAVE and 0x7F000008 in an AIFF file, arecord 2 GiB.
_OPEN_SIZES = (0x7F000008, 0x7FFFF000, 0x80000000, 0xFFFFFFFF)
_LARGEST_FRAME = 0x1000  # bytes


class AudioInfo(NamedTuple):
    """The contents of a header."""

    sample_rate: int
    frames: int
    is_exact: bool = True  # if False, `frames` is an estimate: see `count_frames`
    is_float: bool = False  # samples are stored as floats, so that there may be NaN


def read_audio(path: Path, sample_rate: int, start: int = 0, frames: int | None = None) -> Tensor:
    """Decode a file, or a part of it without decoding the rest.

    libsndfile reads a wav or aiff file that was cut as if it were a shorter one, so the length in
    the header is compared with the file. A cut Ogg or MP3 file cannot be distinguished from a short
    one.

    Args:
        path: The file.
        sample_rate: The sampling rate in Hz that the file must have.
        start: First sample to read.
        frames: Number of samples to read; by default all that follow.

    Shape:
        Returns ``(channel, time)``, float32.

    Raises:
        FileNotFoundError: If the file is not there.
        ImportError: If the format needs torchcodec.
        ValueError: If the file cannot be decoded, is cut, is empty, holds a value that is not
            finite or has another sampling rate.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist any more; it did when the data set was "
            f"opened. Restore it or open the data set again"
        )
    if needs_torchcodec(path):
        waveform, rate = _torchcodec.decode(path, start, frames)
    else:
        waveform, rate = _decode(path, start, frames)
    if rate != sample_rate:
        raise ValueError(
            f"{path} must have a sampling rate of {sample_rate} Hz like the other files, got "
            f"{rate} Hz"
        )
    if waveform.shape[1] == 0:
        raise ValueError(f"{path} holds no audio; remove it")
    check_finite(waveform, f"{path}", start)
    return waveform


def check_finite(waveform: Tensor, name: str, start: int = 0) -> None:
    """Raise for NaN and infinities: one in a batch makes every weight of a network NaN.

    Args:
        waveform: The samples.
        name: Name of the source of the samples, for the error.
        start: Index of the first sample in the file.
    """
    # The sum is finite if all samples are, unless it overflows; this is faster than testing each
    # sample.
    if not math.isfinite(waveform.sum()) and not (finite := waveform.isfinite().all(0)).all():
        place = start + int((~finite).nonzero()[0, 0])
        raise ValueError(
            f"{name} holds a value that is not finite (NaN or infinity), the first at sample "
            f"{place}; make it again or remove it"
        )


def audio_info(path: Path) -> AudioInfo:
    """Return the contents of a file's header, and raise if the file is shorter than it states."""
    if not os.path.lexists(path):
        raise ValueError(f"{path} is not a file that exists; check its name and its folder")
    if not path.is_file():  # opening a pipe would block
        raise ValueError(f"{path} is not a file that can be read; remove it")
    if needs_torchcodec(path):
        rate, seconds = _torchcodec.header(path)
        frames = math.floor(seconds * rate) or count_frames(path)
        return AudioInfo(_check_rate(path, rate), frames, is_exact=False)
    try:
        header = soundfile.info(_name(path))
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} is not audio that soundfile can read ({error.error_string}); "
            "download or copy it again, or remove it"
        ) from error
    is_float = header.subtype in ("FLOAT", "DOUBLE")
    rate = _check_rate(path, int(header.samplerate))
    return AudioInfo(rate, int(header.frames), is_float=is_float)


def needs_torchcodec(path: Path) -> bool:
    """Return whether a file has a format that libsndfile does not read.

    The first bytes decide, because phones and web sites produce m4a files that are called .mp3. If
    the bytes are not known, the suffix decides.
    """
    head = read_head(path)
    if foreign(head) is not None:
        return True
    return path.suffix.lower() in TORCHCODEC_SUFFIXES and not is_known(head)


def count_frames(path: Path) -> int:
    """Count the samples of a file whose header only estimates them, by decoding it."""
    waveform, _ = _torchcodec.decode(path, 0, None)
    return waveform.shape[1]


def check_samples(path: Path, info: AudioInfo) -> None:
    """Raise a ValueError for a file that was cut, or holds NaN, which the header does not show.

    Only files of float samples are read for it, because others cannot hold NaN.
    """
    check_whole(path)
    if info.is_float:
        read_audio(path, info.sample_rate)


def _name(path: Path) -> str | bytes:
    """Return a file's name as bytes for soundfile, because a name may be no valid UTF-8."""
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)


def _check_rate(path: Path, rate: int) -> int:
    """Raise for a rate that only a damaged header has: resampling from it would fill the memory."""
    if rate > _HIGHEST_RATE:
        raise ValueError(
            f"{path} has a header with a sampling rate of {rate} Hz; download or copy "
            f"it again, "
            f"or remove it"
        )
    return rate


def check_whole(path: Path) -> None:
    """Raise a ValueError if the header of a wav or aiff file states more audio than there is."""
    with path.open("rb") as file:
        if is_cut(file, path.stat().st_size):
            raise _cut(path)


def is_cut(file: BinaryIO, size: int) -> bool:
    """Return whether the sound chunk of a WAVE or AIFF file reaches beyond its ``size`` bytes."""
    file.seek(0)
    form = file.read(4)
    return form in _CHUNKS and _sound_chunk_end(file, *_CHUNKS[form]) > size


def _decode(path: Path, start: int, frames: int | None) -> tuple[Tensor, int]:
    try:
        with soundfile.SoundFile(_name(path)) as file:
            promised = max(file.frames - start, 0)
            wanted = promised if frames is None else min(frames, promised)
            start = min(start, file.frames)
            sure = _sure_place(file, path, start)
            if sure:
                file.seek(sure)
            # Read everything in one call: a second call repeats a part of Opus's last packet
            # (libsndfile).
            samples = _read(file, start - sure + wanted)[start - sure :]
            rate = _check_rate(path, int(file.samplerate))
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} cannot be decoded ({error.error_string}); download or copy it again, or "
            f"remove it"
        ) from error
    if len(samples) < wanted:
        raise _cut(path)
    check_whole(path)
    return torch.from_numpy(np.ascontiguousarray(samples.T)), rate


def _sure_place(file: soundfile.SoundFile, path: Path, start: int) -> int:
    """Return the last place up to ``start`` that libsndfile finds.

    In the last page of an Ogg Vorbis file libsndfile seeks up to a thousand samples too late: it
    takes the end of the page as the end of the last packet, of which only a part is sound.
    """
    return min(start, last_page_start(path)) if start and file.subtype == "VORBIS" else start


def _read(file: soundfile.SoundFile, wanted: int) -> NDArray[np.float32]:
    """Read samples, (time, channel), in blocks, because a header may state any number of them."""
    blocks = []
    while wanted > 0:
        size = wanted if wanted < 2 * _BLOCK else _BLOCK
        block = file.read(size, dtype="float32", always_2d=True)
        blocks.append(block)
        wanted = wanted - size if len(block) == size else 0
    if len(blocks) == 1:
        samples: NDArray[np.float32] = blocks[0]
        return samples
    return np.concatenate(blocks) if blocks else np.zeros((0, file.channels), np.float32)


def _cut(path: Path) -> ValueError:
    return ValueError(
        f"{path} is cut: its header states more audio than there is; download or copy it again, "
        f"or remove it"
    )


def _sound_chunk_end(file: BinaryIO, pattern: str, sound: bytes) -> int:
    """Walk the chunks of a file and return the stated end of its sound chunk, or 0."""
    position = 12
    while True:
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            return 0
        name, size = struct.unpack(pattern, header)
        if name == sound:
            is_open = any(0 <= top - size < _LARGEST_FRAME for top in _OPEN_SIZES)
            return 0 if is_open else position + 8 + size
        position += 8 + size + size % 2
