"""Mel energies normalised by their recent level."""

import math
from typing import Literal, Self

import torch
from torch import Tensor, nn

from augspec.features.mel import MelFeature
from augspec.functional.checks import check_finite, check_flag, check_positive, is_finite
from augspec.functional.pcen import pcen_by_bin, scaled_pcen, smoothing_coefficient


class PCEN(MelFeature):
    """Compute a mel spectrogram with per-channel energy normalisation in place of a logarithm.

    Each band is divided by an average of its recent past: ``(mel / (eps + average) ** gain + bias)
    ** exponent - bias ** exponent``. This suppresses steady noise and the level of the recording,
    and emphasises onsets. The result depends on the scale of the audio, which is expected in [-1,
    1].

    The result is that of ``librosa.pcen`` of ``scale * mel``, except at the start: librosa's
    average begins at 1.0 (``initial=1.0`` here), far above a quiet recording; here it begins at the
    first frame.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: Samples of a frame, at least 1.
        win_length: Samples under the window, in [1, n_fft]; ``None`` is ``n_fft``.
        hop_length: Samples from frame to frame, at least 1; ``None`` is ``win_length // 2``.
        f_min: Lowest frequency in Hz, not negative.
        f_max: Highest frequency in Hz, in (f_min, sample_rate / 2]; ``None`` is half the sample
            rate.
        n_mels: Number of filters, at least 1.
        power: Exponent of the magnitude, in (0, 10]: 2 for energies, 1 for magnitudes.
        center: Pad ``n_fft // 2`` samples on both sides.
        pad_mode: ``"reflect"``, ``"constant"`` (zeros) or ``"replicate"``.
        norm: ``None`` for filters with a peak of one, ``"slaney"`` for filters of area one.
        mel_scale: ``"htk"`` or ``"slaney"``.
        gain: Exponent of the average, in [0, 1]: 0 for no gain control, 1 to remove the level. It
            must be above 0 if ``trainable``.
        bias: Level, as a multiple of the average, below which the compression is linear; positive.
        exponent: Exponent of the compression, positive; librosa calls it ``power``.
        time_constant: Time constant of the average in seconds, positive.
        eps: Added to the average, positive.
        scale: Factor on the mel spectrogram, positive; librosa's documentation uses ``2.0**31`` for
            magnitudes.
        initial: Average before the first frame, not negative; None uses the first frame.
        window: ``"hann"`` or another name that `Spectrogram` knows.
        trainable: Make ``gain``, ``bias``, ``exponent`` and the weight of the average learnable,
            one value for each bin. They are stored as logarithms, so that they stay positive.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, n_mels, frame)``.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Wang et al., "Trainable frontend for robust and far-field keyword spotting", ICASSP 2017.
        Lostanlen et al., "Per-channel energy normalization: why and how", IEEE Signal Processing
        Letters 26 (1), 2019.

    Example:
        >>> import torch
        >>> from augspec.features import PCEN
        >>> PCEN(16_000, n_fft=1024, hop_length=256, n_mels=64)(torch.randn(2, 1, 16_000)).shape
        torch.Size([2, 1, 64, 63])
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_mels: int = 128,
        power: float = 2.0,
        center: bool = True,
        pad_mode: str = "reflect",
        norm: Literal["slaney"] | None = None,
        mel_scale: Literal["htk", "slaney"] = "htk",
        gain: float = 0.98,
        bias: float = 2.0,
        exponent: float = 0.5,
        time_constant: float = 0.4,
        eps: float = 1e-6,
        scale: float = 1.0,
        initial: float | None = None,
        window: str = "hann",
        trainable: bool = False,
    ) -> None:
        super().__init__(
            sample_rate=sample_rate,
            n_fft=n_fft,
            win_length=win_length,
            hop_length=hop_length,
            f_min=f_min,
            f_max=f_max,
            n_mels=n_mels,
            power=power,
            center=center,
            pad_mode=pad_mode,
            norm=norm,
            mel_scale=mel_scale,
            window=window,
        )
        self.gain = check_finite("gain", gain)
        if not 0.0 <= self.gain <= 1.0:
            raise ValueError(f"`gain` must be in [0, 1], got {gain}")
        if initial is not None and not (is_finite(initial) and initial >= 0.0):
            raise ValueError(f"`initial` must not be negative, or be None, got {initial}")
        self.bias = check_positive("bias", bias)
        self.exponent = check_positive("exponent", exponent)
        self.time_constant = check_positive("time_constant", time_constant)
        self.eps = check_positive("eps", eps)
        self.scale = check_positive("scale", scale)
        self.initial = None if initial is None else float(initial)
        self.trainable = check_flag("trainable", trainable)
        if self.trainable:
            check_positive("gain", self.gain)
            coefficient = self._coefficient()
            for name, start in (
                ("log_gain", math.log(self.gain)),
                ("log_bias", math.log(self.bias)),
                ("log_exponent", math.log(self.exponent)),
                ("logit_coefficient", math.log(coefficient / (1.0 - coefficient))),
            ):
                self.register_parameter(name, nn.Parameter(torch.full((self.n_mels,), start)))

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(n_fft=256, hop_length=64, n_mels=16)

    def _coefficient(self) -> float:
        """Return the weight of the newest frame in the average."""
        return smoothing_coefficient(self.time_constant, self.sample_rate / self.hop_length)

    def _finish(self, specgram: Tensor) -> Tensor:
        if not self.trainable:
            settings = (self.gain, self.bias, self.exponent, self.eps, self.initial)
            return scaled_pcen(specgram, self.scale, self._coefficient(), *settings)
        kind = specgram.dtype  # the parameters may have been cast to half precision
        coefficient = self.get_parameter("logit_coefficient").to(kind).sigmoid()
        gain, bias, exponent = (
            self.get_parameter(f"log_{name}").to(kind).exp()
            for name in ("gain", "bias", "exponent")
        )
        numbers = (coefficient, gain, bias, exponent)
        return pcen_by_bin(specgram, *numbers, self.eps, self.initial, self.scale)
