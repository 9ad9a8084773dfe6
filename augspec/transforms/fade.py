"""Spectrograms whose level rises or falls."""

from __future__ import annotations

from typing import Literal

from augspec.functional import fade
from augspec.transforms.base import SpecgramTransform
from augspec.transforms.declare import Uniform, Words, setting

__all__ = ["LinearFade"]


class LinearFade(SpecgramTransform, kernel=fade.linear_fade):
    """Change the level of each example linearly in time from one random gain to another.

    The change runs from the first valid frame to the last, as if a source came nearer or went away.

    Args:
        start_gain_db: Range of the gain of the first frame in dB, within +-200, uniform; a number
            is a constant.
        end_gain_db: Range of the gain of the last frame in dB.
        stype: What the spectrogram holds: ``"db"``, to which gains are added, ``"power"`` or
            ``"magnitude"``, which are multiplied. After `augspec.features.Normalize`
            divided decibels by a ``std``, gains must be divided by it too: with 37, 0.3 is 11 dB.
        p: Probability that an example is changed.
        per_channel: Draw gains for each channel.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If a range is reversed or leaves +-200 dB, ``stype`` is not known, or ``p`` is
            not in [0, 1].

    References:
        Niizumi et al., "BYOL for Audio: Exploring Pre-trained General-purpose Audio
        Representations", TASLP 2023, https://arxiv.org/abs/2204.07402.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.LinearFade((-6.0, 6.0), (-6.0, 6.0))(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    start_gain_db: Uniform = Uniform(
        default=(-6.0, 6.0), at_least=-200.0, at_most=200.0, neutral=0.0, unit="dB"
    )
    end_gain_db: Uniform = Uniform(
        default=(-6.0, 6.0), at_least=-200.0, at_most=200.0, neutral=0.0, unit="dB"
    )
    stype: Literal["db", "power", "magnitude"] = setting(
        default="db", check=Words("db", "power", "magnitude"), kw_only=True
    )
