"""Valid early stopping: an arm gets no more seeds after its verdict is decided.

A study that tests after every seed and stops at the first significant interval is wrong more often
than its intervals say. Here every test (look) has its own boundary, wider than that of a single
test, so that all looks together are wrong in 5 of 100 studies.

The difference after s of S seeds has the variance ``I + T / s``, with I from instruments and T from
trainings. The covariance of the means after s and t > s seeds is the variance of the later one, as
group-sequential tests require. The boundaries are those of ``I = 0``. This is conservative:
instruments are the same at all looks, which makes looks more alike and crossings rarer.

References:
    K. K. G. Lan and D. L. DeMets, "Discrete sequential boundaries for clinical trials",
    Biometrika 70, 1983: how much of the error each look may spend.
    P. Armitage, C. K. McPherson and B. C. Rowe, "Repeated significance tests on accumulating data",
    JRSS A 132, 1969: the recursion.
    C. Jennison and B. W. Turnbull, "Group Sequential Methods", 2000: repeated confidence intervals
    (chapter 9), boundaries as levels of Student's t (chapter 11), stopping for futility (10).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from augspec.ablation.instruments import Bootstrap, Floats, Groups, Run
from augspec.ablation.verdicts import REGION, SURE, instrument_variance

FIRST = 2  # seeds of the first look: one seed does not show how trainings differ
HOPELESS = 0.1  # no more seeds are trained if a verdict at the last look is less probable than this
UNDECIDED = "cannot tell"
LEVEL = 0.05  # of the reported intervals
_GRID = np.linspace(-7.0, 7.0, 701)  # of the statistic, in standard errors


class Decision(NamedTuple):
    """The result of an arm when its training stops."""

    verdict: str  # better, equal, worse or cannot tell
    seeds: int  # number of seeds at the decision
    low: float  # bounds of the interval that holds at every look
    high: float
    level: float  # two-sided level of Student's t that gives 5 % over all looks
    planned: int  # planned number of seeds
    final: bool  # no more seeds are trained: decided, hopeless, or the last seed


def spent(fraction: float, level: float) -> float:
    """Return the error that may be spent after a fraction of the seeds (Pocock's form).

    It spends nearly the same at each look. O'Brien and Fleming's form keeps nearly all for the end,
    but the first looks save the most runs.
    """
    return level * math.log(1.0 + (math.e - 1.0) * fraction)


@functools.cache
def boundaries(planned: int, level: float = LEVEL) -> tuple[float, ...]:
    """Return the two-sided boundary of each look, in standard errors of the normal distribution.

    Looks are after 2, 3, ... ``planned`` seeds.

    Args:
        planned: Largest number of seeds, 2 or more.
        level: Probability that any look exceeds its boundary without a true difference.
    """
    step = _GRID[1] - _GRID[0]
    found: list[float] = []
    density = stats.norm.pdf(_GRID)  # density of the statistic, in studies that have not stopped
    before = 0.0
    for seeds in range(FIRST, planned + 1):
        if found:  # z' sqrt(s) = z sqrt(s - 1) + one more seed
            inside = (found[-1] - np.abs(_GRID)) / step + 0.5  # weight of each step of the grid
            kept = density * np.clip(inside, 0.0, 1.0)
            ends = _GRID[:, None] * math.sqrt(seeds) - _GRID[None, :] * math.sqrt(seeds - 1)
            density = stats.norm.pdf(ends) @ kept * step * math.sqrt(seeds)
        wanted = spent(seeds / planned, level) - before
        before += wanted
        tails = 2.0 * np.cumsum(density[::-1])[::-1] * step - density * step
        upper = _GRID > 0.0
        found.append(float(np.interp(-wanted, -tails[upper], _GRID[upper])))
    return tuple(found)


def decide(
    groups: Groups,
    arm: Sequence[Run],
    base: Sequence[Run],
    planned: int,
    region: float = REGION,
) -> Decision:
    """Test an arm after 2, 3, ... seeds; return the first look that decides it, or the last.

    An arm is decided if it is better, worse or equal, or if the remaining seeds would hardly decide
    it, because the variance of instruments stays. Later runs are ignored, so that the answer does
    not depend on interruptions of the study.

    Args:
        groups: The instruments, and the score.
        arm: Its runs, two or more.
        base: Runs of the baseline, with the same seeds.
        planned: Largest number of seeds.
        region: Differences within it count as none.
    """
    for seeds in range(FIRST, len(arm) + 1):
        found = look(groups, arm[:seeds], base[:seeds], planned, region)
        if found.final:
            break
    return found


def look(
    groups: Groups,
    arm: Sequence[Run],
    base: Sequence[Run],
    planned: int,
    region: float = REGION,
) -> Decision:
    """Return the result of an arm at one look of a study; arguments as in `decide`."""
    seeds = len(arm)
    each = [a[groups.metric] - b[groups.metric] for a, b in zip(arm, base, strict=True)]
    sure = Bootstrap(groups, seeds).interval([(arm, base)])
    middle = float(np.mean(each))
    level = 2.0 * float(stats.norm.sf(boundaries(planned, LEVEL)[seeds - FIRST]))
    wider = float(stats.t.isf(level / 2.0, sure.df) / stats.t.isf(LEVEL / 2.0, sure.df))
    low, high = (middle + wider * (end - middle) for end in (sure.low, sure.high))
    half = _times(planned, seeds, sure.df) * sure.error
    verdict = verdict_of(middle, half, region)
    hopeless = False
    if verdict == UNDECIDED and seeds < planned:
        variance, df = instrument_variance(groups, groups.parts_of_seeds(arm, base))
        chance = chance_of_a_verdict(np.array(each), variance, df, planned, region)
        hopeless = chance < HOPELESS
    final = verdict != UNDECIDED or hopeless or seeds == planned
    return Decision(verdict, seeds, max(-1.0, low), min(1.0, high), level, planned, final)


def _times(planned: int, seeds: int, df: float) -> float:
    """Return the needed distance from the region in standard errors: 5 % on each side."""
    normal = boundaries(planned, 2.0 * (1.0 - SURE))[seeds - FIRST]
    return float(stats.t.isf(stats.norm.sf(normal), df))


def verdict_of(middle: float, half: float, region: float) -> str:
    """Return the verdict for an interval of a difference."""
    if middle - half > region:
        return "better"
    if middle + half < -region:
        return "worse"
    return "equal" if abs(middle) + half <= region else UNDECIDED


def chance_of_a_verdict(
    each: Floats, variance: float, df: float, planned: int, region: float
) -> float:
    """Return the probability of a verdict at the last look, from the present data.

    The future mean over all seeds is taken as Student's t about the present one, with the spread
    between trainings. Its standard error is that of the instruments, which stay, and of all seeds.

    Args:
        each: Differences of the present seeds.
        variance: Variance of the instruments.
        df: Its degrees of freedom.
        planned: Largest number of seeds.
        region: Differences within it count as none.
    """
    seeds, spread = len(each), float(each.var(ddof=1))
    half = _times(planned, planned, df + planned - 1) * math.sqrt(variance + spread / planned)
    scale = math.sqrt(spread * (1.0 / seeds - 1.0 / planned))
    middle = float(each.mean())
    if scale == 0.0:
        return float(verdict_of(middle, half, region) != UNDECIDED)
    last = stats.t(seeds - 1, middle, scale)
    beyond = last.sf(region + half) + last.cdf(-region - half)
    inside = last.cdf(region - half) - last.cdf(half - region) if half < region else 0.0
    return float(beyond + inside)
