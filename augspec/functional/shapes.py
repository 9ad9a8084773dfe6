"""Small helpers on the shapes and dtypes of waveforms, spectrograms and their parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from augspec.functional.checks import compute_dtype

__all__ = ["fit", "like", "silence_after", "span_start", "working_dtype"]


def working_dtype(tensor: Tensor) -> Tensor:
    """Give half-precision input in float32, in which it is computed; other input as it is."""
    return tensor.to(compute_dtype(tensor))


def like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """Give a ``(batch,)`` or ``(batch, channel)`` parameter the rank of ``tensor``."""
    return parameter.reshape(parameter.shape + (1,) * (tensor.ndim - parameter.ndim))


def fit(tensor: Tensor, size: int) -> Tensor:
    """Cut or zero-pad the last dimension to ``size``."""
    missing = size - tensor.shape[-1]
    return tensor if missing == 0 else nn.functional.pad(tensor, (0, missing))


def silence_after(waveform: Tensor, lengths: Tensor | None) -> Tensor:
    """Zero what lies beyond each example's end, whatever it holds; None leaves all as it is."""
    if lengths is None:
        return waveform
    inside = torch.arange(waveform.shape[-1], device=waveform.device) < like(lengths, waveform)
    return torch.where(inside, waveform, 0.0)


def span_start(fraction: Tensor, room: Tensor | int) -> Tensor:
    """Turn a place in [0, 1) into an int64 in ``[0, room]``, each equally likely.

    In integers, exact for the 24 bits that a draw has: a float32 product could round up to
    ``room + 1``, and not every device has float64.
    """
    place = ((fraction * 2.0**24).long() * (room + 1)) >> 24
    return torch.minimum(place, torch.as_tensor(room, device=place.device))
