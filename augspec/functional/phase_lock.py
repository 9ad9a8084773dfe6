"""Phase locking: the phase by which a vocoder turns each bin to align neighbouring frames."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import compiled, launches_cost
from augspec._constants import constant, tensor_of
from augspec._torch import is_compiling
from augspec.functional.linked import sum_channels
from augspec.functional.phase_lock_few import find_peaks, phasor_of, turned
from augspec.functional.turns import accumulate_turns, less_whole

OVERLAP = 4  # frames over each sample of the output
LOOKAHEAD = OVERLAP // 2  # frames from the first that an attack touches to one that it fills
# The analysed frames that are heard. The one before and the two after them only show which partials
# an attack strikes.
HEARD = slice(1, -LOOKAHEAD)
# The analysed frames that gain turns, and the frame before each of them.
_HERE, _BEFORE = slice(2, -LOOKAHEAD), slice(1, -LOOKAHEAD - 1)
STRUCK_RATIO = 4.0  # a partial is struck if its power grows more than this across an attack
_SLOT = 3  # bins of a slot: the minimum distance of peaks, so that a slot holds at most one
# arctan(x) / x on [0, 1] as a polynomial in x**2, highest power first (Hastings 1955, sheet 11).
_ARCTAN = (-0.0117212, 0.05265332, -0.11643287, 0.19354346, -0.33262347, 0.99997726)


def lock_phases(specgram: Tensor, advance: Tensor, attacks: Tensor) -> Tensor:
    """Return the phasor that turns each bin of the frames that are heard.

    Bins turn with the peak to which they belong: identity phase locking (Laroche and Dolson 1999).
    A bin finds its peak in two steps, each to the strongest bin within 2 bins. Peaks are 3 bins
    apart or more. So data of peaks are stored in slots of 3 bins, each of which stands for its
    strongest bin.

    All channels of an example turn by the same phasor, so that the phases between them stay.

    Args:
        specgram: Spectra of the input, complex.
        advance: Input samples from each frame to the next, int64.
        attacks: Heard frames from which an attack is copied: the phases of partials that it strikes
            restart.

    Shape:
        ``specgram``: (example, channel, frame, bin); ``advance``: (example, frame - 1);
        ``attacks``: (example, heard); the output is (example, heard, bin).
    """
    few = launches_cost(specgram)
    find = _find_links_in_few if few else _find_links
    uphill, hill, links = find(specgram, advance, attacks)
    angle = (2 * math.pi * _accumulate(*links)).gather(-1, hill)
    phasor = phasor_of(angle) if few else torch.complex(torch.cos(angle), torch.sin(angle))
    return phasor.gather(-1, uphill)


Links = tuple[Tensor, Tensor | None, Tensor]  # gain, kept and origin of `_accumulate`


def _find_links(specgram: Tensor, advance: Tensor, attacks: Tensor) -> tuple[Tensor, Tensor, Links]:
    """Find the slot to which each bin belongs, the slot of each slot's peak, and their links.

    Shape:
        ``(example, heard, bin)``, ``(example, heard, slot)``; the links are those of `_accumulate`.
    """
    parts = torch.view_as_real(specgram)
    with torch.no_grad():
        uphill, packed = _find_peaks(parts, attacks)
        index = _unpack_bin(packed)
        hill, origin = _second_step(uphill, index)
    here, before = parts[:, :, _HERE], parts[:, :, _BEFORE]
    index = index[:, None, 1:].expand(-1, parts.shape[1], -1, -1)
    real, imag = (here[..., i].gather(-1, index) for i in (0, 1))
    real_before, imag_before = (before[..., i].gather(-1, index) for i in (0, 1))
    n_fft = 2 * (parts.shape[-2] - 1)
    gain, kept = _gains(
        real, imag, real_before, imag_before, packed[:, 1:], advance[:, 1:-LOOKAHEAD], n_fft
    )
    return uphill, hill, (gain, kept, origin)


def _find_links_in_few(
    specgram: Tensor, advance: Tensor, attacks: Tensor
) -> tuple[Tensor, Tensor, Links]:
    """Do as `_find_links` in few operations."""
    with torch.no_grad():
        power = sum_channels(torch.view_as_real(specgram).square().sum(-1))
        uphill, index, struck = find_peaks(power, attacks, _SLOT, HEARD, LOOKAHEAD, STRUCK_RATIO)
        hill, origin = _second_step(uphill, index)
    index, struck = index[:, 1:], struck[:, 1:]
    turned_by = turned(specgram, index, _HERE, _BEFORE)
    n_fft = 2 * (specgram.shape[-1] - 1)
    freq = index * constant(tensor_of, (1.0 / n_fft,), dtype=turned_by.dtype, device=index.device)
    gain = _gain(turned_by, freq, advance[:, 1:-LOOKAHEAD], n_fft).masked_fill(struck, 0.0)
    return uphill, hill, (gain, None, origin.masked_fill(struck, -1))


def _second_step(uphill: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Find the stronger peak near the peak of each slot: in its frame, and in the frame before.

    Returns:
        The slot to which the peak of each slot belongs, ``(example, heard, slot)``; and, without
        the first frame, the slot in the frame before to which the peak belonged.
    """
    hill = uphill.gather(-1, index)
    return hill, hill[:, :-1].gather(-1, uphill[:, :-1].gather(-1, index[:, 1:]))


