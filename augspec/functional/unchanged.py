"""A ratio of exactly 1 returns the input, bit for bit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import is_launched
from augspec._torch import is_compiling


def keep_unchanged(out: Tensor, sound: Tensor, unchanged: Tensor) -> Tensor:
    """Copy the input to the output for examples that must not change.

    Args:
        out: The result of a kernel for ``sound``; it is edited in place.
        sound: The input; cut or filled up with zeros to the size of the output.
        unchanged: Examples that must not change, bool.

    Shape:
        ``out``: (example, ..., size); ``sound``: (example, ..., time); ``unchanged``: (example,).
    """
    size = out.shape[-1]
    if not (is_launched(out) or is_compiling()):
        # Most batches have no such example, and on a CPU `torch.where` would cost a tenth of a
        # resampling. On a GPU testing for them would stall it, and `torch.where` is cheap.
        which = unchanged.nonzero().squeeze(1)
        if len(which):
            out[which] = _fit(sound[which], size)
        return out
    mask = unchanged.reshape(-1, *[1] * (out.ndim - 1))
    return torch.where(mask, _fit(sound, size), out)


def _fit(sound: Tensor, size: int) -> Tensor:
    short = size - sound.shape[-1]
    return nnf.pad(sound, (0, short)) if short > 0 else sound[..., :size]
