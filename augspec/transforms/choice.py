"""Transforms that choose among transforms, for each example by itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from augspec.functional.checks import is_finite
from augspec.params import Params
from augspec.random import Draw
from augspec.transforms._dispatch import NOTHING, Options
from augspec.transforms.base import RandomTransform, check_probability
from augspec.transforms.compose import Chain, Composite
from augspec.transforms.level import Gain, PolarityInversion
from augspec.transforms.stretch import Speed

__all__ = ["OneOf", "RandomOrder", "SomeOf"]


class Stepwise(Composite, ABC):
    """The base of transforms in which each example takes its own way through others.

    Params have ``applied``, ``choice`` and ``options``.

    Args:
        transforms: What there is to choose from.

    Raises:
        TypeError: If an entry is not a `RandomTransform`.
        ValueError: If there is none.
    """

    def __init__(self, transforms: Iterable[RandomTransform]) -> None:
        super().__init__(transforms)
        if not len(self):
            raise ValueError("`transforms` must hold at least one transform, got none")

    @abstractmethod
    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Options]:
        """Give the choices, one after the other."""

    def _draw_options(self, draw: Draw) -> list[Any]:
        """Draw the params of every transform: what is not chosen costs little."""
        return [
            transform.draw_params(draw.child(name))
            for name, transform in zip(self._names, self, strict=True)
        ]

    def out_channels(self, channels: int) -> int:
        """Say how many channels come out: as many whatever is chosen."""
        return next(iter(self)).out_channels(channels)

    def _scale_options(self, options: Sequence[Any], magnitude: Tensor) -> list[Any]:
        return [
            transform.scale_params(params, magnitude)
            for transform, params in zip(self, options, strict=True)
        ]

    def scale_params(self, params: Any, magnitude: Tensor) -> Any:
        """Bring each option's params nearer to the identity."""
        return {**params, "options": self._scale_options(params["options"], magnitude)}

    def run(
        self, waveform: Tensor, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Apply to each example what it has chosen."""
        if by_mode and not self.acts():
            return waveform, lengths
        self.check_params(params)
        for step in self._steps(params, by_mode=by_mode):
            waveform, lengths = step.run(waveform, lengths)
        return waveform, lengths

    def run_targets(
        self,
        targets: dict[str, Any],
        params: Any,
        lengths: Tensor | None,
        time: int | None = None,
        *,
        by_mode: bool,
    ) -> dict[str, Any]:
        """Give each example the labels that its choice makes of them."""
        if by_mode and not self.acts():
            return targets
        self.check_params(params)
        for step in self._steps(params, by_mode=by_mode):
            targets = step.run_targets(targets, lengths, time)
            if time is not None:
                time, lengths = step.run_lengths(time, lengths)
        return targets

    def run_lengths(
        self, time: int, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[int, Tensor | None]:
        """Say what becomes of the time and the lengths."""
        if by_mode and not self.acts():
            return time, lengths
        for step in self._steps(params, by_mode=by_mode):
            time, lengths = step.run_lengths(time, lengths)
        return time, lengths

    def check_params(self, params: Any) -> None:
        """Raise a clear error if ``params`` cannot be those of this transform."""
        if not isinstance(params, dict) or not {"applied", "choice", "options"} <= set(params):
            got = sorted(params) if isinstance(params, dict) else type(params).__name__
            raise ValueError(f"`params` must have applied, choice and options, got {got}")


class Choice(Stepwise, ABC):
    """The base of transforms that draw a choice among others.

    Args:
        transforms: What is chosen from.
        p: Probability that an example is transformed at all.

    Raises:
        TypeError: If an entry is not a `RandomTransform`.
        ValueError: If there is none, or ``p`` is not in [0, 1].
    """

    def __init__(self, transforms: Iterable[RandomTransform], *, p: float = 1.0) -> None:
        super().__init__(transforms)
        self.p = check_probability(p)

    @abstractmethod
    def _draw_choice(self, draw: Draw) -> Tensor:
        """Draw what is chosen: int64, ``(batch,)`` or ``(batch, n)``."""

    def draw_params(self, draw: Draw) -> Params:
        """Draw the choice, and the params of every transform."""
        return {
            "applied": draw.bernoulli("applied", self.p),
            "choice": self._draw_choice(draw),
            "options": self._draw_options(draw),
        }

    def _step(
        self, applied: Tensor, choice: Tensor, options: Sequence[Any], *, by_mode: bool
    ) -> Options:
        """Make a step in which each example that is picked takes one of the transforms."""
        choice = torch.where(applied, choice, NOTHING)
        return Options(type(self).__name__, list(self), options, choice, by_mode, self.p < 1.0)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"


class OneOf(Choice):
    """Apply one of several transforms to each example, chosen for that example.

    On a CPU each transform runs on the examples that chose it; on a GPU, and when compiled, all
    run on the whole batch, so that nothing waits for the device. An option may be a `Chain`;
    ``T.Chain()`` is the choice to do nothing.

    Args:
        transforms: The options; all must end in the same shape.
        weights: How often each is chosen, relative to the others; None is equally often.
        p: Probability that an example is transformed at all.

    Shape:
        As the transforms have it.

    Raises:
        TypeError: If an option is not a `RandomTransform`.
        ValueError: If there is no option, ``weights`` are negative, all zero or not one an option,
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
        """Give an instance with typical settings: the one that checks and docs use."""
        chain = Chain([Speed((0.8, 1.25)), Gain()])
        return cls([chain, PolarityInversion(), Gain((-12.0, -6.0))], weights=[1.0, 1.0, 2.0])

    def _draw_choice(self, draw: Draw) -> Tensor:
        return draw.choice("choice", self.weights or [1.0] * len(self))

    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Options]:
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
        As the transforms have it.

    Raises:
        TypeError: If an option is not a `RandomTransform`.
        ValueError: If there is no option, ``k`` is no whole number, or range of them, from 0 to the
            number of options, or ``p`` is not in [0, 1]; in use, if an option changes the shape.

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
        bounds = list(k) if isinstance(k, Sequence) else [k, k]
        whole = all(isinstance(one, int) and not isinstance(one, bool) for one in bounds)
        if not whole or len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1] <= len(self):
            raise ValueError(
                f"`k` must be a whole number or (low, high) from 0 to {len(self)}, got {k!r}"
            )
        self.k = (bounds[0], bounds[1])

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls([Speed((0.8, 1.25)), PolarityInversion(), Gain()], k=(1, 2))

    def _draw_choice(self, draw: Draw) -> Tensor:
        rank = torch.argsort(_draw_order(self._names, draw), dim=1, stable=True)
        count = draw.integers("k", self.k[0], self.k[1] + 1)
        return (rank < count[:, None]).to(torch.int64)

    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Options]:
        may_pass = self.k[0] < len(self) or self.p < 1.0
        for place, transform in enumerate(self):
            picked = params["applied"] & (params["choice"][:, place] == 1)
            choice = torch.where(picked, 0, NOTHING)
            own = params["options"][place]
            yield Options(type(self).__name__, [transform], [own], choice, by_mode, may_pass)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"k={self.k}, p={self.p}"


