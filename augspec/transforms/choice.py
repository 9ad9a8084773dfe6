"""Transforms that choose among transforms, for each example by itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from augspec.functional.checks import as_whole, is_finite
from augspec.params import Params
from augspec.random import Draw
from augspec.transforms._dispatch import NOTHING, Options
from augspec.transforms.base import RandomTransform, check_probability
from augspec.transforms.compose import Chain, Composite, Step
from augspec.transforms.level import Gain, PolarityInversion
from augspec.transforms.stretch import Speed

__all__ = ["OneOf", "RandomOrder", "SomeOf"]


class Choice(Composite, ABC):
    """The base of transforms that choose, for each example, which other transforms to apply.

    Params have ``applied``, ``choice`` and ``options``.

    Args:
        transforms: The transforms to choose from.
        p: Probability that an example is transformed at all.

    Raises:
        TypeError: If an entry is not a `RandomTransform`.
        ValueError: If the list is empty, some entries transform waveforms and others spectrograms,
            or ``p`` is not in [0, 1].
    """

    def __init__(self, transforms: Iterable[RandomTransform], *, p: float = 1.0) -> None:
        super().__init__(transforms)
        if not len(self):
            raise ValueError("`transforms` must hold at least one transform, got none")
        self.p = check_probability(p)

    @abstractmethod
    def _draw_choice(self, draw: Draw) -> Tensor:
        """Draw the choice: int64, ``(batch,)`` or ``(batch, n)``."""

    def draw_params(self, draw: Draw) -> Params:
        """Draw the choice, and the params of every transform."""
        return {
            "applied": draw.bernoulli("applied", self.p),
            "choice": self._draw_choice(draw),
            "options": self._draw_options(draw),
        }

    def places_drawn(self, path: str) -> Iterator[tuple[str, str]]:
        """Name the choice, and the draws of every transform."""
        if 0.0 < self.p < 1.0:
            yield path, "applied"
        yield from self._choice_places(path)
        yield from super().places_drawn(path)

    def _choice_places(self, path: str) -> Iterator[tuple[str, str]]:
        """Name what `_draw_choice` draws."""
        yield path, "choice"

    def _step(
        self, applied: Tensor, choice: Tensor, options: Sequence[Any], *, by_mode: bool
    ) -> Step:
        """Make a step in which each example that is picked takes one of the transforms."""
        choice = torch.where(applied, choice, NOTHING)
        return self._options(options, choice, by_mode=by_mode, may_pass=self.p < 1.0)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"


class OneOf(Choice):
    """Apply one of several transforms to each example, chosen for that example.

    On a CPU each transform runs on the examples that chose it. On a GPU, and when compiled, every
    transform runs on the whole batch, so that the CPU does not wait for the device. An option may
    be a `Chain`; ``T.Chain()`` is the choice to do nothing.

    Args:
        transforms: The options; all must end in the same shape.
        weights: How often each is chosen, relative to the others; None is equally often.
        p: Probability that an example is transformed at all.

    Shape:
        As the transforms inside.

    Raises:
        TypeError: If an option is not a `RandomTransform`.
        ValueError: If there is no option, ``weights`` are negative, all zero or not one per option,
            or ``p`` is not in [0, 1]; in use, if options end in different shapes.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> one = T.OneOf([T.Gain((-12.0, 0.0)), T.PitchShift((-2.0, 2.0))], weights=[3, 1])
        >>> one(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    def __init__(
        self,
        transforms: Iterable[RandomTransform],
        weights: Sequence[float] | None = None,
        *,
        p: float = 1.0,
    ) -> None:
        super().__init__(transforms, p=p)
        self.weights = None if weights is None else _check_weights(weights, len(self))

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        chain = Chain([Speed((0.8, 1.25)), Gain()])
        return cls([chain, PolarityInversion(), Gain((-12.0, -6.0))], weights=[1.0, 1.0, 2.0])

    def _draw_choice(self, draw: Draw) -> Tensor:
        return draw.choice("choice", self.weights or [1.0] * len(self))

    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Step]:
        yield self._step(params["applied"], params["choice"], params["options"], by_mode=by_mode)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"weights={self.weights}, p={self.p}"


