"""The peaks of `augspec.functional.phase_lock` in few operations, for a device that launches each.

On a CPU a chain of comparisons is compiled into one pass over memory. On a GPU without compilation
each of them is a launch. Here a maximum is one operation, and so is a complex product.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._constants import constant, count_up, tensor_of
from augspec.functional.linked import sum_channels

_NEAR = (0, -1, 1, -2, 2)  # of equally strong bins the first is taken


def find_peaks(
    power: Tensor, attacks: Tensor, slot_bins: int, heard: slice, ahead: int, ratio: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the peaks of the frames that are heard.

    Args:
        power: Power of all channels together, ``(example, frame, bin)``.
        attacks: Heard frames from which an attack is copied, ``(example, heard)``.
        slot_bins: Bins of a slot.
        heard: Frames that are heard.
        ahead: Number of frames ahead at which an attack is visible.
        ratio: Growth of the power of a struck partial.

    Returns:
        The slot of the strongest bin within 2 bins of each bin, ``(example, heard, bin)`` int64;
        of each slot the strongest bin, ``(example, heard, slot)`` int64, and whether it is struck.
    """
    bins = power.shape[-1]
    slots = -(-bins // slot_bins)
    fixed = partial(constant, dtype=torch.int64, device=power.device)
    # Bins outside the spectrum are the weakest.
    padded = nnf.pad(power, (2, 2 + slots * slot_bins - bins), value=-1.0)
    around = [padded[:, heard, 2 + offset : 2 + offset + bins] for offset in _NEAR]
    which = torch.stack(around).argmax(0)
    uphill = fixed(_slots_near, bins, slot_bins)[which, count_up(0, bins, power.device)]
    in_slots = padded[:, heard, 2 : 2 + slots * slot_bins].unflatten(-1, (slots, slot_bins))
    index = in_slots.argmax(-1) + fixed(_first_bins, slots, slot_bins)
    later = padded[:, 1 + ahead :, 2:].gather(-1, index)
    earlier = padded[:, : -ahead - 1, 2:].gather(-1, index)
    grown = later > ratio * earlier
    return uphill, index, grown & attacks.unsqueeze(-1)


def _slots_near(bins: int, slot_bins: int, *, dtype: torch.dtype) -> Tensor:
    """Return the slot of each bin's neighbours, ``(neighbour, bin)``."""
    near = torch.arange(bins) + torch.tensor(_NEAR).unsqueeze(-1)
    return torch.div(near, slot_bins, rounding_mode="floor").to(dtype)


def _first_bins(slots: int, slot_bins: int, *, dtype: torch.dtype) -> Tensor:
    return torch.arange(slots, dtype=dtype) * slot_bins


def phasor_of(angle: Tensor) -> Tensor:
    """Return ``exp(i * angle)``."""
    return torch.polar(constant(tensor_of, (1.0,), dtype=angle.dtype, device=angle.device), angle)


def turned(specgram: Tensor, index: Tensor, here: slice, before: slice) -> Tensor:
    """Return the phase change of each peak from the frame before, in turns.

    The channels' cross spectra are summed, so that the louder channel counts more.

    Args:
        specgram: Complex, ``(example, channel, frame, bin)``.
        index: The bin of each peak, ``(example, frame, slot)``.
        here: The frames that the peaks are in.
        before: The frames before those.

    Returns:
        ``(example, frame, slot)``, in [-0.5, 0.5]; 0, with no gradient, where it is silent.
    """
    index = index.unsqueeze(1).expand(-1, specgram.shape[1], -1, -1)
    now, then = (specgram[:, :, some].gather(-1, index) for some in (here, before))
    cross = sum_channels(now * then.conj_physical())
    cross = cross.masked_fill(cross.detach().abs() < 1e-30, 1.0)
    return torch.angle(cross) * (0.5 / math.pi)
