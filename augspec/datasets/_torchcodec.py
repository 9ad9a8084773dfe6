"""Decoding formats that libsndfile does not read, with torchcodec and FFmpeg.

Positions in these files are counted in samples from the beginning. Time stamps are not exact:
Matroska rounds them to milliseconds, WMA begins before or after zero, and after a backward seek the
decoder does not reach the requested sample.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from augspec.datasets._containers import foreign, read_head

# Seconds decoded after the last requested sample, because time stamps may be late.
_MARGIN = 1.0


def header(path: Path) -> tuple[int, float]:
    """Return the sampling rate and the seconds that a header states, which is an estimate."""
    metadata = _decoder(path).metadata
    return int(metadata.sample_rate), float(metadata.duration_seconds or 0.0)


def decode(path: Path, start: int, frames: int | None) -> tuple[Tensor, int]:
    """Return samples ``(channel, time)`` and the rate; the file is decoded from its start."""
    decoder = _decoder(path)
    rate = int(decoder.metadata.sample_rate)
    stop = None if frames is None else start + frames
    try:
        if stop is None:
            waveform = decoder.get_all_samples().data
        else:
            part = decoder.get_samples_played_in_range(0.0, stop / rate + _MARGIN)
            waveform = part.data
            if waveform.shape[1] < stop:  # the time stamps are less exact, or the file ends here
                waveform = _decoder(path).get_all_samples().data
    except RuntimeError as error:
        raise ValueError(f"{path} cannot be decoded ({error}); get it again") from error
    return waveform[:, start:stop], rate


def _decoder(path: Path) -> Any:
    """Open a file; a decoder seeks wrongly after its first read, so each read opens a new one."""
    try:
        decoders: Any = importlib.import_module("torchcodec.decoders")
    except (ImportError, OSError, RuntimeError) as error:  # the last two if FFmpeg is missing
        raise ImportError(
            f"{path} is of a format that soundfile does not read{_said(path)}; to read it install "
            "torchcodec and FFmpeg, or convert it to FLAC"
        ) from error
    try:
        return decoders.AudioDecoder(_source(path))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is not audio that torchcodec can read ({error})") from error


def _said(path: Path) -> str:
    """Return a file's format if its name has another suffix, for the error."""
    container = foreign(read_head(path))
    if container is None or container.suffix == path.suffix.lower():
        return ""
    return f": it is {container.name}, although its name has another suffix"


def _source(path: Path) -> Any:
    """Return the file's name, or the open file if torchcodec cannot take the name (not UTF-8)."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        return path.open("rb")
    return str(path)
