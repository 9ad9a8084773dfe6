"""A phase vocoder over rows of audio: every row at its own rate, phases locked, attacks kept."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import compiled
from augspec.functional.onset import Grid
from augspec.functional.sinc import ONE
from augspec.functional.timemap import map_time, take_frames

_OVERLAP = 4  # frames over each sample
_ATTACK = 4.0  # power ratio across an attack above which a partial counts as struck
_AFTER = _OVERLAP // 2  # frames from the first that an attack touches to one that it fills
_HEARD = slice(1, -_AFTER)  # of the frames that are analysed
# arctan(x) / x on [0, 1] as a polynomial in x**2, highest power first (Hastings 1955, sheet 11).
_ARCTAN = (-0.0117212, 0.05265332, -0.11643287, 0.19354346, -0.33262347, 0.99997726)
_CHUNK = 8  # rows on a CPU at a time, so that they stay in its cache


def stretch_rows(
    source: Callable[[slice], Tensor],
    rate: Tensor,
    onsets: Grid,
    ends: Tensor,
    size: int,
    n_fft: int,
) -> Tensor:
    """Stretch each row by its own rate: output ``n`` holds what the input holds at ``n * rate``.

    Args:
        source: Gives some rows of audio, ``(row, time)``, float32 or float64; beyond its end is
            silence. A function, so that rows that have to be made first need not leave the cache.
        rate: Speed of each row, ``(row,)``; NaN comes out where it is not positive.
        onsets: Where attacks are in the rows, from `augspec.functional.onset.find_onsets`.
        ends: Samples of each row of the output before silence, ``(row,)`` int64.
        size: Samples of the output.
        n_fft: Samples of a frame, a multiple of 32.

    Returns:
        ``(row, size)``.
    """
    rate = torch.where(rate > 0, rate, math.nan)
    last, first = onsets

    def stretch(some: slice) -> Tensor:
        grid = last[some], first[some]
        return _stretch_chunk(source(some), rate[some], grid, ends[some], size, n_fft)

    count = len(rate)
    if count <= _CHUNK or rate.device.type != "cpu" or torch.compiler.is_compiling():
        return stretch(slice(None))
    chunks = [slice(i, i + _CHUNK) for i in range(0, count, _CHUNK)]
    return torch.cat([stretch(some) for some in chunks])


def _stretch_chunk(
    rows: Tensor, rate: Tensor, onsets: Grid, ends: Tensor, size: int, n_fft: int
) -> Tensor:
    centers, struck = _place_frames(rate, onsets, size, n_fft)
    window = torch.hann_window(n_fft, dtype=rows.dtype, device=rows.device)
    specgram = torch.fft.rfft(take_frames(rows, centers - n_fft // 2, n_fft, window))
    phasor, heard = _lock(specgram, torch.diff(centers), struck), specgram[:, _HEARD]
    turned = phasor * heard if phasor.requires_grad else phasor.mul_(heard)
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


def _lock(specgram: Tensor, advance: Tensor, struck: Tensor) -> Tensor:
    """Return the phasor that turns each bin of the frames that are heard.

    Bins turn with the peak on whose hill they are: identity phase locking (Laroche and Dolson
    1999). Peaks are 3 bins apart or more, so that what there is to know of them fits into a third
    of the bins: slots of 3, each of which stands for its strongest bin.
    """
    parts = torch.view_as_real(specgram)
    with torch.no_grad():
        uphill, code = _find_peaks(parts, struck)
        peak = (0.5 * code).to(torch.int64)
        top = uphill.gather(-1, peak)  # the slot of the hill that the strongest bin is on
        # The slot of the frame before on whose hill the peak was.
        path = top[:, :-1].gather(-1, uphill[:, :-1].gather(-1, peak[:, 1:]))
    now, then = parts[:, 2:-_AFTER], parts[:, 1 : -_AFTER - 1]
    real, imag = (now[..., i].gather(-1, peak[:, 1:]) for i in (0, 1))
    real_before, imag_before = (then[..., i].gather(-1, peak[:, 1:]) for i in (0, 1))
    n_fft = 2 * (parts.shape[-2] - 1)
    gain, kept = _gains(
        real, imag, real_before, imag_before, code[:, 1:], advance[:, 1:-_AFTER], n_fft
    )
    turns = _accumulate(gain, kept, path)
    angle = (2 * math.pi * turns).gather(-1, top)
    return torch.complex(torch.cos(angle), torch.sin(angle)).gather(-1, uphill)


def _find_peaks(parts: Tensor, struck: Tensor) -> tuple[Tensor, Tensor]:
    """Look for peaks in the frames that are heard.

    Returns:
        The slot of the strongest bin within 2 bins of each bin; and the strongest bin of each slot
        as a float, twice its number, plus 1 where it starts anew because it is struck.
    """
    # Two kernels: fused into one, each power would be worked out again for every use.
    power = _padded_power(parts)
    # As an argument: computed in the kernel, numbers of slots keep it from using vectors.
    bin_ = torch.arange(-2, power.shape[-1] - 2, device=parts.device)
    slot = torch.div(bin_, 3, rounding_mode="floor").to(power.dtype)
    uphill, strongest = _climb(power, slot, struck)
    # Slots of 3 may reach above the spectrum, where no bin is strongest.
    return uphill[..., : parts.shape[-2]], strongest[..., ::3].contiguous()


@compiled
def _gains(
    real: Tensor,
    imag: Tensor,
    real_before: Tensor,
    imag_before: Tensor,
    code: Tensor,
    advance: Tensor,
    n_fft: int,
) -> tuple[Tensor, Tensor]:
    """Return the turns that each peak gains from the frame before, and 1 or, if it is struck, 0.

    A partial of ``f`` turns a sample, in frames that were ``advance`` apart and are to be ``hop``
    apart, gains ``(hop - advance) * f``. ``f`` comes from the phases of the two frames. What is
    struck gains nothing.
    """
    hop = n_fft // _OVERLAP
    peak = torch.floor(0.5 * code)
    kept = 1.0 + 2.0 * peak - code
    freq = peak * (1.0 / n_fft)
    step = advance.clamp(min=1).unsqueeze(-1).to(real.dtype)
    deviation = _turns(
        imag * real_before - real * imag_before, real * real_before + imag * imag_before
    )
    deviation = deviation - step * freq
    deviation = deviation - torch.round(deviation)
    gain = (hop - step) * freq
    gain = gain - torch.round(gain) + (hop - step) / step * deviation
    return torch.where(kept > 0, gain, 0.0), kept


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


@compiled
def _padded_power(parts: Tensor) -> Tensor:
    """Return the power with 2 bins more below, and above with 2 more than fill slots of 3."""
    power = parts[..., 0].square() + parts[..., 1].square()
    return nnf.pad(power, (2, 2 + -power.shape[-1] % 3), value=-1.0)


@compiled
def _climb(power: Tensor, slot: Tensor, struck: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slot of the strongest bin within 2 bins of each; and for each the strongest of 3.

    The latter, of a bin and the 2 above it, is given as twice its number, plus 1 if it is struck.
    """
    bins = power.shape[-1] - 4

    def at(offset: int) -> slice:
        return slice(2 + offset, 2 + offset + bins)

    best = power[:, _HEARD, at(0)]
    uphill = slot[at(0)].expand_as(best)
    for offset in (-1, 1, -2, 2):
        here = power[:, _HEARD, at(offset)]
        higher = here > best
        best = torch.where(higher, here, best)
        uphill = torch.where(higher, slot[at(offset)], uphill)

    bin_ = torch.arange(bins, device=power.device).to(power.dtype)
    best = power[:, _HEARD, at(0)]
    strongest = torch.zeros_like(best)
    for offset in range(3):
        later, earlier = power[:, 1 + _AFTER :, at(offset)], power[:, : -_AFTER - 1, at(offset)]
        reset = struck.unsqueeze(-1) & (later > _ATTACK * earlier.clamp(min=0.0))
        here = power[:, _HEARD, at(offset)]
        higher = (here > best) | (offset == 0)
        best = torch.where(higher, here, best)
        strongest = torch.where(higher, 2 * (bin_ + offset) + reset, strongest)
    return uphill.to(torch.int64), strongest


