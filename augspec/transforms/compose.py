"""Transforms made of transforms."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import Any, Self, TypeAlias, cast

from torch import Tensor, nn

from augspec.functional.checks import as_whole, check_count, check_lengths
from augspec.params import Params
from augspec.random import Draw
from augspec.transforms._dispatch import Options
from augspec.transforms.base import Batch, RandomTransform
from augspec.transforms.crop import RandomCrop
from augspec.transforms.level import Gain
from augspec.transforms.mask import TimeMask
from augspec.transforms.tree import Kind

__all__ = ["Chain", "Repeat"]

_MOST = 1000  # repetitions

Step: TypeAlias = Callable[[Batch], Batch]


def names_in_order(transforms: Iterable[nn.Module]) -> list[str]:
    """Name each transform by its class and its ordinal among those of the same class."""
    seen: Counter[str] = Counter()
    names = []
    for transform in transforms:
        name = type(transform).__name__
        names.append(f"{name}#{seen[name]}")
        seen[name] += 1
    return names


def _explain(init: Callable[..., None]) -> Callable[..., None]:
    """Raise an error with the fix for a ``p`` that it lacks, or transforms without a list."""
    takes_p = "p" in inspect.signature(init).parameters

    @wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        if "p" in kwargs and not takes_p:
            raise TypeError(
                f"{type(self).__name__} takes no `p`: each transform inside has its own; to apply "
                "all or nothing, T.OneOf([..., T.Chain()], weights=[p, 1 - p])"
            )
        if len(args) > 1 and all(isinstance(given, RandomTransform) for given in args):
            raise TypeError(
                f"{type(self).__name__} takes one list of transforms, got {len(args)} transforms: "
                f"T.{type(self).__name__}([...])"
            )
        init(self, *args, **kwargs)

    return checked


def called(value: object) -> str:
    """Name what was given in place of a transform."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _remedy(value: object) -> str:
    """Say how what was given in place of a transform becomes one."""
    if isinstance(value, type):
        return f"; give an object of it, {value.__name__}(...)"
    if isinstance(value, list | tuple):
        return "; put what belongs together into T.Chain([...])"
    return "; derive from T.WaveformTransform, or wrap a transform of a peer with augspec.interop"


class Composite(RandomTransform, ABC):
    """The base of transforms made of transforms.

    Args:
        transforms: The transforms.

    Raises:
        TypeError: If an entry is not a `RandomTransform`.
        ValueError: If some entries transform waveforms and others spectrograms.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _explain(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, transforms: Iterable[RandomTransform]) -> None:
        super().__init__()
        try:
            transforms = list(transforms)
        except TypeError as error:  # a 0-dimensional tensor claims to be iterable
            raise TypeError(
                f"`transforms` must be a list of transforms, got {type(transforms).__name__}"
            ) from error
        for place, transform in enumerate(transforms):
            if not isinstance(transform, RandomTransform):
                raise TypeError(
                    f"`transforms` must hold augspec transforms, got {called(transform)} at "
                    f"place {place}{_remedy(transform)}"
                )
        self.kind = one_kind(type(self).__name__, transforms)
        self.transforms = nn.ModuleList(transforms)
        self._names = names_in_order(transforms)
        # A property holds for the whole only if it holds for each of the transforms.
        self.mixes_examples = any(transform.mixes_examples for transform in transforms)
        self.compilable = all(transform.compilable for transform in transforms)
        self.differentiable = all(transform.differentiable for transform in transforms)

    @abstractmethod
    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Step]:
        """Return the steps that a batch goes through, in order."""

    def __iter__(self) -> Iterator[RandomTransform]:
        return iter(self._members())

    def __len__(self) -> int:
        return len(self.transforms)

    def _members(self) -> list[RandomTransform]:
        """Return the transforms as a list: some compilers cannot iterate over a module."""
        return cast(list[RandomTransform], list(self.transforms))

    def _named(self) -> list[tuple[str, RandomTransform]]:
        """Return each transform with its name."""
        return list(zip(self._names, self._members(), strict=True))

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input does not suit the first transform."""
        for transform in self:
            return transform.check(waveform, lengths)
        return None if lengths is None else check_lengths(lengths, "waveform", waveform)

    def acts(self) -> bool:
        """Whether any of the transforms acts in the present mode."""
        return any(transform.acts() for transform in self)

    def walk(self, batch: Batch, params: Any, *, by_mode: bool) -> Batch:
        """Take a batch through every step."""
        if by_mode and not self.acts():
            return batch
        self.check_params(params)
        for step in self._steps(params, by_mode=by_mode):
            batch = step(batch)
        return batch

    # Params of a choice; those of a chain differ.

    def check_params(self, params: Any) -> None:
        """Raise a clear error if ``params`` cannot be those of this transform."""
        if not isinstance(params, dict) or not {"applied", "choice", "options"} <= set(params):
            got = sorted(params) if isinstance(params, dict) else type(params).__name__
            raise ValueError(f"`params` must have applied, choice and options, got {got}")

    def scale_params(self, params: Any, magnitude: Tensor) -> Any:
        """Bring each option's params nearer to the identity."""
        return {**params, "options": self._scale_options(params["options"], magnitude)}

    def out_channels(self, channels: int) -> int:
        """Return the number of output channels: the same for every choice."""
        return next(iter(self)).out_channels(channels)

    def _draw_options(self, draw: Draw) -> list[Any]:
        """Draw the params of every transform: params that are not used cost little."""
        return [transform.draw_params(draw.child(name)) for name, transform in self._named()]

    def places_drawn(self, path: str) -> Iterator[tuple[str, str]]:
        """Name the draws of every transform."""
        for name, transform in self._named():
            yield from transform.places_drawn(f"{path}/{name}")

    def _scale_options(self, options: Sequence[Any], magnitude: Tensor) -> list[Any]:
        return [
            transform.scale_params(params, magnitude)
            for transform, params in zip(self._members(), options, strict=True)
        ]

    def _options(
        self, params: Sequence[Any], choice: Tensor, *, by_mode: bool, may_pass: bool
    ) -> Step:
        """Make a step in which each example takes one of the transforms, or none."""
        return Options(type(self).__name__, self._members(), params, choice, by_mode, may_pass).walk

    def make_room_for_neutral(self) -> None:
        """Leave room in each of the transforms."""
        for transform in self:
            transform.make_room_for_neutral()


