"""Transforms that move, turn, silence and repeat parts of an example."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from augspec.functional import edit, repeat
from augspec.functional.checks import check_flag, check_range
from augspec.functional.repeat import RepeatMode
from augspec.functional.shapes import choose, ends_of, span_start
from augspec.params import Values
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import (
    Integers,
    Number,
    Place,
    Uniform,
    Words,
    check_rate_or_none,
    setting,
)
from augspec.transforms.vocoder import RateTransform

__all__ = ["Mute", "RepeatPart", "Shift", "TimeReverse"]

_LONGEST = 3600.0  # seconds of a shift


def _round_part(fraction: Tensor, whole: Tensor | int) -> Tensor:
    """Round a fraction of ``whole`` to int64 by integer arithmetic: exact on every device."""
    return ((fraction * 2.0**24).long() * whole + (1 << 23)) >> 24


class Shift(RateTransform):
    """Move each example later or earlier by a random time within its own length.

    Args:
        shift: Range of the shift, uniform; positive is later. A number is a constant.
        unit: ``"fraction"`` of the example, or ``"seconds"``.
        sample_rate: Sample rate in Hz; it must be given for a shift in seconds. None is the front
            end's, or 16,000: the length of the fades depends on it.
        rollover: Move the part that leaves at one end to the other end. With False it is lost, and
            silence fills the gap.
        fade: Seconds over which the sound fades out, and in again, where the end of the example
            meets its start or silence. With 0 there is no fade and a tone clicks.
        p: Probability that an example is shifted.
        per_channel: Draw a shift for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed or leaves [-1, 1] as a fraction or [-3600, 3600] in
            seconds, ``fade`` leaves [0, 60], ``unit`` is neither of the two, or ``unit`` is
            ``"seconds"`` without ``sample_rate``.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.Shift(0.25, fade=0.0)(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
        tensor([[[4., 1., 2., 3.]]])
        >>> T.Shift(-0.25, rollover=False, fade=0.0)(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
        tensor([[[2., 3., 4., 0.]]])
    """

    neutral_is_exact = True

    shift: Uniform = Uniform(default=(-0.5, 0.5), at_least=-_LONGEST, at_most=_LONGEST, neutral=0.0)
    unit: Literal["fraction", "seconds"] = setting(
        default="fraction", check=Words("fraction", "seconds"), kw_only=True
    )
    sample_rate: int | None = setting(default=None, check=check_rate_or_none, kw_only=True)
    rollover: bool = setting(default=True, check=check_flag, kw_only=True)
    fade: float = setting(default=0.005, check=Number(0.0, 60.0), kw_only=True)

    def _validate(self) -> None:
        if self.unit == "fraction":
            check_range("shift", self.shift, at_least=-1.0, at_most=1.0)
        elif self.sample_rate is None:
            raise ValueError("`sample_rate` must be given for a shift in seconds, got None")

    def _needs_rate(self) -> bool:
        return self.fade > 0.0

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        samples = self._samples(params["shift"], ends_of(signal, lengths))
        fade = round(self.fade * self._effective_rate())
        out = edit.shift(signal, samples, rollover=self.rollover, fade=fade, lengths=lengths)
        # A shift of 0 is not the identity: it silences the padding.
        return out if lengths is None else choose(params["applied"], out, signal)

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        if params["shift"].ndim == 2:
            raise ValueError("`targets` has `frames` of examples, but `per_channel` shifts differ")
        samples = self._samples(params["shift"], lengths)[:, None]
        return edit.shifted_places(position, samples, lengths[:, None], self.rollover)

    def _samples(self, shift: Tensor, ends: Tensor) -> Tensor:
        if self.unit == "seconds" and self.sample_rate is not None:
            return _round_part(shift, self.sample_rate)
        return _round_part(shift, ends if shift.ndim == 1 else ends[:, None])


class TimeReverse(WaveformTransform, kernel=edit.time_reverse):
    """Play each picked example backwards, from its own end.

    Args:
        p: Probability that an example is reversed.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``p`` is not in [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.TimeReverse()(torch.tensor([[[1.0, 2.0, 0.0]]]), torch.tensor([2]))[0]
        tensor([[[2., 1., 0.]]])
    """

    scale_free = True

    per_channel: bool = setting(default=False, init=False)

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        return lengths[:, None] - 1 - position


class Mute(WaveformTransform):
    """Silence a random stretch of each example, with fades.

    The stretch lies anywhere in the example, each place equally likely. At each end the gain goes
    from 1 to 0 along half a cosine. All labels stay, also those of frames.

    Args:
        width: Range of the width of the stretch as a fraction of the example, uniform; a number is
            a constant.
        fade: Length of each fade, as a fraction of the example; at most half of the stretch is
            used.
        p: Probability that an example is changed.
        per_channel: Draw a stretch for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed, or it or ``fade`` leaves [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> out = T.Mute(0.5, fade=0.0)(torch.ones(1, 1, 16000))
        >>> out.mean()
        tensor(0.5000)
    """

    width: Uniform = Uniform(default=(0.05, 0.25), at_least=0.0, at_most=1.0, neutral=0.0)
    start = Place()
    fade: float = setting(default=0.01, check=Number(0.0, 1.0), kw_only=True)

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        ends = ends_of(signal, lengths)
        ends = ends if params["width"].ndim == 1 else ends[:, None]
        width = _round_part(params["width"], ends)
        start = span_start(params["start"], ends - width)
        fade = _round_part(torch.full_like(params["width"], self.fade), ends)
        return edit.mute(signal, start, width, fade)


class RepeatPart(WaveformTransform):
    """Play a random part of each example several times more, as a stuck record does.

    The parts are crossfaded. With ``"insert"`` the rest of the example follows the repeats. The
    tensor keeps its size: ``lengths`` grow as far as there is room, and the sound beyond it is cut.

    Args:
        width: Range of the width of the part as a fraction of the example, uniform; a number is a
            constant.
        repeats: Range of the number of repeats, whole numbers; a number is a constant.
        mode: ``"insert"`` plays the rest after the repeats; with ``"replace"`` the repeats replace
            what was there.
        fade: Length of each crossfade, as a fraction of the example; at most the width is used.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed, ``width`` or ``fade`` leaves [0, 1] or ``repeats``
            [0, 1000], or ``mode`` is not known.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> repeat = T.RepeatPart(1.0, 1, fade=0.0)
        >>> repeat(torch.tensor([[[1.0, 2.0, 0.0, 0.0]]]), torch.tensor([2]))
        (tensor([[[1., 2., 1., 2.]]]), tensor([4]))
    """

    width: Uniform = Uniform(default=(0.05, 0.25), at_least=0.0, at_most=1.0)
    start = Place()
    repeats: Integers = Integers(default=(1, 3), at_least=0, at_most=1000, neutral=0)
    mode: RepeatMode = setting(default="insert", check=Words(*get_args(RepeatMode)), kw_only=True)
    fade: float = setting(default=0.005, check=Number(0.0, 1.0), kw_only=True)
    per_channel: bool = setting(default=False, init=False)

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        ends = ends_of(signal, lengths)
        start, width = self._part(params, ends)
        fade = _round_part(torch.full_like(params["width"], self.fade), ends)
        return repeat.repeat_part(
            signal, start, width, params["repeats"], fade, mode=self.mode, lengths=lengths
        )

    def _part(self, params: Values, ends: Tensor) -> tuple[Tensor, Tensor]:
        width = _round_part(params["width"], ends).clamp(min=1)
        return span_start(params["start"], (ends - width).clamp(min=0)), width

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        start, width = (value[:, None] for value in self._part(params, lengths))
        repeats = params["repeats"][:, None]
        return repeat.repeated_places(position, start, width, repeats, self.mode)[0]

    def _lengths(self, time: int, params: Values, lengths: Tensor | None) -> Tensor | None:
        if lengths is None or self.mode == "replace":
            return lengths
        _, width = self._part(params, lengths)
        # An empty example has nothing to repeat.
        added = params["repeats"] * torch.minimum(width, lengths)
        return (lengths + added).clamp(max=time)
