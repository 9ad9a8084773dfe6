"""Transforms of tempo and pitch."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from augspec.functional import stretch
from augspec.functional.checks import check_flag
from augspec.functional.resample import resampled_lengths
from augspec.params import Labels, Values
from augspec.transforms.declare import Uniform, setting
from augspec.transforms.tempo import TempoTransform
from augspec.transforms.vocoder import VocoderTransform
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["PitchAndTempo", "PitchShift", "Speed", "TimeStretch"]


class _FusableTempo(TempoTransform, FusableTransform, ABC):
    """A transform that plays each example faster or slower by its own constant rate."""

    def warp(self, warp: Warp, params: Values) -> Warp:
        """Read frames at another hop."""
        rate, size = self._rate(params), self._size(warp.size)
        return warp.stretch(rate, size, resampled_lengths(warp.ends, rate, size))


class _PitchTransform(VocoderTransform, FusableTransform, ABC):
    """A transform that moves the pitch of each example by its own interval."""

    semitones: Uniform = Uniform(
        default=(-2.0, 2.0), at_least=-24.0, at_most=24.0, neutral=0.0, unit="semitones"
    )

    def _validate(self) -> None:
        super()._validate()
        low, high = self.semitones
        if high - low > 24.0:
            raise ValueError(
                f"`semitones` must span at most two octaves, 24, got {self.semitones!r}"
            )

    def _settings(self, time: int) -> dict[str, Any]:
        low, high = self.semitones
        # The range determines the tensor sizes, which are static; 0 is included for examples that
        # are not picked.
        bounds = {"min_semitones": min(low, 0.0), "max_semitones": max(high, 0.0)}
        return {**super()._settings(time), **bounds}

    def _targets(self, targets: Labels, params: Values, lengths: Tensor | None) -> Labels:
        return _shift_labels(targets, params["semitones"])

    def warp(self, warp: Warp, params: Values) -> Warp:
        """Resample."""
        low, high = (2.0 ** (bound / 12.0) for bound in self.semitones)
        return warp.transpose(torch.exp2(params["semitones"] / 12.0), (low, high))


def _shift_labels(targets: Labels, semitones: Tensor) -> Labels:
    if "pitch" not in targets:
        return targets
    if semitones.ndim == 2:
        raise ValueError("`targets` has one `pitch` per example, but `per_channel` shifts differ")
    return {**targets, "pitch": targets["pitch"] + semitones}


class TimeStretch(_FusableTempo, VocoderTransform, kernel=stretch.time_stretch):
    """Change the tempo of each example by its own random rate; the pitch stays.

    A phase vocoder stretches each example by its own rate. ``lengths`` are divided by the rate.

    Args:
        rate: Range of the rate, uniform; above 1 is faster and shorter. A number is a constant.
        keep_length: Keep the tensor's size: longer results are cut, shorter ones are padded with
            zeros. With False the size becomes ``ceil(time / lowest rate)`` for all draws; with
            ``p`` below 1 the lowest rate is at most 1, because some examples stay as they are.
        n_fft: Samples of the vocoder's window, a multiple of 32; None is about 64 ms, 1024 at 16
            kHz.
        sample_rate: Sample rate in Hz, for ``n_fft=None``; None is the front end's, or 16,000.
        p: Probability that an example is stretched.

    Shape:
        ``(batch, channel, time)`` to the same, or ``(batch, channel, ceil(time / lowest rate))``.

    Raises:
        ValueError: If the range is reversed or leaves [0.25, 4].

    References:
        J. Laroche and M. Dolson, "Improved phase vocoder time-scale modification of audio",
        IEEE Transactions on Speech and Audio Processing, 1999.
        A. Röbel, "A new approach to transient processing in the phase vocoder", DAFx 2003.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.TimeStretch((0.8, 1.25))(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
        >>> T.TimeStretch((0.8, 1.25), keep_length=False)(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 20000])
    """

    rate: Uniform = Uniform(default=(0.8, 1.25), at_least=0.25, at_most=4.0, neutral=1.0)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls((0.8, 1.25), n_fft=256)

    def _lowest_rate(self) -> float:
        return self.rate[0]

    def _rate(self, params: Values) -> Tensor:
        return params["rate"]


class Speed(_FusableTempo, kernel=stretch.speed):
    """Play each example faster or slower by its own factor: pitch and tempo change together.

    It only resamples, with a windowed sinc: this is cheaper than a stretch or a shift, and has no
    vocoder artefacts.

    Args:
        factor: Range of the factor, uniform; above 1 is faster, shorter and higher. A number is a
            constant.
        keep_length: Keep the tensor's size: longer results are cut, shorter ones are padded with
            zeros. With False the size becomes ``ceil(time / lowest factor)`` for all draws; with
            ``p`` below 1 the lowest factor is at most 1, because some examples stay as they are.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` to the same, or ``(batch, channel, ceil(time / lowest factor))``.

    Raises:
        ValueError: If the range is reversed or leaves [0.25, 4].

    References:
        Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.Speed((0.9, 1.1))(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    factor: Uniform = Uniform(default=(0.9, 1.1), at_least=0.25, at_most=4.0, neutral=1.0)

    def _lowest_rate(self) -> float:
        return self.factor[0]

    def _rate(self, params: Values) -> Tensor:
        return params["factor"]

    def _settings(self, time: int) -> dict[str, Any]:
        return {**super()._settings(time), "max_factor": max(self.factor[1], 1.0)}

    def _targets(self, targets: Labels, params: Values, lengths: Tensor | None) -> Labels:
        return _shift_labels(targets, 12.0 * torch.log2(params["factor"]))

    def warp(self, warp: Warp, params: Values) -> Warp:
        """Resample, and read frames at another hop."""
        transposed = warp.transpose(params["factor"], self.factor)
        return super().warp(transposed, params)


class PitchShift(_PitchTransform, kernel=stretch.pitch_shift):
    """Shift the pitch of each example by its own random interval; the duration stays.

    A windowed-sinc resampler moves the pitch, and a phase vocoder undoes the change of duration.
    Formants move with the pitch unless ``preserve_formants`` is set; then a front end computes the
    shift on the waveform, because it needs the envelope.

    Args:
        semitones: Range of the interval in semitones, uniform; positive is up. A number is a
            constant.
        preserve_formants: Keep the spectral envelope, as a singer does; this costs as much as a
            `FormantShift`.
        n_fft: Samples of the vocoder's window, a multiple of 32; None is about 64 ms, 1024 at 16
            kHz.
        sample_rate: Sample rate in Hz, for ``n_fft=None``; None is the front end's, or 16,000.
        p: Probability that an example is shifted.
        per_channel: Draw an interval for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed, leaves [-24, 24] or is wider than two octaves.

    References:
        J. Laroche and M. Dolson, "Improved phase vocoder time-scale modification of audio",
        IEEE Transactions on Speech and Audio Processing, 1999.
        A. Röbel, "A new approach to transient processing in the phase vocoder", DAFx 2003.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.PitchShift((-2.0, 2.0), p=0.8)(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    # With `preserve_formants` and `per_channel`; without the former at most 200.
    max_launches: ClassVar[int] = 340

    preserve_formants: bool = setting(default=False, check=check_flag, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls((-3.0, 3.0), n_fft=256)

    @property
    def fusable(self) -> bool:
        """Whether formants move with the pitch; keeping the envelope is not a warp."""
        return not self.preserve_formants


class PitchAndTempo(_FusableTempo, _PitchTransform, kernel=stretch.pitch_and_tempo):
    """Change pitch and tempo of each example at once, at the cost of a pitch shift alone.

    The result is that of `PitchShift` followed by `TimeStretch`, with one vocoder. ``lengths`` are
    divided by the rate.

    Args:
        semitones: Range of the interval in semitones, uniform; positive is up. A number is a
            constant.
        rate: Range of the rate, uniform; above 1 is faster and shorter. A number is a constant.
        keep_length: Keep the tensor's size: longer results are cut, shorter ones are padded with
            zeros. With False the size becomes ``ceil(time / lowest rate)`` for all draws; with
            ``p`` below 1 the lowest rate is at most 1, because some examples stay as they are.
        n_fft: Samples of the vocoder's window, a multiple of 32; None is about 64 ms, 1024 at 16
            kHz.
        sample_rate: Sample rate in Hz, for ``n_fft=None``; None is the front end's, or 16,000.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` to the same, or ``(batch, channel, ceil(time / lowest rate))``.

    Raises:
        ValueError: If a range is reversed, ``semitones`` leaves [-24, 24] or is wider than two
            octaves, or ``rate`` leaves [0.25, 4].

    References:
        J. Laroche and M. Dolson, "Improved phase vocoder time-scale modification of audio",
        IEEE Transactions on Speech and Audio Processing, 1999.
        A. Röbel, "A new approach to transient processing in the phase vocoder", DAFx 2003.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.PitchAndTempo((-2.0, 2.0), (0.8, 1.25))(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    rate: Uniform = Uniform(default=(0.8, 1.25), at_least=0.25, at_most=4.0, neutral=1.0)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls((-3.0, 3.0), (0.8, 1.25), n_fft=256)

    def _lowest_rate(self) -> float:
        return self.rate[0]

    def _rate(self, params: Values) -> Tensor:
        return params["rate"]

    def warp(self, warp: Warp, params: Values) -> Warp:
        """Resample, and read frames at another hop."""
        transposed = _PitchTransform.warp(self, warp, params)
        return _FusableTempo.warp(self, transposed, params)