def _pack(bin_: Tensor, struck: Tensor) -> Tensor:
    """Put the number of a bin and whether it is struck into one float: ``2 * bin + struck``.

    So the kernel that finds both writes one tensor instead of two. This saves an eighth of the time
    to find peaks, one to two percent of a stretch.
    """
    return 2 * bin_ + struck


def _unpack_bin(packed: Tensor) -> Tensor:
    """Return the bin as an index."""
    return (0.5 * packed).to(torch.int64)


def _unpack(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bin as a float, and 1.0 where it is struck, else 0.0."""
    bin_ = torch.floor(0.5 * packed)
    return bin_, packed - 2.0 * bin_


def _find_peaks(parts: Tensor, attacks: Tensor) -> tuple[Tensor, Tensor]:
    """Find peaks in the frames that are heard, in the power of all channels together.

    Returns:
        The slot of the strongest bin within 2 bins of each bin, ``(example, heard, bin)`` int64;
        and of each slot the strongest bin, `_pack`-ed with whether it is struck, ``(example, heard,
        slot)``.
    """
    # Use two kernels: in a fused one each power would be computed again for every use.
    power = _padded_power(parts)
    # Pass it as an argument: computing numbers of slots in the kernel prevents vectorisation.
    bin_ = torch.arange(-2, power.shape[-1] - 2, device=parts.device)
    slot = torch.div(bin_, _SLOT, rounding_mode="floor").to(power.dtype)
    uphill, strongest = _climb(power, slot, attacks)
    # The last slot may reach above the spectrum, where no bin can be the strongest.
    return uphill[..., : parts.shape[-2]], strongest[..., ::_SLOT].contiguous()


@compiled
def _padded_power(parts: Tensor) -> Tensor:
    """Return the power with 2 extra bins below, and above with the last slot filled plus 2 bins."""
    power = sum_channels(parts[..., 0].square() + parts[..., 1].square())
    return nnf.pad(power, (2, 2 + -power.shape[-1] % _SLOT), value=-1.0)


@compiled
def _climb(power: Tensor, slot: Tensor, attacks: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slot of the strongest bin within 2 bins of each; and for each the strongest of 3.

    The latter, over a bin and the 2 above it, is `_pack`-ed.
    """
    bins = power.shape[-1] - 4

    def at(offset: int) -> slice:
        return slice(2 + offset, 2 + offset + bins)

    best = power[:, HEARD, at(0)]
    uphill = slot[at(0)].expand_as(best)
    for offset in (-1, 1, -2, 2):
        here = power[:, HEARD, at(offset)]
        higher = here > best
        best = torch.where(higher, here, best)
        uphill = torch.where(higher, slot[at(offset)], uphill)

    bin_ = torch.arange(bins, device=power.device).to(power.dtype)
    best = power[:, HEARD, at(0)]
    strongest = torch.zeros_like(best)
    for offset in range(_SLOT):
        later, earlier = (
            power[:, 1 + LOOKAHEAD :, at(offset)],
            power[:, : -LOOKAHEAD - 1, at(offset)],
        )
        grown = later > STRUCK_RATIO * earlier.clamp(min=0.0)
        here = power[:, HEARD, at(offset)]
        higher = (here > best) | (offset == 0)
        best = torch.where(higher, here, best)
        packed = _pack(bin_ + offset, attacks.unsqueeze(-1) & grown)
        strongest = torch.where(higher, packed, strongest)
    return uphill.to(torch.int64), strongest


@compiled
def _gains(
    real: Tensor,
    imag: Tensor,
    real_before: Tensor,
    imag_before: Tensor,
    packed: Tensor,
    advance: Tensor,
    n_fft: int,
) -> tuple[Tensor, Tensor]:
    """Return the turns that each peak gains from the frame before, and 1 or, if it is struck, 0.

    A partial of ``f`` turns per sample, in frames whose distance changes from ``advance`` to
    ``hop``, gains ``(hop - advance) * f``. ``f`` comes from the phases of the two frames: from the
    sum of the channels' cross spectra, in which the louder channel counts more. A struck partial
    gains nothing.
    """
    peak, struck = _unpack(packed)
    turned_by = _turns(
        sum_channels(imag * real_before - real * imag_before),
        sum_channels(real * real_before + imag * imag_before),
    )
    kept = 1.0 - struck
    gain = _gain(turned_by, peak * (1.0 / n_fft), advance, n_fft)
    return torch.where(kept > 0, gain, 0.0), kept


def _gain(turned_by: Tensor, freq: Tensor, advance: Tensor, n_fft: int) -> Tensor:
    """Do as `_gains`; ``freq`` is that of the bin's middle, from which the partial deviates."""
    hop = n_fft // OVERLAP
    step = advance.clamp(min=1).unsqueeze(-1).to(turned_by.dtype)
    deviation = _add_product(turned_by, step, freq, -1)
    deviation = deviation - torch.round(deviation)
    longer = hop - step
    gain = longer * freq
    return _add_product(gain - torch.round(gain), longer / step, deviation)


def _add_product(total: Tensor, a: Tensor, b: Tensor, sign: int = 1) -> Tensor:
    """Add ``sign * a * b``; where launches cost time, in one operation, which rounds once."""
    if launches_cost(total):
        return torch.addcmul(total, a, b, value=sign)
    return total + a * b if sign > 0 else total - a * b


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


def _accumulate(gain: Tensor, kept: Tensor | None, origin: Tensor) -> Tensor:
    """Sum gains along the frames, from a first frame that has no turns.

    ``turns[k + 1, s] = kept[k, s] * turns[k, origin[k, s]] + gain[k, s]`` in frame ``k`` and slot
    ``s``, less the nearest whole number. Without ``kept`` it is 0 where the origin is negative, and
    else 1.
    """
    if kept is None:
        return accumulate_turns(gain, origin)
    if gain.device.type != "cpu" or is_compiling():
        return accumulate_turns(gain, torch.where(kept > 0, origin, -1))
    turns = torch.zeros_like(gain[:, 0])
    collected = [turns]
    for more, kept_, from_ in zip(gain.unbind(1), kept.unbind(1), origin.unbind(1), strict=True):
        turns = less_whole(torch.addcmul(more, kept_, turns.gather(-1, from_)))
        collected.append(turns)
    return torch.stack(collected, dim=1)
