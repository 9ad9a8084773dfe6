"""Masks on spectrograms.

References:
    Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition",
    Interspeech 2019, https://arxiv.org/abs/1904.08779.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from augspec.functional import mask
from augspec.functional.checks import check_finite
from augspec.functional.mask import MaskValue
from augspec.functional.shapes import ends_of, span_start
from augspec.params import Values
from augspec.random import Draw
from augspec.transforms.base import SpecgramTransform
from augspec.transforms.declare import Drawn, Number, Place, Whole, setting

__all__ = ["FrequencyMask", "TimeMask"]


def check_mask_value(name: str, mask_value: MaskValue) -> MaskValue:
    """Check the value for masked cells and return it."""
    if not isinstance(mask_value, str):
        if abs(check_finite(name, mask_value)) > torch.finfo(torch.float32).max:
            raise ValueError(f"`{name}` must be a number of float32, got {mask_value!r}")
        return mask_value
    if mask_value not in ("mean", "min"):
        raise ValueError(f'`{name}` must be a number, "mean" or "min", got {mask_value!r}')
    return mask_value


def check_fraction(name: str, fraction: float | None) -> float | None:
    """Check a fraction of an example; None is allowed."""
    return None if fraction is None else Number(0.0, 1.0)(name, fraction)


def part_of(size: Tensor, fraction: float) -> Tensor:
    """Return a fraction of ``size``, rounded down, by integer arithmetic: exact on every device."""
    # Rounding the fraction up makes 0.2 of 40 exactly 8; the float32 product may lie just below.
    return (size * math.ceil(fraction * 2**24)) >> 24


class Places(Drawn):
    """Several fractions in [0, 1) for each example, ``(batch, count)``.

    Args:
        count: Says how many, from the settings of a transform.
        neutral: Value at which the transform does nothing, if there is one.
    """

    def __init__(self, count: Callable[[Any], int], *, neutral: float | None = None) -> None:
        self.count = count
        self.neutral = neutral

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw uniformly, float32."""
        return replace(draw, channels=self.count(transform)).per_channel().uniform(self.name)


def draw_places(transform: SpecgramTransform, draw: Draw) -> Values:
    """Draw all `Places` of a transform, with one hash for all of them.

    A place does not depend on how many places are drawn. So the largest number is drawn once, and
    each name takes the first ones that it needs.
    """
    drawn = {name: one for name, one in transform.drawn.items() if isinstance(one, Places)}
    counts = {name: one.count(transform) for name, one in drawn.items()}
    most = replace(draw, channels=max(counts.values())).per_channel().together(counts)
    return {name: most.uniform(name)[:, :count] for name, count in counts.items()}


class Width(Place):
    """A width as a fraction of the largest; at 0 nothing is covered."""

    neutral = 0.0


class _Mask(SpecgramTransform, ABC):
    max_width: int = setting(check=Whole())
    mask_value: MaskValue = setting(default="mean", check=check_mask_value, kw_only=True)
    max_fraction: float | None = setting(default=None, check=check_fraction, kw_only=True)
    width = Width()
    start = Place()

    neutral_is_exact = True
    dim: ClassVar[int]

    @abstractmethod
    def _room(self, specgram: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the number of places a mask can cover, broadcastable with ``(batch, channel)``."""

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(8)

    def _widest(self, room: Tensor) -> Tensor | int:
        """Return the largest width that is drawn."""
        if self.max_fraction is None:
            return self.max_width
        return part_of(room, self.max_fraction).clamp(max=self.max_width)

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        room = self._room(signal, lengths)
        room = room if params["width"].ndim == 1 else room.unsqueeze(-1)
        width = torch.minimum(span_start(params["width"], self._widest(room)), room)
        start = span_start(params["start"], room - width)
        value = (
            mask.mask_value_of(signal, self.mask_value, lengths)
            if isinstance(self.mask_value, str)
            else self.mask_value
        )
        return mask.mask_span(signal, start, width, self.dim, value, lengths)


class TimeMask(_Mask):
    """Mask a random span of frames in each example.

    The width is uniform over 0 to ``max_width`` frames. The place is uniform over all positions
    where the mask fits outside the padding. Put it into a chain twice for two masks.

    A mask of up to 40 frames hides about half of all clips of 20 frames completely: set
    ``max_fraction`` if your clips have many lengths.

    Args:
        max_width: Largest width in frames.
        mask_value: What masked cells get: a number, or the example's ``"mean"`` or ``"min"``. The
            default is the mean, because 0 dB is loud in a log-mel.
        max_fraction: Largest width as a fraction of the example's valid frames, in [0, 1]: the
            width is uniform up to the smaller of both limits. None sets no such limit; a mask that
            is longer than the example is cut to it.
        p: Probability that an example is masked.
        per_channel: Draw a mask for each channel.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If ``max_width`` is negative or not an integer, ``max_fraction`` is not in [0,
            1], or ``mask_value`` is not known.

    References:
        Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
        Recognition", Interspeech 2019, https://arxiv.org/abs/1904.08779.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.TimeMask(40)(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    dim = -1

    def _room(self, specgram: Tensor, lengths: Tensor | None) -> Tensor:
        return ends_of(specgram, lengths)


class FrequencyMask(_Mask):
    """Mask a random band of bins in each example.

    The width is uniform over 0 to ``max_width`` bins, the place uniform over all positions where
    the mask fits.

    Args:
        max_width: Largest width in bins.
        mask_value: What masked cells get: a number, or the example's ``"mean"`` or ``"min"``. The
            default is the mean, because 0 dB is loud in a log-mel.
        max_fraction: Largest width as a fraction of all bins, in [0, 1]; the smaller of both limits
            applies.
        p: Probability that an example is masked.
        per_channel: Draw a mask for each channel.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If ``max_width`` is negative or not an integer, ``max_fraction`` is not in [0,
            1], or ``mask_value`` is not known.

    References:
        Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
        Recognition", Interspeech 2019, https://arxiv.org/abs/1904.08779.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.FrequencyMask(12)(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    dim = -2

    def _room(self, specgram: Tensor, lengths: Tensor | None) -> Tensor:
        return torch.full((specgram.shape[0],), specgram.shape[-2], device=specgram.device)
