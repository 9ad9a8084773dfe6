"""Change of sample rate."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from augspec.functional.resample import resample_rate
from augspec.params import Values
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import check_rate, setting

__all__ = ["Resample"]


class Resample(WaveformTransform, kernel=resample_rate):
    """Resample every example from one sample rate to another, in ``eval()`` too.

    Args:
        orig_freq: Sample rate of the input in Hz.
        new_freq: Sample rate of the output in Hz.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, ceil(time * new_freq / orig_freq))``.

    Raises:
        ValueError: If a rate is not a positive integer.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.Resample(44_100, 16_000)(torch.randn(2, 1, 44_100)).shape
        torch.Size([2, 1, 16000])
    """

    in_eval = True
    sets_shape = True

    orig_freq: int = setting(check=check_rate)
    new_freq: int = setting(check=check_rate)
    p: float = setting(default=1.0, init=False)
    per_channel: bool = setting(default=False, init=False)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(16_000, 11_025)

    def _size(self, time: int) -> int:
        return -(-time * self.new_freq // self.orig_freq)

    def _lengths(self, time: int, params: Values, lengths: Tensor | None) -> Tensor | None:
        if lengths is None:
            return None
        return -torch.div(-lengths * self.new_freq, self.orig_freq, rounding_mode="floor")
