"""Transforms that distort: clipping, soft distortion, quantization and aliasing."""

from __future__ import annotations

from typing import Self

from augspec.functional import distortion
from augspec.functional.checks import check_flag, check_range
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Integers, Uniform, check_rate, setting

__all__ = ["ALaw", "Aliasing", "BitCrush", "Clip", "ClippingDistortion", "MuLaw", "TanhDistortion"]


class Clip(WaveformTransform, kernel=distortion.clip):
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

    threshold_db: Uniform = Uniform(default=(-12.0, 0.0), at_least=-100.0, at_most=100.0, unit="dB")
    relative: bool = setting(default=False, check=check_flag, kw_only=True)


class ClippingDistortion(WaveformTransform, kernel=distortion.clipping_distortion):
    """Clip a random percentage of each example's samples, the largest ones.

    The number of clipped samples does not depend on the level of the example.

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

    percentile: Uniform = Uniform(
        default=(0.0, 40.0), at_least=0.0, at_most=100.0, neutral=0.0, unit="%"
    )


class TanhDistortion(WaveformTransform, kernel=distortion.tanh_distortion):
    """Distort each example with tanh, which adds odd harmonics; the root mean square stays.

    The amount is relative to the example's own samples, so that it does not depend on the level.
    Harmonics above half the sample rate fold back.

    Args:
        distortion: Range of the amount, uniform in [0, 1]; a number is a constant.
        mix: Range of the fraction of distorted sound in the output, uniform in [0, 1].
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

    distortion: Uniform = Uniform(default=(0.01, 0.7), at_least=0.0, at_most=1.0)
    mix: Uniform = Uniform(default=1.0, at_least=0.0, at_most=1.0, kw_only=True)


class BitCrush(WaveformTransform, kernel=distortion.bit_crush):
    """Round each example to a random number of bits, without dither.

    Samples beyond [-1, 1] are clipped. The gradient of the rounding is zero.

    Args:
        bit_depth: Range of the number of bits, whole numbers in [1, 24]; a number is a constant.
        mix: Range of the fraction of rounded sound in the output, uniform in [0, 1].
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

    bit_depth: Integers = Integers(default=(5, 10), at_least=1, at_most=24, unit="bits")
    mix: Uniform = Uniform(default=1.0, at_least=0.0, at_most=1.0, kw_only=True)


class MuLaw(WaveformTransform, kernel=distortion.mu_law):
    """Send each example through a mu-law codec, as old telephony and WaveNet do.

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

    quantization_channels: Integers = Integers(default=256, at_least=2, at_most=65536)


class ALaw(WaveformTransform, kernel=distortion.a_law):
    """Send each example through the A-law codec of telephony outside North America and Japan.

    8 bits, relative to full scale. Samples beyond [-1, 1] are clipped, zero stays zero. The
    gradient is zero. `Telephone` also limits the band as a line does.

    Args:
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``p`` is not in [0, 1].

    References:
        ITU-T G.711, "Pulse code modulation (PCM) of voice frequencies", 1988.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.ALaw()(torch.tensor([[[0.01, 0.5]]]))
        tensor([[[0.0100, 0.5156]]])
    """

    differentiable = False

    per_channel: bool = setting(default=False, init=False)


class Aliasing(WaveformTransform, kernel=distortion.aliasing):
    """Sample each example at a lower rate without a low-pass filter, and hold each sample.

    Frequencies above half of the new rate fold back below it: a tone of ``f`` Hz also sounds at
    ``new_freq - f``. The sample rate of the tensor stays.

    Args:
        new_freq: Range of the new rate in Hz, uniform; a number is a constant.
        sample_rate: Sample rate in Hz.
        mix: Range of the fraction of aliased sound in the output, uniform in [0, 1].
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

    new_freq: Uniform = Uniform(at_least=1.0, unit="Hz")
    sample_rate: int = setting(check=check_rate, kw_only=True)
    mix: Uniform = Uniform(default=1.0, at_least=0.0, at_most=1.0, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls((3_000, 12_000), sample_rate=16_000)

    def _validate(self) -> None:
        check_range("new_freq", self.new_freq, at_least=1.0, at_most=self.sample_rate)
