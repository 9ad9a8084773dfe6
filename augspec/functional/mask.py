"""Masking spans of a spectrogram."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from augspec._compile import needs_gradient
from augspec._torch import is_compiling
from augspec.functional.checks import check_parameter, check_specgram
from augspec.native import bins

__all__ = ["mask_span"]

MaskValue = float | Literal["mean", "min"]

_BITS = {torch.float32: torch.int32, torch.float64: torch.int64}


def mask_value_of(specgram: Tensor, mask_value: MaskValue, lengths: Tensor | None = None) -> Tensor:
    """Return the value for masked cells, one per example and channel.

    Args:
        specgram: The batch.
        mask_value: A number, or ``"mean"`` or ``"min"`` of the example's valid frames.
        lengths: Valid frames per example, ``(batch,)``.

    Shape:
        ``(batch, channel, freq, frame)`` to ``(batch, channel, 1, 1)``; for a number ``(1, 1, 1,
        1)``.
    """
    if not isinstance(mask_value, str):
        return specgram.new_full((1, 1, 1, 1), mask_value)
    if bins.can_compute(specgram, lengths):
        if mask_value == "min":
            return bins.least(specgram, lengths)
        return bins.moments(specgram, lengths, shared="freq")[0]
    if lengths is None:
        cells = (-2, -1)
        return specgram.amin(cells, True) if mask_value == "min" else specgram.mean(cells, True)
    frames = torch.arange(specgram.shape[-1], device=specgram.device)
    valid = (frames < lengths[:, None])[:, None, None]
    count = lengths.clamp(min=1)
    if mask_value == "min":
        return specgram.masked_fill(~valid, torch.inf).amin((-2, -1), keepdim=True)
    total = torch.where(valid, specgram, 0.0).sum((-2, -1), keepdim=True)
    return total / (count * specgram.shape[-2]).reshape(-1, 1, 1, 1)


def mask_span(
    specgram: Tensor,
    start: Tensor,
    width: Tensor,
    dim: int,
    value: Tensor | float,
    lengths: Tensor | None = None,
) -> Tensor:
    """Set the bins or frames ``start <= i < start + width`` of each example to ``value``.

    Args:
        specgram: The batch.
        start: First masked place, ``(batch,)`` or ``(batch, channel)`` int64.
        width: Number of masked span, of the shape of ``start``.
        dim: -2 for bins, -1 for frames.
        value: Value of masked cells, a number or a tensor that broadcasts with ``specgram``.
        lengths: Valid frames per example, ``(batch,)``: later frames stay as they are.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.
    """
    check_specgram(specgram, lengths)
    for name, places in (("start", start), ("width", width)):
        check_parameter(name, places, specgram, kind="int64")
    by_channel = not isinstance(value, Tensor) or value.shape[-2:] == (1, 1)
    given = value if isinstance(value, Tensor) else None
    if by_channel and bins.can_compute(specgram, given, start, width, lengths):
        span = (start.unsqueeze(-1), width.unsqueeze(-1))
        if dim == -1:
            return bins.mask(specgram, value, lengths, spans=span)
        return bins.mask(specgram, value, lengths, bands=span)
    shape = start.shape + (1,) * (specgram.ndim - 1 - start.ndim)
    masked = spans(start.reshape(shape), width.reshape(shape), specgram.shape[dim])
    masked = masked if dim == -1 else masked.transpose(-1, -2)
    if lengths is not None:
        frame = torch.arange(specgram.shape[-1], device=specgram.device)
        masked = masked & (frame < lengths[:, None])[:, None, None]
    if not isinstance(value, Tensor) and value == 0.0:
        return _blank(specgram, masked)
    return torch.where(masked, value, specgram)


def _blank(specgram: Tensor, masked: Tensor) -> Tensor:
    """Set masked cells to zero by a bitwise "and", in half the time of ``torch.where``."""
    bits = _BITS.get(specgram.dtype)
    if bits is None or needs_gradient(specgram) or is_compiling():
        return torch.where(masked, 0.0, specgram)
    return (specgram.view(bits) & (masked.to(bits) - 1)).view(specgram.dtype)


def spans(start: Tensor, width: Tensor, size: int) -> Tensor:
    """Return which of ``size`` places lie in ``start <= i < start + width``.

    Args:
        start: First place of each span, any shape, int64.
        width: Number of places, of the shape of ``start``.
        size: Total number of places.

    Returns:
        bool, the shape of ``start`` and ``(size,)``.
    """
    place = torch.arange(size, device=start.device)
    return (place >= start[..., None]) & (place < (start + width)[..., None])
