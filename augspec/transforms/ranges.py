"""Ranges of frequency and quality, and drawing from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from augspec.functional.checks import check_range
from augspec.random import Draw

__all__ = ["check_freq", "check_q", "log_uniform"]


LOWEST = 1e-6  # Hz: much less is 0 in the float32 of params


def check_freq(name: str, freq: float | Sequence[float], sample_rate: int) -> tuple[float, float]:
    """Check that a range of frequencies lies between 0 and Nyquist, both left out."""
    low, high = check_range(name, freq)
    if not LOWEST <= low <= high < sample_rate / 2:
        raise ValueError(
            f"`{name}` must lie above 0 and below half of `sample_rate`, {sample_rate / 2:g} Hz, "
            f"got {freq!r}"
        )
    return low, high


def check_q(q: float | Sequence[float]) -> tuple[float, float]:
    """Check that a range of quality factors is positive."""
    return check_range("q", q, at_least=0.01, at_most=1000.0)


def log_uniform(draw: Draw, name: str, low: float, high: float) -> Tensor:
    """Draw values in ``[low, high]`` of which every ratio is equally likely: uniform in octaves."""
    drawn = low * torch.pow(high / low, draw.uniform(name))
    return drawn.clamp(low, high)  # rounding may exceed
