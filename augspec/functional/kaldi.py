"""Kaldi's conventions: its mel filters and mirrored ends."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.scale import precise_dtype

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
    """Make Kaldi's mel filters: triangles over mel instead of Hz, without the highest bin.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: FFT size in samples.
        n_mels: Number of filters.
        f_min: Lowest corner in Hz.
        f_max: Highest corner in Hz.
        dtype: The result's dtype; the filters are computed in float64 and rounded once.

    Shape:
        ``(n_fft // 2 + 1, n_mels)``.

    References:
        Povey et al., "The Kaldi Speech Recognition Toolkit", ASRU 2011.
    """
    ends = torch.tensor([f_min, f_max], dtype=torch.float64)
    return _triangles(ends, sample_rate, n_fft, n_mels).to(dtype)


def kaldi_filterbanks(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: Tensor,
    f_max: Tensor,
    *,
    dtype: torch.dtype,
) -> Tensor:
    """Make `kaldi_filterbank` for each example, with its own lowest and highest corner.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: FFT size in samples.
        n_mels: Number of filters.
        f_min: Lowest corner of each in Hz.
        f_max: Highest corner of each in Hz, above ``f_min``.
        dtype: The result's dtype.

    Shape:
        ``(batch,)`` to ``(batch, n_fft // 2 + 1, n_mels)``.
    """
    ends = torch.stack([f_min, f_max], -1).to(precise_dtype(f_min.device))
    return _triangles(ends, sample_rate, n_fft, n_mels).to(dtype)


def _triangles(ends: Tensor, sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    """Make filters between ``(..., 2)`` ends in Hz, ``(..., freq, n_mels)``."""
    bins = torch.arange(n_fft // 2 + 1, dtype=ends.dtype, device=ends.device)
    low, high = _mel(ends).unsqueeze(-2).split(1, dim=-1)
    step = (high - low) / (n_mels + 1)
    left = low + step * torch.arange(n_mels, dtype=ends.dtype, device=ends.device)
    place = (_mel(bins * (sample_rate / n_fft))[:, None] - left) / step
    filters = torch.minimum(place, 2.0 - place).clamp(min=0.0)
    return torch.where(bins[:, None] < n_fft // 2, filters, 0.0)


def _mel(frequency: Tensor) -> Tensor:
    return 1127.0 * torch.log1p(frequency / 700.0)


def reflected_places(first: int, count: int, lengths: Tensor) -> Tensor:
    """Return the samples at ``first`` and after, for sound that is mirrored at its ends.

    The first and the last sample occur twice.

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
