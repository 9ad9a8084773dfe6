"""Transforms of dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from augspec.functional import dynamics
from augspec.functional.checks import (
    check_finite,
    check_flag,
    check_range,
    check_sample_rate,
)
from augspec.functional.shapes import blend
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform

__all__ = ["Compressor", "Limiter"]


class Compressor(WaveformTransform):
    """Turn each example down where it is louder than a threshold, with a ratio of its own.

    A feed-forward compressor with a soft knee whose gain in dB follows the absolute value of each
    sample: see `augspec.functional.compressor` for the model. There is no make-up gain: put a
    normaliser behind. All channels of an example get the gain that the loudest needs, so that a
    stereo image stays where it is.

    Args:
        threshold_db: Range of the threshold in dB of full scale, uniform; a number is a constant.
        ratio: Range of the input dB per output dB above the threshold, uniform; 1 does nothing.
        sample_rate: Sample rate in Hz.
        attack: Range of the time constant of the gain's fall in seconds, uniform.
        release: Range of the time constant of the gain's rise in seconds, uniform.
        knee_db: Width of the transition around the threshold in dB; 0 is a corner.
        relative: Take the threshold relative to the example's peak rather than to full scale.
        mix: Range of the share of the compressed in the output, uniform: below 1 is parallel
            compression.
        p: Probability that an example is changed.
        per_channel: Draw for each channel, which then has a gain of its own.

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

    neutral = {"ratio": 1.0}

    def __init__(
        self,
        threshold_db: float | Sequence[float] = (-30.0, -10.0),
        ratio: float | Sequence[float] = (1.5, 8.0),
        *,
        sample_rate: int,
        attack: float | Sequence[float] = (0.001, 0.03),
        release: float | Sequence[float] = (0.05, 0.5),
        knee_db: float = 6.0,
        relative: bool = False,
        mix: float | Sequence[float] = 1.0,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.threshold_db = check_range("threshold_db", threshold_db, at_least=-100, at_most=100)
        self.ratio = check_range("ratio", ratio, at_least=1.0, at_most=1000.0)
        self.sample_rate = check_sample_rate(sample_rate)
        self.attack = check_range("attack", attack, at_least=0.0, at_most=10.0)
        self.release = check_range("release", release, at_least=0.0, at_most=10.0)
        self.knee_db = check_finite("knee_db", knee_db)
        if not 0.0 <= self.knee_db <= 200.0:
            raise ValueError(f"`knee_db` must be 0 to 200 dB, got {knee_db!r}")
        self.relative = check_flag("relative", relative)
        self.mix = check_range("mix", mix, at_least=0.0, at_most=1.0)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls(sample_rate=16_000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "threshold_db": draw.uniform("threshold_db", *self.threshold_db),
            "ratio": draw.uniform("ratio", *self.ratio),
            "attack": draw.uniform("attack", *self.attack),
            "release": draw.uniform("release", *self.release),
            "mix": draw.uniform("mix", *self.mix),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        out = dynamics.compressor(
            waveform,
            params["threshold_db"],
            params["ratio"],
            params["attack"],
            params["release"],
            sample_rate=self.sample_rate,
            knee_db=self.knee_db,
            relative=self.relative,
            lengths=lengths,
        )
        return blend(waveform, out, params["mix"])


class Limiter(WaveformTransform):
    """Keep every sample of each example within a random threshold by turning it down in time.

    The limiter looks ahead and adds no delay; no sample of the result is above the threshold.

    Args:
        threshold_db: Range of the largest absolute sample in dB of full scale, uniform; a number is
            a constant.
        sample_rate: Sample rate in Hz.
        attack: Range of the time constant of the gain's fall, before a peak, in seconds, uniform.
        release: Range of the time constant of the gain's rise, after it, in seconds, uniform.
        relative: Take the threshold relative to the example's peak rather than to full scale.
        p: Probability that an example is changed.
        per_channel: Draw for each channel, which then has a gain of its own.

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

    def __init__(
        self,
        threshold_db: float | Sequence[float] = (-24.0, -2.0),
        *,
        sample_rate: int,
        attack: float | Sequence[float] = (0.0005, 0.025),
        release: float | Sequence[float] = (0.05, 0.7),
        relative: bool = False,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.threshold_db = check_range("threshold_db", threshold_db, at_least=-100, at_most=100)
        self.sample_rate = check_sample_rate(sample_rate)
        self.attack = check_range("attack", attack, at_least=0.0, at_most=10.0)
        self.release = check_range("release", release, at_least=0.0, at_most=10.0)
        self.relative = check_flag("relative", relative)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls(sample_rate=16_000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "threshold_db": draw.uniform("threshold_db", *self.threshold_db),
            "attack": draw.uniform("attack", *self.attack),
            "release": draw.uniform("release", *self.release),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return dynamics.limiter(
            waveform,
            params["threshold_db"],
            params["attack"],
            params["release"],
            sample_rate=self.sample_rate,
            relative=self.relative,
            lengths=lengths,
        )
