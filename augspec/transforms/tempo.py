"""Transforms that make examples longer or shorter, and a tempo that varies within an example."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Self

import torch
from torch import Tensor

from augspec.functional import tempo
from augspec.functional.checks import check_flag
from augspec.functional.pace import mean_rate
from augspec.functional.resample import resampled_lengths
from augspec.params import Values
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Uniform, Whole, setting
from augspec.transforms.vocoder import VocoderTransform

__all__ = ["TempoCurve"]


class TempoTransform(WaveformTransform, ABC):
    """A transform that makes examples longer or shorter, each by its own rate."""

    keep_length: bool = setting(default=True, check=check_flag, kw_only=True)
    per_channel: bool = setting(default=False, init=False)

    scale_free = True
    _has_room_for_neutral = False

    @abstractmethod
    def _lowest_rate(self) -> float:
        """Return the lowest rate that is drawn."""

    @abstractmethod
    def _rate(self, params: Values) -> Tensor:
        """Return the parameter that divides the duration."""

    def make_room_for_neutral(self) -> None:
        """Leave room for rates between the drawn ones and 1."""
        self._has_room_for_neutral = True

    def _size(self, time: int) -> int:
        if self.keep_length:
            return time
        lowest = self._lowest_rate()
        # An example that is not picked keeps rate 1, which must fit too.
        if self.p < 1.0 or self._has_room_for_neutral:
            lowest = min(lowest, 1.0)
        return math.ceil(time / lowest)

    def _settings(self, time: int) -> dict[str, Any]:
        return {**super()._settings(time), "size": self._size(time)}

    def _lengths(self, time: int, params: Values, lengths: Tensor | None) -> Tensor:
        rate = self._rate(params)
        if lengths is None:
            lengths = torch.full(rate.shape, time, dtype=torch.int64, device=rate.device)
        return resampled_lengths(lengths, rate, self._size(time))

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        return (position * self._rate(params)[:, None]).to(torch.int64)


class TempoCurve(TempoTransform, VocoderTransform, kernel=tempo.tempo_curve):
    """Vary the tempo of each example along its own random curve; the pitch stays.

    A rate is drawn for each of several points at equal distances over the result; between the
    points the rate is linear. A phase vocoder follows it. ``lengths`` are divided by the mean of
    the curve, and labels of frames follow the sound exactly. A front end computes it on the
    waveform.

    Args:
        rate: Range of the rate at each point, uniform; above 1 is faster. A number is a constant,
            which makes a `TimeStretch`.
        points: Number of points, 2 to 64. With 2 the tempo only rises or only falls.
        keep_length: Keep the tensor's size: longer results are cut, shorter ones are padded with
            zeros. With False the size becomes ``ceil(time / lowest rate)`` for all draws; with
            ``p`` below 1 the lowest rate is at most 1, because some examples stay as they are.
        n_fft: Samples of the vocoder's window, a multiple of 32; None is about 64 ms, 1024 at 16
            kHz.
        sample_rate: Sample rate in Hz, for ``n_fft=None``; None is the front end's, or 16,000.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` to the same, or ``(batch, channel, ceil(time / lowest rate))``.
        The parameter ``rate`` is ``(batch, points)``.

    Raises:
        ValueError: If the range is reversed or leaves [0.25, 4], or ``points`` leaves 2 to 64.

    References:
        J. Laroche and M. Dolson, "Improved phase vocoder time-scale modification of audio",
        IEEE Transactions on Speech and Audio Processing, 1999.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.TempoCurve((0.8, 1.25), points=3)(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    rate: Uniform = Uniform(default=(0.8, 1.25), at_least=0.25, at_most=4.0, neutral=1.0)
    points: int = setting(default=4, check=Whole(2, 64))

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls((0.8, 1.25), n_fft=256)

    def _draw(self, draw: Draw) -> Values:
        names = [f"rate_{i}" for i in range(self.points)]
        draw = draw.together(names)
        drawn = torch.stack([draw.uniform(name) for name in names], 1)
        low, high = self.rate
        return {"rate": (low + (high - low) * drawn).clamp(low, high)}

    def _lowest_rate(self) -> float:
        return self.rate[0]

    def _rate(self, params: Values) -> Tensor:
        return mean_rate(params["rate"])

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        return tempo.tempo_position(position, params["rate"], lengths)
