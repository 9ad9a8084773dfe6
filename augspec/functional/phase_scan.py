"""The recurrence of a vocoder's phases on a GPU: one Triton kernel for all frames.

Import this module only where Triton is installed.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["scan", "scan_kernel"]


@triton.jit  # type: ignore[untyped-decorator]
def scan_kernel(gain, origin, turns, frames, slots, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    """Process one example frame by frame; its slots stay in registers."""
    row = tl.program_id(0).to(tl.int64)
    slot = tl.arange(0, BLOCK)
    inside = slot < slots
    gain += row * frames * slots + slot
    origin += row * frames * slots + slot
    turns += row * (frames + 1) * slots + slot
    state = tl.zeros((BLOCK,), dtype=turns.dtype.element_ty)
    tl.store(turns, state, mask=inside)
    for _ in range(frames):
        turns += slots
        more = tl.load(gain, mask=inside, other=0.0)
        source = tl.load(origin, mask=inside, other=-1).to(tl.int32)
        before = tl.gather(state, tl.maximum(source, 0), 0)
        state = tl.where(source < 0, more, more + before)
        state -= tl.floor(state + 0.5)  # whole turns, see `augspec.functional.turns`
        tl.store(turns, state, mask=inside)
        gain += slots
        origin += slots


def scan(gain: Tensor, origin: Tensor) -> Tensor:
    """Do as `augspec.functional.turns.accumulate_turns`, with one program per example.

    Shape:
        ``gain`` and ``origin``: (example, frame, slot); the output is (example, frame + 1, slot).
    """
    examples, frames, slots = gain.shape
    turns = gain.new_empty(examples, frames + 1, slots)
    block = triton.next_power_of_2(slots)
    warps = max(1, min(16, block // 64))
    with torch.cuda.device_of(gain):
        scan_kernel[(examples,)](
            gain.contiguous(),
            origin.contiguous(),
            turns,
            frames,
            slots,
            BLOCK=block,
            num_warps=warps,
        )
    return turns
