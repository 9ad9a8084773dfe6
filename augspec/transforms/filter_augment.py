"""Random acoustic filters on spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from augspec import random
from augspec.functional.checks import check_count, check_integer_range, check_range
from augspec.functional.filter_augment import band_edges, band_gain
from augspec.functional.spectrum import valid_frames
from augspec.random import Draw
from augspec.transforms.base import SpecgramTransform
from augspec.transforms.mask import draw_several

__all__ = ["FilterAugment"]


class FilterAugment(SpecgramTransform):
    """Give random bands of each example random gains, as rooms and microphones do.

    The bins are cut at random into bands; each band gets a gain of its own, or each edge of a band,
    with a straight line in between.

    Args:
        gain_db: Range of the gains in dB, uniform in dB.
        n_bands: Range of the number of bands, both ends included; a number is a constant.
        min_width: Smallest width of a band in bins; less where the bands would not fit.
        mode: ``"linear"`` for lines in dB from edge to edge, ``"step"`` for one gain in a band.
        stype: What the spectrogram holds: ``"db"``, to which gains are added, ``"power"`` or
            ``"magnitude"``, which are multiplied.
        p: Probability that an example is filtered.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If a range is reversed, ``gain_db`` leaves +-200 dB, a number of bands is no
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

    neutral = {"gain_db": 0.0}
    neutral_is_exact = True

    def __init__(
        self,
        gain_db: float | Sequence[float] = (-6.0, 6.0),
        *,
        n_bands: int | Sequence[int] = (3, 5),
        min_width: int = 6,
        mode: Literal["linear", "step"] = "linear",
        stype: Literal["db", "power", "magnitude"] = "db",
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.gain_db = check_range("gain_db", gain_db, at_least=-200.0, at_most=200.0)
        self.n_bands = check_integer_range("n_bands", n_bands, at_least=1, at_most=1000)
        self.min_width = check_count("min_width", min_width)
        if mode not in ("linear", "step"):
            raise ValueError(f"`mode` must be 'linear' or 'step', got {mode!r}")
        if stype not in ("db", "power", "magnitude"):
            raise ValueError(f"`stype` must be 'db', 'power' or 'magnitude', got {stype!r}")
        self.mode = mode
        self.stype = stype

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        low, high = self.n_bands
        edges = torch.arange(high + 1, device=draw.keys.device)
        return {
            "n_bands": draw.integers("n_bands", low, high + 1),
            "boundary": draw_several(draw, "boundary", high - 1),
            "gain_db": random.uniform(
                draw.keys[:, None], draw.path, "gain_db", *self.gain_db, counter=edges
            ),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        freq = waveform.shape[-2]
        edges = band_edges(params["boundary"], params["n_bands"], freq, self.min_width)
        gain_db = params["gain_db"].to(waveform.dtype)
        gain = band_gain(edges, gain_db, freq, self.mode)[:, None, :, None]
        if self.stype == "db":
            filtered = waveform + gain
        else:
            filtered = waveform * torch.pow(10.0, gain / (10.0 if self.stype == "power" else 20.0))
        if lengths is None:
            return filtered
        return torch.where(valid_frames(waveform, lengths), filtered, waveform)