def one_kind(name: str, transforms: Iterable[RandomTransform]) -> Kind | None:
    """Return whether transforms take waveforms or spectrograms; raise if some take the other."""
    kinds = {transform.kind: type(transform).__name__ for transform in transforms if transform.kind}
    if len(kinds) > 1:
        raise ValueError(
            f"`transforms` of {name} must all take waveforms or all take spectrograms, got "
            f"{kinds['waveform']} (waveforms) and {kinds['specgram']} (spectrograms); in an "
            "augspec.Frontend the former go to `waveform`, the latter to `specgram`"
        )
    return next(iter(kinds), None)


class Chain(Composite):
    """Apply transforms one after the other.

    A chain tracks where each example's sound ends, also when no ``lengths`` are passed: a crop
    after a time stretch lies on sound. Its params are a list with one entry per transform.

    Args:
        transforms: The transforms, in order; an empty list is the identity.

    Shape:
        As the transforms have it: ``(batch, channel, time)``, or ``(batch, channel, freq, frame)``
        for a chain of spectrogram transforms.

    Raises:
        TypeError: If an entry is not a `RandomTransform`.
        ValueError: If some entries transform waveforms and others spectrograms.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> chain = T.Chain([T.RandomCrop(8000), T.Gain((-6.0, 6.0))])
        >>> chain(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 8000])
    """

    def __init__(self, transforms: Iterable[RandomTransform] = ()) -> None:
        super().__init__(transforms)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls([RandomCrop(2000), Gain()])

    def draw_params(self, draw: Draw) -> Params:
        """Draw the params of each transform: a list in their order."""
        params = []
        for name, transform in self._named():
            params.append(transform.draw_params(draw.child(name)))
            channels = transform.out_channels(draw.channels)
            if channels != draw.channels:
                draw = replace(draw, channels=channels)
        return params

    def out_channels(self, channels: int) -> int:
        """Return the number of channels after the last transform."""
        for transform in self:
            channels = transform.out_channels(channels)
        return channels

    def scale_params(self, params: Any, magnitude: Tensor) -> Any:
        """Bring each transform's params nearer to the identity."""
        return self._scale_options(params, magnitude)

    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Step]:
        for transform, own in zip(self._members(), params, strict=True):
            yield partial(transform.walk, params=own, by_mode=by_mode)

    def check_params(self, params: Any) -> None:
        """Raise a clear error if ``params`` cannot be those of this chain."""
        if not isinstance(params, list) or len(params) != len(self):
            got = f"{len(params)} of them" if isinstance(params, list) else type(params).__name__
            raise ValueError(
                f"`params` must be a list of {len(self)} transforms' params, got {got}"
            )


class Repeat(Chain):
    """Apply a transform several times, each time with new draws.

    Its params are a list with one entry per repetition.

    Args:
        body: The transform.
        times: Number of repetitions, 1 to 1000.

    Shape:
        As the transform inside.

    Raises:
        TypeError: If ``body`` is not a `RandomTransform`.
        ValueError: If ``times`` is not an integer from 1 to 1000.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> two_masks = T.Repeat(T.TimeMask(20), 2)
        >>> two_masks(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    def __init__(self, body: RandomTransform, times: int) -> None:
        check_body(body)
        if (as_whole(times) or 0) < 1:
            raise ValueError(f"`times` must be a positive whole number, got {times!r}")
        count = check_count("times", times, at_most=_MOST)
        super().__init__([body] * count)
        self.times = count

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(TimeMask(8), 2)

    @property
    def body(self) -> RandomTransform:
        """The transform that is repeated."""
        return next(iter(self))


def check_body(body: Any) -> None:
    """Raise a clear error unless ``body`` is a transform."""
    if not isinstance(body, RandomTransform):
        raise TypeError(f"`body` must be an augspec transform, got {type(body).__name__}")