class RandomOrder(Choice):
    """Apply all of several transforms to each example, in an order drawn for that example.

    In ``params``, ``choice`` is ``(batch, step)``: which transform comes when. On a GPU, and when
    compiled, ``n`` transforms cost ``n * n`` runs.

    Args:
        transforms: The transforms; each must keep the shape.
        p: Probability that an example is transformed at all.

    Shape:
        As the transforms have it.

    Raises:
        TypeError: If an entry is not a `RandomTransform`.
        ValueError: If there is none, or ``p`` is not in [0, 1]; in use, if one changes the shape.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> shuffled = T.RandomOrder([T.Gain(), T.PitchShift()])
        >>> shuffled(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls([Speed((0.8, 1.25)), PolarityInversion(), Gain()])

    def _draw_choice(self, draw: Draw) -> Tensor:
        return _draw_order(self._names, draw)

    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Options]:
        for choice in params["choice"].unbind(1):
            yield self._step(params["applied"], choice, params["options"], by_mode=by_mode)


def _draw_order(names: Sequence[str], draw: Draw) -> Tensor:
    """Draw an order of the transforms, ``(batch, n)``; without one, the others keep theirs."""
    numbers = [draw.child(name).uniform("order") for name in names]
    return torch.argsort(torch.stack(numbers, dim=1), dim=1, stable=True)
