"""Augmentation policies without a search: a few operations per example with one strength."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from augspec.functional.checks import as_whole, check_count, check_range
from augspec.params import Params
from augspec.random import Draw
from augspec.transforms.base import RandomTransform
from augspec.transforms.choice import Choice
from augspec.transforms.compose import Composite, Step
from augspec.transforms.level import Gain, PolarityInversion
from augspec.transforms.stretch import Speed

__all__ = ["RandAugment", "TrivialAugment"]

_MOST = 1000  # transforms one after the other


class RandAugment(Choice):
    """Apply ``n`` transforms, chosen with replacement for each example, with a given strength.

    The magnitude moves each drawn value towards its neutral value: at 0.5 a ``PitchShift((-4, 4))``
    shifts by at most 2 semitones, and at 0 every example comes out as it is. Parameters without a
    neutral value, such as the place of a crop, are not scaled. In ``params``, ``choice`` is
    ``(batch, n)``, ``options`` has a list for each of the ``n`` steps, and ``magnitude`` has one
    number per example; the options are already scaled by it.

    Args:
        transforms: The transforms to choose from, each equally likely; each must keep the shape.
        n: How many are applied to an example, one after the other.
        magnitude: Strength in [0, 1]; from a range it is drawn uniformly for each example.
        p: Probability that an example is transformed at all.

    Shape:
        As the transforms inside.

    Raises:
        TypeError: If an entry of ``transforms`` is not a `RandomTransform`.
        ValueError: If the list is empty, ``n`` is not a positive integer, ``magnitude`` leaves [0,
            1], or ``p`` is not in [0, 1]; in use, if a transform changes the shape.

    References:
        Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
        space", NeurIPS 2020, https://arxiv.org/abs/1909.13719.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> policy = T.RandAugment([T.Gain(), T.PitchShift(), T.TimeStretch()], n=2, magnitude=0.3)
        >>> policy(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    def __init__(
        self,
        transforms: Iterable[RandomTransform],
        n: int = 2,
        magnitude: float | Sequence[float] = 0.5,
        *,
        p: float = 1.0,
    ) -> None:
        super().__init__(transforms, p=p)
        if (as_whole(n) or 0) < 1:
            raise ValueError(f"`n` must be a positive whole number, got {n!r}")
        self.n = check_count("n", n, at_most=_MOST)
        self.magnitude = check_range("magnitude", magnitude, at_least=0.0, at_most=1.0)
        self.make_room_for_neutral()

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls([Speed((0.8, 1.25)), PolarityInversion(), Gain()])

    def draw_params(self, draw: Draw) -> Params:
        """Draw the choices and the magnitude, and every transform's params for every step."""
        magnitude = draw.uniform("magnitude", *self.magnitude)
        steps = [
            self._scale_options(self._draw_options(draw.child(f"step#{step}")), magnitude)
            for step in range(self.n)
        ]
        return {
            "applied": draw.bernoulli("applied", self.p),
            "choice": self._draw_choice(draw),
            "magnitude": magnitude,
            "options": steps,
        }

    def places_drawn(self, path: str) -> Iterator[tuple[str, str]]:
        """Name the magnitude, the choices, and the draws of every transform in every step."""
        yield path, "magnitude"
        if 0.0 < self.p < 1.0:
            yield path, "applied"
        for step in range(self.n):
            below = f"{path}/step#{step}"
            yield below, "choice"
            yield from Composite.places_drawn(self, below)

    def _draw_choice(self, draw: Draw) -> Tensor:
        steps = [
            draw.child(f"step#{step}").integers("choice", 0, len(self)) for step in range(self.n)
        ]
        return torch.stack(steps, dim=1)

    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Step]:
        for choice, own in zip(params["choice"].unbind(1), params["options"], strict=True):
            yield self._step(params["applied"], choice, own, by_mode=by_mode)

    def scale_params(self, params: Any, magnitude: Tensor) -> Any:
        """Bring each option's params nearer to the identity."""
        scaled = [self._scale_options(own, magnitude) for own in params["options"]]
        return {**params, "magnitude": params["magnitude"] * magnitude, "options": scaled}

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"n={self.n}, magnitude={self.magnitude}, p={self.p}"


class TrivialAugment(RandAugment):
    """Apply one random transform to each example with a random strength.

    Only the ranges of the transforms have to be chosen, and they may be wide: the magnitude,
    uniform in [0, 1], moves each draw towards its neutral value. It is `RandAugment` with ``n=1``
    and the whole range of magnitudes; its params have the same form.

    Args:
        transforms: The transforms to choose from, each equally likely; each must keep the shape.
        p: Probability that an example is transformed at all.

    Shape:
        As the transforms inside.

    Raises:
        TypeError: If an entry of ``transforms`` is not a `RandomTransform`.
        ValueError: If the list is empty, or ``p`` is not in [0, 1]; in use, if a transform changes
            the shape.

    References:
        Müller and Hutter, "TrivialAugment: Tuning-free yet state-of-the-art data augmentation",
        ICCV 2021, https://arxiv.org/abs/2103.10158.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> policy = T.TrivialAugment([T.Gain(), T.PitchShift((-6.0, 6.0)), T.TimeStretch()])
        >>> policy(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    def __init__(self, transforms: Iterable[RandomTransform], *, p: float = 1.0) -> None:
        super().__init__(transforms, n=1, magnitude=(0.0, 1.0), p=p)
