"""Filters by their names: pass and stop filters, shelves, peaks and tilts, one for each example.

All are recursive and run through `augspec.functional.sosfilt`: exact, causal and minimum phase
(except for their zeros on the unit circle), with the phase of the analogue circuit of the same
name.
"""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional import coefficients
from augspec.functional.checks import check_parameters
from augspec.functional.filter import sosfilt

__all__ = [
    "band_pass",
    "band_stop",
    "high_pass",
    "high_shelf",
    "low_pass",
    "low_shelf",
    "parametric_eq",
    "peaking_eq",
    "tilt_eq",
]


def low_pass(
    waveform: Tensor,
    cutoff_freq: Tensor,
    *,
    sample_rate: int,
    order: int = 2,
    lengths: Tensor | None = None,
) -> Tensor:
    """Attenuate frequencies above each example's cut-off: Butterworth, -3.01 dB at the cut-off.

    Args:
        waveform: Float audio.
        cutoff_freq: Cut-off in Hz, above 0 and below half of the sample rate.
        sample_rate: Sample rate in Hz.
        order: Slope in units of 6 dB per octave; ``order / 2`` sections.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; ``cutoff_freq``: (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit or ``order`` is not positive.

    References:
        Butterworth, "On the theory of filter amplifiers", Experimental Wireless 7, 1930.
    """
    check_parameters(waveform, lengths, cutoff_freq=cutoff_freq)
    sos = coefficients.butterworth(cutoff_freq, sample_rate, order, low=True)
    return sosfilt(waveform, sos, lengths)


def high_pass(
    waveform: Tensor,
    cutoff_freq: Tensor,
    *,
    sample_rate: int,
    order: int = 2,
    lengths: Tensor | None = None,
) -> Tensor:
    """Attenuate frequencies below each example's cut-off: Butterworth, -3.01 dB at the cut-off.

    Args:
        waveform: Float audio.
        cutoff_freq: Cut-off in Hz, above 0 and below half of the sample rate.
        sample_rate: Sample rate in Hz.
        order: Slope in units of 6 dB per octave; ``order / 2`` sections.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; ``cutoff_freq``: (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit or ``order`` is not positive.

    References:
        Butterworth, "On the theory of filter amplifiers", Experimental Wireless 7, 1930.
    """
    check_parameters(waveform, lengths, cutoff_freq=cutoff_freq)
    sos = coefficients.butterworth(cutoff_freq, sample_rate, order, low=False)
    return sosfilt(waveform, sos, lengths)


