"""The base of every transform: parameters drawn once per example, then a deterministic function."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from augspec.functional.checks import check_flag, check_specgram, check_waveform
from augspec.functional.frames import frame_middles, take_frames
from augspec.functional.shapes import fit, like
from augspec.params import Params
from augspec.random import Draw
from augspec.transforms.tree import (
    RandomTransform,
    Result,
    check_probability,
    resolve_keys,
    time_of,
)

__all__ = [
    "LeafTransform",
    "RandomTransform",
    "Result",
    "SpecgramTransform",
    "WaveformTransform",
    "check_probability",
    "resolve_keys",
    "time_of",
]


class LeafTransform(RandomTransform, ABC):
    """A transform that is not made of others.

    `_draw` says what is random, `_transform` what is computed. One that changes where examples end
    gives `_lengths` too; one that changes labels, `_targets`.

    Args:
        p: Probability that an example is transformed; one that is not comes out bit for bit.
        per_channel: Draw for each channel of an example rather than once for all.

    Raises:
        ValueError: If ``p`` is not in [0, 1].
    """

    #: Whether ``forward`` also acts in ``eval()``.
    in_eval: bool = False
    #: Whether the size of the output is a setting; such a transform takes no ``p``.
    sets_shape: ClassVar[bool] = False
    #: Value of each parameter at which the function is the identity or close to it. An example that
    #: is not picked gets it, so that the branch not taken gives no NaN gradient.
    neutral: ClassVar[Mapping[str, float]] = {}
    #: Whether frame labels move by rates and shares, the same at any time, not by samples.
    moves_at_any_time: ClassVar[bool] = False
    #: Whether the function at `neutral` is the identity bit for bit.
    neutral_is_exact: ClassVar[bool] = False

    def __init__(self, *, p: float = 1.0, per_channel: bool = False) -> None:
        super().__init__()
        self.p = check_probability(p)
        self.per_channel = check_flag("per_channel", per_channel)

    @abstractmethod
    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        """Draw the parameters: float32, int64 or bool, ``(batch,)`` or ``(batch, channel)``."""

    @abstractmethod
    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        """Compute the result; ``waveform`` is float32 or float64 and must not be edited."""

    def _lengths(
        self,
        time: int,
        params: dict[str, Tensor],
        lengths: Tensor | None,
    ) -> Tensor | None:
        """Say where examples end afterwards; ``lengths`` None means at ``time``."""
        return lengths

    def _size(self, time: int) -> int:
        """Say how many samples or frames become of ``time``."""
        return time

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor | None:
        """Say which sample of the input is heard at a sample of the output: frame labels follow.

        Args:
            position: Samples of the output, ``(1, place)`` int64.
            time: Samples of the input.
            params: The params; an example that is not picked is seen to.
            lengths: Where examples end in the input.

        Returns:
            Samples of the input, int64, broadcastable with ``(batch, place)``, negative where none
            is heard; None says that nothing moves.
        """
        return None

    def _targets(
        self,
        targets: dict[str, Any],
        params: dict[str, Tensor],
        lengths: Tensor | None,
    ) -> dict[str, Any]:
        """Say what happens to labels; ``frames`` follow from `_source`."""
        return targets

    def draw_params(self, draw: Draw) -> Params:
        """Draw whether the transform is applied, and its parameters."""
        params = self._draw(draw.per_channel(self.per_channel))
        return {"applied": draw.bernoulli("applied", self.p), **params}

    def scale_params(self, params: Any, magnitude: Tensor) -> Any:
        """Move every parameter that has a neutral value towards it."""
        return {name: self._scale(name, value, magnitude) for name, value in params.items()}

    def _scale(self, name: str, value: Tensor, magnitude: Tensor) -> Tensor:
        """Move one parameter from its neutral value, ``magnitude`` 0, to ``value``, 1."""
        if name not in self.neutral or not math.isfinite(self.neutral[name]):
            return value
        neutral = self.neutral[name]
        # One number may lie on the CPU while the params lie on a GPU, as long as it has no shape.
        scale = like(magnitude, value) if magnitude.ndim else magnitude
        scaled = neutral + scale * (value - neutral)
        return scaled if value.is_floating_point() else scaled.round().to(value.dtype)

    def acts(self) -> bool:
        """Whether ``forward`` does anything in the present mode."""
        return self.training or self.in_eval

    def run(
        self, waveform: Tensor, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Apply the function to the examples that are picked."""
        if by_mode and not self.acts():
            return waveform, lengths
        params = self.neutralise(params)
        out = self._transform(waveform, params, lengths)
        if not (self.sets_shape or self.neutral_is_exact):
            out = torch.where(like(params["applied"], out), out, fit(waveform, out.shape[-1]))
        return out, self._lengths(waveform.shape[-1], params, lengths)

    def run_targets(
        self,
        targets: dict[str, Any],
        params: Any,
        lengths: Tensor | None,
        time: int | None = None,
        *,
        by_mode: bool,
    ) -> dict[str, Any]:
        """Apply the transform to the labels of the examples that are picked."""
        if by_mode and not self.acts():
            return targets
        params = self.neutralise(params)
        targets = self._targets(targets, params, lengths)
        if "frames" not in targets or type(self)._source is LeafTransform._source:
            return targets
        if time is None and lengths is None and self.moves_at_any_time:
            time = targets["frames"].shape[-1] << 12
        if time is None:
            raise ValueError(
                f"`targets` has `frames`, which {type(self).__name__} moves: give `time`, the "
                "number of samples of the waveform before"
            )
        frames = self._move_frames(targets["frames"], time, params, lengths)
        return {**targets, "frames": frames}

    def _move_frames(
        self, frames: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        if lengths is None:
            lengths = torch.full_like(params["applied"], time, dtype=torch.int64)
        size, ends = self._size(time), self._lengths(time, params, lengths)
        position = frame_middles(frames.shape[-1], time, size, frames.device)
        source = self._source(position, time, params, lengths)
        if source is None or ends is None:
            return frames
        if not self.sets_shape:
            source = torch.where(params["applied"][:, None], source, position)
        source = torch.where(position < ends[:, None], source, -1)
        return take_frames(frames, source, time, lengths)

    def run_lengths(
        self, time: int, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[int, Tensor | None]:
        """Say what the transform makes of the time and the lengths."""
        if by_mode and not self.acts():
            return time, lengths
        return self._size(time), self._lengths(time, self.neutralise(params), lengths)

    def neutralise(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        """Give examples that are not picked the parameters of the identity."""
        applied = params["applied"]
        return {
            name: torch.where(like(applied, value), value, self.neutral[name])
            if name in self.neutral
            else value
            for name, value in params.items()
        }

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


class WaveformTransform(LeafTransform, ABC):
    """A transform of waveforms; ``lengths`` are in samples.

    Derive from it: ``_draw`` says what is random, ``_transform`` what is computed. One that changes
    where examples end gives ``_lengths`` too, one that moves sound in time ``_source``, one that
    changes labels ``_targets``.

    Args:
        p: Probability that an example is transformed; one that is not comes out bit for bit.
        per_channel: Draw for each channel of an example rather than once for all.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``p`` is not in [0, 1].
    """

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input is no batch of waveforms."""
        check_waveform(waveform, lengths)


class SpecgramTransform(LeafTransform, ABC):
    """A transform of spectrograms; ``lengths`` are in frames.

    Derive from it as from `WaveformTransform`.

    Args:
        p: Probability that an example is transformed; one that is not comes out bit for bit.
        per_channel: Draw for each channel of an example rather than once for all.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If ``p`` is not in [0, 1].
    """

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input is no batch of spectrograms."""
        check_specgram(waveform, lengths)
