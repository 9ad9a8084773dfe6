"""SpecAugment as a whole, with its policies, and rectangles cut out of spectrograms."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from augspec.functional.checks import check_count
from augspec.functional.mask import MaskValue, mask_value_of, spans
from augspec.functional.shapes import ends_of, span_start
from augspec.functional.spectrum import valid_frames
from augspec.native import bins
from augspec.params import Values
from augspec.random import Draw
from augspec.transforms.base import SpecgramTransform
from augspec.transforms.declare import Number, Place, Whole, setting
from augspec.transforms.mask import (
    Places,
    check_fraction,
    check_mask_value,
    draw_places,
    part_of,
)
from augspec.transforms.resize import warp_frames, warp_source

__all__ = ["Cutout", "SpecAugment"]


def _policy(
    max_warp: int,
    n_freq_masks: int,
    max_freq_width: int,
    n_time_masks: int,
    max_time_width: int,
    max_time_fraction: float,
) -> dict[str, Any]:
    return {
        "max_warp": max_warp,
        "n_freq_masks": n_freq_masks,
        "max_freq_width": max_freq_width,
        "n_time_masks": n_time_masks,
        "max_time_width": max_time_width,
        "max_time_fraction": max_time_fraction,
    }


# Table 1 of the paper: W, m_F, F, m_T, T, p.
_POLICIES = {
    "LB": _policy(80, 1, 27, 1, 100, 1.0),
    "LD": _policy(80, 2, 27, 2, 100, 1.0),
    "SM": _policy(40, 2, 15, 2, 70, 0.2),
    "SS": _policy(40, 2, 27, 2, 70, 0.2),
    None: _policy(0, 0, 0, 0, 0, 1.0),
}


def _check_policy(name: str, policy: Any) -> str | None:
    if not isinstance(policy, str | None) or policy not in _POLICIES:
        raise ValueError(f"`{name}` must be 'LB', 'LD', 'SM', 'SS' or None, got {policy!r}")
    return policy


class SpecAugment(SpecgramTransform):
    """Warp each example in time, then mask several bands of bins and several spans of frames.

    The policies are those of the paper: ``"LB"`` (LibriSpeech basic), ``"LD"`` (double), ``"SM"``
    (Switchboard mild) and ``"SS"`` (strong), made for 80 mel bins and frames of 10 ms. A setting
    that you pass replaces the policy's. The warp is `TimeWarp`, which is piecewise linear.

    Args:
        policy: ``"LB"``, ``"LD"``, ``"SM"`` or ``"SS"``; with None there are only the warp and the
            masks that you pass.
        max_warp: Largest move of a frame by the time warp, in frames; 0 for no warp.
        n_freq_masks: Number of masked bands.
        max_freq_width: Largest width of a band in bins.
        n_time_masks: Number of masked spans.
        max_time_width: Largest width of a span in frames.
        max_time_fraction: Largest width of a span as a fraction of the example, in [0, 1].
        adaptive_width: Largest width of a span as a fraction of the example, in [0, 1]; it replaces
            ``max_time_width``, and widths are uniform up to it.
        adaptive_count: Number of spans per frame: an example gets this number times its frames,
            rounded down, and at most ``n_time_masks``. SpecAugment on large data sets takes 0.04
            for this and for ``adaptive_width``, and at most 20 spans.
        max_masked: Largest fraction of an example's frames that all spans hide together. Later
            spans become narrower.
        mask_value: What masked cells get: a number, or the example's ``"mean"`` or ``"min"``.
        p: Probability that an example is augmented.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If the policy is not known or a setting is out of its range.

    References:
        Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
        Recognition", Interspeech 2019, https://arxiv.org/abs/1904.08779. Park et al., "SpecAugment
        on Large Scale Datasets", ICASSP 2020, https://arxiv.org/abs/1912.05533.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.SpecAugment("LD")(torch.randn(4, 1, 80, 400)).shape
        torch.Size([4, 1, 80, 400])
        >>> T.SpecAugment("SM", n_time_masks=3).settings["max_time_width"]
        70
    """

    policy: Literal["LB", "LD", "SM", "SS"] | None = setting(default="LD", check=_check_policy)
    max_warp: int | None = setting(default=None, kw_only=True)
    n_freq_masks: int | None = setting(default=None, kw_only=True)
    max_freq_width: int | None = setting(default=None, kw_only=True)
    n_time_masks: int | None = setting(default=None, kw_only=True)
    max_time_width: int | None = setting(default=None, kw_only=True)
    max_time_fraction: float | None = setting(default=None, kw_only=True)
    adaptive_width: float | None = setting(default=None, check=check_fraction, kw_only=True)
    adaptive_count: float | None = setting(default=None, check=check_fraction, kw_only=True)
    max_masked: float = setting(default=1.0, check=Number(0.0, 1.0), kw_only=True)
    mask_value: MaskValue = setting(default="mean", check=check_mask_value, kw_only=True)
    per_channel: bool = setting(default=False, init=False)
    center = Place()
    warp = Place()
    freq_width = Places(lambda it: it.settings["n_freq_masks"], neutral=0.0)
    freq_start = Places(lambda it: it.settings["n_freq_masks"])
    time_width = Places(lambda it: it.settings["n_time_masks"], neutral=0.0)
    time_start = Places(lambda it: it.settings["n_time_masks"])

    # The warp is applied to picked examples only.
    neutral_is_exact = True

    def _validate(self) -> None:
        for name, value in self.settings.items():
            if name == "max_time_fraction":
                Number(0.0, 1.0)(name, value)
            else:
                whole = check_count(name, value)
                if getattr(self, name) is not None:
                    setattr(self, name, whole)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that follow from the policy and the arguments."""
        own = _POLICIES[self.policy]
        given = {name: getattr(self, name) for name in own}
        return {name: own[name] if value is None else value for name, value in given.items()}

    def _draw(self, draw: Draw) -> Values:
        warp = draw.together(["center", "warp"])
        places = {name: warp.uniform(name) for name in ("center", "warp")}
        return places | draw_places(self, draw)

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        freq, ends = signal.shape[-2], ends_of(signal, lengths)
        settings = self.settings
        warped = signal
        if settings["max_warp"]:
            warped = warp_frames(signal, params, settings["max_warp"], ends)
        time_width = self._time_widths(params["time_width"], ends)
        time_start = span_start(params["time_start"], ends[:, None] - time_width)
        freq_width = span_start(params["freq_width"], settings["max_freq_width"]).clamp(max=freq)
        freq_start = span_start(params["freq_start"], freq - freq_width)
        value = mask_value_of(warped, self.mask_value, lengths)
        if bins.can_compute(warped, value, freq_start, time_start, lengths):
            bands, stretches = (freq_start, freq_width), (time_start, time_width)
            return bins.mask(warped, value, lengths, bands=bands, spans=stretches)
        band = spans(freq_start, freq_width, freq).any(1)
        span = spans(time_start, time_width, signal.shape[-1]).any(1)
        if lengths is None:
            masked = band[:, :, None] | span[:, None]
        else:
            masked = (band[:, :, None] | span[:, None]) & valid_frames(span[:, None], lengths)
        return torch.where(masked[:, None], value, warped)

    def _time_widths(self, drawn: Tensor, ends: Tensor) -> Tensor:
        """Return the widths of the spans of frames, ``(batch, count)``; the last ones may be 0."""
        settings = self.settings
        widest = (ends.float() * settings["max_time_fraction"]).long()
        # As in the paper: the width is drawn up to the largest width, then cut to the fraction.
        most: Tensor | int = settings["max_time_width"]
        if self.adaptive_width is not None:
            most = part_of(ends, self.adaptive_width)[:, None]
        width = torch.minimum(span_start(drawn, most), widest[:, None])
        if self.adaptive_count is not None:
            place = torch.arange(drawn.shape[1], device=drawn.device)
            width = torch.where(place < part_of(ends, self.adaptive_count)[:, None], width, 0)
        if self.max_masked < 1.0:
            before = width.cumsum(1) - width
            left = part_of(ends, self.max_masked)[:, None] - before
            width = torch.minimum(width, left.clamp(min=0))
        return width

    def _source(
        self, position: Tensor, time: int, params: Values, lengths: Tensor
    ) -> Tensor | None:
        most = self.settings["max_warp"]
        return warp_source(position, time, params, most, lengths) if most else None


