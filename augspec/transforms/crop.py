"""Transforms that cut examples to a size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from augspec.functional.checks import check_size
from augspec.functional.crop import crop, crop_start, cropped_lengths
from augspec.params import Values
from augspec.transforms.base import ends_at
from augspec.transforms.declare import Place, setting
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["CenterCrop", "RandomCrop"]


class _Crop(FusableTransform, ABC):
    sets_shape = True
    keeps_samples = True

    size: int = setting(check=check_size)
    p: float = setting(default=1.0, init=False)
    per_channel: bool = setting(default=False, init=False)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(2000)

    @abstractmethod
    def _start(self, params: Values, ends: Tensor) -> Tensor:
        """Return the sample at which the crop of each example begins."""

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        start = self._start(params, ends_at(signal.shape[-1], params, lengths))
        return crop(signal, start, self.size, lengths)

    def _lengths(self, time: int, params: Values, lengths: Tensor | None) -> Tensor:
        ends = ends_at(time, params, lengths)
        return cropped_lengths(ends, self._start(params, ends), self.size)

    def _size(self, time: int) -> int:
        return self.size

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        return position + self._start(params, lengths)[:, None]

    def warp(self, warp: Warp, params: Values) -> Warp:
        """Begin at the crop."""
        if self.size == warp.size and warp.source_ends is None:
            return warp  # it takes all samples, and no padding has to be silenced
        start = self._start(params, warp.ends)
        return warp.cut(start, self.size, cropped_lengths(warp.ends, start, self.size))


class RandomCrop(_Crop):
    """Cut a random part out of each example; a shorter one is followed by zeros.

    The crop lies on the example's sound: within ``lengths``, where they are known.

    Args:
        size: Samples of the result.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, size)``; lengths are at most ``size``.

    Raises:
        ValueError: If ``size`` is not a positive integer.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.RandomCrop(8000)(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 8000])
    """

    offset = Place()

    def _start(self, params: Values, ends: Tensor) -> Tensor:
        return crop_start(params["offset"], ends, self.size)


class CenterCrop(_Crop):
    """Cut the middle out of each example, in ``eval()`` too; a shorter one is followed by zeros.

    Args:
        size: Samples of the result.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, size)``; lengths are at most ``size``.

    Raises:
        ValueError: If ``size`` is not a positive integer.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.CenterCrop(2)(torch.arange(6.0)[None, None])
        tensor([[[2., 3.]]])
    """

    in_eval = True

    def _start(self, params: Values, ends: Tensor) -> Tensor:
        return (ends - self.size).clamp(min=0) // 2
