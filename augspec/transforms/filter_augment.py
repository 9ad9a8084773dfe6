"""Random acoustic filters on spectrograms."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from augspec import random
from augspec.functional.fade import add_gain
from augspec.functional.filter_augment import band_edges, band_gain
from augspec.params import Values
from augspec.random import Draw
from augspec.transforms.base import SpecgramTransform
from augspec.transforms.declare import Integers, Uniform, Whole, Words, setting
from augspec.transforms.mask import Places

__all__ = ["FilterAugment"]


class FilterAugment(SpecgramTransform):
    """Give random bands of each example random gains, as rooms and microphones do.

    The bins are divided at random into bands. With ``"step"`` each band gets a gain; with
    ``"linear"`` each edge of a band gets a gain, with a straight line in between.

    Args:
        gain_db: Range of the gains in dB, uniform in dB.
        n_bands: Range of the number of bands, both ends included; a number is a constant.
        min_width: Smallest width of a band in bins; it is reduced if the bands do not fit.
        mode: ``"linear"`` for lines in dB from edge to edge, ``"step"`` for one gain in a band.
        stype: What the spectrogram holds: ``"db"``, to which gains are added, ``"power"`` or
            ``"magnitude"``, which are multiplied. After `augspec.features.Normalize`
            divided decibels by a ``std``, gains must be divided by it too: with 37, 0.3 is 11 dB.
        p: Probability that an example is filtered.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If a range is reversed, ``gain_db`` leaves +-200 dB, a number of bands is not a
            whole number, or ``mode`` or ``stype`` is not known.

    References:
        Nam, Kim and Park, "FilterAugment: An Acoustic Environmental Data Augmentation Method",
        ICASSP 2022, https://arxiv.org/abs/2110.03282.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.FilterAugment((-6.0, 6.0))(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    gain_db: Uniform = Uniform(
        default=(-6.0, 6.0), at_least=-200.0, at_most=200.0, neutral=0.0, unit="dB"
    )
    n_bands: Integers = Integers(default=(3, 5), at_least=1, at_most=1000, kw_only=True)
    min_width: int = setting(default=6, check=Whole(), kw_only=True)
    mode: Literal["linear", "step"] = setting(
        default="linear", check=Words("linear", "step"), kw_only=True
    )
    stype: Literal["db", "power", "magnitude"] = setting(
        default="db", check=Words("db", "power", "magnitude"), kw_only=True
    )
    per_channel: bool = setting(default=False, init=False)
    boundary = Places(lambda it: it.n_bands[1] - 1)

    neutral_is_exact = True

    def _draw(self, draw: Draw) -> Values:
        edges = torch.arange(self.n_bands[1] + 1, device=draw.keys.device)
        gains = random.uniform(
            draw.keys[:, None], draw.path, "gain_db", *self.gain_db, counter=edges
        )
        drawn = {n: one.draw(draw, self) for n, one in self.drawn.items() if n != "gain_db"}
        return {"gain_db": gains, **drawn}

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        freq = signal.shape[-2]
        edges = band_edges(params["boundary"], params["n_bands"], freq, self.min_width)
        gain_db = params["gain_db"].to(signal.dtype)
        gain = band_gain(edges, gain_db, freq, self.mode)[:, None, :, None]
        return add_gain(signal, gain, self.stype, lengths)
