"""Changes of the whole spectrum: random curves, slopes and the absorption of air."""

from __future__ import annotations

from typing import Self

import torch

from augspec.functional import equalizer, reverb
from augspec.params import Values
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import (
    Frequency,
    LogUniform,
    Range,
    Uniform,
    Whole,
    check_freq,
    check_rate,
    log_uniform,
    setting,
)

__all__ = ["AirAbsorption", "RandomEQ", "TiltEQ"]


class RandomEQ(WaveformTransform, kernel=equalizer.parametric_eq):
    """Filter the whole spectrum with several bands of random place, width and gain.

    The range of frequencies is divided into one part per band, all equal in octaves. The centre of
    each band is uniform, in octaves, within its part. All bands are applied in one pass.

    Args:
        bands: Number of bands, 1 to 16.
        gain_db: Range of each band's gain in dB, within +-60.
        q: Range of centre divided by the width between the points of half of the gain in dB, 0.01
            to 1000.
        sample_rate: Sample rate in Hz.
        center_freq: Frequencies in Hz over which the bands are spread, above 0 and below half of
            the sample rate; None is 1/320 to 0.45 of the sample rate, 50 Hz to 7.2 kHz at 16 kHz.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out. Parameters are ``(batch, bands)`` or ``(batch,
        channel, bands)``.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``bands`` leaves 1 to 16,
            ``sample_rate`` is not positive, or ``p`` is not in [0, 1].

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.RandomEQ(6, (-9.0, 9.0), sample_rate=16000)(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
    """

    bands: int = setting(default=4, check=Whole(1, 16))
    gain_db: Uniform = Uniform(
        default=(-9.0, 9.0), at_least=-60.0, at_most=60.0, neutral=0.0, unit="dB"
    )
    q: LogUniform = LogUniform(default=(0.5, 2.0), at_least=0.01, at_most=1000.0)
    sample_rate: int = setting(check=check_rate, kw_only=True)
    center_freq: tuple[float, float] = setting(default=None, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(sample_rate=16_000)

    def _validate(self) -> None:
        given: Range | None = self.center_freq
        if given is None:  # 50 Hz to 7.2 kHz at 16 kHz
            given = (self.sample_rate / 320, self.sample_rate * 0.45)
        self.center_freq = check_freq("center_freq", given, self.sample_rate)

    def _draw(self, draw: Draw) -> Values:
        low, high = self.center_freq
        edges = [low * (high / low) ** (i / self.bands) for i in range(self.bands)] + [high]
        bands = range(self.bands)
        names = ("center_freq", "gain_db", "q")
        draw = draw.together(f"{name}_{i}" for name in names for i in bands)
        freqs = [log_uniform(draw, f"center_freq_{i}", *edges[i : i + 2]) for i in bands]
        gains = torch.stack([draw.uniform(f"gain_db_{i}") for i in bands], -1)
        widths = torch.stack([draw.uniform(f"q_{i}") for i in bands], -1)
        lowest, highest = self.gain_db
        narrow, wide = self.q
        return {
            "center_freq": torch.stack(freqs, -1),
            "gain_db": lowest + (highest - lowest) * gains,
            "q": (narrow * torch.pow(wide / narrow, widths)).clamp(narrow, wide),
        }


class TiltEQ(WaveformTransform, kernel=equalizer.tilt_eq):
    """Tilt the spectrum by a random slope, as a distant, dull or bright microphone does.

    The level at ``center_freq`` stays. Down to 1/1024 of the sample rate the slope is exact within
    0.07 dB for each 6 dB per octave; below that frequency the gain becomes constant.

    Args:
        slope_db: Range of the slope in dB per octave, within +-12, drawn uniformly; positive is
            brighter. A number is a constant.
        center_freq: Range of the frequency of 0 dB in Hz, drawn uniformly in octaves.
        sample_rate: Sample rate in Hz.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` is not positive, or
            ``p`` is not in [0, 1].

    References:
        Smith and Smith, "Closed form fractional integration and differentiation via real
        exponentially spaced pole-zero pairs", arXiv:1606.06154.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.TiltEQ((-3.0, 3.0), sample_rate=16000)(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
    """

    slope_db: Uniform = Uniform(
        default=(-3.0, 3.0), at_least=-12.0, at_most=12.0, neutral=0.0, unit="dB an octave"
    )
    center_freq: Frequency = Frequency(default=1000.0)
    sample_rate: int = setting(check=check_rate, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(sample_rate=16_000)


class AirAbsorption(WaveformTransform, kernel=reverb.air_absorption):
    """Attenuate high frequencies as the air over a random distance does.

    The attenuation is that of pure tones by ISO 9613-1 at normal pressure. Delay, phase shift and
    the loss by spreading are left out.

    Args:
        distance: Range of the distance in metres, 0 to 500, drawn uniformly; a number is a
            constant.
        temperature: Range of the temperature in degrees Celsius, -20 to 50.
        humidity: Range of the relative humidity in percent, 10 to 100.
        sample_rate: Sample rate in Hz.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` is not positive, or
            ``p`` is not in [0, 1].

    References:
        ISO 9613-1:1993, "Attenuation of sound during propagation outdoors, part 1".

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.AirAbsorption((5.0, 50.0), sample_rate=16000)(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
    """

    distance: Uniform = Uniform(
        default=(10.0, 100.0), at_least=0.0, at_most=500.0, neutral=0.0, unit="m"
    )
    temperature: Uniform = Uniform(default=(10.0, 30.0), at_least=-20.0, at_most=50.0, unit="°C")
    humidity: Uniform = Uniform(default=(30.0, 90.0), at_least=10.0, at_most=100.0, unit="%")
    sample_rate: int = setting(check=check_rate, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(sample_rate=16_000)