class Cutout(SpecgramTransform):
    """Mask random rectangles in each example.

    Height and width are uniform from 0 to the largest, the place uniform over all positions where
    the rectangle fits.

    Args:
        max_freq_width: Largest height of a rectangle in bins.
        max_time_width: Largest width in frames.
        n_masks: Number of rectangles.
        mask_value: What masked cells get: a number, or the example's ``"mean"`` or ``"min"``.
        p: Probability that an example is masked.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If a size or number is negative or not an integer, or ``mask_value`` is not
            known.

    References:
        DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
        2017, https://arxiv.org/abs/1708.04552.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.Cutout(16, 40, n_masks=2)(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    max_freq_width: int = setting(default=16, check=Whole())
    max_time_width: int = setting(default=32, check=Whole())
    n_masks: int = setting(default=1, check=Whole(), kw_only=True)
    mask_value: MaskValue = setting(default="mean", check=check_mask_value, kw_only=True)
    per_channel: bool = setting(default=False, init=False)
    freq_width = Places(lambda it: it.n_masks, neutral=0.0)
    freq_start = Places(lambda it: it.n_masks)
    time_width = Places(lambda it: it.n_masks, neutral=0.0)
    time_start = Places(lambda it: it.n_masks)

    neutral_is_exact = True

    def _draw(self, draw: Draw) -> Values:
        return draw_places(self, draw)

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        freq, ends = signal.shape[-2], ends_of(signal, lengths)[:, None]
        freq_width = span_start(params["freq_width"], self.max_freq_width).clamp(max=freq)
        time_width = torch.minimum(span_start(params["time_width"], self.max_time_width), ends)
        freq_start = span_start(params["freq_start"], freq - freq_width)
        time_start = span_start(params["time_start"], ends - time_width)
        value = mask_value_of(signal, self.mask_value, lengths)
        if bins.can_compute(signal, value, freq_start, time_start, lengths):
            bands, stretches = (freq_start, freq_width), (time_start, time_width)
            return bins.mask(signal, value, None, bands=bands, spans=stretches, crossed=True)
        band = spans(freq_start, freq_width, freq)
        span = spans(time_start, time_width, signal.shape[-1])
        masked = torch.zeros((1, 1, 1), dtype=torch.bool, device=signal.device)
        for i in range(self.n_masks):
            masked = masked | (band[:, i, :, None] & span[:, i, None])
        return torch.where(masked[:, None], value, signal)
