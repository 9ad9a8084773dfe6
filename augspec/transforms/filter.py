"""Pass and stop filters of random frequency."""

from __future__ import annotations

from abc import ABC
from typing import Self

from augspec.functional import equalizer
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Frequency, LogUniform, Uniform, Whole, check_rate, setting

__all__ = ["BandPass", "BandStop", "HighPass", "LowPass"]


class _PassFilter(WaveformTransform, ABC):
    cutoff_freq: Frequency = Frequency()
    sample_rate: int = setting(check=check_rate, kw_only=True)
    order: int = setting(default=2, check=Whole(1, 32), kw_only=True)
    mix: Uniform = Uniform(default=1.0, at_least=0.0, at_most=1.0, neutral=0.0, kw_only=True)


class LowPass(_PassFilter, kernel=equalizer.low_pass):
    """Attenuate frequencies above a random cut-off with a Butterworth filter.

    The cut-off, where the level is -3.01 dB, is drawn uniformly in octaves. The filter starts at
    rest, delays as the analogue circuit does and stops at the example's end.

    Args:
        cutoff_freq: Range of the cut-off in Hz, above 0 and below half of the sample rate; a number
            is a constant.
        sample_rate: Sample rate in Hz.
        order: Slope in units of 6 dB per octave, 1 to 32.
        mix: Fraction of the filtered sound, in [0, 1], drawn uniformly. Below 1 the input and the
            filtered sound can cancel near the cut-off, because the filter shifts the phase.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` is not positive,
            ``order`` leaves 1 to 32, or ``p`` is not in [0, 1].

    References:
        Butterworth, "On the theory of filter amplifiers", Experimental Wireless 7, 1930.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.LowPass((300.0, 7000.0), sample_rate=16000)(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls((300.0, 7000.0), sample_rate=16_000)


class HighPass(_PassFilter, kernel=equalizer.high_pass):
    """Attenuate frequencies below a random cut-off with a Butterworth filter.

    The cut-off, where the level is -3.01 dB, is drawn uniformly in octaves. The filter starts at
    rest, shifts phases as the analogue circuit does and stops at the example's end.

    Args:
        cutoff_freq: Range of the cut-off in Hz, above 0 and below half of the sample rate; a number
            is a constant.
        sample_rate: Sample rate in Hz.
        order: Slope in units of 6 dB per octave, 1 to 32.
        mix: Fraction of the filtered sound, in [0, 1], drawn uniformly. Below 1 the input and the
            filtered sound can cancel near the cut-off, because the filter shifts the phase.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` is not positive,
            ``order`` leaves 1 to 32, or ``p`` is not in [0, 1].

    References:
        Butterworth, "On the theory of filter amplifiers", Experimental Wireless 7, 1930.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> out = T.HighPass(40.0, sample_rate=16000)(torch.ones(1, 1, 16000))
        >>> round(out[0, 0, -1].abs().item(), 4)
        0.0
    """

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls((20.0, 1000.0), sample_rate=16_000)


class _BandFilter(WaveformTransform, ABC):
    center_freq: Frequency = Frequency()
    q: LogUniform = LogUniform(default=(0.5, 5.0), at_least=0.01, at_most=1000.0)
    sample_rate: int = setting(check=check_rate, kw_only=True)
    mix: Uniform = Uniform(default=1.0, at_least=0.0, at_most=1.0, neutral=0.0, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls((200.0, 4000.0), sample_rate=16_000)


class BandPass(_BandFilter, kernel=equalizer.band_pass):
    """Keep a band of random place and width, as a telephone or a small loudspeaker does.

    The filter has second order: the slopes fall by 6 dB per octave. Far below half of the sample
    rate the -3.01 dB points are ``center_freq / q`` apart. Near half of the sample rate the
    bilinear transform makes the band narrower: by 23 % at 3 kHz with a sample rate of 16 kHz and a
    ``q`` of 2. Centre and ``q`` are drawn uniformly in octaves.

    Args:
        center_freq: Range of the centre, where the gain is 0 dB, in Hz, above 0 and below half of
            the sample rate; a number is a constant.
        q: Range of centre divided by width, 0.01 to 1000.
        sample_rate: Sample rate in Hz.
        mix: Fraction of the filtered sound, in [0, 1], drawn uniformly.
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
        >>> T.BandPass((300.0, 3000.0), (0.5, 2.0), sample_rate=8000)(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
    """


class BandStop(_BandFilter, kernel=equalizer.band_stop):
    """Remove a band of random place and width with a notch, whose gain is zero at the centre.

    Second order. Far below half of the sample rate the -3.01 dB points are ``center_freq / q``
    apart. Near half of the sample rate the bilinear transform makes the band narrower: by 23 % at 3
    kHz with a sample rate of 16 kHz and a ``q`` of 2. Centre and ``q`` are drawn uniformly in
    octaves.

    Args:
        center_freq: Range of the centre in Hz, above 0 and below half of the sample rate; a number
            is a constant.
        q: Range of centre divided by width, 0.01 to 1000.
        sample_rate: Sample rate in Hz.
        mix: Fraction of the filtered sound, in [0, 1], drawn uniformly: the depth of the notch.
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
        >>> T.BandStop((300.0, 3000.0), (0.5, 2.0), sample_rate=8000)(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
    """