def band_pass(
    waveform: Tensor,
    center_freq: Tensor,
    q: Tensor,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Keep a band around each example's centre, where the gain is 0 dB.

    One second-order section: the -3.01 dB points lie ``center_freq / q`` apart (before the bilinear
    transform, which narrows bands next to Nyquist), and the slopes fall by 6 dB per octave.

    Args:
        waveform: Float audio.
        center_freq: Centre of the band in Hz, below half of the sample rate.
        q: Centre divided by width, positive.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; the parameters: (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit.

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.
    """
    check_parameters(waveform, lengths, center_freq=center_freq, q=q)
    return sosfilt(waveform, coefficients.band(center_freq, q, sample_rate, keep=True), lengths)


def band_stop(
    waveform: Tensor,
    center_freq: Tensor,
    q: Tensor,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Remove a band around each example's centre, where the gain is zero: a notch.

    The complement of `band_pass`, with the same -3.01 dB points.

    Args:
        waveform: Float audio.
        center_freq: Centre of the band in Hz, below half of the sample rate.
        q: Centre divided by width, positive.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; the parameters: (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit.

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.
    """
    check_parameters(waveform, lengths, center_freq=center_freq, q=q)
    return sosfilt(waveform, coefficients.band(center_freq, q, sample_rate, keep=False), lengths)


def peaking_eq(
    waveform: Tensor,
    center_freq: Tensor,
    gain_db: Tensor,
    q: Tensor,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Raise or lower a band around each example's centre.

    Args:
        waveform: Float audio.
        center_freq: Centre in Hz, below half of the sample rate.
        gain_db: Gain at the centre in dB; 0 is the identity.
        q: Centre divided by the width between the points of half of the gain in dB, positive.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; the parameters: (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit.

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.
    """
    check_parameters(waveform, lengths, center_freq=center_freq, gain_db=gain_db, q=q)
    return sosfilt(waveform, coefficients.peak(center_freq, gain_db, q, sample_rate), lengths)


def parametric_eq(
    waveform: Tensor,
    center_freq: Tensor,
    gain_db: Tensor,
    q: Tensor,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Raise or lower several bands of each example: `peaking_eq` several times in one pass.

    Args:
        waveform: Float audio.
        center_freq: Centre of each band in Hz, below half of the sample rate.
        gain_db: Gain at each centre in dB; 0 is the identity.
        q: Centre divided by the width between the points of half of the gain in dB, positive.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; the parameters: (batch, band) or (batch,
        channel, band).

    Raises:
        ValueError: If a shape does not fit.

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.
    """
    check_parameters(
        waveform,
        lengths,
        **{
            f"{name}[..., band]": values[..., 0]
            for name, values in (("center_freq", center_freq), ("gain_db", gain_db), ("q", q))
        },
    )
    sos = coefficients.peak(center_freq, gain_db, q, sample_rate).squeeze(-2)
    return sosfilt(waveform, sos, lengths)


def low_shelf(
    waveform: Tensor,
    cutoff_freq: Tensor,
    gain_db: Tensor,
    q: Tensor,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Raise or lower frequencies below each example's cut-off, where half of the dB apply.

    Args:
        waveform: Float audio.
        cutoff_freq: Middle of the slope in Hz, below half of the sample rate.
        gain_db: Gain far below the cut-off in dB; 0 is the identity.
        q: Steepness, positive: ``sqrt(0.5)`` is the steepest without an overshoot.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; the parameters: (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit.

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.
    """
    check_parameters(waveform, lengths, cutoff_freq=cutoff_freq, gain_db=gain_db, q=q)
    sos = coefficients.shelf(cutoff_freq, gain_db, q, sample_rate, low=True)
    return sosfilt(waveform, sos, lengths)


def high_shelf(
    waveform: Tensor,
    cutoff_freq: Tensor,
    gain_db: Tensor,
    q: Tensor,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Raise or lower frequencies above each example's cut-off, where half of the dB apply.

    Args:
        waveform: Float audio.
        cutoff_freq: Middle of the slope in Hz, below half of the sample rate.
        gain_db: Gain far above the cut-off in dB; 0 is the identity.
        q: Steepness, positive: ``sqrt(0.5)`` is the steepest without an overshoot.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; the parameters: (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit.

    References:
        Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C
        Note 2021.
    """
    check_parameters(waveform, lengths, cutoff_freq=cutoff_freq, gain_db=gain_db, q=q)
    sos = coefficients.shelf(cutoff_freq, gain_db, q, sample_rate, low=False)
    return sosfilt(waveform, sos, lengths)


def tilt_eq(
    waveform: Tensor,
    slope_db: Tensor,
    center_freq: Tensor,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Tilt each example's spectrum around a frequency whose level stays.

    From 1/1024 of the sample rate to Nyquist the slope is exact within 0.065 dB for each 6 dB per
    octave; below, the gain becomes constant.

    Args:
        waveform: Float audio.
        slope_db: Slope in dB per octave, within +-12; 0 is the identity.
        center_freq: Frequency of 0 dB in Hz.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; the parameters: (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit.

    References:
        Smith and Smith, "Closed form fractional integration and differentiation via real
        exponentially spaced pole-zero pairs", arXiv:1606.06154.
    """
    check_parameters(waveform, lengths, slope_db=slope_db, center_freq=center_freq)
    sos = coefficients.tilt(slope_db)
    gain = coefficients.magnitude_at(sos, center_freq, sample_rate)[..., None, None]
    first = torch.cat([sos[..., :1, :3] / gain, sos[..., :1, 3:]], -1)
    return sosfilt(waveform, torch.cat([first, sos[..., 1:, :]], -2), lengths)
