"""Time stretch and pitch shift: a batched phase vocoder with one rate per example."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from augspec.functional.resample import resample
from augspec.functional.vocoder import stretch_rows


def stretched_lengths(lengths: Tensor, rate: Tensor, size: int) -> Tensor:
    """Return how many samples of each example hold sound after a stretch.

    Args:
        lengths: Valid samples before, ``(batch,)`` int64.
        rate: Speed of each example; above 1 is shorter. ``(batch,)``.
        size: Samples of the output tensor, which caps the result.

    Returns:
        ``ceil(lengths / rate)``, at most ``size``; ``(batch,)`` int64.
    """
    return torch.ceil(lengths / rate.to(torch.float64)).to(torch.int64).clamp(max=size)


def time_stretch(
    waveform: Tensor,
    rate: Tensor,
    *,
    size: int | None = None,
    lengths: Tensor | None = None,
    n_fft: int = 1024,
) -> Tensor:
    """Change the tempo of each example by its own rate; the pitch stays.

    Output position ``n`` holds what the input holds at ``n * rate``.

    Args:
        waveform: Audio, ``(batch, channel, time)``.
        rate: Speed, above 0; 2 is twice as fast and half as long. ``(batch,)`` or
            ``(batch, channel)``.
        size: Samples of the output; by default those of the input. What is longer is cut, what is
            shorter ends in zeros.
        lengths: Valid samples of each example, ``(batch,)`` int64; by default all.
        n_fft: Samples of an analysis frame, a multiple of 4; 64 ms suit music.

    Returns:
        ``(batch, channel, size)``.
    """
    rows, channels, time = waveform.shape
    size = time if size is None else size
    rate = _per_row(rate, waveform)
    ends = None if lengths is None else lengths.repeat_interleave(channels)
    stretched = stretch_rows(waveform.reshape(rows * channels, time), rate, size, n_fft)
    return stretched.reshape(rows, channels, size)


def pitch_shift(
    waveform: Tensor,
    semitones: Tensor,
    *,
    lengths: Tensor | None = None,
    n_fft: int = 1024,
    min_semitones: float = -12.0,
) -> Tensor:
    """Shift the pitch of each example by its own interval; the duration stays.

    Args:
        waveform: Audio, ``(batch, channel, time)``.
        semitones: Interval, positive is up; ``(batch,)`` or ``(batch, channel)``.
        lengths: Valid samples of each example, ``(batch,)`` int64; by default all.
        n_fft: Samples of an analysis frame, a multiple of 4.
        min_semitones: The lowest interval that can occur: it sizes the working memory, and a
            lower one loses the end of the audio.

    Returns:
        ``(batch, channel, time)``.
    """
    return pitch_and_tempo(
        waveform,
        semitones,
        torch.ones_like(semitones),
        lengths=lengths,
        n_fft=n_fft,
        min_semitones=min_semitones,
    )


def pitch_and_tempo(
    waveform: Tensor,
    semitones: Tensor,
    rate: Tensor,
    *,
    size: int | None = None,
    lengths: Tensor | None = None,
    n_fft: int = 1024,
    min_semitones: float = -12.0,
) -> Tensor:
    """Change pitch and tempo of each example in one pass.

    Args:
        waveform: Audio, ``(batch, channel, time)``.
        semitones: Interval, positive is up; ``(batch,)`` or ``(batch, channel)``.
        rate: Speed, above 0; ``(batch,)`` or ``(batch, channel)``.
        size: Samples of the output; by default those of the input.
        lengths: Valid samples of each example, ``(batch,)`` int64; by default all.
        n_fft: Samples of an analysis frame, a multiple of 4.
        min_semitones: The lowest interval that can occur.

    Returns:
        ``(batch, channel, size)``.
    """
    time = waveform.shape[-1]
    size = time if size is None else size
    ratio = torch.exp2(semitones.to(torch.float64) / 12.0)
    longest = math.ceil(time * 2.0 ** (-min_semitones / 12.0))
    resampled = resample(waveform, ratio, size=longest, lengths=lengths)
    ends = torch.full((waveform.shape[0],), time) if lengths is None else lengths
    return time_stretch(resampled, rate / ratio, size=size, n_fft=n_fft)


def _per_row(values: Tensor, waveform: Tensor) -> Tensor:
    """Spread one value an example, or one a channel, over the rows ``batch * channel``."""
    batch, channels, _ = waveform.shape
    return values.reshape(batch, -1).expand(batch, channels).reshape(batch * channels)
