"""Adding up the turns of a vocoder's peaks from frame to frame, on devices other than a CPU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import runs_triton

__all__ = ["accumulate_turns"]


def accumulate_turns(gain: Tensor, origin: Tensor) -> Tensor:
    """Sum gains along the frames, from a first frame that has no turns.

    ``turns[k + 1, s] = turns[k, origin[k, s]] + gain[k, s]`` in frame ``k`` and slot ``s``; where
    ``origin`` is negative, ``turns[k + 1, s] = gain[k, s]``.

    On an NVIDIA or AMD GPU one Triton kernel goes from frame to frame: one launch, and each value
    is read once. Elsewhere, for a gradient and under ``torch.func``, `_by_doubling` does it.

    Args:
        gain: What each slot gains in each frame.
        origin: The slot of the frame before that it goes on from, int64.

    Shape:
        ``gain`` and ``origin``: (example, frame, slot); the output is (example, frame + 1, slot).
    """
    if runs_triton(gain):
        turns: Tensor = torch.ops.augspec.accumulate_turns(gain, origin)
        return turns
    return _by_doubling(gain, origin)


# An operation of torch: a graph takes it as it is, and fake tensors know its shape.
@torch.library.custom_op(
    "augspec::accumulate_turns",
    mutates_args=(),
    device_types="cuda",
    schema="(Tensor gain, Tensor origin) -> Tensor",
)
def _by_scan(gain: Tensor, origin: Tensor) -> Tensor:
    from augspec.functional.phase_scan import scan  # Triton is not everywhere

    return scan(gain, origin)


@_by_scan.register_fake
def _(gain: Tensor, _origin: Tensor) -> Tensor:
    examples, frames, slots = gain.shape
    return gain.new_empty(examples, frames + 1, slots)


def _by_doubling(gain: Tensor, origin: Tensor) -> Tensor:
    """Accumulate in ``log2(frames)`` steps, each of which looks twice as far back as the last.

    Every slot of every frame has a sum and the place that it goes on from. A step adds the sum
    that is found there, and goes on from where that one does (Wyllie's list ranking, 1979).
    """
    _, frames, slots = gain.shape
    # Place 0 is where all begin: it adds nothing and goes on to itself.
    frame = torch.arange(frames, device=gain.device).unsqueeze(-1)
    place = origin + (slots * (frame - 1) + 1)
    place = torch.where((origin >= 0) & (frame > 0), place, 0)
    place, total = (nnf.pad(values.flatten(1), (1, 0)) for values in (place, gain))
    for _ in range((frames - 1).bit_length() if frames > 1 else 0):
        total = total + total.gather(1, place)
        place = place.gather(1, place)
    turns: Tensor = nnf.pad(total[:, 1:], (slots, 0)).unflatten(1, (frames + 1, slots))
    return turns
