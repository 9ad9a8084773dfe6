"""Transforms of the formants, which leave pitch and tempo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from augspec.functional import formant
from augspec.functional.checks import check_finite, check_n_fft, check_range
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform

__all__ = ["FormantShift", "VTLP"]


class FormantShift(WaveformTransform):
    """Move the formants of each example by its own random interval; pitch and tempo stay.

    The spectral envelope is moved under the harmonics, as a shorter vocal tract (up) or a longer
    one (down) would do. Labels, ``pitch`` among them, stay as they are.

    Args:
        semitones: Range of the interval in semitones, uniform; positive is up. A number is a
            constant.
        n_fft: Samples of a frame, a multiple of 32: about 64 ms (1024 at 16 kHz).
        p: Probability that an example is changed.
        per_channel: Draw an interval for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed or leaves [-24, 24].

    References:
        M. Morise, "CheapTrick, a spectral envelope estimator for high-quality speech
        synthesis", Speech Communication, 2015.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.FormantShift((-3.0, 3.0), p=0.8)(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    neutral = {"semitones": 0.0}

    def __init__(
        self,
        semitones: float | Sequence[float] = (-2.0, 2.0),
        *,
        n_fft: int = 1024,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.semitones = check_range("semitones", semitones, at_least=-24.0, at_most=24.0)
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
        return formant.formant_shift(
            waveform, params["semitones"], lengths=lengths, n_fft=self.n_fft
        )


class VTLP(WaveformTransform):
    """Perturb the vocal tract length of each example by its own random factor.

    The piecewise-linear frequency map of Jaitly and Hinton, here of the spectral envelope alone:
    the harmonics, and with them ``pitch`` and every other label, stay where they are.

    Args:
        alpha: Range of the warp factor, uniform; above 1 the formants go up. A number is a
            constant.
        f_hi: Frequency that the formants of interest lie below, as a fraction of half the sample
            rate; 0.6 is the paper's 4800 Hz at 16 kHz.
        n_fft: Samples of a frame, a multiple of 32: about 64 ms (1024 at 16 kHz).
        p: Probability that an example is changed.
        per_channel: Draw a factor for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed or leaves [0.25, 4], or ``f_hi`` is not in (0, 1).

    References:
        N. Jaitly and G. E. Hinton, "Vocal tract length perturbation (VTLP) improves speech
        recognition", ICML Workshop on Deep Learning for Audio, Speech and Language, 2013.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.VTLP((0.9, 1.1))(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    neutral = {"alpha": 1.0}

    def __init__(
        self,
        alpha: float | Sequence[float] = (0.9, 1.1),
        *,
        f_hi: float = 0.6,
        n_fft: int = 1024,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.alpha = check_range("alpha", alpha, at_least=0.25, at_most=4.0)
        self.f_hi = check_finite("f_hi", f_hi)
        if not 0.0 < self.f_hi < 1.0:
            raise ValueError(f"`f_hi` must be in (0, 1), a fraction of half the rate, got {f_hi!r}")
        self.n_fft = check_n_fft(n_fft)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls((0.85, 1.2), n_fft=256)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"alpha": draw.uniform("alpha", *self.alpha)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return formant.vtlp(
            waveform, params["alpha"], f_hi=self.f_hi, lengths=lengths, n_fft=self.n_fft
        )
