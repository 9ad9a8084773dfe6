"""Frames of a vocoder, turned so that neighbours fit together."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec._compile import needs_gradient, runs_triton, triton_op
from augspec.functional.phase_lock import HEARD, STRUCK_RATIO, lock_phases
from augspec.functional.turns import accumulate_turns

__all__ = ["turn_frames"]


def turn_frames(specgram: Tensor, advance: Tensor, attacks: Tensor) -> Tensor:
    """Return the frames that are heard, turned by the phasors of `lock_phases`.

    On an NVIDIA or AMD GPU three Triton kernels do this in float32: one finds what each peak gains
    from frame to frame, one adds that up, and one turns the bins. On other devices, in float64, for
    gradients and under ``torch.func`` torch's operations do it.

    Args:
        specgram: Spectra of the input, complex.
        advance: Input samples from each frame to the next, int64.
        attacks: Heard frames from which an attack is copied.

    Shape:
        ``specgram``: (example, channel, frame, bin); ``advance``: (example, frame - 1);
        ``attacks``: (example, heard); the output is (example, channel, heard, bin).
    """
    if specgram.dtype == torch.complex64 and runs_triton(specgram):
        links = torch.ops.augspec.link_peaks(specgram, advance, attacks)
        turned: Tensor = torch.ops.augspec.turn_bins(specgram, accumulate_turns(*links))
        return turned
    phasor = lock_phases(specgram, advance, attacks).unsqueeze(1)
    heard = specgram[:, :, HEARD]
    in_place = specgram.shape[1] == 1 and not needs_gradient(phasor)
    return phasor.mul_(heard) if in_place else phasor * heard


@triton_op(
    "link_peaks",
    "(Tensor specgram, Tensor advance, Tensor attacks) -> (Tensor, Tensor)",
)
def _link(specgram: Tensor, advance: Tensor, attacks: Tensor) -> tuple[Tensor, Tensor]:
    from augspec.functional import phase_lock_triton  # Triton is not always installed

    return phase_lock_triton.link_peaks(specgram, advance, attacks, STRUCK_RATIO)


@_link.register_fake
def _(specgram: Tensor, advance: Tensor, attacks: Tensor) -> tuple[Tensor, Tensor]:
    shape = len(specgram), attacks.shape[1] - 1, (specgram.shape[-1] + 2) // 3
    gain = advance.new_empty(shape, dtype=torch.float32)
    return gain, advance.new_empty(shape, dtype=torch.int32)


@triton_op(
    "turn_bins",
    "(Tensor specgram, Tensor turns) -> Tensor",
)
def _turn(specgram: Tensor, turns: Tensor) -> Tensor:
    from augspec.functional import phase_lock_triton

    return phase_lock_triton.turn_bins(specgram, turns)


@_turn.register_fake
def _(specgram: Tensor, turns: Tensor) -> Tensor:
    examples, channels, _, bins = specgram.shape
    return specgram.new_empty(examples, channels, turns.shape[1], bins)
