"""Stopping early, honestly: an arm is trained with no more seeds once its verdict is decided.

A study that looks after every seed, and stops when an interval pleases, is wrong more often than
its intervals say. Here every look has its own boundary, wider than that of a study that looks once,
so that all looks together are wrong in 5 of 100 studies.

The difference after s of S seeds has the variance ``I + T / s``, with I of instruments and T of
trainings. Means after s and t > s seeds have the covariance of the later one's variance, which is
what group-sequential tests ask for. The boundaries are those of ``I = 0``: instruments are the same
at all looks, which makes looks more alike, and crossings of any of them rarer.

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

FIRST = 2  # seeds of the first look: one says nothing about how trainings differ
HOPELESS = 0.1  # probability of any verdict at the last look below which more seeds are not trained
UNDECIDED = "cannot tell"
LEVEL = 0.05  # of the reported intervals
_GRID = np.linspace(-7.0, 7.0, 701)  # of the statistic, in standard errors


class Decision(NamedTuple):
    """What is known of an arm when it is trained no more."""

    verdict: str  # better, equal, worse or cannot tell
    seeds: int  # with which it was decided
    low: float  # of the interval that holds at every look
    high: float
    level: float  # two-sided, at which Student's t stands for 5 % of all looks
    planned: int  # seeds that it would have had
    final: bool  # no more are trained


def spent(fraction: float, level: float) -> float:
    """Give how much of the error may be spent by a fraction of the seeds: Pocock's in their form.

    Nearly as much at each look. O'Brien and Fleming's form keeps nearly all for the end, and it is
    the first looks that save runs.
    """
    return level * math.log(1.0 + (math.e - 1.0) * fraction)


@functools.cache
def boundaries(planned: int, level: float = LEVEL) -> tuple[float, ...]:
    """Give the two-sided boundary of each look, in standard errors of the normal distribution.

    Looks are after 2, 3, ... ``planned`` seeds.

    Args:
        planned: Seeds at most, 2 or more.
        level: Probability that any look is beyond its boundary where there is no difference.
    """
    step = _GRID[1] - _GRID[0]
    found: list[float] = []
    density = stats.norm.pdf(_GRID)  # of the statistic, in studies that have not stopped
    before = 0.0
    for seeds in range(FIRST, planned + 1):
        if found:  # z' sqrt(s) = z sqrt(s - 1) + one more seed
            inside = (found[-1] - np.abs(_GRID)) / step + 0.5  # of each step of the grid
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
    """Look at an arm after 2, 3, ... seeds, and give the first look that decides it, or the last.

    An arm is decided when it is better, worse or equal, or when so many more seeds would hardly
    decide it: what instruments differ by stays. What was trained beyond does not count, so that the
    answer is the same however often a study was interrupted.

    Args:
        groups: The instruments, and the score.
        arm: Its runs, two or more.
        base: Those of the baseline, with the same seeds.
        planned: Seeds at most.
        region: Differences within it are as good as none.
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
    """Say what the runs of an arm say at one look of a study; arguments as of `decide`."""
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
    """Give how many standard errors a difference must be from the region: 5 % for either side."""
    normal = boundaries(planned, 2.0 * (1.0 - SURE))[seeds - FIRST]
    return float(stats.t.isf(stats.norm.sf(normal), df))


def verdict_of(middle: float, half: float, region: float) -> str:
    """Say where an interval of a difference lies."""
    if middle - half > region:
        return "better"
    if middle + half < -region:
        return "worse"
    return "equal" if abs(middle) + half <= region else UNDECIDED


def chance_of_a_verdict(
    each: Floats, variance: float, df: float, planned: int, region: float
) -> float:
    """Give the probability that the last look has a verdict, from what is known now.

    The mean over all seeds is the present one, and Student's t by what trainings differ by. Its
    standard error then is of the instruments, which stay, and of all seeds.

    Args:
        each: Differences of the seeds that are there.
        variance: Of the instruments.
        df: Its degrees of freedom.
        planned: Seeds at most.
        region: Differences within it are as good as none.
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
