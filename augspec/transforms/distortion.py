"""Transforms that distort: clipping, soft distortion, coarse values and coarse time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from augspec.functional import distortion
from augspec.functional.checks import (
    check_flag,
    check_integer_range,
    check_range,
    check_sample_rate,
)
from augspec.functional.shapes import blend
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform

__all__ = ["Aliasing", "BitCrush", "Clip", "ClippingDistortion", "MuLaw", "TanhDistortion"]


class Clip(WaveformTransform):
    """Clip each example at a random threshold.

    Args:
        threshold_db: Range of the threshold in dB of full scale, uniform; a number is a constant.
        relative: Take the threshold relative to the peak of the example, or of each channel with
            ``per_channel``, rather than to full scale.
        p: Probability that an example is clipped.
        per_channel: Draw a threshold for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed or leaves [-100, 100].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.Clip(0.0)(torch.tensor([[[-2.0, 0.5, 2.0]]]))
        tensor([[[-1.0000,  0.5000,  1.0000]]])
    """

    def __init__(
        self,
        threshold_db: float | Sequence[float] = (-12.0, 0.0),
        *,
        relative: bool = False,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.threshold_db = check_range("threshold_db", threshold_db, at_least=-100, at_most=100)
        self.relative = check_flag("relative", relative)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"threshold_db": draw.uniform("threshold_db", *self.threshold_db)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return distortion.clip(
            waveform, params["threshold_db"], relative=self.relative, lengths=lengths
        )


class ClippingDistortion(WaveformTransform):
    """Clip a random percentage of each example's samples: those that are largest.

    However loud the example is, so many of its samples are clipped.

    Args:
        percentile: Range of the percentage, uniform in [0, 100]; a number is a constant.
        p: Probability that an example is clipped.
        per_channel: Draw a percentage for each channel, and count samples in each.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed or leaves [0, 100].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.ClippingDistortion(50.0)(torch.tensor([[[1.0, -2.0, 3.0]]]))
        tensor([[[ 1., -2.,  2.]]])
    """

    neutral = {"percentile": 0.0}

    def __init__(
        self,
        percentile: float | Sequence[float] = (0.0, 40.0),
        *,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.percentile = check_range("percentile", percentile, at_least=0.0, at_most=100.0)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"percentile": draw.uniform("percentile", *self.percentile)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return distortion.clipping_distortion(waveform, params["percentile"], lengths)


class TanhDistortion(WaveformTransform):
    """Distort each example softly and symmetrically: odd harmonics, at the same root mean square.

    The amount is relative to the example's own samples, so that it does not depend on the level.
    Harmonics above half the sample rate fold back.

    Args:
        distortion: Range of the amount, uniform in [0, 1]; a number is a constant.
        mix: Range of the share of the distorted in the output, uniform in [0, 1].
        p: Probability that an example is distorted.
        per_channel: Draw for each channel, which is then distorted on its own.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or leaves [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.TanhDistortion((0.01, 0.7))(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    def __init__(
        self,
        distortion: float | Sequence[float] = (0.01, 0.7),
        *,
        mix: float | Sequence[float] = 1.0,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.distortion = check_range("distortion", distortion, at_least=0.0, at_most=1.0)
        self.mix = check_range("mix", mix, at_least=0.0, at_most=1.0)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "distortion": draw.uniform("distortion", *self.distortion),
            "mix": draw.uniform("mix", *self.mix),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        out = distortion.tanh_distortion(waveform, params["distortion"], lengths)
        return blend(waveform, out, params["mix"])


class BitCrush(WaveformTransform):
    """Round each example to a random number of bits, without dither.

    Samples beyond [-1, 1] are clipped. The gradient is zero.

    Args:
        bit_depth: Range of the number of bits, whole numbers in [1, 24]; a number is a constant.
        mix: Range of the share of the rounded in the output, uniform in [0, 1].
        p: Probability that an example is changed.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or leaves its bounds, or ``bit_depth`` is not whole.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.BitCrush(3)(torch.tensor([[[0.3, -0.4, 2.0]]]))
        tensor([[[ 0.2500, -0.5000,  0.7500]]])
    """

    differentiable = False

    def __init__(
        self,
        bit_depth: int | Sequence[int] = (5, 10),
        *,
        mix: float | Sequence[float] = 1.0,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.bit_depth = check_integer_range("bit_depth", bit_depth, at_least=1, at_most=24)
        self.mix = check_range("mix", mix, at_least=0.0, at_most=1.0)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        low, high = self.bit_depth
        return {
            "bit_depth": draw.integers("bit_depth", low, high + 1),
            "mix": draw.uniform("mix", *self.mix),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        out = distortion.bit_crush(waveform, params["bit_depth"])
        return blend(waveform, out, params["mix"])


class MuLaw(WaveformTransform):
    """Send each example through a mu-law codec, as old telephony and WaveNet have it.

    Samples beyond [-1, 1] are clipped. The gradient is zero.

    Args:
        quantization_channels: Range of the number of values, whole numbers in [2, 65536]; a number
            is a constant.
        p: Probability that an example is changed.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed, not whole or leaves its bounds.

    References:
        ITU-T G.711, "Pulse code modulation (PCM) of voice frequencies", 1988.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.MuLaw(256)(torch.tensor([[[0.01, 0.5]]]))
        tensor([[[0.0102, 0.4967]]])
    """

    differentiable = False

    def __init__(
        self,
        quantization_channels: int | Sequence[int] = 256,
        *,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.quantization_channels = check_integer_range(
            "quantization_channels", quantization_channels, at_least=2, at_most=65536
        )

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        low, high = self.quantization_channels
        return {"quantization_channels": draw.integers("quantization_channels", low, high + 1)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return distortion.mu_law(waveform, params["quantization_channels"])


class Aliasing(WaveformTransform):
    """Sample each example at a lower rate without the filter that belongs before it, and hold.

    What lies above half the new rate folds to below it: a tone of ``f`` Hz also sounds at
    ``new_freq - f``. The sample rate stays.

    Args:
        new_freq: Range of the new rate in Hz, uniform; a number is a constant.
        sample_rate: Sample rate in Hz.
        mix: Range of the share of the result in the output, uniform in [0, 1].
        p: Probability that an example is changed.
        per_channel: Draw for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or ``new_freq`` leaves [1, ``sample_rate``].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.Aliasing(8_000, sample_rate=16_000)(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
        tensor([[[1., 1., 3., 3.]]])
    """

    def __init__(
        self,
        new_freq: float | Sequence[float],
        *,
        sample_rate: int,
        mix: float | Sequence[float] = 1.0,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.sample_rate = check_sample_rate(sample_rate)
        self.new_freq = check_range("new_freq", new_freq, at_least=1.0, at_most=sample_rate)
        self.mix = check_range("mix", mix, at_least=0.0, at_most=1.0)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls((3_000, 12_000), sample_rate=16_000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "new_freq": draw.uniform("new_freq", *self.new_freq),
            "mix": draw.uniform("mix", *self.mix),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        out = distortion.aliasing(
            waveform, params["new_freq"], sample_rate=self.sample_rate, lengths=lengths
        )
        return blend(waveform, out, params["mix"])
