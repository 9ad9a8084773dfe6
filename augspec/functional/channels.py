"""Changes between the channels of an example."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_waveform
from augspec.functional.shapes import like
from augspec.native import samples
from augspec.native.samples import Part

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
    if samples.can_compute(waveform, source):
        rows = waveform.reshape(-1, 1, waveform.shape[-1])
        index = example[:, None] * waveform.shape[1] + source
        return samples.take(rows, index.flatten()).view(waveform.shape)
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
    if samples.can_compute(waveform, rank):
        rows = waveform.reshape(-1, 1, waveform.shape[-1])
        ends = torch.where(dropped, 0, waveform.shape[-1]).flatten()
        return samples.mix(rows.shape, Part(rows, end=ends)).view(waveform.shape)
    return torch.where(like(dropped, waveform), 0.0, waveform)


def to_mono(waveform: Tensor) -> Tensor:
    """Average the channels of each example.

    Args:
        waveform: The batch.

    Shape:
        ``(batch, channel, time)`` to ``(batch, 1, time)``.
    """
    if waveform.ndim == 3 and samples.can_compute(waveform):
        batch, channels, time = waveform.shape
        weight = waveform.new_full((batch,), 1.0 / channels)
        parts = [Part(channel, weight) for channel in waveform.split(1, dim=1)]
        return samples.mix((batch, 1, time), *parts)
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
    if channels == 1:
        return waveform
    width = width.to(waveform.dtype)
    if samples.can_compute(waveform, width):
        near, far = 0.5 + 0.5 * width, 0.5 - 0.5 * width
        left, right = (one.expand_as(waveform) for one in waveform.split(1, dim=1))
        of_left, of_right = torch.stack([near, far], 1), torch.stack([far, near], 1)
        return samples.mix(waveform.shape, Part(left, of_left), Part(right, of_right))
    middle = waveform.mean(1, keepdim=True)
    return middle + like(width, waveform) * (waveform - middle)
