"""Transforms that cut examples to a size."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from augspec.functional.checks import check_size
from augspec.functional.crop import crop, crop_start, cropped_lengths
from augspec.random import Draw
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["CenterCrop", "RandomCrop"]


def _ends(time: int, params: dict[str, Tensor], lengths: Tensor | None) -> Tensor:
    """Say where examples end: at ``time`` where no lengths are known."""
    return (
        torch.full_like(params["applied"], time, dtype=torch.int64) if lengths is None else lengths
    )


class RandomCrop(FusableTransform):
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

    sets_shape = True

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = check_size(size)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings."""
        return cls(2000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"offset": draw.uniform("offset")}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        ends = _ends(waveform.shape[-1], params, lengths)
        start = crop_start(params["offset"], ends, self.size)
        return crop(waveform, start, self.size, lengths)

    def _lengths(self, time: int, params: dict[str, Tensor], lengths: Tensor | None) -> Tensor:
        ends = _ends(time, params, lengths)
        start = crop_start(params["offset"], ends, self.size)
        return cropped_lengths(ends, start, self.size)

    def _size(self, time: int) -> int:
        return self.size

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor:
        return position + crop_start(params["offset"], lengths, self.size)[:, None]

    def warp(self, warp: Warp, params: dict[str, Tensor]) -> Warp:
        """Begin at the crop."""
        start = crop_start(params["offset"], warp.ends, self.size)
        return warp.cut(start, self.size, cropped_lengths(warp.ends, start, self.size))


class CenterCrop(FusableTransform):
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
    sets_shape = True

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = check_size(size)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings."""
        return cls(2000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {}

    def _start(self, ends: Tensor) -> Tensor:
        return (ends - self.size).clamp(min=0) // 2

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        start = self._start(_ends(waveform.shape[-1], params, lengths))
        return crop(waveform, start, self.size, lengths)

    def _lengths(self, time: int, params: dict[str, Tensor], lengths: Tensor | None) -> Tensor:
        ends = _ends(time, params, lengths)
        return cropped_lengths(ends, self._start(ends), self.size)

    def _size(self, time: int) -> int:
        return self.size

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor:
        return position + self._start(lengths)[:, None]

    def warp(self, warp: Warp, params: dict[str, Tensor]) -> Warp:
        """Begin at the crop."""
        start = self._start(warp.ends)
        return warp.cut(start, self.size, cropped_lengths(warp.ends, start, self.size))
