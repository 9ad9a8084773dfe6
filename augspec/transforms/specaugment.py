"""SpecAugment as a whole, with its policies, and rectangles cut out of spectrograms."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from augspec.functional.checks import check_count, check_finite
from augspec.functional.mask import MaskValue, mask_value_of, spans
from augspec.functional.shapes import ends_of, span_start
from augspec.functional.spectrum import valid_frames
from augspec.random import Draw
from augspec.transforms.base import SpecgramTransform
from augspec.transforms.mask import check_mask_value, draw_several
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


class SpecAugment(SpecgramTransform):
    """Warp each example in time, then mask several bands of bins and several spans of frames.

    The policies are those of the paper: ``"LB"`` (LibriSpeech basic), ``"LD"`` (double), ``"SM"``
    (Switchboard mild) and ``"SS"`` (strong), made for 80 mel bins and frames of 10 ms. Any setting
    that is given takes the place of the policy's. The warp is `TimeWarp`, piecewise linear.

    Args:
        policy: ``"LB"``, ``"LD"``, ``"SM"`` or ``"SS"``; None has no warp and no masks but those
            that are given.
        max_warp: Largest move of a frame by the time warp, in frames; 0 for no warp.
        n_freq_masks: Number of masked bands.
        max_freq_width: Largest width of a band in bins.
        n_time_masks: Number of masked spans.
        max_time_width: Largest width of a span in frames.
        max_time_fraction: Largest width of a span as a fraction of the example, in [0, 1].
        mask_value: What masked cells get: a number, or the example's ``"mean"`` or ``"min"``.
        p: Probability that an example is augmented.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If the policy is not known or a setting is out of its range.

    References:
        Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
        Recognition", Interspeech 2019, https://arxiv.org/abs/1904.08779.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.SpecAugment("LD")(torch.randn(4, 1, 80, 400)).shape
        torch.Size([4, 1, 80, 400])
        >>> T.SpecAugment("SM", n_time_masks=3).settings["max_time_width"]
        70
    """

    # The warp is applied to picked examples only.
    neutral = {"freq_width": 0.0, "time_width": 0.0}
    neutral_is_exact = True

    def __init__(
        self,
        policy: Literal["LB", "LD", "SM", "SS"] | None = "LD",
        *,
        max_warp: int | None = None,
        n_freq_masks: int | None = None,
        max_freq_width: int | None = None,
        n_time_masks: int | None = None,
        max_time_width: int | None = None,
        max_time_fraction: float | None = None,
        mask_value: MaskValue = "mean",
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        if not isinstance(policy, str | None) or policy not in _POLICIES:
            raise ValueError(f"`policy` must be 'LB', 'LD', 'SM', 'SS' or None, got {policy!r}")
        self.policy = policy
        self.max_warp = max_warp
        self.n_freq_masks = n_freq_masks
        self.max_freq_width = max_freq_width
        self.n_time_masks = n_time_masks
        self.max_time_width = max_time_width
        self.max_time_fraction = max_time_fraction
        self.mask_value = check_mask_value(mask_value)
        for name, value in self.settings.items():
            if name != "max_time_fraction":
                check_count(name, value)
            elif not 0.0 <= check_finite(name, value) <= 1.0:
                raise ValueError(f"`max_time_fraction` must be in [0, 1], got {value!r}")

    @property
    def settings(self) -> dict[str, Any]:
        """What the policy and the arguments come to."""
        own = _POLICIES[self.policy]
        given = {name: getattr(self, name) for name in own}
        return {name: own[name] if value is None else value for name, value in given.items()}

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        n_freq_masks, n_time_masks = self.settings["n_freq_masks"], self.settings["n_time_masks"]
        return {
            "center": draw.uniform("center"),
            "warp": draw.uniform("warp"),
            "freq_width": draw_several(draw, "freq_width", n_freq_masks),
            "freq_start": draw_several(draw, "freq_start", n_freq_masks),
            "time_width": draw_several(draw, "time_width", n_time_masks),
            "time_start": draw_several(draw, "time_start", n_time_masks),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        freq, ends = waveform.shape[-2], ends_of(waveform, lengths)
        settings = self.settings
        warped = waveform
        if settings["max_warp"]:
            warped = warp_frames(waveform, params, settings["max_warp"], ends)
        widest = (ends * settings["max_time_fraction"]).long()[:, None]
        # As the paper has it: the width is drawn up to its largest, then cut to the fraction.
        time_width = span_start(params["time_width"], settings["max_time_width"])
        time_width = torch.minimum(time_width, widest)
        time_start = span_start(params["time_start"], ends[:, None] - time_width)
        freq_width = span_start(params["freq_width"], settings["max_freq_width"]).clamp(max=freq)
        freq_start = span_start(params["freq_start"], freq - freq_width)
        band = spans(freq_start, freq_width, freq).any(1)
        span = spans(time_start, time_width, waveform.shape[-1]).any(1)
        if lengths is None:
            masked = band[:, :, None] | span[:, None]
        else:
            masked = (band[:, :, None] | span[:, None]) & valid_frames(span[:, None], lengths)
        value = mask_value_of(warped, self.mask_value, lengths)
        return torch.where(masked[:, None], value, warped)

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor | None:
        most = self.settings["max_warp"]
        return warp_source(position, time, params, most, lengths) if most else None


class Cutout(SpecgramTransform):
    """Mask random rectangles in each example.

    Height and width are uniform from 0 to the largest, the place uniform over where they fit.

    Args:
        max_freq_width: Largest height of a rectangle in bins.
        max_time_width: Largest width in frames.
        n_masks: Number of rectangles.
        mask_value: What masked cells get: a number, or the example's ``"mean"`` or ``"min"``.
        p: Probability that an example is masked.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If a size or number is negative or no integer, or ``mask_value`` is not known.

    References:
        DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
        2017, https://arxiv.org/abs/1708.04552.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.Cutout(16, 40, n_masks=2)(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    neutral = {"freq_width": 0.0, "time_width": 0.0}
    neutral_is_exact = True

    def __init__(
        self,
        max_freq_width: int = 16,
        max_time_width: int = 32,
        *,
        n_masks: int = 1,
        mask_value: MaskValue = "mean",
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.max_freq_width = check_count("max_freq_width", max_freq_width)
        self.max_time_width = check_count("max_time_width", max_time_width)
        self.n_masks = check_count("n_masks", n_masks)
        self.mask_value = check_mask_value(mask_value)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        names = ("freq_width", "freq_start", "time_width", "time_start")
        return {name: draw_several(draw, name, self.n_masks) for name in names}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        freq, ends = waveform.shape[-2], ends_of(waveform, lengths)[:, None]
        freq_width = span_start(params["freq_width"], self.max_freq_width).clamp(max=freq)
        time_width = torch.minimum(span_start(params["time_width"], self.max_time_width), ends)
        band = spans(span_start(params["freq_start"], freq - freq_width), freq_width, freq)
        start = span_start(params["time_start"], ends - time_width)
        span = spans(start, time_width, waveform.shape[-1])
        masked = torch.zeros((1, 1, 1), dtype=torch.bool, device=waveform.device)
        for i in range(self.n_masks):
            masked = masked | (band[:, i, :, None] & span[:, i, None])
        value = mask_value_of(waveform, self.mask_value, lengths)
        return torch.where(masked[:, None], value, waveform)
