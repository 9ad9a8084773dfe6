"""Lossy compression: encoding and decoding with libsndfile.

Codecs run on the CPU, one example at a time (several at once if torch has several threads). Results
may differ in detail between versions of libsndfile and of its codecs.

libsndfile removes the delay of Vorbis and Opus, and that of MP3 if LAME's header states it. Frames
of very low bitrate have no room for that header. The decoded stream is then longer than the input
and begins with LAME's delay, 576 samples, and the decoder's, 529.

References:
    LAME technical FAQ, "encoder delay", https://lame.sourceforge.io/tech-FAQ.txt.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from torch import Tensor

from augspec import native
from augspec._compile import outside_graphs
from augspec.functional.checks import check_parameter, check_waveform

__all__ = ["codec"]

#: Names of the formats, each with its container and codec in libsndfile.
FORMATS = {
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "gsm": ("WAV", "GSM610"),
}
_RATES = {
    "gsm": (8000,),
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "opus": (8000, 12000, 16000, 24000, 48000),
}
_VORBIS_RATES = (8000, 192_000)
_MP3_DELAY = 576 + 529
_MP3_LEVELS = 0.999  # libsndfile raises at 1; the lowest bitrate is reached before
_LOUDEST = 100.0  # 40 dB over full scale
_BLOCK = 1 << 16  # frames per write: libvorbis puts a whole write on its stack

_Samples = npt.NDArray[Any]


def check_formats(formats: Sequence[str], sample_rate: int) -> tuple[str, ...]:
    """Check that libsndfile can encode each of ``formats`` at ``sample_rate``.

    Raises:
        ValueError: If a format is unknown or has no such sample rate.
        RuntimeError: If the installed libsndfile lacks a format.
    """
    formats = (formats,) if isinstance(formats, str) else formats
    right = isinstance(formats, list | tuple) and all(name in list(FORMATS) for name in formats)
    if not right or not formats:
        raise ValueError(f"`formats` must be one or more of {', '.join(FORMATS)}, got {formats!r}")
    for name in formats:
        container, subtype = FORMATS[name]
        if subtype not in soundfile.available_subtypes(container):
            raise RuntimeError(
                f"`formats` has {name}, which libsndfile {soundfile.__libsndfile_version__} cannot "
                "write; install a soundfile whose wheel brings libsndfile 1.2 or later"
            )
        low, high = _VORBIS_RATES
        if name in _RATES:
            known, fits = ", ".join(map(str, _RATES[name])), sample_rate in _RATES[name]
        else:
            known, fits = f"{low} to {high}", low <= sample_rate <= high
        if not fits:
            raise ValueError(
                f"`sample_rate` must be one that {name} has ({known} Hz), got {sample_rate}; "
                f"resample, or leave {name} out of `formats`"
            )
    return tuple(formats)


@outside_graphs
def codec(
    waveform: Tensor,
    format: Tensor,  # noqa: A002
    compression_level: Tensor,
    sample_rate: int,
    *,
    formats: Sequence[str] = ("mp3", "vorbis"),
    lengths: Tensor | None = None,
) -> Tensor:
    """Encode and decode each example; the result is aligned with the input.

    One or two channels are encoded together, more channels separately; GSM has one channel. An
    example that holds NaN or infinity stays as it is. An example that exceeds full scale by 40 dB
    is encoded at full scale.

    Args:
        waveform: Audio, nominally in [-1, 1]; Opus may clip larger values, GSM clips them.
        format: Index into ``formats``, int64; a negative one leaves the example as it is.
        compression_level: Level of libsndfile, 0 (best) to 1 (smallest): see
            `augspec.transforms.Codec`. It has no effect on GSM, which has one bitrate.
        sample_rate: Sample rate in Hz.
        formats: Names from ``mp3``, ``vorbis``, ``opus`` and ``gsm``.
        lengths: Valid samples of each example: only those are encoded.

    Shape:
        ``waveform`` is ``(batch, channel, time)`` in and out; ``format`` and ``compression_level``
        are ``(batch,)``.

    Raises:
        ValueError: If a shape is wrong, or a format is unknown or has no such sample rate.
        RuntimeError: If the installed libsndfile lacks a format.

    References:
        LAME technical FAQ, "encoder delay", https://lame.sourceforge.io/tech-FAQ.txt.

    Example:
        >>> tone = torch.sin(torch.arange(8000) * 0.1)[None, None]
        >>> mp3 = codec(tone, torch.tensor([0]), torch.tensor([0.5]), 16_000)
        >>> error = (mp3 - tone).square().mean() / tone.square().mean()
        >>> bool(error < 0.01)  # 20 dB below the tone
        True
    """
    check_waveform(waveform, lengths)
    check_parameter("format", format, waveform, "batch", kind="int64")
    check_parameter("compression_level", compression_level, waveform, "batch")
    formats = check_formats(formats, sample_rate)
    given = waveform.detach().cpu()
    made = torch.empty_like(given, memory_format=torch.contiguous_format)
    ends = [waveform.shape[-1]] * len(given) if lengths is None else lengths.tolist()

    def degrade(source: _Samples, example: _Samples, place: int, level: float, end: int) -> None:
        example[:] = source
        sound = example[:, :end]
        if place < 0 or end == 0 or not np.isfinite(sound).all():
            return
        step = 2 if len(sound) <= 2 and formats[place] != "gsm" else 1
        peak = np.abs(sound).max()
        # Some encoders abort the process for values far beyond full scale.
        scale = peak if peak > _LOUDEST else sound.dtype.type(1.0)
        for first in range(0, len(sound), step):
            part = sound[first : first + step]
            part[:] = _round_trip(part.T / scale, formats[place], level, sample_rate).T * scale

    with ThreadPoolExecutor(native.threads()) as pool:
        jobs = given.numpy(), made.numpy(), format.tolist(), compression_level.tolist(), ends
        for _ in pool.map(degrade, *jobs):
            pass
    return made.to(waveform.device)


def _round_trip(samples: _Samples, name: str, level: float, sample_rate: int) -> _Samples:
    """Encode and decode ``(time, channel)`` samples; shape and alignment stay."""
    container, subtype = FORMATS[name]
    settings: dict[str, Any] = {"compression_level": level}
    if name == "gsm":
        settings = {}
        # libsndfile converts to 16 bits, where values beyond full scale would overflow.
        samples = samples.clip(-1.0, 1.0)
    elif name == "mp3":
        settings = {"compression_level": min(level, _MP3_LEVELS), "bitrate_mode": "CONSTANT"}
    memory = io.BytesIO()
    with soundfile.SoundFile(
        memory,
        "w",
        sample_rate,
        samples.shape[1],
        format=container,
        subtype=subtype,
        **settings,
    ) as file:
        for start in range(0, len(samples), _BLOCK):
            file.write(samples[start : start + _BLOCK])
    memory.seek(0)
    decoded, _ = soundfile.read(memory, dtype=str(samples.dtype), always_2d=True)
    if name == "mp3" and len(decoded) > len(samples):  # without LAME's header
        decoded = decoded[_MP3_DELAY:]
    result = np.zeros_like(samples)
    size = min(len(decoded), len(samples))
    result[:size] = decoded[:size]
    return result
