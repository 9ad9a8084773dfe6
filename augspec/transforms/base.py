"""The base of every transform: parameters drawn once per example, then a deterministic function."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from augspec._compile import is_launched, nobody_watches
from augspec._constants import where_else
from augspec.functional.checks import check_flag, check_specgram, check_waveform
from augspec.functional.frames import (
    frame_middles,
    has_weak_label,
    in_parts,
    take_frames,
    weak_label,
)
from augspec.functional.shapes import blend, choose, like
from augspec.native.alone import as_set, is_foreign
from augspec.params import Labels, Values
from augspec.random import Draw
from augspec.transforms.declare import Declared, setting
from augspec.transforms.tree import (
    Batch,
    RandomTransform,
    Result,
    check_probability,
    resolve_keys,
)

__all__ = [
    "Batch",
    "LeafTransform",
    "RandomTransform",
    "Result",
    "SpecgramTransform",
    "WaveformTransform",
    "check_probability",
    "ends_at",
    "resolve_keys",
]

Kernel = Callable[..., Tensor]


class LeafTransform(RandomTransform, Declared, ABC):
    """A transform that is not made of others.

    It declares its draws (see `augspec.transforms.declare`) and names the kernel that computes
    the result: ``class Gain(WaveformTransform, kernel=level.gain)``. The kernel gets the signal and
    those drawn parameters, settings and ``lengths`` that it has an argument for, under their own
    names. Where a kernel's name is not enough, write ``_draw`` or ``_transform``. A transform that
    changes where examples end also defines ``_lengths``; one that moves sound in time defines
    ``_source``; one that changes labels defines ``_targets``.

    Args:
        p: Probability that an example is transformed; the others come out bit for bit.
        per_channel: Draw for each channel of an example rather than once for all.

    Raises:
        ValueError: If ``p`` is not in [0, 1].
    """

    # Annotated attributes of a declared class are arguments of its constructor, ClassVars are not.
    p: float = setting(default=1.0, check=lambda _, p: check_probability(p), kw_only=True)
    per_channel: bool = setting(default=False, check=check_flag, kw_only=True)

    #: Whether ``forward`` also acts in ``eval()``.
    #: It has no annotation, so that a class may make it an argument instead.
    in_eval = False
    #: Whether the size of the output is a setting; such a transform takes no ``p``.
    sets_shape: ClassVar[bool] = False
    #: Value of each parameter at which the function is the identity or close to it, as declared.
    #: Examples that are not picked get it, so that the branch not taken gives no NaN gradient.
    neutral: ClassVar[Mapping[str, float]] = {}
    #: Whether sound is moved by rates and fractions of an example alone, never by samples.
    scale_free: ClassVar[bool] = False
    #: Whether the function at `neutral` is the identity bit for bit.
    neutral_is_exact: ClassVar[bool] = False

    # Facts about a class, computed once: a call may be so short that computing them would slow it.
    _kernel: ClassVar[Kernel]
    _kernel_settings: ClassVar[tuple[str, ...]] = ()
    _kernel_params: ClassVar[tuple[str, ...]] = ()
    _kernel_takes_lengths: ClassVar[bool] = False
    _mixes_in: ClassVar[bool] = False
    _moves_ends: ClassVar[bool] = False
    _moves_sound: ClassVar[bool] = False
    _is_foreign: ClassVar[bool] = False

    def __init_subclass__(cls, kernel: Kernel | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._moves_ends = cls._overrides("_size") or cls._overrides("_lengths")
        cls._moves_sound = cls._overrides("_source")
        if "neutral" not in vars(cls):
            declared = {name: one.neutral for name, one in cls.drawn.items()}
            said = {name: value for name, value in declared.items() if value is not None}
            cls.neutral = {**cls.neutral, **said}
        if kernel is not None:
            cls._name_kernel(kernel)
        has_kernel = cls._transform is cls._run_kernel
        cls._is_foreign = is_foreign(cls._kernel if has_kernel else cls._transform)

    @classmethod
    def _name_kernel(cls, kernel: Kernel) -> None:
        """Note what a kernel takes: settings, and params."""
        _, *taken = inspect.signature(kernel).parameters
        cls._kernel = staticmethod(kernel)
        cls._kernel_settings = tuple(
            name for name in taken if name in cls.fields and name not in cls.drawn
        )
        cls._kernel_params = tuple(name for name in taken if name != "lengths")
        cls._kernel_takes_lengths = "lengths" in taken
        cls._mixes_in = "mix" in cls.drawn and "mix" not in taken
        lost = cls.drawn.keys() - {*taken, "mix"}
        if lost:
            raise TypeError(
                f"the kernel of {cls.__name__} must take {', '.join(sorted(lost))}, as declared; "
                f"it takes {', '.join(taken)}"
            )
        cls._transform = cls._run_kernel  # type: ignore[method-assign]

    @classmethod
    def _overrides(cls, hook: str) -> bool:
        return getattr(cls, hook) is not getattr(LeafTransform, hook)

    def _draw(self, draw: Draw) -> Values:
        """Draw the parameters: float32, int64 or bool, ``(batch,)`` or ``(batch, channel)``."""
        draw = draw.together(self.drawn)
        return {name: one.draw(draw, self) for name, one in self.drawn.items()}

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        """Compute the result; ``signal`` is float32 or float64 and must not be edited."""
        raise NotImplementedError  # never: the method is abstract, see below

    if not TYPE_CHECKING:
        # A class that names a kernel gets the method at run time, which type checkers cannot see.
        _transform = abstractmethod(_transform)

    def _settings(self, time: int) -> dict[str, Any]:
        """Return the kernel's arguments that are not drawn, by name; ``time`` is the signal's.

        These are the settings that the kernel takes. A class adds values that it computes from
        them.
        """
        return {name: getattr(self, name) for name in self._kernel_settings}

    def _run_kernel(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        """Call the kernel with the params and settings that it takes, and mix in the result."""
        given = self._settings(signal.shape[-1])
        for name in self._kernel_params:
            if name in params or name in self.drawn:
                given[name] = params[name]
        if self._kernel_takes_lengths:
            given["lengths"] = lengths
        out = self._kernel(signal, **given)
        if self._mixes_in:
            out = blend(signal, out, params["mix"])
        return out

    def _lengths(self, time: int, params: Values, lengths: Tensor | None) -> Tensor | None:
        """Return where examples end after the transform; ``lengths`` None means at ``time``."""
        return lengths

    def _size(self, time: int) -> int:
        """Return how many samples or frames the result has for an input of ``time``."""
        return time

    def _source(
        self, position: Tensor, time: int, params: Values, lengths: Tensor
    ) -> Tensor | None:
        """Return which input sample sounds at each output sample: labels of frames follow it.

        Args:
            position: Samples of the output, ``(1, place)`` int64.
            time: Samples of the input.
            params: The params; the caller handles examples that are not picked.
            lengths: Where examples end in the input.

        Returns:
            Samples of the input, int64, broadcastable with ``(batch, place)``, negative where the
            output is silent; None means that nothing moves.
        """
        return None

    def _targets(self, targets: Labels, params: Values, lengths: Tensor | None) -> Labels:
        """Return the labels after the transform; ``frames`` follow from `_source`."""
        return targets

    def draw_params(self, draw: Draw) -> Values:
        """Draw whether the transform is applied, and its parameters."""
        params = self._draw(draw.per_channel(self.per_channel))
        return {"applied": draw.bernoulli("applied", self.p), **params}

    def places_drawn(self, path: str) -> Iterator[tuple[str, str]]:
        """Name the declared draws of each example, and whether it is picked."""
        for name in () if self.per_channel else self.drawn:
            yield path, name
        if 0.0 < self.p < 1.0:
            yield path, "applied"

    def scale_params(self, params: Any, magnitude: Tensor) -> Any:
        """Move every parameter that has a neutral value towards it."""
        return {name: self._scale(name, value, magnitude) for name, value in params.items()}

    def _scale(self, name: str, value: Tensor, magnitude: Tensor) -> Tensor:
        """Move one parameter from its neutral value, ``magnitude`` 0, to ``value``, 1."""
        if name not in self.neutral or not math.isfinite(self.neutral[name]):
            return value
        neutral = self.neutral[name]
        # A scalar tensor on the CPU can be combined with params on a GPU; a tensor with a shape
        # cannot.
        scale = like(magnitude, value) if magnitude.ndim else magnitude
        scaled = neutral + scale * (value - neutral)
        return scaled if value.is_floating_point() else scaled.round().to(value.dtype)

    def acts(self) -> bool:
        """Whether ``forward`` does anything in the present mode."""
        return self.training or self.in_eval

    def _run(
        self, waveform: Tensor, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[Tensor, Tensor | None]:
        if lengths is None:  # the caller does not need the new lengths, so they are not computed
            return self.walk(Batch(waveform), params, by_mode=by_mode).sound, None
        return super()._run(waveform, params, lengths, by_mode=by_mode)

    def walk(self, batch: Batch, params: Any, *, by_mode: bool) -> Batch:
        """Apply the function, and what it means for ends and labels, to the picked examples."""
        if by_mode and not self.acts():
            return batch
        try:
            params = self.neutralise(params)
            signal, time, lengths, targets, relative = batch
            if targets:
                targets = self._move_labels(batch, params)
            if signal is not None:
                signal = self._transform_picked(signal, params, lengths)
            if time is not None and (self.scale_free or not relative):
                lengths, time = self._lengths(time, params, lengths), self._size(time)
            elif self._moves_ends:
                time, lengths, relative = None, None, False  # they are not known any more
            return Batch(signal, time, lengths, targets, relative)
        except KeyError as error:
            self._explain(params, error)
            raise

    def _transform_picked(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        with as_set() if self._is_foreign else nullcontext():
            out = self._transform(signal, params, lengths)
        if self.sets_shape or self.neutral_is_exact or _all_picked(params["applied"], out):
            return out
        return choose(params["applied"], out, signal)

    def _move_labels(self, batch: Batch, params: Values) -> Labels:
        targets = self._targets(batch.targets, params, batch.lengths)
        if "frames" not in targets or not self._moves_sound:
            return targets
        time = self._time_for_frames(batch)
        frames = targets["frames"]
        if frames.ndim != 3:
            raise ValueError(
                f"`frames` must be (batch, classes, frame), got shape {tuple(frames.shape)}"
            )
        moved = {**targets, "frames": self._move_frames(frames, time, params, batch.lengths)}
        if has_weak_label(targets):
            heard = self._move_frames(in_parts(frames), time, params, batch.lengths)
            moved["label"] = weak_label(targets["label"], frames, heard)
        return moved

    def _time_for_frames(self, batch: Batch) -> int:
        if batch.time is None or (batch.relative and not self.scale_free):
            raise ValueError(
                f"`targets` has `frames`, which {type(self).__name__} moves: give `time`, the "
                "number of samples of the waveform before"
            )
        return batch.time

    def _move_frames(
        self, frames: Tensor, time: int, params: Values, lengths: Tensor | None
    ) -> Tensor:
        lengths = ends_at(time, params, lengths)
        size, ends = self._size(time), self._lengths(time, params, lengths)
        position = frame_middles(frames.shape[-1], time, size, frames.device)
        source = self._source(position, time, params, lengths)
        if source is None or ends is None:
            return frames
        if not self.sets_shape:
            source = torch.where(params["applied"][:, None], source, position)
        source = torch.where(position < ends[:, None], source, -1)
        return take_frames(frames, source, time, lengths)

    def neutralise(self, params: Values) -> Values:
        """Give examples that are not picked the parameters of the identity."""
        applied = params["applied"]
        return {
            name: where_else(like(applied, value), value, self.neutral[name])
            if name in self.neutral
            else value
            for name, value in params.items()
        }

    def _explain(self, params: Any, error: KeyError) -> None:
        """Raise a clear error if params lack what this transform draws."""
        wanted = self.draw_params(Draw(torch.zeros(0, dtype=torch.int64), "")).keys()
        missing = sorted(wanted - params.keys())
        if missing:
            raise ValueError(
                f"`params` of {type(self).__name__} must have {', '.join(sorted(wanted))}; "
                f"{', '.join(missing)} missing, got {', '.join(sorted(params))}"
            ) from error

    def extra_repr(self) -> str:
        """Show the settings under the names that the constructor has."""
        settings = {
            name: value
            for name, value in vars(self).items()
            if not name.startswith("_") and name not in ("training", "p", "per_channel")
        }
        if not self.sets_shape:
            settings["p"] = self.p
        return ", ".join(f"{name}={value!r}" for name, value in settings.items())


def _all_picked(applied: Tensor, out: Tensor) -> bool:
    """Whether every example is known to be picked, so that no copy of the batch is needed.

    The copy takes a third of the time of a simple transform on a CPU. In a graph, under ``vmap``
    and on a GPU the answer is always False: there, reading the values is impossible or stalls the
    device.
    """
    return not is_launched(out) and nobody_watches() and bool(applied.all())


def ends_at(time: int, params: Values, lengths: Tensor | None) -> Tensor:
    """Return where examples end, ``(batch,)`` int64: at ``time`` where no lengths are known."""
    if lengths is not None:
        return lengths
    return torch.full_like(params["applied"], time, dtype=torch.int64)


class WaveformTransform(LeafTransform, ABC):
    """A transform of waveforms; ``lengths`` are in samples.

    Derive from it: declare what is random and name the kernel, or write ``_draw`` and
    ``_transform``. A transform that changes where examples end also defines ``_lengths``; one that
    moves sound in time defines ``_source``; one that changes labels defines ``_targets``.

    Args:
        p: Probability that an example is transformed; the others come out bit for bit.
        per_channel: Draw for each channel of an example rather than once for all.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``p`` is not in [0, 1].
    """

    kind = "waveform"

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input is not a batch of waveforms."""
        check_waveform(waveform, lengths)


class SpecgramTransform(LeafTransform, ABC):
    """A transform of spectrograms; ``lengths`` are in frames.

    Derive from it as from `WaveformTransform`.

    Args:
        p: Probability that an example is transformed; the others come out bit for bit.
        per_channel: Draw for each channel of an example rather than once for all.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If ``p`` is not in [0, 1].
    """

    kind = "specgram"

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input is not a batch of spectrograms."""
        check_specgram(waveform, lengths)
