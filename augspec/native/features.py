"""The native kernel of magnitude features: from audio to bins and decibel in one pass.

``augspec/features/spectrogram.py`` is the reference. A source of frames describes its samples as a
`Sound`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from augspec import native
from augspec._constants import constant
from augspec.functional.windows import window

__all__ = ["Bins", "Level", "Sound", "Stft", "specgram"]

_FAR = 1 << 62  # an end beyond all frames
_PAD_MODES = ("constant", "reflect", "replicate", "mirror")  # the values of `PadMode` in frames.h
_CPU = torch.device("cpu")


class Resampling(NamedTuple):
    """Step of each channel in units of 2**-32 samples, ``(batch, channel)`` int64, and sizes.

    ``constants`` are those of `augspec.functional.resample.filter_constants`.
    """

    steps: Tensor
    size: int
    max_ratio: float
    constants: tuple[Tensor, int, int, int, int, float]


@dataclass(frozen=True)
class Sound:
    """The samples of a batch from which frames are cut.

    Args:
        waveform: The batch, ``(batch, channel, time)``.
        size: Samples that the frames of an example span.
        heard: Samples of each example that are heard, ``(batch,)`` int64; None means all.
        ends: Samples after which each example is padded, ``(batch,)`` int64; None is ``size``.
        start: First sample of each example, ``(batch,)`` int64; None is 0.
        valid: Frames of each example that hold sound, ``(batch,)`` int64; None means all.
        gain: Factor on the amplitude, ``(batch,)`` or ``(batch, channel)``; None is 1.
        centers: Sample around which each frame is taken, ``(batch, channel, frame)`` int64; None
            is at equal steps.
        resampling: Resampling of the waveform before framing; None is none.
    """

    waveform: Tensor
    size: int
    heard: Tensor | None = None
    ends: Tensor | None = None
    start: Tensor | None = None
    valid: Tensor | None = None
    gain: Tensor | None = None
    centers: Tensor | None = None
    resampling: Resampling | None = None


class Bins(NamedTuple):
    """The number of bins, and the filters over the spectrum; without filters, the spectrum's bins.

    Bin ``i`` is the sum of the magnitudes from ``first[i]`` on, each times one of the weights from
    ``place[i]`` to ``place[i + 1]``.
    """

    number: int
    first: Tensor | None = None
    place: Tensor | None = None
    weights: Tensor | None = None


class Level(NamedTuple):
    """A logarithm: ``multiplier * log10(max(value, amin)) + offset``; multiplier 0 means none."""

    multiplier: float = 0.0
    amin: float = 0.0
    offset: float = 0.0


class Preparation(NamedTuple):
    """Steps of Kaldi on a frame of ``length`` samples before the window; zeros follow it."""

    length: int
    factor: float
    removes_mean: bool
    preemphasis: float
    periodic: bool  # whether the window is


class Stft(NamedTuple):
    """Number and layout of frames, their window, and the exponent of their magnitudes.

    Without ``center``, ``pad_mode`` may be ``"mirror"``: frames are centred on the middles of hops.
    """

    n_fft: int
    hop_length: int
    center: bool
    pad_mode: str
    frames: int
    window: str
    win_length: int
    power: float
    preparation: Preparation | None = None


def specgram(sound: Sound, stft: Stft, bins: Bins, level: Level) -> Tensor | None:
    """Compute a magnitude feature; None if only torch can.

    Shape:
        Returns ``(batch, channel, bin, frame)``.
    """
    waveform, n_fft = sound.waveform, stft.n_fft
    if stft.power not in (1.0, 2.0) or not native.applies(waveform, sound.gain):
        return None
    kaldi = stft.preparation
    length = n_fft if kaldi is None else kaldi.length
    pad = n_fft // 2 if stft.center else 0
    if stft.pad_mode == "mirror":
        pad = length // 2 - stft.hop_length // 2
    frames = stft.frames
    if (
        waveform.dtype != torch.float32
        or frames < 1
        or not native.answers("augspec_has_fft", n_fft)
    ):
        return None
    batch, channels, time = waveform.shape
    out = waveform.new_empty(batch, channels, bins.number, frames)
    if out.numel() == 0:
        return out
    by_row = _Rows(batch, channels)
    gain = None if sound.gain is None else sound.gain.float()
    gain = gain if gain is None else gain.abs() if stft.power == 1.0 else gain.square()
    end = sound.size if stft.center or sound.centers is None else _FAR
    steps, size, max_ratio, constants = sound.resampling or (None, 0, 0.0, (None, 0, 0, 0, 0, 0.0))
    shape = (stft.window, stft.win_length, n_fft, None if kaldi is None else kaldi.periodic)
    half_window = constant(_half_window, *shape, dtype=torch.float32, device=_CPU)
    native.call(
        "augspec_specgram",
        waveform,
        batch * channels,
        time,
        by_row.of(sound.heard, time),
        by_row.of(sound.ends if end != _FAR else None, end),
        by_row.of(sound.start),
        by_row.of(sound.valid),
        by_row.of(gain),
        sound.centers,
        steps,
        size,
        max_ratio,
        *constants,
        n_fft,
        length,
        stft.hop_length,
        pad,
        _PAD_MODES.index(stft.pad_mode),
        *((0, 1.0, 0, 0.0) if kaldi is None else (1, *kaldi[1:4])),
        half_window,
        *bins,
        int(stft.power),
        *level,
        frames,
        native.threads(),
        out=out,
    )
    return out


class _Rows(NamedTuple):
    """Repeats values of examples for every channel."""

    batch: int
    channels: int

    def of(self, values: Tensor | None, default: int | None = None) -> Tensor | None:
        if values is None:
            if default is None:
                return None
            return torch.full((self.batch * self.channels,), default, dtype=torch.int64)
        if self.channels == 1:  # each operation would take longer than the call of a kernel
            return values
        values = values if values.ndim == 2 else values[:, None]
        return values.expand(self.batch, self.channels)


def _half_window(
    name: str, win_length: int, n_fft: int, periodic: bool | None, *, dtype: torch.dtype
) -> Tensor:
    """Return half the window, because the kernel computes twice the spectrum.

    With ``periodic`` it is that of a prepared frame: zeros follow it.
    """
    if periodic is None:
        return window(name, win_length, n_fft, dtype=dtype) / 2
    half = window(name, win_length, None, periodic, dtype=dtype) / 2
    return torch.nn.functional.pad(half, (0, n_fft - win_length))


def decibel(multiplier: float, ref: float, amin: float = 1e-10) -> Level:
    """Return the `Level` of `augspec.functional.amplitude_to_db`."""
    return Level(multiplier, amin, -multiplier * math.log10(max(ref, amin)))
