"""Shelves and peaks of random frequency and gain."""

from __future__ import annotations

from abc import ABC
from typing import Self

from augspec.functional import equalizer
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Frequency, LogUniform, Uniform, check_rate, setting

__all__ = ["HighShelf", "LowShelf", "PeakingEQ"]


class _Shelf(WaveformTransform, ABC):
    cutoff_freq: Frequency = Frequency()
    gain_db: Uniform = Uniform(
        default=(-12.0, 12.0), at_least=-60.0, at_most=60.0, neutral=0.0, unit="dB"
    )
    q: LogUniform = LogUniform(default=0.5**0.5, at_least=0.01, at_most=1000.0)
    sample_rate: int = setting(check=check_rate, kw_only=True)


class LowShelf(_Shelf, kernel=equalizer.low_shelf):
    """Raise or lower everything below a random frequency, as a bass control does.

    Frequency and ``q`` are drawn uniformly in octaves, the gain uniformly in dB. At the cut-off the
    gain in dB is half of the drawn one.

    Args:
        cutoff_freq: Range of the middle of the slope in Hz, above 0 and below half of the sample
            rate; a number is a constant.
        gain_db: Range of the gain far below the cut-off in dB, within +-60.
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
        """Return an instance with typical settings."""
        return cls((50.0, 1000.0), sample_rate=16_000)


class HighShelf(_Shelf, kernel=equalizer.high_shelf):
    """Raise or lower everything above a random frequency, as a treble control does.

    Frequency and ``q`` are drawn uniformly in octaves, the gain uniformly in dB. At the cut-off the
    gain in dB is half of the drawn one.

    Args:
        cutoff_freq: Range of the middle of the slope in Hz, above 0 and below half of the sample
            rate; a number is a constant.
        gain_db: Range of the gain far above the cut-off in dB, within +-60.
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
        """Return an instance with typical settings."""
        return cls((2000.0, 6000.0), sample_rate=16_000)


class PeakingEQ(WaveformTransform, kernel=equalizer.peaking_eq):
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

    center_freq: Frequency = Frequency()
    gain_db: Uniform = Uniform(
        default=(-12.0, 12.0), at_least=-60.0, at_most=60.0, neutral=0.0, unit="dB"
    )
    q: LogUniform = LogUniform(default=(0.5, 5.0), at_least=0.01, at_most=1000.0)
    sample_rate: int = setting(check=check_rate, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls((100.0, 6000.0), sample_rate=16_000)
