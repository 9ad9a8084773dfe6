"""A phase vocoder over rows of audio: every row at its own rate, phases locked, attacks kept."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import compiled
from augspec.functional.onset import Grid, find_onsets

_OVERLAP = 4  # frames over each sample
_REPAY = 0.5  # how fast, relative to the stretch, the time that an attack borrows is paid back
_ATTACK = 4.0  # power ratio across an attack above which a partial counts as struck
_ONE = 1 << 32  # 1.0 in fixed point
_CHUNK = 8  # rows on a CPU at a time, so that they stay in its cache


def stretch_rows(rows: Tensor, rate: Tensor, size: int, n_fft: int) -> Tensor:
    """Stretch each row by its own rate: output ``n`` holds what the input holds at ``n * rate``.

    Args:
        rows: Audio, ``(row, time)``, float32 or float64; beyond its end is silence.
        rate: Speed of each row, ``(row,)``.
        size: Samples of the output.
        n_fft: Samples of a frame, a multiple of 32.

    Returns:
        ``(row, size)``.
    """
    per_chunk = len(rows)
    if rows.device.type == "cpu" and not torch.compiler.is_compiling():
        per_chunk = _CHUNK
    pieces = [
        _stretch_chunk(some, speed, size, n_fft)
        for some, speed in zip(rows.split(per_chunk), rate.split(per_chunk), strict=True)
    ]
    return torch.cat(pieces)


def _stretch_chunk(rows: Tensor, rate: Tensor, size: int, n_fft: int) -> Tensor:
    hop = n_fft // _OVERLAP
    with torch.no_grad():
        onsets = find_onsets(rows, n_fft)
    centers, struck = _place_frames(rate, onsets, size, n_fft)
    window = torch.hann_window(n_fft, dtype=rows.dtype, device=rows.device)
    specgram = torch.fft.rfft(_frame(rows, centers, n_fft) * window)
    real, imag = specgram.real.contiguous(), specgram.imag.contiguous()
    gain, uphill = _follow_partials(real, imag, torch.diff(centers), struck)
    turns = _accumulate(gain, uphill)
    turned = torch.view_as_complex(_rotate(real, imag, turns))
    pieces = torch.fft.irfft(turned, n=n_fft)
    poison = (rate - rate).to(rows.dtype)  # NaN where the rate is no number
    added = _overlap_add(pieces, window / (0.375 * _OVERLAP), poison)
    return added[:, n_fft // 2 : n_fft // 2 + size]


def _place_frames(rate: Tensor, onsets: Grid, size: int, n_fft: int) -> tuple[Tensor, Tensor]:
    """Choose the input sample at the center of each output frame.

    Away from onsets frame ``k`` lies at ``k * hop * rate``. Within half a frame of an onset the map has
    slope 1 and sends the onset to its right place, so that the attack is copied; the time so borrowed is
    paid back on both sides.

    Returns:
        Centers, int64 ``(row, frame)``, and the frames from which an attack is to be copied, bool.
    """
    hop, reach = n_fft // _OVERLAP, n_fft // 2
    last, first = onsets
    frames = -(-size // hop) + _OVERLAP + 2
    # The first output sample needs all its frames, and the overlap-add drops the first three.
    heard = torch.arange(1 - _OVERLAP, frames + 1 - _OVERLAP, device=rate.device) * hop
    step = (rate * _ONE).to(torch.int64).clamp(min=1).unsqueeze(-1)
    base = (heard * step + _ONE // 2) >> 32
    block = torch.div(base, n_fft // 32, rounding_mode="floor").clamp(0, last.shape[-1] - 1)
    before, after = last.gather(-1, block), first.gather(-1, block)
    # Where the two onsets are to be heard, and how far off the frame is from there.
    since = heard - _divide(before, step)
    until = _divide(after, step) - heard
    near = torch.minimum(since, until)
    onset, side = torch.where(since < until, before, after), torch.where(since < until, 1, -1)
    share = _REPAY * ((since + until) / 2 - near)
    kept = (near <= reach) & (near <= share)
    borrowed = torch.minimum(torch.minimum(near, share), reach - _REPAY * (near - reach))
    shift = torch.round(side * borrowed.clamp(min=0) * (1 - rate).unsqueeze(-1)).to(torch.int64)
    centers = torch.where(kept, onset + side * near, base + shift)
    return centers, (until > reach - hop) & (until <= reach)


def _divide(position: Tensor, step: Tensor) -> Tensor:
    """Return ``position / rate``, rounded."""
    return torch.div(position * _ONE + step // 2, step, rounding_mode="floor")


def _frame(rows: Tensor, centers: Tensor, n_fft: int) -> Tensor:
    """Take the ``n_fft`` samples around each center; zeros outside the audio."""
    padded = nnf.pad(rows, (2 * n_fft, 2 * n_fft))
    time = padded.shape[-1]
    start = (centers + (2 * n_fft - n_fft // 2)).clamp(0, time - n_fft)
    if rows.requires_grad or torch.compiler.is_compiling():
        index = start.unsqueeze(-1) + torch.arange(n_fft, device=rows.device)
        return padded.gather(1, index.flatten(1)).unflatten(1, (-1, n_fft))
    # Whole rows of a view are copied much faster than samples, but the view's gradient is n_fft times the audio.
    start = start + torch.arange(0, padded.numel(), time, device=rows.device).unsqueeze(-1)
    return nnf.embedding(start, padded.flatten().unfold(0, n_fft, 1))


@compiled
def _follow_partials(
    real: Tensor, imag: Tensor, advance: Tensor, struck: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the turns that each bin gains from frame to frame, and the bin uphill of it.

    A partial of ``f`` turns a sample, in frames that were ``advance`` apart and are to be ``hop``
    apart, gains ``(hop - advance) * f``. ``f`` comes from the phases of the two frames. One bin is added
    above the spectrum; it gains nothing, and partials that are struck point there.
    """
    bins = real.shape[-1]
    n_fft = 2 * (bins - 1)
    hop = n_fft // _OVERLAP
    bin_ = torch.arange(bins, device=real.device)
    step = advance.unsqueeze(-1).to(real.dtype)
    now, then = slice(1, None), slice(None, -1)
    deviation = _turns(
        imag[:, now] * real[:, then] - real[:, now] * imag[:, then],
        real[:, now] * real[:, then] + imag[:, now] * imag[:, then],
    )
    deviation = deviation - step * bin_ / n_fft
    deviation = deviation - torch.round(deviation)
    gain = (hop - step) * bin_ / n_fft
    gain = gain - torch.round(gain) + (hop - step) / step * deviation
    gain = nnf.pad(gain, (0, 1, 1, 0))

    power = real.square() + imag.square()
    later = nnf.pad(power, (0, 0, 0, _OVERLAP))[:, _OVERLAP:]
    earlier = nnf.pad(power, (0, 0, 1, 0))[:, :-1]
    reset = nnf.pad(struck.unsqueeze(-1) & (later > _ATTACK * earlier), (2, 2))
    around = nnf.pad(power, (2, 2), value=-1.0)
    best, uphill, goal = power, bin_.expand_as(power), torch.where(reset[..., 2:-2], bins, bin_)
    for offset in (-1, 1, -2, 2):
        place = slice(2 + offset, 2 + offset + bins)
        higher = around[..., place] > best
        best = torch.where(higher, around[..., place], best)
        uphill = torch.where(higher, bin_ + offset, uphill)
        goal = torch.where(higher, torch.where(reset[..., place], bins, bin_ + offset), goal)
    goal = goal.gather(-1, uphill.gather(-1, uphill))
    return gain, nnf.pad(goal, (0, 1), value=bins)