def _accumulate(gain: Tensor, kept: Tensor, path: Tensor) -> Tensor:
    """Sum gains along the frames, from a first frame that has no turns.

    ``turns[k + 1, s] = kept[k, s] * turns[k, path[k, s]] + gain[k, s]``.
    """
    if gain.device.type != "cpu" or torch.compiler.is_compiling():
        return _accumulate_in_blocks(gain, kept, path)
    turns = torch.zeros_like(gain[:, 0])
    collected = [turns]
    for more, kept_, path_ in zip(gain.unbind(1), kept.unbind(1), path.unbind(1), strict=True):
        turns = torch.addcmul(more, kept_, turns.gather(-1, path_))
        collected.append(turns)
    return torch.stack(collected, dim=1)


def _accumulate_in_blocks(gain: Tensor, kept: Tensor, path: Tensor) -> Tensor:
    """Accumulate in about ``2 * sqrt(frames)`` steps rather than one a frame.

    Blocks of frames go side by side, each from an unknown state of which it keeps the slot that it
    goes back to; then the blocks follow one another. More work, fewer steps.
    """
    # What is not kept goes on from a slot behind the last, which never turns; so does the first
    # frame, which has no turns.
    silent = path.shape[-1]
    path = nnf.pad(torch.where(kept > 0, path, silent), (0, 1, 1, 0), value=silent)
    gain = nnf.pad(gain, (0, 1, 1, 0))
    rows, frames, slots = gain.shape
    length = math.isqrt(frames - 1) + 1
    blocks = -(-frames // length)
    spare, grid = blocks * length - frames, (rows, blocks, length, slots)
    gains = nnf.pad(gain, (0, 0, 0, spare)).reshape(grid).unbind(2)
    paths = nnf.pad(path, (0, 0, 0, spare)).reshape(grid).unbind(2)
    turns = torch.zeros_like(gains[0])
    origin = torch.arange(slots, device=gain.device).expand(rows, blocks, slots)
    inside, origins = [], []
    for more, path_ in zip(gains, paths, strict=True):
        turns = turns.gather(-1, path_) + more
        origin = origin.gather(-1, path_)
        inside.append(turns)
        origins.append(origin)
    entry = torch.zeros_like(gain[:, 0])
    entries = []
    for i in range(blocks):
        entries.append(entry)
        entry = entry.gather(-1, origin[:, i]) + turns[:, i]
    start = torch.stack(entries, dim=1).unsqueeze(2).expand(-1, -1, length, -1)
    total = start.gather(-1, torch.stack(origins, dim=2)) + torch.stack(inside, dim=2)
    return total.flatten(1, 2)[:, :frames, :-1]


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
