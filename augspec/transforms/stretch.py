"""Transforms of tempo and pitch."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from augspec.functional import stretch
from augspec.functional.checks import check_flag, check_n_fft, check_range
from augspec.functional.resample import resampled_lengths
from augspec.random import Draw
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["PitchAndTempo", "PitchShift", "Speed", "TimeStretch"]


def _check_semitones(semitones: float | Sequence[float]) -> tuple[float, float]:
    low, high = check_range("semitones", semitones, at_least=-24.0, at_most=24.0)
    if high - low > 24.0:
        raise ValueError(f"`semitones` must span at most two octaves, 24, got {semitones!r}")
    return low, high


def _shift_labels(targets: dict[str, Any], semitones: Tensor) -> dict[str, Any]:
    if "pitch" not in targets:
        return targets
    if semitones.ndim == 2:
        raise ValueError("`targets` has one `pitch` an example, but `per_channel` shifts differ")
    return {**targets, "pitch": targets["pitch"] + semitones}


class _TempoTransform(FusableTransform, ABC):
    """A transform that makes examples longer or shorter, each by its own rate."""

    moves_at_any_time = True
    #: Name of the parameter that divides the duration.
    tempo: ClassVar[str]

    def __init__(self, keep_length: bool, p: float) -> None:
        super().__init__(p=p)
        self.keep_length = check_flag("keep_length", keep_length)

    def _size(self, time: int) -> int:
        if self.keep_length:
            return time
        lowest: float = getattr(self, self.tempo)[0]
        # An example that is not picked keeps its rate of 1: room for it too.
        return math.ceil(time / (lowest if self.p == 1.0 else min(lowest, 1.0)))

    def _lengths(self, time: int, params: dict[str, Tensor], lengths: Tensor | None) -> Tensor:
        rate = params[self.tempo]
        if lengths is None:
            lengths = torch.full(rate.shape, time, dtype=torch.int64, device=rate.device)
        return resampled_lengths(lengths, rate, self._size(time))

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor:
        return (position * params[self.tempo][:, None]).to(torch.int64)

    def warp(self, warp: Warp, params: dict[str, Tensor]) -> Warp:
        """Take frames at another hop."""
        rate, size = params[self.tempo], self._size(warp.size)
        return warp.stretch(rate, size, resampled_lengths(warp.ends, rate, size))


class TimeStretch(_TempoTransform):
    """Change the tempo of each example by its own random rate; the pitch stays.

    A phase vocoder with a rate per example. ``lengths`` come out divided by the rate.

    Args:
        rate: Range of the rate, uniform; above 1 is faster and shorter. A number is a constant.
        keep_length: Keep the tensor's time: what gets longer is cut, what gets shorter ends in
            zeros. Without it the time becomes ``ceil(time / lowest rate)``, whatever is drawn.
        n_fft: Samples of the vocoder's window, a multiple of 32: about 64 ms (1024 at 16 kHz).
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

    neutral = {"rate": 1.0}
    tempo = "rate"

    def __init__(
        self,
        rate: float | Sequence[float] = (0.8, 1.25),
        *,
        keep_length: bool = True,
        n_fft: int = 1024,
        p: float = 1.0,
    ) -> None:
        super().__init__(keep_length, p)
        self.rate = check_range("rate", rate, at_least=0.25, at_most=4.0)
        self.n_fft = check_n_fft(n_fft)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls((0.8, 1.25), n_fft=256)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"rate": draw.uniform("rate", *self.rate)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return stretch.time_stretch(
            waveform,
            params["rate"],
            size=self._size(waveform.shape[-1]),
            lengths=lengths,
            n_fft=self.n_fft,
        )


