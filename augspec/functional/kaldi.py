"""Kaldi's conventions: its mel filters and what it does to a frame before the transform."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["kaldi_filterbank"]


def kaldi_filterbank(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    *,
    dtype: torch.dtype,
) -> Tensor:
    """Make Kaldi's mel filters: triangles over mel, not over Hz, that leave out the highest bin.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: Samples of a frame, as it is transformed.
        n_mels: Number of filters.
        f_min: Lowest corner in Hz.
        f_max: Highest corner in Hz.
        dtype: The result's dtype; the filters are computed in float64 and rounded once.

    Shape:
        ``(n_fft // 2 + 1, n_mels)``.

    References:
        Povey et al., "The Kaldi Speech Recognition Toolkit", ASRU 2011.
    """
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * (sample_rate / n_fft)
    low, high = _mel(f_min), _mel(f_max)
    step = (high - low) / (n_mels + 1)
    left = low + step * torch.arange(n_mels, dtype=torch.float64)
    place = (1127.0 * torch.log1p(bins[:, None] / 700.0) - left) / step
    filters = torch.minimum(place, 2.0 - place).clamp(min=0.0)
    filters[n_fft // 2 :] = 0.0
    return filters.to(dtype)


def _mel(frequency: float) -> float:
    return 1127.0 * math.log1p(frequency / 700.0)


def reflected_places(first: int, count: int, lengths: Tensor) -> Tensor:
    """Say which samples stand at ``first`` and after, where sound is mirrored at its ends.

    The first and the last sample stand twice, side by side.

    Args:
        first: First place, negative before the start.
        count: Number of places.
        lengths: Samples of each example, ``(batch,)``.

    Returns:
        ``(batch, count)`` int64.
    """
    ends = lengths.clamp(min=1)[:, None]
    place = (first + torch.arange(count, device=lengths.device)) % (2 * ends)
    return torch.where(place < ends, place, 2 * ends - 1 - place)
