"""Transforms of the formants; pitch and tempo stay."""

from __future__ import annotations

from typing import Any, Self

from augspec.functional import formant
from augspec.functional.checks import check_finite
from augspec.transforms.declare import Uniform, setting
from augspec.transforms.vocoder import VocoderTransform

__all__ = ["FormantShift", "VTLP"]


def _check_fraction(name: str, f_hi: Any) -> float:
    if not 0.0 < check_finite(name, f_hi) < 1.0:
        raise ValueError(f"`{name}` must be in (0, 1), a fraction of half the rate, got {f_hi!r}")
    return float(f_hi)


class FormantShift(VocoderTransform, kernel=formant.formant_shift):
    """Move the formants of each example by its own random interval; pitch and tempo stay.

    The spectral envelope moves as with a shorter vocal tract (up) or a longer one (down); the
    harmonics stay. All labels stay, also ``pitch``.

    Args:
        semitones: Range of the interval in semitones, uniform; positive is up. A number is a
            constant.
        n_fft: Samples of a frame, a multiple of 32; None is about 64 ms, 1024 at 16
            kHz.
        sample_rate: Sample rate in Hz, for ``n_fft=None``; None is the front end's, or 16,000.
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

    semitones: Uniform = Uniform(
        default=(-2.0, 2.0), at_least=-24.0, at_most=24.0, neutral=0.0, unit="semitones"
    )

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls((-3.0, 3.0), n_fft=256)


class VTLP(VocoderTransform, kernel=formant.vtlp):
    """Perturb the vocal tract length of each example by its own random factor.

    The piecewise-linear frequency map of Jaitly and Hinton is applied to the spectral envelope
    alone: the harmonics, ``pitch`` and every other label stay.

    Args:
        alpha: Range of the warp factor, uniform; above 1 the formants go up. A number is a
            constant.
        f_hi: Where the map bends, as a fraction of half the sample rate, in (0, 1). Formants whose
            new frequency is below ``f_hi * min(alpha, 1)`` of half the rate move by the whole
            factor ``alpha``. Those above move less; half the rate does not move. The default, 0.6,
            is the paper's 4800 Hz at 16 kHz; at 32 kHz, 0.3 is 4800 Hz.
        n_fft: Samples of a frame, a multiple of 32; None is about 64 ms, 1024 at 16
            kHz.
        sample_rate: Sample rate in Hz, for ``n_fft=None``; None is the front end's, or 16,000.
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

    alpha: Uniform = Uniform(default=(0.9, 1.1), at_least=0.25, at_most=4.0, neutral=1.0)
    f_hi: float = setting(default=0.6, check=_check_fraction, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls((0.85, 1.2), n_fft=256)