def _turns(y: Tensor, x: Tensor) -> Tensor:
    """Return the angle of ``x + iy`` in turns; 0, with no gradient, where both are about 0."""
    silent = x.abs() + y.abs() < 1e-30
    return torch.atan2(y, torch.where(silent, 1.0, x)) / (2 * math.pi)


def _accumulate(gain: Tensor, uphill: Tensor) -> Tensor:
    """Sum the gains along the frames, each bin going on from where its peak was.

    ``turns[k, b] = turns[k - 1, p] + gain[k, p]`` with the peak ``p = uphill[k, b]``: identity phase locking
    (Laroche and Dolson 1999). Blocks of frames do it side by side, each from an unknown state of which it
    keeps the bin that it goes back to; then the blocks follow one another.
    """
    rows, frames, bins = gain.shape
    length = math.isqrt(frames - 1) + 1
    blocks = -(-frames // length)
    spare = blocks * length - frames
    gains = nnf.pad(gain, (0, 0, 0, spare)).unflatten(1, (blocks, length)).unbind(2)
    paths = nnf.pad(uphill, (0, 0, 0, spare)).unflatten(1, (blocks, length)).unbind(2)
    turns = torch.zeros_like(gains[0])
    origin = torch.arange(bins, device=gain.device).expand(rows, blocks, bins)
    inside, origins = [], []
    for more, path in zip(gains, paths, strict=True):
        turns = (turns + more).gather(-1, path)
        origin = origin.gather(-1, path)
        inside.append(turns)
        origins.append(origin)
    entry = torch.zeros_like(gain[:, 0])
    entries = []
    for i in range(blocks):
        entries.append(entry)
        entry = entry.gather(-1, origin[:, i]) + turns[:, i]
        entry = entry - torch.round(entry)
    start = torch.stack(entries, dim=1).unsqueeze(2).expand(-1, -1, length, -1)
    total = start.gather(-1, torch.stack(origins, dim=2)) + torch.stack(inside, dim=2)
    return total.flatten(1, 2)[:, :frames]


@compiled
def _rotate(real: Tensor, imag: Tensor, turns: Tensor) -> Tensor:
    """Rotate each bin; the last axis of the result holds real and imaginary parts."""
    angle = 2 * math.pi * turns[..., : real.shape[-1]]
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([real * cos - imag * sin, real * sin + imag * cos], dim=-1)


@compiled
def _overlap_add(pieces: Tensor, window: Tensor, poison: Tensor) -> Tensor:
    """Add windowed frames that overlap; the samples that fewer frames cover are left out."""
    hop = pieces.shape[-1] // _OVERLAP
    parts = (pieces * window).unflatten(-1, (_OVERLAP, hop))
    count = parts.shape[1] - _OVERLAP + 1
    total = poison[:, None, None]
    for i in range(_OVERLAP):
        first = _OVERLAP - 1 - i
        total = total + parts[:, first : first + count, i]
    return total.flatten(1)
