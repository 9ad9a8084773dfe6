"""Pass and stop filters of random frequency."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Self

from torch import Tensor

from augspec.functional import equalizer
from augspec.functional.checks import check_range, check_sample_rate
from augspec.functional.shapes import blend
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform
from augspec.transforms.ranges import check_freq, check_q, log_uniform

__all__ = ["BandPass", "BandStop", "HighPass", "LowPass"]


class _PassFilter(WaveformTransform, ABC):
    neutral = {"mix": 0.0}

    def __init__(
        self,
        cutoff_freq: float | Sequence[float],
        *,
        sample_rate: int,
        order: int = 2,
        mix: float | Sequence[float] = 1.0,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.mix = check_range("mix", mix, at_least=0.0, at_most=1.0)
        self.sample_rate = check_sample_rate(sample_rate)
        self.cutoff_freq = check_freq("cutoff_freq", cutoff_freq, sample_rate)
        if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= 32:
            raise ValueError(f"`order` must be an integer from 1 to 32, got {order!r}")
        self.order = order

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "cutoff_freq": log_uniform(draw, "cutoff_freq", *self.cutoff_freq),
            "mix": draw.uniform("mix", *self.mix),
        }


class LowPass(_PassFilter):
    """Take away what lies above a random cut-off: a Butterworth filter.

    The cut-off, where the level is -3.01 dB, is drawn uniformly in octaves. The filter runs from
    rest, delays as the analogue circuit does and does not ring on beyond an example's end.

    Args:
        cutoff_freq: Range of the cut-off in Hz, above 0 and below half of the sample rate; a number
            is a constant.
        sample_rate: Sample rate in Hz.
        order: Slope in units of 6 dB an octave, 1 to 32.
        mix: Part of the filtered sound, in [0, 1], drawn uniformly. Below 1 the filter's phase also
            takes part: near the cut-off both can cancel.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` or ``order`` is not
            positive, or ``p`` is not in [0, 1].

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
        """Give an instance with typical settings."""
        return cls((300.0, 7000.0), sample_rate=16_000)

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        filtered = equalizer.low_pass(
            waveform,
            params["cutoff_freq"],
            sample_rate=self.sample_rate,
            order=self.order,
            lengths=lengths,
        )
        return blend(waveform, filtered, params["mix"])


class HighPass(_PassFilter):
    """Take away what lies below a random cut-off: a Butterworth filter.

    The cut-off, where the level is -3.01 dB, is drawn uniformly in octaves. The filter runs from
    rest, shifts phases as the analogue circuit does and does not ring on beyond an example's end.

    Args:
        cutoff_freq: Range of the cut-off in Hz, above 0 and below half of the sample rate; a number
            is a constant.
        sample_rate: Sample rate in Hz.
        order: Slope in units of 6 dB an octave, 1 to 32.
        mix: Part of the filtered sound, in [0, 1], drawn uniformly. Below 1 the filter's phase also
            takes part: near the cut-off both can cancel.
        p: Probability that an example is filtered.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` or ``order`` is not
            positive, or ``p`` is not in [0, 1].

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
        """Give an instance with typical settings."""
        return cls((20.0, 1000.0), sample_rate=16_000)

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        filtered = equalizer.high_pass(
            waveform,
            params["cutoff_freq"],
            sample_rate=self.sample_rate,
            order=self.order,
            lengths=lengths,
        )
        return blend(waveform, filtered, params["mix"])


class _BandFilter(WaveformTransform, ABC):
    neutral = {"mix": 0.0}

    def __init__(
        self,
        center_freq: float | Sequence[float],
        q: float | Sequence[float] = (0.5, 5.0),
        *,
        sample_rate: int,
        mix: float | Sequence[float] = 1.0,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.mix = check_range("mix", mix, at_least=0.0, at_most=1.0)
        self.sample_rate = check_sample_rate(sample_rate)
        self.center_freq = check_freq("center_freq", center_freq, sample_rate)
        self.q = check_q(q)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings."""
        return cls((200.0, 4000.0), sample_rate=16_000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "center_freq": log_uniform(draw, "center_freq", *self.center_freq),
            "q": log_uniform(draw, "q", *self.q),
            "mix": draw.uniform("mix", *self.mix),
        }


class BandPass(_BandFilter):
    """Keep a band of random place and width, as a telephone or a small loudspeaker does.

    Second order: the -3.01 dB points are ``center_freq / q`` apart, the slopes fall by 6 dB an
    octave. Centre and ``q`` are drawn uniformly in octaves.

    Args:
        center_freq: Range of the centre, where the gain is 0 dB, in Hz, above 0 and below half of
            the sample rate; a number is a constant.
        q: Range of centre divided by width, 0.01 to 1000.
        sample_rate: Sample rate in Hz.
        mix: Part of the filtered sound, in [0, 1], drawn uniformly.
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

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        filtered = equalizer.band_pass(
            waveform,
            params["center_freq"],
            params["q"],
            sample_rate=self.sample_rate,
            lengths=lengths,
        )
        return blend(waveform, filtered, params["mix"])


class BandStop(_BandFilter):
    """Take away a band of random place and width: a notch, zero at its centre.

    Second order: the -3.01 dB points are ``center_freq / q`` apart. Centre and ``q`` are drawn
    uniformly in octaves.

    Args:
        center_freq: Range of the centre in Hz, above 0 and below half of the sample rate; a number
            is a constant.
        q: Range of centre divided by width, 0.01 to 1000.
        sample_rate: Sample rate in Hz.
        mix: Part of the filtered sound, in [0, 1], drawn uniformly: the depth of the notch.
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

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        filtered = equalizer.band_stop(
            waveform,
            params["center_freq"],
            params["q"],
            sample_rate=self.sample_rate,
            lengths=lengths,
        )
        return blend(waveform, filtered, params["mix"])
