"""How many runs a study needs to see a difference: the power of a paired t-test.

References:
    J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(400)
MOST = 2**30  # pairs; a difference that needs more is none


def t_power(shift: float, df: float, level: float = 0.05) -> float:
    """Give the probability that a two-sided t-test sees an effect.

    The test's statistic is noncentral t: ``(Z + shift) / sqrt(V / df)`` with a normal ``Z`` and a
    chi-squared ``V``. This is the mean over ``V`` of the normal tails beyond the critical value.
    (`scipy.stats.nct` gives the same numbers, but NaN for large shifts.)

    Args:
        shift: The effect in standard errors.
        df: Degrees of freedom of the standard error.
        level: Of the test.
    """
    critical = stats.t.ppf(1.0 - level / 2.0, df)
    scale = critical * np.sqrt(stats.chi2.ppf((POINTS + 1.0) / 2.0, df) / df)
    beyond = stats.norm.cdf(shift - scale) + stats.norm.cdf(-shift - scale)
    return float(WEIGHTS @ beyond / 2.0)


def paired_power(pairs: int, effect: float, level: float = 0.05) -> float:
    """Give the probability that a two-sided paired t-test sees an effect.

    Args:
        pairs: Number of pairs, 2 or more.
        effect: Mean of the differences divided by their standard deviation.
        level: Of the test.
    """
    return t_power(math.sqrt(pairs) * effect, pairs - 1, level)


def pairs_needed(effect: float, power: float = 0.8, level: float = 0.05) -> int:
    """Give the smallest number of pairs, 2 or more, with which an effect is seen.

    Power grows with the number of pairs, so that it is found by doubling and then by halving.

    Raises:
        ValueError: If the effect is zero or no number, or asks for more than 2**30 pairs.
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
    """Say how many times as many instruments it takes to see an effect, however many seeds.

    With m times as many of each family the variance is an m-th, and its degrees of freedom are m
    times as many.

    Args:
        effect: Difference that is to be seen.
        variance: Of the difference, of the instruments alone.
        df: Its degrees of freedom.
        power: With which probability.

    Returns:
        The smallest whole number of times; 1 says that those that are there can be enough.

    Raises:
        ValueError: If it takes more than 2**20 times as many.
    """
    if variance <= 0.0:
        return 1
    few, many = 0, 1

    def seen(times: int) -> bool:
        return t_power(effect * math.sqrt(times / variance), df * times) >= power

    while not seen(many):
        few, many = many, 2 * many
        if many > 2**20:
            raise ValueError(f"an effect of {effect:.3g} needs more instruments than there are")
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if seen(middle) else (middle, many)
    return many
