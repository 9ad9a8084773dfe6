"""Verdicts on differences and their intervals, and a fair estimate for the best of several arms.

References:
    A. Benavoli, G. Corani, J. Demsar and M. Zaffalon, "Time for a change: a tutorial for comparing
    multiple classifiers through Bayesian analysis", JMLR 18, 2017: the region of practical
    equivalence, and its three probabilities.
    B. Efron and C. Morris, "Data analysis using Stein's estimator and its generalizations",
    JASA 70, 1975.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from augspec.ablation.instruments import Floats, Groups, Interval

REGION = 0.02  # differences of macro recall within this count as none
SURE = 0.95


def probabilities(
    difference: float, interval: Interval, region: float = REGION
) -> tuple[float, float, float]:
    """Return the probabilities that an arm is worse, equal and better, by more than a region.

    The true difference is taken as Student's t about the measured one, as in Bayesian comparisons
    with a flat prior; scale and degrees of freedom are those of the interval.
    """
    if interval.error <= 0.0:
        return (
            float(difference < -region),
            float(abs(difference) <= region),
            float(difference > region),
        )
    posterior = stats.t(interval.df, difference, interval.error)
    worse, better = float(posterior.cdf(-region)), float(posterior.sf(region))
    return worse, 1.0 - worse - better, better


def practical(difference: float, interval: Interval, region: float = REGION) -> str:
    """Return whether an arm is better, equal or worse by a relevant difference, or uncertain."""
    found = probabilities(difference, interval, region)
    most = int(np.argmax(found))
    return ("worse", "equal", "better")[most] if found[most] >= SURE else "cannot tell"


def shrunken(differences: Sequence[float], errors: Sequence[float]) -> list[float]:
    """Shrink the differences of several arms towards zero, to estimate another study's result.

    The largest of several differences is partly large by chance: among k arms without effect one is
    still the best. The factor is the part of the spread between arms that their errors do not
    explain (empirical Bayes with a prior about zero).

    Args:
        differences: Difference of each arm from the baseline.
        errors: Their standard errors.
    """
    if len(differences) == 0:
        return []
    found, squares = np.asarray(differences, float), np.asarray(errors, float) ** 2
    spread = max(0.0, float(np.mean(found**2 - squares)))
    total = spread + squares
    believed = np.divide(spread, total, out=np.ones_like(total), where=total > 0.0)
    return [float(value) for value in believed * found]


def instrument_variance(groups: Groups, parts: Floats) -> tuple[float, float]:
    """Return the variance of a difference that more seeds do not reduce, and its df.

    The variance of an instrument's part between seeds is subtracted from the variance of
    instruments, because more seeds would average it out. With one seed the two cannot be separated,
    and all is attributed to instruments.

    Args:
        groups: The instruments.
        parts: Each seed's and instrument's part, ``(seed, instrument)``.
    """
    seeds = len(parts)
    mean = parts.mean(axis=0)
    centred = parts - parts.mean(axis=1, keepdims=True)
    noise = centred.var(axis=0, ddof=1) / seeds if seeds > 1 else np.zeros_like(mean)
    variances, degrees = [], []
    for label in np.unique(groups.family):
        own = groups.family == label
        count = int(own.sum())
        if count > 1:
            between = float(mean[own].var(ddof=1)) - float(noise[own].mean())
            variances.append(count * between)
            degrees.append(count - 1)
    return max(0.0, sum(variances)), float(max(1, sum(degrees)))


def still_falling(losses: Floats) -> bool:
    """Return whether a training loss was still falling at the end.

    It was if it fell by more than a tenth in the last epoch and stayed above 0.05.

    Args:
        losses: ``(seed, epoch)``, means of epochs.
    """
    losses = losses.mean(axis=0)
    return len(losses) > 1 and bool(losses[-1] < 0.9 * losses[-2]) and bool(losses[-1] > 0.05)