class Speed(_TempoTransform):
    """Play each example faster or slower by its own factor: pitch and tempo change together.

    Resampling alone, by a windowed sinc: cheaper than a stretch or a shift, and free of artefacts.

    Args:
        factor: Range of the factor, uniform; above 1 is faster, shorter and higher. A number is a
            constant.
        keep_length: Keep the tensor's time: what gets longer is cut, what gets shorter ends in
            zeros. Without it the time becomes ``ceil(time / lowest factor)``, whatever is drawn.
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

    neutral = {"factor": 1.0}
    tempo = "factor"

    def __init__(
        self,
        factor: float | Sequence[float] = (0.9, 1.1),
        *,
        keep_length: bool = True,
        p: float = 1.0,
    ) -> None:
        super().__init__(keep_length, p)
        self.factor = check_range("factor", factor, at_least=0.25, at_most=4.0)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"factor": draw.uniform("factor", *self.factor)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return stretch.speed(
            waveform,
            params["factor"],
            size=self._size(waveform.shape[-1]),
            lengths=lengths,
            max_factor=max(self.factor[1], 1.0),
        )

    def _targets(
        self,
        targets: dict[str, Any],
        params: dict[str, Tensor],
        lengths: Tensor | None,
    ) -> dict[str, Any]:
        return _shift_labels(targets, 12.0 * torch.log2(params["factor"]))

    def warp(self, warp: Warp, params: dict[str, Tensor]) -> Warp:
        """Resample, and take frames at another hop."""
        transposed = warp.transpose(params["factor"], self.factor)
        return super().warp(transposed, params)


class PitchShift(FusableTransform):
    """Shift the pitch of each example by its own random interval; the duration stays.

    A windowed-sinc resampler moves the pitch, and a phase vocoder undoes the change of duration.
    Formants move with the pitch unless ``preserve_formants`` is set; then a front end computes the
    shift in the waveform, because the envelope that is to be kept is not known without it.

    Args:
        semitones: Range of the interval in semitones, uniform; positive is up. A number is a
            constant.
        preserve_formants: Keep the spectral envelope, as a singer does; costs a `FormantShift`.
        n_fft: Samples of the vocoder's window, a multiple of 32: about 64 ms (1024 at 16 kHz).
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

    neutral = {"semitones": 0.0}

    def __init__(
        self,
        semitones: float | Sequence[float] = (-2.0, 2.0),
        *,
        preserve_formants: bool = False,
        n_fft: int = 1024,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.semitones = _check_semitones(semitones)
        self.preserve_formants = check_flag("preserve_formants", preserve_formants)
        self.n_fft = check_n_fft(n_fft)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls((-3.0, 3.0), n_fft=256)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"semitones": draw.uniform("semitones", *self.semitones)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return stretch.pitch_shift(
            waveform,
            params["semitones"],
            lengths=lengths,
            n_fft=self.n_fft,
            # The range sets the size of the work, a static number; 0 is for who is not picked.
            min_semitones=min(self.semitones[0], 0.0),
            max_semitones=max(self.semitones[1], 0.0),
            preserve_formants=self.preserve_formants,
        )

    def _targets(
        self,
        targets: dict[str, Any],
        params: dict[str, Tensor],
        lengths: Tensor | None,
    ) -> dict[str, Any]:
        return _shift_labels(targets, params["semitones"])

    @property
    def fusable(self) -> bool:
        """Whether formants move with the pitch; a kept envelope is no warp."""
        return not self.preserve_formants

    def warp(self, warp: Warp, params: dict[str, Tensor]) -> Warp:
        """Resample."""
        low, high = (2.0 ** (bound / 12.0) for bound in self.semitones)
        return warp.transpose(torch.exp2(params["semitones"] / 12.0), (low, high))


class PitchAndTempo(_TempoTransform):
    """Change pitch and tempo of each example at once, at the cost of a pitch shift alone.

    As `PitchShift` and `TimeStretch` one after the other would, but with one vocoder. ``lengths``
    come out divided by the rate.

    Args:
        semitones: Range of the interval in semitones, uniform; positive is up. A number is a
            constant.
        rate: Range of the rate, uniform; above 1 is faster and shorter. A number is a constant.
        keep_length: Keep the tensor's time: what gets longer is cut, what gets shorter ends in
            zeros. Without it the time becomes ``ceil(time / lowest rate)``, whatever is drawn.
        n_fft: Samples of the vocoder's window, a multiple of 32: about 64 ms (1024 at 16 kHz).
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

    neutral = {"semitones": 0.0, "rate": 1.0}
    tempo = "rate"

    def __init__(
        self,
        semitones: float | Sequence[float] = (-2.0, 2.0),
        rate: float | Sequence[float] = (0.8, 1.25),
        *,
        keep_length: bool = True,
        n_fft: int = 1024,
        p: float = 1.0,
    ) -> None:
        super().__init__(keep_length, p)
        self.semitones = _check_semitones(semitones)
        self.rate = check_range("rate", rate, at_least=0.25, at_most=4.0)
        self.n_fft = check_n_fft(n_fft)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls((-3.0, 3.0), (0.8, 1.25), n_fft=256)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "semitones": draw.uniform("semitones", *self.semitones),
            "rate": draw.uniform("rate", *self.rate),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return stretch.pitch_and_tempo(
            waveform,
            params["semitones"],
            params["rate"],
            size=self._size(waveform.shape[-1]),
            lengths=lengths,
            n_fft=self.n_fft,
            min_semitones=min(self.semitones[0], 0.0),
            max_semitones=max(self.semitones[1], 0.0),
        )

    def _targets(
        self,
        targets: dict[str, Any],
        params: dict[str, Tensor],
        lengths: Tensor | None,
    ) -> dict[str, Any]:
        return _shift_labels(targets, params["semitones"])

    def warp(self, warp: Warp, params: dict[str, Tensor]) -> Warp:
        """Resample, and take frames at another hop."""
        low, high = (2.0 ** (bound / 12.0) for bound in self.semitones)
        transposed = warp.transpose(torch.exp2(params["semitones"] / 12.0), (low, high))
        return super().warp(transposed, params)
