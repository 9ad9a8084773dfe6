"""How many runs a study needs to see a difference: the power of a paired t-test.

References:
    J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MOST = 2**30  # pairs; a difference that needs more is treated as none


@functools.cache
def quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points and weights of Gauss and Legendre, made at the first use.

    They are the eigenvalues of a matrix of 400 rows: seconds on a busy machine, and a process that
    only trains needs none.
    """
    points, weights = np.polynomial.legendre.leggauss(400)
    return points, weights


def t_power(shift: float, df: float, level: float = 0.05) -> float:
    """Return the probability that a two-sided t-test detects an effect.

    The test's statistic is noncentral t: ``(Z + shift) / sqrt(V / df)`` with a normal ``Z`` and a
    chi-squared ``V``. This is the mean over ``V`` of the normal tails beyond the critical value.
    (`scipy.stats.nct` gives the same numbers, but NaN for large shifts.)

    Args:
        shift: The effect in standard errors.
        df: Degrees of freedom of the standard error.
        level: Level of the test.
    """
    points, weights = quadrature()
    critical = stats.t.ppf(1.0 - level / 2.0, df)
    scale = critical * np.sqrt(stats.chi2.ppf((points + 1.0) / 2.0, df) / df)
    beyond = stats.norm.cdf(shift - scale) + stats.norm.cdf(-shift - scale)
    return float(weights @ beyond / 2.0)


def paired_power(pairs: int, effect: float, level: float = 0.05) -> float:
    """Return the probability that a two-sided paired t-test detects an effect.

    Args:
        pairs: Number of pairs, 2 or more.
        effect: Mean of the differences divided by their standard deviation.
        level: Level of the test.
    """
    return t_power(math.sqrt(pairs) * effect, pairs - 1, level)


def pairs_needed(effect: float, power: float = 0.8, level: float = 0.05) -> int:
    """Return the smallest number of pairs, 2 or more, that detects an effect.

    Power grows with the number of pairs, so the number is found by doubling and bisection.

    Raises:
        ValueError: If the effect is zero or not a number, or needs more than 2**30 pairs.
    """
    if math.isnan(effect) or effect == 0.0:
        raise ValueError(f"`effect` must be a number other than 0, got {effect}")
    few, many = 1, 2
    while paired_power(many, effect, level) < power:
        few, many = many, 2 * many
        if many > MOST:
            raise ValueError(f"an effect of {effect:.3g} deviations needs more than {MOST} pairs")
    while many - few > 1:
        middle = (few + many) // 2
        if paired_power(middle, effect, level) < power:
            few = middle
        else:
            many = middle
    return many


def times_needed(effect: float, variance: float, df: float, power: float = 0.8) -> int:
    """Return by which factor to multiply the instruments to detect an effect, with any seeds.

    With m times as many instruments of each family the variance is divided by m, and its degrees of
    freedom are multiplied by m.

    Args:
        effect: Difference to detect.
        variance: Variance of the difference from the instruments alone.
        df: Its degrees of freedom.
        power: Probability of detection.

    Returns:
        The smallest whole factor; 1 means that the present instruments can be enough.

    Raises:
        ValueError: If the factor is more than 2**20.
    """
    if variance <= 0.0:
        return 1
    few, many = 0, 1

    def seen(times: int) -> bool:
        return t_power(effect * math.sqrt(times / variance), df * times) >= power

    while not seen(many):
        few, many = many, 2 * many
        if many > 2**20:
            raise ValueError(
                f"an effect of {effect:.3g} needs over a million times as many instruments"
            )
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if seen(middle) else (middle, many)
    return many
