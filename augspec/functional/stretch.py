"""Time stretch and pitch shift: a batched phase vocoder with one rate per example."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from augspec.functional.resample import resample

OVERLAP = 4


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
    stretched = _stretch(waveform.reshape(rows * channels, time), rate, size, ends, n_fft)
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
    spread = values.reshape(batch, -1).expand(batch, channels)
    return spread.reshape(batch * channels).to(waveform.device, torch.float64)


def _stretch(rows: Tensor, rate: Tensor, size: int, ends: Tensor | None, n_fft: int) -> Tensor:
    """Stretch ``(row, time)``: frames at rounded source positions, phases locked to peaks."""
    hop = n_fft // OVERLAP
    time = rows.shape[-1]
    if ends is not None:
        rows = rows * (torch.arange(time, device=rows.device) < ends.unsqueeze(-1))
    steps = torch.arange(-OVERLAP + 1, math.ceil(size / hop) + OVERLAP, device=rows.device)
    centers = torch.round(steps * hop * rate.unsqueeze(-1)).to(torch.int64)
    window = torch.hann_window(n_fft, dtype=rows.dtype, device=rows.device)
    frames = _frame(rows, centers, n_fft) * window
    specgram = torch.fft.rfft(frames)
    rotation = _locked_rotation(specgram, centers, hop, n_fft)
    turned = specgram * torch.polar(torch.ones_like(rotation), 2 * math.pi * rotation)
    pieces = torch.fft.irfft(turned, n=n_fft) * (window / (1.5 * OVERLAP / 4))
    start = (OVERLAP - 1) * hop + n_fft // 2
    return _overlap_add(pieces, hop)[:, start : start + size]


def _frame(rows: Tensor, centers: Tensor, n_fft: int) -> Tensor:
    """Take the ``n_fft`` samples around each center; zeros outside the audio."""
    time = rows.shape[-1]
    padded = pad(rows, (2 * n_fft, 2 * n_fft))
    start = (centers + (2 * n_fft - n_fft // 2)).clamp(0, time + 3 * n_fft)
    index = start.unsqueeze(-1) + torch.arange(n_fft, device=rows.device)
    return padded.gather(1, index.flatten(1)).unflatten(1, (-1, n_fft))


def _locked_rotation(specgram: Tensor, centers: Tensor, hop: int, n_fft: int) -> Tensor:
    """Return by how many turns each bin of each frame is to be rotated.

    A partial that advances by ``f`` turns a sample gains ``(hop - advance) * f`` turns between two
    frames that were ``advance`` apart and are to be ``hop`` apart. Identity phase locking (Laroche
    and Dolson 1999): every bin takes the rotation of the peak it belongs to.
    """
    bins = torch.arange(n_fft // 2 + 1, dtype=specgram.real.dtype, device=specgram.device)
    phase = torch.angle(specgram) / (2 * math.pi)
    advance = torch.diff(centers, dim=-1).unsqueeze(-1).to(phase.dtype)
    deviation = torch.diff(phase, dim=-2) - advance * bins / n_fft
    deviation = deviation - torch.round(deviation)
    gain = (hop - advance) * bins / n_fft
    gain = gain - torch.round(gain) + (hop - advance) / advance * deviation
    rotation = pad(torch.cumsum(gain, dim=-2), (0, 0, 1, 0))
    return rotation.gather(-1, _peaks(specgram))


def _peaks(specgram: Tensor) -> Tensor:
    """Return for each bin the peak uphill of it."""
    power = specgram.real.square() + specgram.imag.square()
    neighbours = pad(power, (2, 2), value=-1.0).unfold(-1, 5, 1)
    uphill = neighbours.argmax(-1) - 2 + torch.arange(power.shape[-1], device=power.device)
    uphill = uphill.gather(-1, uphill)
    return uphill.gather(-1, uphill)


def _overlap_add(pieces: Tensor, hop: int) -> Tensor:
    """Add frames that are ``hop`` apart; ``(row, frame, n_fft)`` to ``(row, time)``."""
    rows, frames, n_fft = pieces.shape
    parts = pieces.unflatten(-1, (n_fft // hop, hop))
    total = sum(pad(parts[:, :, i], (0, 0, i, n_fft // hop - 1 - i)) for i in range(n_fft // hop))
    assert isinstance(total, Tensor)
    return total.reshape(rows, -1)
