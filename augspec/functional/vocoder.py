"""A phase vocoder over rows of audio: every row at its own rate, phases locked, attacks kept."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import compiled
from augspec.functional.onset import Grid, find_onsets
from augspec.functional.timemap import ONE, map_time, take_frames

_OVERLAP = 4  # frames over each sample
_ATTACK = 4.0  # power ratio across an attack above which a partial counts as struck
_AFTER = _OVERLAP // 2  # frames from the first that an attack touches to one that it fills
_HEARD = slice(1, -_AFTER)  # of the frames that are analysed
# arctan(x) / x on [0, 1] as a polynomial in x**2, highest power first (Hastings 1955, sheet 11).
_ARCTAN = (-0.0117212, 0.05265332, -0.11643287, 0.19354346, -0.33262347, 0.99997726)
_CHUNK = 8  # rows on a CPU at a time, so that they stay in its cache


def stretch_rows(rows: Tensor, rate: Tensor, ends: Tensor, size: int, n_fft: int) -> Tensor:
    """Stretch each row by its own rate: output ``n`` holds what the input holds at ``n * rate``.

    Args:
        rows: Audio, ``(row, time)``, float32 or float64; beyond its end is silence.
        rate: Speed of each row, ``(row,)``; NaN comes out where it is not positive.
        ends: Samples of each row of the output before silence, ``(row,)`` int64.
        size: Samples of the output.
        n_fft: Samples of a frame, a multiple of 32.

    Returns:
        ``(row, size)``.
    """
    per_chunk = len(rows)
    if rows.device.type == "cpu" and not torch.compiler.is_compiling():
        per_chunk = _CHUNK
    rate = torch.where(rate > 0, rate, math.nan)
    chunks = [slice(i, i + per_chunk) for i in range(0, len(rows), per_chunk)]
    return torch.cat([_stretch_chunk(rows[i], rate[i], ends[i], size, n_fft) for i in chunks])


def _stretch_chunk(rows: Tensor, rate: Tensor, ends: Tensor, size: int, n_fft: int) -> Tensor:
    with torch.no_grad():
        onsets = find_onsets(rows, n_fft)
    centers, struck = _place_frames(rate, onsets, size, n_fft)
    window = torch.hann_window(n_fft, dtype=rows.dtype, device=rows.device)
    specgram = torch.fft.rfft(take_frames(rows, centers - n_fft // 2, n_fft) * window)
    real, imag = specgram.real.contiguous(), specgram.imag.contiguous()
    turns = _accumulate(_gains(real, imag, torch.diff(centers)), _peaks(real, imag, struck))
    turned = torch.view_as_complex(_rotate(real, imag, turns))
    pieces = torch.fft.irfft(turned, n=n_fft)
    poison = (rate - rate).to(rows.dtype)  # NaN where the rate is no number
    return _overlap_add(pieces, window / (0.375 * _OVERLAP), poison, ends)[:, :size]


def _place_frames(rate: Tensor, onsets: Grid, size: int, n_fft: int) -> tuple[Tensor, Tensor]:
    """Choose the input sample at the center of each output frame, by the time map of `map_time`.

    Returns:
        Centers, int64 ``(row, frame)``, with 1 frame before and 2 after those that are heard; and
        the frames from which an attack is to be copied, bool, of those that are heard.
    """
    hop, reach = n_fft // _OVERLAP, n_fft // 2
    # Frames -1 to blocks + 1 are heard; those around tell which partials are struck.
    blocks = -(-size // hop)
    heard = torch.arange(-2, blocks + 2 + _AFTER, device=rate.device) * hop
    step = (rate * ONE).to(torch.int64).clamp(min=1)
    centers, until = map_time(heard * step.unsqueeze(-1), step, onsets, n_fft)
    return centers, ((until > reach - hop) & (until <= reach))[:, _HEARD]


@compiled
def _gains(real: Tensor, imag: Tensor, advance: Tensor) -> Tensor:
    """Return the turns that each bin gains from the frame before to each that is heard.

    A partial of ``f`` turns a sample, in frames that were ``advance`` apart and are to be ``hop``
    apart, gains ``(hop - advance) * f``. ``f`` comes from the phases of the two frames. One bin,
    which gains nothing, is added above the spectrum.
    """
    n_fft = 2 * (real.shape[-1] - 1)
    hop = n_fft // _OVERLAP
    freq = torch.arange(real.shape[-1], device=real.device).to(real.dtype) * (1.0 / n_fft)
    step = advance[:, :-_AFTER].clamp(min=1).unsqueeze(-1).to(real.dtype)
    now, then = _HEARD, slice(None, -_AFTER - 1)
    deviation = _turns(
        imag[:, now] * real[:, then] - real[:, now] * imag[:, then],
        real[:, now] * real[:, then] + imag[:, now] * imag[:, then],
    )
    deviation = deviation - step * freq
    deviation = deviation - torch.round(deviation)
    gain = (hop - step) * freq
    gain = gain - torch.round(gain) + (hop - step) / step * deviation
    return nnf.pad(gain, (0, 1))


def _turns(y: Tensor, x: Tensor) -> Tensor:
    """Return the angle of ``x + iy`` in turns; 0, with no gradient, where both are about 0."""
    silent = x.abs() + y.abs() < 1e-30
    x, y = torch.where(silent, 1.0, x), torch.where(silent, 0.0, y)
    if x.dtype == torch.float64:
        return torch.atan2(y, x) / (2 * math.pi)
    # Half the time of atan2; the error is 3e-7 turns.
    wide, high = x.abs(), y.abs()
    slope = torch.minimum(wide, high) / torch.maximum(wide, high)
    square = slope * slope
    series = _ARCTAN[0] * square + _ARCTAN[1]
    for coefficient in _ARCTAN[2:]:
        series = series * square + coefficient
    angle = series * slope * (1 / (2 * math.pi))
    angle = torch.where(high > wide, 0.25 - angle, angle)
    angle = torch.where(x < 0, 0.5 - angle, angle)
    return torch.where(y < 0, -angle, angle)


def _peaks(real: Tensor, imag: Tensor, struck: Tensor) -> Tensor:
    """Return the top of the hill of each bin; the bin above the spectrum where that is struck."""
    # Three kernels: fused into one, each would be worked out again for every use of its result.
    uphill, goal = _climb(_padded_power(real, imag), struck)
    return goal.gather(-1, uphill.gather(-1, uphill))


@compiled
def _padded_power(real: Tensor, imag: Tensor) -> Tensor:
    """Return the power with 2 bins more below and 3 above."""
    return nnf.pad(real.square() + imag.square(), (2, 3), value=-1.0)


@compiled
def _climb(power: Tensor, struck: Tensor) -> tuple[Tensor, Tensor]:
    """Return the strongest bin within 2 bins of each, and the same but for struck ones."""
    bins = power.shape[-1] - 4  # with the one above the spectrum
    bin_ = torch.arange(bins, device=power.device).to(power.dtype)
    best = power[:, _HEARD, 2:-2]
    uphill = bin_.expand_as(best)
    goal = uphill
    for offset in (0, -1, 1, -2, 2):
        place = slice(2 + offset, 2 + offset + bins)
        here = power[:, _HEARD, place]
        later, earlier = power[:, 1 + _AFTER :, place], power[:, : -_AFTER - 1, place]
        reset = struck.unsqueeze(-1) & (later > _ATTACK * earlier.clamp(min=0.0))
        target = torch.where(reset, bins - 1.0, bin_ + offset)
        higher = ((here > best) | (offset == 0)) & (bin_ < bins - 1)
        best = torch.where(higher, here, best)
        uphill = torch.where(higher, bin_ + offset, uphill)
        goal = torch.where(higher, target, goal)
    return uphill.to(torch.int64), goal.to(torch.int64)


def _accumulate(gain: Tensor, uphill: Tensor) -> Tensor:
    """Sum the gains along the frames, each bin going on from where its peak was.

    ``turns[k, b] = turns[k - 1, p] + gain[k, p]`` with the peak ``p = uphill[k, b]``: identity
    phase locking (Laroche and Dolson 1999).
    """
    if gain.device.type != "cpu" or torch.compiler.is_compiling():
        return _accumulate_in_blocks(gain, uphill)
    turns = -gain[:, 0]  # the first frame stays as it is
    collected = []
    for more, path in zip(gain.unbind(1), uphill.unbind(1), strict=True):
        turns = (turns + more).gather(-1, path)
        collected.append(turns)
    return torch.stack(collected, dim=1)


def _accumulate_in_blocks(gain: Tensor, uphill: Tensor) -> Tensor:
    """Accumulate in about ``2 * sqrt(frames)`` steps rather than one a frame.

    Blocks of frames go side by side, each from an unknown state of which it keeps the bin that it
    goes back to; then the blocks follow one another. More work, fewer steps.
    """
    rows, frames, bins = gain.shape
    length = math.isqrt(frames - 1) + 1
    blocks = -(-frames // length)
    spare, grid = blocks * length - frames, (rows, blocks, length, bins)
    gains = nnf.pad(gain, (0, 0, 0, spare)).reshape(grid).unbind(2)
    paths = nnf.pad(uphill, (0, 0, 0, spare)).reshape(grid).unbind(2)
    turns = torch.zeros_like(gains[0])
    origin = torch.arange(bins, device=gain.device).expand(rows, blocks, bins)
    inside, origins = [], []
    for more, path in zip(gains, paths, strict=True):
        turns = (turns + more).gather(-1, path)
        origin = origin.gather(-1, path)
        inside.append(turns)
        origins.append(origin)
    entry = -gain[:, 0]
    entries = []
    for i in range(blocks):
        entries.append(entry)
        entry = entry.gather(-1, origin[:, i]) + turns[:, i]
    start = torch.stack(entries, dim=1).unsqueeze(2).expand(-1, -1, length, -1)
    total = start.gather(-1, torch.stack(origins, dim=2)) + torch.stack(inside, dim=2)
    return total.flatten(1, 2)[:, :frames]


@compiled
def _rotate(real: Tensor, imag: Tensor, turns: Tensor) -> Tensor:
    """Rotate each bin; the last axis of the result holds real and imaginary parts."""
    angle = 2 * math.pi * turns[..., :-1]
    cos, sin = torch.cos(angle), torch.sin(angle)
    real, imag = real[:, _HEARD], imag[:, _HEARD]
    return torch.stack([real * cos - imag * sin, real * sin + imag * cos], dim=-1)


@compiled
def _overlap_add(pieces: Tensor, window: Tensor, poison: Tensor, ends: Tensor) -> Tensor:
    """Add windowed frames up to the ends, without the samples that fewer frames cover."""
    hop = pieces.shape[-1] // _OVERLAP
    parts = (pieces * window).reshape(*pieces.shape[:2], _OVERLAP, hop)
    count = parts.shape[1] - _OVERLAP + 1
    total = torch.zeros_like(parts[:, :count, 0])
    for i in range(_OVERLAP):
        first = _OVERLAP - 1 - i
        total = total + parts[:, first : first + count, i]
    total = total.flatten(1)
    heard = torch.arange(total.shape[-1], device=total.device) < ends.unsqueeze(-1)
    return torch.where(heard, total, 0.0) + poison.unsqueeze(-1)
