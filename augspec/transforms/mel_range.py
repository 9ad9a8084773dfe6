"""The range of a mel spectrogram, drawn for each example."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from augspec.features.spectrogram import MagnitudeFeature
from augspec.params import Values
from augspec.transforms.declare import Uniform, setting
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["MelRange"]


class MelRange(FusableTransform):
    """Draw the lowest and the highest frequency of each example's mel filters.

    The bins of the spectrogram then lie at other frequencies in every example, as with another
    vocal tract or microphone. PaSST and the models distilled from it are trained this way.

    The feature of a front end computes it: `augspec.features.MelSpectrogram`,
    `augspec.features.LogMelSpectrogram`, `augspec.features.MFCC`, `augspec.features.PCEN` and
    `augspec.features.Fbank`. The transform may stand anywhere in the chain of the waveform, but not
    inside `OneOf`, `SomeOf` or `Schedule`. Without a front end the waveform stays as it is.

    Args:
        f_min: Range of the lowest frequency in Hz, uniform; a number is a constant.
        f_max: Range of the highest frequency in Hz, uniform, above all of ``f_min``; a number is a
            constant.
        p: Probability that an example gets a random range; the others get the feature's.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or negative, or the two overlap; from a front end, if the
            feature has no mel filters, or ``f_max`` exceeds half of its sample rate.

    References:
        Koutini et al., "Efficient training of audio transformers with Patchout", Interspeech 2022,
        https://arxiv.org/abs/2110.05069.

    Example:
        >>> import torch, augspec
        >>> from augspec import features as F, transforms as T
        >>> frontend = augspec.Frontend(
        ...     T.MelRange(f_min=(0.0, 100.0), f_max=(7000.0, 8000.0)),
        ...     F.LogMelSpectrogram(16_000, n_fft=512, hop_length=160, n_mels=40),
        ... )
        >>> frontend(torch.randn(2, 1, 16_000)).shape
        torch.Size([2, 1, 40, 101])
    """

    in_feature_only: ClassVar[bool] = True
    neutral_is_exact = True

    # NaN stands for the feature's own frequency.
    f_min: Uniform = Uniform(at_least=0.0, at_most=1e6, neutral=math.nan, unit="Hz")
    f_max: Uniform = Uniform(at_least=0.0, at_most=1e6, neutral=math.nan, unit="Hz")
    per_channel: bool = setting(default=False, init=False)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls((0.0, 100.0), (3000.0, 4000.0))

    def _validate(self) -> None:
        if not self.f_min[1] < self.f_max[0]:
            raise ValueError(
                f"`f_max` must lie above all of `f_min`, {self.f_min}, got {self.f_max!r}"
            )

    def check_feature(self, feature: nn.Module) -> None:
        """Raise ``ValueError`` unless a feature supports these ranges."""
        can = isinstance(feature, MagnitudeFeature) and (
            type(feature).filters_within is not MagnitudeFeature.filters_within
        )
        if not can:
            raise ValueError(
                f"`features` must begin with a mel feature for MelRange, got "
                f"{type(feature).__name__}"
            )
        sample_rate: Any = feature.sample_rate
        if self.f_max[1] > sample_rate / 2:
            raise ValueError(
                f"`f_max` must be at most half of the sample rate, {sample_rate / 2:g} Hz, got "
                f"{self.f_max!r}"
            )

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        return signal

    def warp(self, warp: Warp, params: Values) -> Warp:
        """Pass the range on to the feature."""
        return warp._replace(mel_range=(params["f_min"], params["f_max"]))
