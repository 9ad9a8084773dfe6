"""Shelves and peaks of random frequency and gain."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Self

from torch import Tensor

from augspec.functional import equalizer
from augspec.functional.checks import check_range, check_sample_rate
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform
from augspec.transforms.ranges import check_freq, check_q, log_uniform

__all__ = ["HighShelf", "LowShelf", "PeakingEQ"]

_MAX_DB = 60.0


def check_gain(gain_db: float | Sequence[float]) -> tuple[float, float]:
    """Check that a range of gains lies within +-60 dB."""
    return check_range("gain_db", gain_db, at_least=-_MAX_DB, at_most=_MAX_DB)


class _Shelf(WaveformTransform, ABC):
    neutral = {"gain_db": 0.0}

    def __init__(
        self,
        cutoff_freq: float | Sequence[float],
        gain_db: float | Sequence[float] = (-12.0, 12.0),
        q: float | Sequence[float] = 0.5**0.5,
        *,
        sample_rate: int,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.sample_rate = check_sample_rate(sample_rate)
        self.cutoff_freq = check_freq("cutoff_freq", cutoff_freq, sample_rate)
        self.gain_db = check_gain(gain_db)
        self.q = check_q(q)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "cutoff_freq": log_uniform(draw, "cutoff_freq", *self.cutoff_freq),
            "gain_db": draw.uniform("gain_db", *self.gain_db),
            "q": log_uniform(draw, "q", *self.q),
        }


class LowShelf(_Shelf):
    """Raise or lower everything below a random frequency, as a bass control does.

    Frequency and ``q`` are drawn uniformly in octaves, the gain uniformly in dB. At the cut-off
    half of the gain, in dB, is met.

    Args:
        cutoff_freq: Range of the middle of the slope in Hz, above 0 and below half of the sample
            rate; a number is a constant.
        gain_db: Range of the gain far below it in dB, within +-60.
        q: Range of the steepness, 0.01 to 1000: above ``sqrt(0.5)`` it overshoots.
        sample_rate: Sample rate in Hz.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` is not positive, or
            ``p`` is not in [0, 1].

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> louder = T.LowShelf(200.0, 6.0, sample_rate=16000)(torch.ones(1, 1, 4000))
        >>> round(louder[0, 0, -1].item(), 3)
        1.995
    """

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings."""
        return cls((50.0, 1000.0), sample_rate=16_000)

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return equalizer.low_shelf(
            waveform,
            params["cutoff_freq"],
            params["gain_db"],
            params["q"],
            sample_rate=self.sample_rate,
            lengths=lengths,
        )


class HighShelf(_Shelf):
    """Raise or lower everything above a random frequency, as a treble control does.

    Frequency and ``q`` are drawn uniformly in octaves, the gain uniformly in dB. At the cut-off
    half of the gain, in dB, is met.

    Args:
        cutoff_freq: Range of the middle of the slope in Hz, above 0 and below half of the sample
            rate; a number is a constant.
        gain_db: Range of the gain far above it in dB, within +-60.
        q: Range of the steepness, 0.01 to 1000: above ``sqrt(0.5)`` it overshoots.
        sample_rate: Sample rate in Hz.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` is not positive, or
            ``p`` is not in [0, 1].

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.HighShelf((2000.0, 6000.0), sample_rate=16000)(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
    """

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings."""
        return cls((2000.0, 6000.0), sample_rate=16_000)

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return equalizer.high_shelf(
            waveform,
            params["cutoff_freq"],
            params["gain_db"],
            params["q"],
            sample_rate=self.sample_rate,
            lengths=lengths,
        )


class PeakingEQ(WaveformTransform):
    """Raise or lower a band of random place, width and gain.

    Centre and ``q`` are drawn uniformly in octaves, the gain uniformly in dB.

    Args:
        center_freq: Range of the centre in Hz, above 0 and below half of the sample rate; a number
            is a constant.
        gain_db: Range of the gain at the centre in dB, within +-60.
        q: Range of centre divided by the width between the points of half of the gain in dB, 0.01
            to 1000.
        sample_rate: Sample rate in Hz.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` is not positive, or
            ``p`` is not in [0, 1].

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.PeakingEQ((100.0, 6000.0), sample_rate=16000)(torch.randn(4, 1, 80)).shape
        torch.Size([4, 1, 80])
    """

    neutral = {"gain_db": 0.0}

    def __init__(
        self,
        center_freq: float | Sequence[float],
        gain_db: float | Sequence[float] = (-12.0, 12.0),
        q: float | Sequence[float] = (0.5, 5.0),
        *,
        sample_rate: int,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.sample_rate = check_sample_rate(sample_rate)
        self.center_freq = check_freq("center_freq", center_freq, sample_rate)
        self.gain_db = check_gain(gain_db)
        self.q = check_q(q)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings."""
        return cls((100.0, 6000.0), sample_rate=16_000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "center_freq": log_uniform(draw, "center_freq", *self.center_freq),
            "gain_db": draw.uniform("gain_db", *self.gain_db),
            "q": log_uniform(draw, "q", *self.q),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return equalizer.peaking_eq(
            waveform,
            params["center_freq"],
            params["gain_db"],
            params["q"],
            sample_rate=self.sample_rate,
            lengths=lengths,
        )
