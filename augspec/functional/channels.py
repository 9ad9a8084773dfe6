"""Changes between the channels of an example."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_waveform
from augspec.functional.shapes import like

__all__ = ["channel_drop", "channel_shuffle", "stereo_width", "to_mono"]


def channel_shuffle(waveform: Tensor, order: Tensor) -> Tensor:
    """Put the channels of each example into a new order.

    An ``order`` that would not change the channels rotates them by one place instead.

    Args:
        waveform: The batch.
        order: A number for each channel, ``(batch, channel)``: channels are sorted by it, equal
            numbers in their old order.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_waveform(waveform)
    check_parameter("order", order, waveform, "batch channel")
    source = order.argsort(dim=-1, stable=True)
    unchanged = (source.diff(dim=-1) > 0).all(-1, keepdim=True)
    source = torch.where(unchanged, source.roll(1, -1), source)
    example = torch.arange(len(waveform), device=waveform.device)
    return waveform[example[:, None], source]


def channel_drop(waveform: Tensor, order: Tensor, count: Tensor) -> Tensor:
    """Silence some channels of each example, but never all.

    Args:
        waveform: The batch.
        order: A number for each channel, ``(batch, channel)``: those with the smallest are
            silenced.
        count: Number of silenced channels, ``(batch,)`` int64; at least one channel stays.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_waveform(waveform)
    check_parameter("order", order, waveform, "batch channel")
    check_parameter("count", count, waveform, "batch", kind="int64")
    rank = order.argsort(dim=-1, stable=True).argsort(dim=-1)
    dropped = rank < count.clamp(max=waveform.shape[1] - 1)[:, None]
    return torch.where(like(dropped, waveform), 0.0, waveform)


def to_mono(waveform: Tensor) -> Tensor:
    """Average the channels of each example.

    Args:
        waveform: The batch.

    Shape:
        ``(batch, channel, time)`` to ``(batch, 1, time)``.
    """
    return waveform.mean(1, keepdim=True)


def stereo_width(waveform: Tensor, width: Tensor) -> Tensor:
    """Scale the difference between the two channels of each example; their mean stays.

    Args:
        waveform: The batch.
        width: Factor, ``(batch,)``: 0 makes both channels equal, 1 leaves them, more is wider.

    Shape:
        ``(batch, channel, time)`` in and out, with two channels; one channel stays as it is.

    Raises:
        ValueError: If there are more than two channels.
    """
    check_waveform(waveform)
    check_parameter("width", width, waveform, "batch")
    channels = waveform.shape[1]
    if channels > 2:
        raise ValueError(f"`waveform` must have one or two channels, got {channels}")
    middle = waveform.mean(1, keepdim=True)
    if channels == 1:
        return waveform
    return middle + like(width.to(waveform.dtype), waveform) * (waveform - middle)
