"""Phase locking on a GPU: one Triton kernel links peaks, and one turns the frames.

Both find a peak again wherever they need it, from the power of 3 or 5 bins that are already in the
cache of a multiprocessor. So no power, bin or slot is written to memory.

Import this module only where Triton is installed.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from augspec.functional.timemap_triton import nearest

__all__ = ["link_kernel", "link_peaks", "turn_bins", "turn_kernel"]

_SLOTS, _BINS = 64, 256  # of a program


@triton.jit
def _counted(values, channels):  # type: ignore[no-untyped-def]
    """Do as `augspec.functional.linked.sum_channels`, for the values of one channel."""
    return tl.where((channels == 1) | (tl.abs(values) < float("inf")), values, 0.0)


@triton.jit
def _power(frame, bin_, bins, channels, channel_size):  # type: ignore[no-untyped-def]
    """Return the power of all channels together; -1 outside the spectrum."""
    inside = (bin_ >= 0) & (bin_ < bins)
    total = tl.zeros(bin_.shape, dtype=tl.float32)
    place = frame + 2 * bin_
    for _ in range(channels):
        real = tl.load(place, mask=inside, other=0.0)
        imag = tl.load(place + 1, mask=inside, other=0.0)
        total += _counted(real * real + imag * imag, channels)
        place += channel_size
    return tl.where(inside, total, -1.0)


@triton.jit
def _uphill(frame, bin_, bins, channels, channel_size):  # type: ignore[no-untyped-def]
    """Return the slot of the strongest bin within 2 bins; of equally strong bins the nearest."""
    best, found = _power(frame, bin_, bins, channels, channel_size), bin_
    for i in tl.static_range(4):
        near = bin_ + (1 + i // 2) * (2 * (i % 2) - 1)  # -1, 1, -2, 2
        power = _power(frame, near, bins, channels, channel_size)
        higher = power > best
        best, found = tl.where(higher, power, best), tl.where(higher, near, found)
    return found // 3


@triton.jit
def _strongest(frame, slot, bins, channels, channel_size):  # type: ignore[no-untyped-def]
    """Return the strongest bin of a slot."""
    found = 3 * slot
    best = _power(frame, found, bins, channels, channel_size)
    for i in tl.static_range(1, 3):
        power = _power(frame, 3 * slot + i, bins, channels, channel_size)
        higher = power > best
        best, found = tl.where(higher, power, best), tl.where(higher, 3 * slot + i, found)
    return found


@triton.jit
def _turns(y, x):  # type: ignore[no-untyped-def]
    """Do as `augspec.functional.phase_lock._turns`."""
    silent = tl.abs(x) + tl.abs(y) < 1e-30
    x, y = tl.where(silent, 1.0, x), tl.where(silent, 0.0, y)
    wide, high = tl.abs(x), tl.abs(y)
    slope = tl.div_rn(tl.minimum(wide, high), tl.maximum(wide, high))
    square = slope * slope
    series = -0.0117212 * square + 0.05265332
    series = series * square - 0.11643287
    series = series * square + 0.19354346
    series = series * square - 0.33262347
    series = series * square + 0.99997726
    angle = series * slope * 0.15915494309189535
    angle = tl.where(high > wide, 0.25 - angle, angle)
    angle = tl.where(x < 0, 0.5 - angle, angle)
    return tl.where(y < 0, -angle, angle)


@triton.jit
def _turned(here, before, bin_, inside, channels, channel_size):  # type: ignore[no-untyped-def]
    """Do as `augspec.functional.phase_lock_few.turned`."""
    across = tl.zeros(bin_.shape, dtype=tl.float32)
    along = tl.zeros(bin_.shape, dtype=tl.float32)
    here, before = here + 2 * bin_, before + 2 * bin_
    for _ in range(channels):
        real = tl.load(here, mask=inside, other=0.0)
        imag = tl.load(here + 1, mask=inside, other=0.0)
        real_before = tl.load(before, mask=inside, other=0.0)
        imag_before = tl.load(before + 1, mask=inside, other=0.0)
        across += _counted(imag * real_before - real * imag_before, channels)
        along += _counted(real * real_before + imag * imag_before, channels)
        here, before = here + channel_size, before + channel_size
    return _turns(across, along)


@triton.jit
def _gain(turned_by, freq, advance, hop):  # type: ignore[no-untyped-def]
    """Do as `augspec.functional.phase_lock._gain`."""
    step = tl.maximum(advance, 1).to(tl.float32)
    deviation = tl.fma(-step, freq, turned_by)
    deviation = deviation - nearest(deviation)
    longer = hop.to(tl.float32) - step
    gain = longer * freq
    return tl.fma(tl.div_rn(longer, step), deviation, gain - nearest(gain))


@triton.jit  # type: ignore[untyped-decorator]
def link_kernel(  # type: ignore[no-untyped-def]
    specgram, advances, attacks, gains, origins, frames, bins, slots, channels, ratio, unit,
    BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """Find the gains and the origins of ``BLOCK`` slots of a frame."""
    linked = frames - 4  # frames that gain turns; the first that is heard has none
    example = (tl.program_id(0) // linked).to(tl.int64)
    row = (tl.program_id(0) % linked).to(tl.int64)
    frame_size, channel_size = 2 * bins, frames.to(tl.int64) * 2 * bins
    here = specgram + example * channels * channel_size + (row + 2) * frame_size
    before, later = here - frame_size, here + 2 * frame_size

    slot = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    peak = _strongest(here, slot, bins, channels, channel_size)
    inside = (slot < slots) & (peak < bins)
    grown = _power(later, peak, bins, channels, channel_size)
    grown_from = _power(before, peak, bins, channels, channel_size)
    attack = tl.load(attacks + example * (linked + 1) + row + 1).to(tl.int32) != 0
    struck = (grown > ratio * grown_from) & attack

    advance = tl.load(advances + example * (frames - 1) + row + 1)
    turned_by = _turned(here, before, peak, inside, channels, channel_size)
    gain = _gain(turned_by, peak.to(tl.float32) * unit, advance, (bins - 1) // 2)
    # The peak that was near this one in the frame before, and the stronger one near that.
    origin = _uphill(before, peak, bins, channels, channel_size)
    origin = _strongest(before, origin, bins, channels, channel_size)
    origin = _uphill(before, origin, bins, channels, channel_size)

    place = (example * linked + row) * slots + slot
    tl.store(gains + place, tl.where(struck, 0.0, gain), mask=slot < slots)
    tl.store(origins + place, tl.where(struck, -1, origin), mask=slot < slots)


@triton.jit
def _sine(halves):  # type: ignore[no-untyped-def]
    """Evaluate ``sin(pi * x)``: by a series, as a GPU's own sine is too coarse."""
    whole = nearest(halves)
    angle = (halves - whole) * 3.141592653589793
    square = angle * angle
    sine = 1.0 - square * (1.0 / 156.0)
    sine = 1.0 - square * (1.0 / 110.0) * sine
    sine = 1.0 - square * (1.0 / 72.0) * sine
    sine = 1.0 - square * (1.0 / 42.0) * sine
    sine = 1.0 - square * (1.0 / 20.0) * sine
    sine = 1.0 - square * (1.0 / 6.0) * sine
    odd = whole * 0.5 != nearest(whole * 0.5)
    return tl.where(odd, -angle, angle) * sine


