"""Adding up the turns of a vocoder's peaks from frame to frame, on devices other than a CPU.

Whole turns are dropped at every step. A peak may turn ten thousands of times in some minutes, and
float32 would then keep no more than hundredths of a turn.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import runs_triton, triton_op

__all__ = ["accumulate_turns", "less_whole"]


def less_whole(turns: Tensor) -> Tensor:
    """Subtract the nearest whole number of turns: a value in [-0.5, 0.5] is left."""
    return turns - turns.round()


def accumulate_turns(gain: Tensor, origin: Tensor) -> Tensor:
    """Sum gains along the frames, from a first frame that has no turns.

    ``turns[k + 1, s] = turns[k, origin[k, s]] + gain[k, s]`` in frame ``k`` and slot ``s``; where
    ``origin`` is negative, ``turns[k + 1, s] = gain[k, s]``. Of each sum the nearest whole number
    is subtracted.

    On an NVIDIA or AMD GPU one Triton kernel loops over the frames: one launch, and each value is
    read once. On other devices, for gradients and under ``torch.func``, `_by_doubling` is used.

    Args:
        gain: Gain of each slot in each frame.
        origin: The slot of the previous frame that it continues, int64.

    Shape:
        ``gain`` and ``origin``: (example, frame, slot); the output is (example, frame + 1, slot).
    """
    if runs_triton(gain):
        turns: Tensor = torch.ops.augspec.accumulate_turns(gain, origin)
        return turns
    return _by_doubling(gain, origin)


@triton_op(
    "accumulate_turns",
    "(Tensor gain, Tensor origin) -> Tensor",
)
def _by_scan(gain: Tensor, origin: Tensor) -> Tensor:
    from augspec.functional.phase_scan import scan  # Triton is not always installed

    return scan(gain, origin)


@_by_scan.register_fake
def _(gain: Tensor, _origin: Tensor) -> Tensor:
    examples, frames, slots = gain.shape
    return gain.new_empty(examples, frames + 1, slots)


def _by_doubling(gain: Tensor, origin: Tensor) -> Tensor:
    """Accumulate in ``log2(frames)`` steps, each of which looks twice as far back as the last.

    Every slot of every frame has a sum and a link to the slot that it continues. A step adds the
    linked sum, and replaces the link by the linked slot's link (Wyllie's list ranking, 1979).
    """
    _, frames, slots = gain.shape
    # Place 0 is the common start: it adds nothing and links to itself.
    frame = torch.arange(frames, device=gain.device).unsqueeze(-1)
    place = origin + (slots * (frame - 1) + 1)
    place = torch.where((origin >= 0) & (frame > 0), place, 0)
    place, total = (nnf.pad(values.flatten(1), (1, 0)) for values in (place, gain))
    total = less_whole(total)
    for _ in range((frames - 1).bit_length() if frames > 1 else 0):
        total = less_whole(total + total.gather(1, place))
        place = place.gather(1, place)
    turns: Tensor = nnf.pad(total[:, 1:], (slots, 0)).unflatten(1, (frames + 1, slots))
    return turns
