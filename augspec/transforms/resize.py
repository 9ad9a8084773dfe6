"""Spectrogram transforms that move bins and frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from augspec.functional.checks import check_range
from augspec.functional.mask import MaskValue, mask_value_of
from augspec.functional.resize import (
    read_between,
    resize_places,
    shift_bins,
    time_warp_places,
)
from augspec.functional.shapes import ends_of
from augspec.params import Values
from augspec.random import Draw
from augspec.transforms.base import SpecgramTransform
from augspec.transforms.declare import Place, Uniform, Whole, setting
from augspec.transforms.mask import check_mask_value

__all__ = ["FrequencyShift", "RandomResizeCrop", "TimeWarp"]


def warp_frames(specgram: Tensor, params: Values, max_warp: int, ends: Tensor) -> Tensor:
    """Warp picked examples in time by the params of a `TimeWarp`."""
    center, warp, frames = params["center"], params["warp"], specgram.shape[-1]
    place = time_warp_places(center, warp, max_warp, ends, frames, specgram.dtype)
    written = torch.where(params["applied"], ends, 0)
    return read_between(specgram, frame_places=place, ends=ends, written=written)


def warp_source(
    position: Tensor, time: int, params: Values, max_warp: int, lengths: Tensor
) -> Tensor:
    """Return the frame nearest to the position that `warp_frames` reads at ``position``."""
    center, warp = params["center"], params["warp"]
    place = time_warp_places(center, warp, max_warp, lengths, time, torch.float32)
    return _nearest(place, position)


def _nearest(place: Tensor, position: Tensor) -> Tensor:
    return torch.floor(place[:, position.flatten()] + 0.5).to(torch.int64)


class TimeWarp(SpecgramTransform):
    """Move a random frame of each example earlier or later, and stretch the parts around it.

    The map of time is linear from the first frame to the moved one, and from there to the last; the
    paper's spline differs little from it. ``frames`` labels are warped in the same way.

    Args:
        max_warp: Largest move in frames; the moved frame lies at least ``max_warp`` frames from
            both ends. An example too short for it is warped by less.
        p: Probability that an example is warped.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If ``max_warp`` is negative or not an integer.

    References:
        Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
        Recognition", Interspeech 2019, https://arxiv.org/abs/1904.08779.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.TimeWarp(20)(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    max_warp: int = setting(default=20, check=Whole())
    per_channel: bool = setting(default=False, init=False)
    center = Place()
    warp = Place()

    # The warp is applied to picked examples only.
    neutral_is_exact = True

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        return warp_frames(signal, params, self.max_warp, ends_of(signal, lengths))

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        return warp_source(position, time, params, self.max_warp, lengths)


def _check_canvas(name: str, scale: Sequence[float]) -> tuple[float, float]:
    """Check that a canvas is as large as the example or larger."""
    if not isinstance(scale, tuple | list) or len(scale) != 2:
        raise ValueError(f"`{name}` must be (freq, time), got {scale!r}")
    height, width = (check_range(name, one, at_least=1.0, at_most=4.0)[0] for one in scale)
    return height, width


class RandomResizeCrop(SpecgramTransform):
    """Cut a random part out of each example or a larger canvas, and resize it to the example.

    It changes tempo, pitch and position of an event at once, by linear interpolation. The canvas
    around the example holds ``mask_value``. ``frames`` labels are cut and resized in the same way,
    with zeros around them.

    Args:
        freq_scale: Range of the part's height as a multiple of the bins.
        time_scale: Range of the part's width as a multiple of the example's frames.
        virtual_crop_scale: Height and width of the canvas, as multiples, at least 1; a part is at
            most as large as the canvas.
        mask_value: Value of the canvas around the example: a number, or the example's ``"mean"`` or
            ``"min"``.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, freq, frame)`` in and out; lengths stay.

    Raises:
        ValueError: If a range is reversed or leaves [0.05, 4], or a canvas is smaller than the
            example or more than 4 times as large.

    References:
        Niizumi et al., "BYOL for Audio: Self-Supervised Learning for General-Purpose Audio
        Representation", IJCNN 2021, https://arxiv.org/abs/2103.06695 (with bicubic interpolation).

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.RandomResizeCrop()(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    freq_scale: Uniform = Uniform(default=(0.6, 1.5), at_least=0.05, at_most=4.0)
    time_scale: Uniform = Uniform(default=(0.6, 1.5), at_least=0.05, at_most=4.0)
    virtual_crop_scale: tuple[float, float] = setting(
        default=(1.0, 1.5), check=_check_canvas, kw_only=True
    )
    mask_value: MaskValue = setting(default="mean", check=check_mask_value, kw_only=True)
    per_channel: bool = setting(default=False, init=False)
    freq_start = Place()
    time_start = Place()

    def _frame_places(
        self, params: Values, ends: Tensor, frames: int, dtype: torch.dtype
    ) -> Tensor:
        return resize_places(
            params["time_scale"],
            params["time_start"],
            self.virtual_crop_scale[1],
            ends,
            frames,
            dtype,
        )

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        ends, dtype = ends_of(signal, lengths), signal.dtype
        freq, frames = signal.shape[-2:]
        fill = mask_value_of(signal, self.mask_value, lengths)
        bins = resize_places(
            params["freq_scale"],
            params["freq_start"],
            self.virtual_crop_scale[0],
            torch.full_like(ends, freq),
            freq,
            dtype,
        )
        place = self._frame_places(params, ends, frames, dtype)
        return read_between(
            signal, bin_places=bins, frame_places=place, ends=ends, fill=fill, written=lengths
        )

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        return _nearest(self._frame_places(params, lengths, time, torch.float32), position)


class FrequencyShift(SpecgramTransform):
    """Move each example up or down by a random number of bins.

    On a mel spectrogram or a CQT this is close to a change of pitch, and costs only a copy.
    ``pitch`` labels stay, because the change of pitch depends on the scale of the bins. New bins at
    the edge get ``mask_value``.

    Args:
        max_shift: Largest shift in bins; uniform over the whole numbers from ``-max_shift`` to
            ``max_shift``.
        mask_value: Value of the new bins: a number, or the example's ``"mean"`` or ``"min"``.
        p: Probability that an example is shifted.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If ``max_shift`` is negative or not an integer, or ``mask_value`` is not known.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.FrequencyShift(4)(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    max_shift: int = setting(default=4, check=Whole())
    mask_value: MaskValue = setting(default="mean", check=check_mask_value, kw_only=True)
    per_channel: bool = setting(default=False, init=False)

    neutral = {"shift": 0}
    neutral_is_exact = True

    def _draw(self, draw: Draw) -> Values:
        return {"shift": draw.integers("shift", -self.max_shift, self.max_shift + 1)}

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        fill = mask_value_of(signal, self.mask_value, lengths)
        return shift_bins(signal, params["shift"], fill, lengths)
