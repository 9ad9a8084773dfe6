"""Cutting a part out of each example."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_waveform
from augspec.functional.shapes import fit, span_start
from augspec.native import pieces

__all__ = ["crop"]


def crop_start(offset: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Return the first sample of a crop.

    Args:
        offset: Place of the crop in [0, 1), ``(batch,)``: 0 is the earliest, near 1 the latest.
        lengths: Valid samples per example, ``(batch,)``.
        size: Samples of the crop.

    Returns:
        ``(batch,)`` int64; 0 for an example that is not longer than the crop.
    """
    check_parameter("offset", offset, lengths, "batch")
    return span_start(offset, (lengths - size).clamp(min=0))


def cropped_lengths(lengths: Tensor, start: Tensor, size: int) -> Tensor:
    """Return where each example ends after a crop.

    Args:
        lengths: Valid samples before, ``(batch,)`` int64.
        start: First sample of the crop, ``(batch,)`` int64.
        size: Samples of the crop.
    """
    check_parameter("start", start, lengths, "batch", kind="int64")
    return (lengths - start).clamp(0, size)


def crop(waveform: Tensor, start: Tensor, size: int, lengths: Tensor | None = None) -> Tensor:
    """Take ``size`` samples of each example from its own ``start``; zeros follow its end.

    Args:
        waveform: The batch.
        start: First sample, ``(batch,)`` int64, 0 or more.
        size: Samples to take.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, size)``.
    """
    check_waveform(waveform, lengths)
    check_parameter("start", start, waveform, "batch", kind="int64")
    until = None if lengths is None else lengths[:, None]
    if pieces.can_move(waveform, start, lengths):
        return pieces.move(waveform, start[:, None], until, size=size)
    end = waveform.shape[-1] if until is None else until
    waveform = fit(waveform, max(size, waveform.shape[-1]))
    index = start[:, None] + torch.arange(size, device=waveform.device)
    inside = (index < end)[:, None]
    index = index.clamp(max=waveform.shape[-1] - 1)[:, None].expand(-1, waveform.shape[1], -1)
    return torch.where(inside, waveform.gather(-1, index), 0.0)
