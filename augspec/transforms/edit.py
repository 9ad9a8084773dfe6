"""Transforms that move, turn, silence and repeat parts of an example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from augspec.functional import edit
from augspec.functional.checks import (
    check_finite,
    check_flag,
    check_integer_range,
    check_range,
    check_sample_rate,
)
from augspec.functional.edit import RepeatMode
from augspec.functional.shapes import ends_of, like, span_start
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform

__all__ = ["Mute", "RepeatPart", "Shift", "TimeReverse"]


def _round_part(fraction: Tensor, whole: Tensor | int) -> Tensor:
    """Round a fraction of ``whole`` to int64, in integers so that every device rounds alike."""
    return ((fraction * 2.0**24).long() * whole + (1 << 23)) >> 24


def _check_fraction(name: str, value: float) -> float:
    value = check_finite(name, value)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"`{name}` must lie in [0, 1], got {value!r}")
    return value


class Shift(WaveformTransform):
    """Move each example later or earlier by a random time within its own length.

    Args:
        shift: Range of the shift, uniform; positive is later. A number is a constant.
        unit: ``"fraction"`` of the example, or ``"seconds"``.
        sample_rate: Sample rate in Hz; needed for seconds.
        rollover: Let what leaves at one end come in at the other; else silence comes in.
        p: Probability that an example is shifted.
        per_channel: Draw a shift for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed or leaves [-1, 1] as a fraction or [-3600, 3600] in
            seconds, ``unit`` is neither, or seconds come without a sample rate.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.Shift(0.25)(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
        tensor([[[4., 1., 2., 3.]]])
        >>> T.Shift(-0.25, rollover=False)(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
        tensor([[[2., 3., 4., 0.]]])
    """

    neutral = {"shift": 0.0}
    neutral_is_exact = True

    def __init__(
        self,
        shift: float | Sequence[float] = (-0.5, 0.5),
        *,
        unit: Literal["fraction", "seconds"] = "fraction",
        sample_rate: int | None = None,
        rollover: bool = True,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        if unit not in ("fraction", "seconds"):
            raise ValueError(f'`unit` must be "fraction" or "seconds", got {unit!r}')
        if unit == "seconds" and sample_rate is None:
            raise ValueError("`sample_rate` must be given for a shift in seconds, got None")
        most = 1.0 if unit == "fraction" else 3600.0
        self.shift = check_range("shift", shift, at_least=-most, at_most=most)
        self.unit = unit
        self.sample_rate = None if sample_rate is None else check_sample_rate(sample_rate)
        self.rollover = check_flag("rollover", rollover)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"shift": draw.uniform("shift", *self.shift)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        samples = self._samples(params["shift"], ends_of(waveform, lengths))
        out = edit.shift(waveform, samples, rollover=self.rollover, lengths=lengths)
        # No shift is the identity but for padding, which is silenced.
        return out if lengths is None else torch.where(like(params["applied"], out), out, waveform)

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor:
        if params["shift"].ndim == 2:
            raise ValueError("`targets` has `frames` of examples, but `per_channel` shifts differ")
        samples = self._samples(params["shift"], lengths)[:, None]
        return edit.shifted_places(position, samples, lengths[:, None], self.rollover)

    def _samples(self, shift: Tensor, ends: Tensor) -> Tensor:
        if self.unit == "seconds" and self.sample_rate is not None:
            return _round_part(shift, self.sample_rate)
        return _round_part(shift, ends if shift.ndim == 1 else ends[:, None])


class TimeReverse(WaveformTransform):
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

    moves_at_any_time = True

    def __init__(self, *, p: float = 1.0) -> None:
        super().__init__(p=p)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return edit.time_reverse(waveform, lengths)

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor:
        return lengths[:, None] - 1 - position


class Mute(WaveformTransform):
    """Silence a random stretch of each example, with fades.

    The stretch lies anywhere in the example, each place equally likely. At both of its ends half a
    cosine leads from 1 to 0; outside of it nothing changes. Labels stay, those of frames too.

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

    neutral = {"width": 0.0}

    def __init__(
        self,
        width: float | Sequence[float] = (0.05, 0.25),
        *,
        fade: float = 0.01,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.width = check_range("width", width, at_least=0.0, at_most=1.0)
        self.fade = _check_fraction("fade", fade)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"width": draw.uniform("width", *self.width), "start": draw.uniform("start")}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        ends = ends_of(waveform, lengths)
        ends = ends if params["width"].ndim == 1 else ends[:, None]
        width = _round_part(params["width"], ends)
        start = span_start(params["start"], ends - width)
        fade = _round_part(torch.full_like(params["width"], self.fade), ends)
        return edit.mute(waveform, start, width, fade)


class RepeatPart(WaveformTransform):
    """Play a random part of each example several times more, as a stuck record does.

    At the seams the parts are crossfaded. With ``"insert"`` the rest follows the repeats, and the
    tensor keeps its time: ``lengths`` grow as far as there is room, and what goes beyond is cut.

    Args:
        width: Range of the width of the part as a fraction of the example, uniform; a number is a
            constant.
        repeats: Range of how often it is played again, whole numbers; a number is a constant.
        mode: ``"insert"`` plays the rest after the repeats; with ``"replace"`` the repeats replace
            what was there.
        fade: Length of each crossfade, as a fraction of the example; at most the width is used.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed, ``width`` or ``fade`` leaves [0, 1] or ``repeats``
            [0, 1000], or ``mode`` is neither.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> repeat = T.RepeatPart(1.0, 1, fade=0.0)
        >>> repeat(torch.tensor([[[1.0, 2.0, 0.0, 0.0]]]), torch.tensor([2]))
        (tensor([[[1., 2., 1., 2.]]]), tensor([4]))
    """

    neutral = {"repeats": 0}

    def __init__(
        self,
        width: float | Sequence[float] = (0.05, 0.25),
        repeats: int | Sequence[int] = (1, 3),
        *,
        mode: RepeatMode = "insert",
        fade: float = 0.005,
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.width = check_range("width", width, at_least=0.0, at_most=1.0)
        self.repeats = check_integer_range("repeats", repeats, at_least=0, at_most=1000)
        if mode not in get_args(RepeatMode):
            raise ValueError(f"`mode` must be one of {get_args(RepeatMode)}, got {mode!r}")
        self.mode: RepeatMode = mode
        self.fade = _check_fraction("fade", fade)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        low, high = self.repeats
        return {
            "width": draw.uniform("width", *self.width),
            "start": draw.uniform("start"),
            "repeats": draw.integers("repeats", low, high + 1),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        ends = ends_of(waveform, lengths)
        start, width = self._part(params, ends)
        fade = _round_part(torch.full_like(params["width"], self.fade), ends)
        return edit.repeat_part(
            waveform, start, width, params["repeats"], fade, mode=self.mode, lengths=lengths
        )

    def _part(self, params: dict[str, Tensor], ends: Tensor) -> tuple[Tensor, Tensor]:
        width = _round_part(params["width"], ends).clamp(min=1)
        return span_start(params["start"], (ends - width).clamp(min=0)), width

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor:
        start, width = (value[:, None] for value in self._part(params, lengths))
        repeats = params["repeats"][:, None]
        return edit.repeated_places(position, start, width, repeats, self.mode)[0]

    def _lengths(
        self, time: int, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor | None:
        if lengths is None or self.mode == "replace":
            return lengths
        _, width = self._part(params, lengths)
        # What has no sample has none to repeat.
        added = params["repeats"] * torch.minimum(width, lengths)
        return (lengths + added).clamp(max=time)
