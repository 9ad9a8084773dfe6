"""Transforms of dynamics."""

from __future__ import annotations

from typing import Self

from augspec.functional import dynamics
from augspec.functional.checks import check_flag
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Number, Uniform, check_rate, setting

__all__ = ["Compressor", "Limiter"]


class Compressor(WaveformTransform, kernel=dynamics.compressor):
    """Reduce the level of each example where it exceeds a random threshold, by a random ratio.

    This is a feed-forward compressor with a soft knee. Its gain in dB follows the absolute value of
    each sample: see `augspec.functional.compressor` for the model. There is no make-up gain: put a
    normaliser after it. All channels of an example get the gain that the loudest channel needs, so
    that the stereo image stays.

    Args:
        threshold_db: Range of the threshold in dB of full scale, uniform; a number is a constant.
        ratio: Range of the input dB per output dB above the threshold, uniform; 1 does nothing.
        sample_rate: Sample rate in Hz.
        attack: Range of the time constant of the gain's fall in seconds, uniform.
        release: Range of the time constant of the gain's rise in seconds, uniform.
        knee_db: Width of the transition around the threshold in dB; 0 is a corner.
        relative: Take the threshold relative to the example's peak rather than to full scale.
        mix: Range of the fraction of compressed sound in the output, uniform: below 1 is parallel
            compression.
        p: Probability that an example is changed.
        per_channel: Draw for each channel and compute a gain for each.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed, ``threshold_db`` leaves [-100, 100], ``ratio`` [1,
            1000], a time [0, 10], ``mix`` [0, 1], or ``knee_db`` [0, 200].

    References:
        Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design - a tutorial and
        analysis", Journal of the Audio Engineering Society 60(6), 2012.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> compressor = T.Compressor(-20.0, 4.0, knee_db=0.0, sample_rate=16_000)
        >>> out = compressor(torch.ones(1, 1, 16000))
        >>> round(20 * out[0, 0, -1].log10().item(), 2)
        -15.0
    """

    threshold_db: Uniform = Uniform(
        default=(-30.0, -10.0), at_least=-100.0, at_most=100.0, unit="dB"
    )
    ratio: Uniform = Uniform(default=(1.5, 8.0), at_least=1.0, at_most=1000.0, neutral=1.0)
    sample_rate: int = setting(check=check_rate, kw_only=True)
    attack: Uniform = Uniform(
        default=(0.001, 0.03), at_least=0.0, at_most=10.0, unit="s", kw_only=True
    )
    release: Uniform = Uniform(
        default=(0.05, 0.5), at_least=0.0, at_most=10.0, unit="s", kw_only=True
    )
    knee_db: float = setting(default=6.0, check=Number(0.0, 200.0), kw_only=True)
    relative: bool = setting(default=False, check=check_flag, kw_only=True)
    mix: Uniform = Uniform(default=1.0, at_least=0.0, at_most=1.0, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(sample_rate=16_000)


class Limiter(WaveformTransform, kernel=dynamics.limiter):
    """Keep the samples of each example within a random threshold: the gain falls before a peak.

    The limiter looks ahead and adds no delay; no sample of the result is above the threshold.

    Args:
        threshold_db: Range of the largest absolute sample in dB of full scale, uniform; a number is
            a constant.
        sample_rate: Sample rate in Hz.
        attack: Range of the time constant of the gain's fall, before a peak, in seconds, uniform.
        release: Range of the time constant of the gain's rise, after it, in seconds, uniform.
        relative: Take the threshold relative to the example's peak rather than to full scale.
        p: Probability that an example is changed.
        per_channel: Draw for each channel and compute a gain for each.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed, ``threshold_db`` leaves [-100, 100] or a time [0, 10].

    References:
        Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design - a
        tutorial and analysis", Journal of the Audio Engineering Society 60(6), 2012.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> out = T.Limiter(-20.0, sample_rate=16_000)(torch.randn(4, 1, 16000))
        >>> round(out.abs().max().item(), 4)
        0.1
    """

    threshold_db: Uniform = Uniform(
        default=(-24.0, -2.0), at_least=-100.0, at_most=100.0, unit="dB"
    )
    sample_rate: int = setting(check=check_rate, kw_only=True)
    attack: Uniform = Uniform(
        default=(0.0005, 0.025), at_least=0.0, at_most=10.0, unit="s", kw_only=True
    )
    release: Uniform = Uniform(
        default=(0.05, 0.7), at_least=0.0, at_most=10.0, unit="s", kw_only=True
    )
    relative: bool = setting(default=False, check=check_flag, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(sample_rate=16_000)