def _check_weights(weights: Sequence[float], count: int) -> list[float]:
    numbers = list(weights) if isinstance(weights, list | tuple) else []
    fits = len(numbers) == count and all(is_finite(weight) and weight >= 0 for weight in numbers)
    if not fits or not 0.0 < math.fsum(numbers) < math.inf:
        raise ValueError(
            f"`weights` must be {count} numbers, 0 or more, not all 0, got {weights!r}"
        )
    return [float(weight) for weight in numbers]


class SomeOf(Choice):
    """Apply some of several transforms to each example, in the order in which they are listed.

    Each subset of the size that an example draws is equally likely. In ``params``, ``choice`` is
    ``(batch, option)``, 1 for what is applied.

    Args:
        transforms: The options; each must keep the shape.
        k: How many are applied, or a range ``(low, high)``, both ends included.
        p: Probability that an example is transformed at all.

    Shape:
        As the transforms inside.

    Raises:
        TypeError: If an option is not a `RandomTransform`.
        ValueError: If there is no option, ``k`` is not a whole number or range of whole numbers
            from 0 to the number of options, or ``p`` is not in [0, 1]; in use, if an option changes
            the shape.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> some = T.SomeOf([T.Gain(), T.PolarityInversion(), T.PitchShift()], k=(1, 2))
        >>> some(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    def __init__(
        self,
        transforms: Iterable[RandomTransform],
        k: int | Sequence[int] = 1,
        *,
        p: float = 1.0,
    ) -> None:
        super().__init__(transforms, p=p)
        given = list(k) if isinstance(k, Sequence) else [k, k]
        bounds = [whole for one in given if (whole := as_whole(one)) is not None]
        if len(given) != 2 or len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1] <= len(self):
            raise ValueError(
                f"`k` must be a whole number or (low, high) from 0 to {len(self)}, got {k!r}"
            )
        self.k = (bounds[0], bounds[1])

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls([Speed((0.8, 1.25)), PolarityInversion(), Gain()], k=(1, 2))

    def _draw_choice(self, draw: Draw) -> Tensor:
        rank = torch.argsort(_draw_order(self._names, draw), dim=1, stable=True)
        count = draw.integers("k", self.k[0], self.k[1] + 1)
        return (rank < count[:, None]).to(torch.int64)

    def _choice_places(self, path: str) -> Iterator[tuple[str, str]]:
        yield path, "k"
        yield from _order_places(self._names, path)

    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Step]:
        may_pass = self.k[0] < len(self) or self.p < 1.0
        for place, transform in enumerate(self._members()):
            picked = params["applied"] & (params["choice"][:, place] == 1)
            choice = torch.where(picked, 0, NOTHING)
            own = params["options"][place]
            yield Options(type(self).__name__, [transform], [own], choice, by_mode, may_pass).walk

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"k={self.k}, p={self.p}"


class RandomOrder(Choice):
    """Apply all of several transforms to each example, in an order drawn for that example.

    In ``params``, ``choice`` is ``(batch, step)``: the transform at each step. On a GPU, and when
    compiled, ``n`` transforms cost ``n * n`` runs.

    Args:
        transforms: The transforms; each must keep the shape.
        p: Probability that an example is transformed at all.

    Shape:
        As the transforms inside.

    Raises:
        TypeError: If an entry is not a `RandomTransform`.
        ValueError: If the list is empty, or ``p`` is not in [0, 1]; in use, if an entry changes the
            shape.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> shuffled = T.RandomOrder([T.Gain(), T.PitchShift()])
        >>> shuffled(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls([Speed((0.8, 1.25)), PolarityInversion(), Gain()])

    def _draw_choice(self, draw: Draw) -> Tensor:
        return _draw_order(self._names, draw)

    def _choice_places(self, path: str) -> Iterator[tuple[str, str]]:
        return _order_places(self._names, path)

    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Step]:
        for choice in params["choice"].unbind(1):
            yield self._step(params["applied"], choice, params["options"], by_mode=by_mode)


def _draw_order(names: Sequence[str], draw: Draw) -> Tensor:
    """Draw an order, ``(batch, n)``; leaving out a transform keeps the order of the rest."""
    numbers = [draw.child(name).uniform("order") for name in names]
    return torch.argsort(torch.stack(numbers, dim=1), dim=1, stable=True)


def _order_places(names: Sequence[str], path: str) -> Iterator[tuple[str, str]]:
    """Name what `_draw_order` draws."""
    return ((f"{path}/{name}", "order") for name in names)