@triton.jit  # type: ignore[untyped-decorator]
def turn_kernel(  # type: ignore[no-untyped-def]
    specgram, turns, out, frames, bins, slots, channels,
    BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """Turn ``BLOCK`` bins of a frame that is heard, in all channels."""
    heard = frames - 3
    example = (tl.program_id(0) // heard).to(tl.int64)
    row = (tl.program_id(0) % heard).to(tl.int64)
    frame_size, channel_size = 2 * bins, frames.to(tl.int64) * 2 * bins
    here = specgram + example * channels * channel_size + (row + 1) * frame_size

    bin_ = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    hill = _uphill(here, bin_, bins, channels, channel_size)
    hill = _strongest(here, hill, bins, channels, channel_size)
    hill = _uphill(here, hill, bins, channels, channel_size)
    inside = bin_ < bins
    turned_by = tl.load(turns + (example * heard + row) * slots + hill, mask=inside, other=0.0)
    turned_by = turned_by - nearest(turned_by)
    cosine, sine = _sine(2.0 * turned_by + 0.5), _sine(2.0 * turned_by)
    place = here + 2 * bin_
    to = out + (example * channels * heard + row) * frame_size + 2 * bin_
    for _ in range(channels):
        real = tl.load(place, mask=inside, other=0.0)
        imag = tl.load(place + 1, mask=inside, other=0.0)
        tl.store(to, real * cosine - imag * sine, mask=inside)
        tl.store(to + 1, real * sine + imag * cosine, mask=inside)
        place, to = place + channel_size, to + heard.to(tl.int64) * frame_size


def link_peaks(
    specgram: Tensor, advance: Tensor, attacks: Tensor, ratio: float
) -> tuple[Tensor, Tensor]:
    """Find what `augspec.functional.phase_lock.lock_phases` adds up from frame to frame.

    Args:
        specgram: Spectra of the input, complex64.
        advance: Input samples from each frame to the next, int64.
        attacks: Heard frames from which an attack is copied.
        ratio: Growth of the power of a struck partial.

    Returns:
        Gains and origins of `augspec.functional.turns.accumulate_turns`.
    """
    examples, channels, frames, bins = specgram.shape
    shape = examples, frames - 4, triton.cdiv(bins, 3)
    gain = advance.new_empty(shape, dtype=torch.float32)
    origin = advance.new_empty(shape, dtype=torch.int32)
    with torch.cuda.device_of(specgram):
        link_kernel[(shape[0] * shape[1], triton.cdiv(shape[2], _SLOTS))](
            torch.view_as_real(specgram.contiguous()),
            advance.contiguous(),
            attacks.contiguous(),
            gain,
            origin,
            frames,
            bins,
            shape[2],
            channels,
            ratio,
            1.0 / (2 * (bins - 1)),
            BLOCK=_SLOTS,
            num_warps=2,
            enable_fp_fusion=False,
        )
    return gain, origin


def turn_bins(specgram: Tensor, turns: Tensor) -> Tensor:
    """Turn each bin of the frames that are heard with the peak to which it belongs.

    Args:
        specgram: Spectra of the input, complex64, ``(example, channel, frame, bin)``.
        turns: Turns of each slot in the frames that are heard, ``(example, heard, slot)``.

    Returns:
        ``(example, channel, heard, bin)``.
    """
    examples, channels, frames, bins = specgram.shape
    heard = turns.shape[1]
    out = specgram.new_empty(examples, channels, heard, bins)
    with torch.cuda.device_of(specgram):
        turn_kernel[(examples * heard, triton.cdiv(bins, _BINS))](
            torch.view_as_real(specgram.contiguous()),
            turns.contiguous(),
            torch.view_as_real(out),
            frames,
            bins,
            turns.shape[2],
            channels,
            BLOCK=_BINS,
            num_warps=4,
            enable_fp_fusion=False,
        )
    return out
