"""The windowed sinc for the interpolation in resampling."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec._compile import compiled, launches_cost, needs_gradient
from augspec._constants import count_up, where_else

# Taps and Kaiser beta, at the lower of the two rates; two more taps would not fit whole vectors.
TAPS, BETA = 32, 7.5
ONE = 1 << 32  # 1.0 in fixed point
ORDERS = 24  # terms of the window's series: exact to float64


def windowed_sinc(distance: Tensor, taps: int, beta: float) -> Tensor:
    """Evaluate a sinc under a Kaiser window, ``distance`` samples from its centre."""
    peak = window_peak(beta)
    if _has_bessel(distance):
        inside = (beta**2 - (distance * (2 * beta / taps)).square()).clamp(min=0)
        window = torch.special.i0(inside.sqrt())
    else:
        inside = (1 - (distance * (2 / taps)).square()).clamp(min=0) * (beta**2 / 4)
        window = _bessel(inside)
    return where_else(inside > 0, torch.sinc(distance) * window / peak, 0.0)


def window_peak(beta: float) -> float:
    """Evaluate the Bessel function I0 at ``beta``: what a Kaiser window is divided by."""
    peak = 1.0
    for order in range(ORDERS, 0, -1):
        peak = peak * (beta**2 / 4) / order**2 + 1
    return peak


def _bessel(square: Tensor) -> Tensor:
    """Evaluate the Bessel function I0 at ``2 * sqrt(square)``."""
    # Use its series: compilers cannot put the special function into a kernel.
    one = torch.ones((), dtype=square.dtype, device=square.device)
    series = one
    for order in range(ORDERS, 0, -1):
        series = torch.addcmul(one, series, square, value=1 / order**2)
    return series


def _has_bessel(values: Tensor) -> bool:
    """Whether to use one operation instead of the series; its root has no gradient at 0."""
    return launches_cost(values) and values.device.type != "mps" and not needs_gradient(values)


@compiled
def interpolation_matrix(
    offset: Tensor, ratio: Tensor, reach: int, width: int, max_ratio: float
) -> Tensor:
    """Make the filter that interpolates at each row's offsets: (row, width, block).

    It is also the anti-aliasing filter, and NaN where a ratio lies outside (0, ``max_ratio``].
    """
    stretch = ratio.clamp(min=1.0)[:, None, None]
    least, most = torch.finfo(ratio.dtype).tiny, max_ratio * (1 + 1e-6)  # rounding may exceed
    known = (ratio == ratio.clamp(least, most))[:, None, None]
    sample = count_up(-reach, width - reach, ratio.device)
    fraction = (offset & (ONE - 1)).to(ratio.dtype) / ONE
    distance = (sample[:, None] - (offset >> 32)[:, None, :]).to(ratio.dtype) - fraction[:, None, :]
    return windowed_sinc(distance / stretch, TAPS, BETA) / where_else(known, stretch, torch.nan)
