"""Coefficients of named filters, (..., section, 6), from parameters of any shape.

References:
    Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C Note 2021.
    Butterworth, "On the theory of filter amplifiers", Experimental Wireless 7, 1930.
    Smith and Smith, "Closed form fractional integration and differentiation via real exponentially
    spaced pole-zero pairs", arXiv:1606.06154.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from augspec._constants import constant, tensor_of
from augspec._precision import widest
from augspec.functional.checks import as_whole

__all__ = ["band", "butterworth", "magnitude_at", "peak", "shelf", "tilt", "wide"]

# Zeros and poles of a filter that rises by 6.02 dB per octave and unit of ``exponent``, spread
# around common places: exp(-exp(place -+ spread * exponent / 2)). They are a least-squares fit to
# the slope from 1/1024 of the sample rate to Nyquist over exponents -2 to 2, within 0.065 dB per
# unit. The last two lie on the negative axis and correct the flattening towards Nyquist.
_TILT_PLACE = (-6.1367, -4.5382, -2.9575, -1.3656, 0.1972, 1.8025, 0.3959, -1.549)
_TILT_SPREAD = (1.6716, 1.5694, 1.5945, 1.5819, 1.5686, 1.6258, -0.4812, -0.1002)
_TILT_WAYS = (tuple(-spread for spread in _TILT_SPREAD), _TILT_SPREAD)  # of zeros, of poles
_TILT_SIDE = (1.0,) * 6 + (-1.0,) * 2


def wide(parameter: Tensor) -> Tensor:
    """Convert a parameter to float64, if the device has it: coefficients need the precision."""
    return parameter.to(widest(parameter.device))


def butterworth(cutoff_freq: Tensor, sample_rate: int, order: int, *, low: bool) -> Tensor:
    """Make a Butterworth low-pass or high-pass by the bilinear transform, exact at the cut-off."""
    if (as_whole(order) or 0) < 1:
        raise ValueError(f"`order` must be a positive integer, got {order!r}")
    angle = (wide(cutoff_freq) * (2 * math.pi / sample_rate)).unsqueeze(-1)
    sign = 1 if low else -1
    sections = []
    if order > 1:  # all two-pole sections at once
        damping = tuple(math.sin((2 * i + 1) * math.pi / (2 * order)) for i in range(order // 2))
        dampings = constant(tensor_of, damping, dtype=angle.dtype, device=angle.device)
        cos, alpha = angle.cos(), angle.sin() * dampings
        twice = 1 - sign * cos
        half = twice / 2
        b_and_a1 = (half, sign * twice, half, -2 * cos)
        b0, b1, b2, a1 = (value.expand_as(alpha) for value in b_and_a1)
        sections.append(torch.stack([b0, b1, b2, 1 + alpha, a1, 1 - alpha], -1))
    if order % 2:
        tan, zero = (angle / 2).tan(), torch.zeros_like(angle)
        gain = tan if low else zero + 1
        sections.append(torch.stack([gain, sign * gain, zero, 1 + tan, tan - 1, zero], -1))
    return torch.cat(sections, -2) if len(sections) > 1 else sections[0]


def band(center_freq: Tensor, q: Tensor, sample_rate: int, *, keep: bool) -> Tensor:
    """Make the cookbook's band-pass of 0 dB peak gain, ``keep``, or its notch."""
    cos, alpha = _angle(center_freq, q, sample_rate)
    zero = torch.zeros_like(cos)
    b = (alpha, zero, -alpha) if keep else (zero + 1, -2 * cos, zero + 1)
    return _section(*b, 1 + alpha, -2 * cos, 1 - alpha)


def peak(center_freq: Tensor, gain_db: Tensor, q: Tensor, sample_rate: int) -> Tensor:
    """Make the cookbook's peaking equaliser."""
    cos, alpha = _angle(center_freq, q, sample_rate)
    root = _root_gain(gain_db)
    up, down = alpha * root, alpha / root
    return _section(1 + up, -2 * cos, 1 - up, 1 + down, -2 * cos, 1 - down)


def shelf(
    cutoff_freq: Tensor, gain_db: Tensor, q: Tensor, sample_rate: int, *, low: bool
) -> Tensor:
    """Make the cookbook's low shelf, or the high one: its mirror image about half of Nyquist."""
    cos, alpha = _angle(cutoff_freq, q, sample_rate)
    side = 1 if low else -1
    cos, root = side * cos, _root_gain(gain_db)
    plus, minus, slope = root + 1, root - 1, 2 * root.sqrt() * alpha
    return _section(
        root * (plus - minus * cos + slope),
        side * 2 * root * (minus - plus * cos),
        root * (plus - minus * cos - slope),
        plus + minus * cos + slope,
        side * -2 * (minus + plus * cos),
        plus + minus * cos - slope,
    )


def tilt(slope_db: Tensor) -> Tensor:
    """Make four sections whose joint level rises by ``slope_db`` dB per octave."""
    exponent = wide(slope_db)[..., None, None] / (20 * math.log10(2))
    place, spread, side = (
        constant(tensor_of, values, dtype=exponent.dtype, device=exponent.device)
        for values in (_TILT_PLACE, _TILT_WAYS, _TILT_SIDE)
    )
    roots = side * torch.exp(-torch.exp(torch.addcmul(place, spread, exponent, value=0.5)))
    first, second = roots[..., ::2], roots[..., 1::2]  # of a section; zeros, then poles
    polynomials = [torch.ones_like(first), -(first + second), first * second]
    both: Tensor = torch.stack(polynomials, -1).transpose(-3, -2)  # (..., section, 2, 3)
    return both.flatten(-2)


def magnitude_at(sos: Tensor, freq: Tensor, sample_rate: int) -> Tensor:
    """Return the gain of cascades (..., section, 6) at a frequency (...)."""
    angle = wide(freq) * (2 * math.pi / sample_rate)
    turn = angle[..., None] * torch.arange(3, device=sos.device)
    waves = torch.stack([turn.cos(), turn.sin()], -2)[..., None, None, :, :]
    parts = sos.unflatten(-1, (2, 1, 3))  # numerator and denominator
    power = (parts * waves).sum(-1).square().sum(-1)
    gains: Tensor = (power[..., 0] / power[..., 1]).sqrt()
    return gains.prod(-1)


def _angle(freq: Tensor, q: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Return the cookbook's ``cos(w0)`` and ``alpha``."""
    angle = wide(freq) * (2 * math.pi / sample_rate)
    return angle.cos(), angle.sin() / (2 * wide(q))


def _root_gain(gain_db: Tensor) -> Tensor:
    """Return the cookbook's ``A``, the square root of the gain."""
    return torch.pow(10.0, wide(gain_db) / 40)


def _section(*coefficients: Tensor) -> Tensor:
    """Join ``b0, b1, b2, a0, a1, a2`` to a cascade of one section."""
    return torch.stack(coefficients, -1).unsqueeze(-2)
