"""Uncertainty from the scored instruments and from the seeds.

A new sample of sounds would have other instruments, and a new training another seed, so intervals
resample both. The test flips the signs of the instruments' differences, which needs no assumption
on their distribution.

References:
    A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application", 1997.
    J. N. K. Rao and C. F. J. Wu, "Resampling inference with complex survey data", JASA 83, 1988:
    why n - 1 of n are drawn.
    F. E. Satterthwaite, "An approximate distribution of estimates of variance components",
    Biometrics Bulletin 2, 1946.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Run = dict[str, Any]  # one run: the content of OUT/runs/*.json
Floats = NDArray[np.float64]
Ints = NDArray[np.int_]

RESAMPLES = 10_000  # resamples: the ends of a 95 % interval are then accurate to 0.1 points
# From this number of seeds on, an interval counts each part of the variance once. Fewer seeds
# estimate the variance of trainings so badly that the surplus is needed: without it 7 to 11 of 100
# arms without effect were called different with two to four seeds and many similar instruments.
ENOUGH_SEEDS = 6
_MOST_WEIGHTS = 20_000_000  # largest number of instruments in all resamples


def is_tagged(run: Run) -> bool:
    """Return whether the notes of a run may have several labels each."""
    return "scores" in run


def pairs_of(run: Run) -> tuple[Ints, Ints]:
    """Return all pairs of a note and a label of it: indices of notes, and labels."""
    labels = run["labels"] if is_tagged(run) else [[label] for label in run["labels"]]
    notes = np.repeat(np.arange(len(labels)), [len(own) for own in labels])
    return notes, np.array([label for own in labels for label in own], int)


class Groups:
    """The instruments of the scored notes by class, which are resampled."""

    #: The score that is resampled, as runs name it.
    metric = "macro_recall"
    #: With many thousand instruments fewer are made, because they would fill the memory.
    resamples = RESAMPLES

    def __init__(self, run: Run) -> None:
        names, self.codes = np.unique(run["instruments"], return_inverse=True)
        self.note, self.label = pairs_of(run)
        classes, at = np.unique(self.label, return_inverse=True)
        # A cell is an instrument and a class: an instrument has one class in the task of families,
        # and many in those of pitches and tags.
        self.cells, self.cell = np.unique(
            np.stack([self.codes[self.note], at], axis=1), axis=0, return_inverse=True
        )
        self.cell = self.cell.reshape(-1)
        self.resamples = max(1_000, min(self.resamples, _MOST_WEIGHTS // len(self.cells)))
        self.notes = np.bincount(self.cell).astype(np.float64)
        self.members = np.eye(len(classes))[self.cells[:, 1]]  # (cell, class)
        self.family = np.array([str(name).split("_")[0] for name in names])

    def resample(self, rng: np.random.Generator) -> Floats:
        """Draw a weight for each instrument; the weights of a family sum to its size.

        From a family of n instruments n - 1 are drawn, and each draw counts n / (n - 1). With n
        draws the variance would be only (n - 1) / n of the true one, half of it in families of two.
        A family of one cannot vary.
        """
        weights = np.ones((self.resamples, len(self.family)))
        for label in np.unique(self.family):
            members = np.flatnonzero(self.family == label)
            drawn = len(members) - 1
            if drawn > 0:
                share = np.full(len(members), 1 / len(members))
                counts = rng.multinomial(drawn, share, size=self.resamples)
                weights[:, members] = counts * (len(members) / drawn)
        return weights

    def hits(self, run: Run) -> Floats:
        """Count the right notes of each cell."""
        return np.bincount(self.cell, self.credit(run)).astype(np.float64)

    def credit(self, run: Run) -> Floats:
        """Return the credit of each pair of a note and its label, 1 if the label is found."""
        if not is_tagged(run):
            right: Floats = np.equal(run["labels"], run["predictions"]).astype(np.float64)
            return right
        found = [set(own) for own in run["predictions"]]
        pairs = zip(self.note.tolist(), self.label.tolist(), strict=True)
        return np.array([label in found[note] for note, label in pairs], np.float64)

    def scores(self, runs: Sequence[Run], weights: Floats) -> Floats:
        """Score each resample of the instruments and each run by the metric: (resample, run)."""
        return self.macro_recalls(runs, weights)

    def macro_recalls(self, runs: Sequence[Run], weights: Floats) -> Floats:
        """Score each resample of the instruments and each run: (resample, run).

        A class without a note in a resample is ignored in it.
        """
        counted = weights[:, self.cells[:, 0]]
        notes = (counted * self.notes) @ self.members
        scores = []
        for run in runs:
            hits = (counted * self.hits(run)) @ self.members
            recall = np.divide(hits, notes, out=np.full_like(notes, np.nan), where=notes > 0)
            scores.append(np.nanmean(recall, axis=1))
        return np.stack(scores, axis=1)

    def parts(self, arm: Sequence[Run], base: Sequence[Run]) -> Floats:
        """Return each instrument's part of the difference of the score, the mean over seeds."""
        parts: Floats = self.parts_of_seeds(arm, base).mean(axis=0)
        return parts

    def parts_of_seeds(self, arm: Sequence[Run], base: Sequence[Run]) -> Floats:
        """Return each seed's parts: ``(seed, instrument)``."""
        per_class = self.notes @ self.members
        share = self.members @ (1 / per_class) / len(per_class)
        return np.stack(
            [
                np.bincount(
                    self.cells[:, 0], (self.hits(a) - self.hits(b)) * share, len(self.family)
                )
                for a, b in zip(arm, base, strict=True)
            ]
        )


class Ends(NamedTuple):
    """A percentile interval of a bootstrap, and the variance of the resamples."""

    low: float
    high: float
    variance: float


def interval(differences: Floats, picks: Ints) -> Ends:
    """Return the 95 % percentile interval over instruments and seeds.

    The variance of a resample of n seeds is too small by the factor (n - 1) / n, so deviations are
    multiplied by the root of the inverse. With one seed the interval covers instruments only.
    """
    seeds = differences.shape[1]
    mean = differences.mean(axis=1, keepdims=True)
    widened = (differences - mean) * np.sqrt(seeds / max(seeds - 1, 1))
    drawn = mean[:, 0] + np.take_along_axis(widened, picks, axis=1).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Ends(float(low), float(high), float(drawn.var()))


class Components(NamedTuple):
    """Variances of the mean difference, as in an analysis of variance with two crossed factors.

    An effect of one training on one instrument alone is in the spread between instruments *and* in
    the spread between seeds. A resample of both contains it a third time.
    """

    instruments: float  # variance of the mean over seeds when instruments are resampled
    seeds: float  # variance between seeds, divided by their number
    both: float  # interaction of instrument and seed, which both values above contain

    @property
    def total(self) -> float:
        """The variance of the mean, with each part once."""
        return self.instruments + self.seeds - self.both


def components(differences: Floats, seeds: Floats) -> Components:
    """Divide the variance of the mean difference.

    Args:
        differences: Difference for each resample of the instruments and each seed: ``(resample,
            seed)``.
        seeds: Each seed's difference of the score.
    """
    count = len(seeds)
    mean = differences.mean(axis=1, keepdims=True)
    instruments = float(mean.var(ddof=1))
    if count == 1:
        return Components(instruments, 0.0, 0.0)
    between = float(seeds.var(ddof=1)) / count
    own = float((differences - mean).var(axis=0, ddof=1).sum()) / (count - 1) / count
    # The estimate of a part may exceed the estimate of the whole.
    return Components(instruments, between, min(own, instruments, between))


def degrees_of_freedom(seeds: Floats, parts: Floats, groups: Groups, both: float) -> float:
    """Return the degrees of freedom of the variance of an interval.

    Each family of n instruments has n - 1, and so have n seeds, with different weights.
    Satterthwaite's number is too small on average if components have one or two degrees, and its
    unbiased form was too large in simulations of such studies (`tests/ablation/test_coverage.py`);
    this is a form between the two.

    Args:
        seeds: Each seed's difference of the score.
        parts: Each instrument's part of it.
        groups: The instruments.
        both: The part of the variance that seeds and instruments have in common: see `Components`.
    """
    variances, degrees = [], []
    if len(seeds) > 1:
        variances.append(float(seeds.var(ddof=1)) / len(seeds))
        degrees.append(len(seeds) - 1)
    for label in np.unique(groups.family):
        own = parts[groups.family == label]
        if len(own) > 1:
            variances.append(len(own) * float(own.var(ddof=1)))
            degrees.append(len(own) - 1)
    squares = sum(v * v / (df + 1) for v, df in zip(variances, degrees, strict=True))
    return max(1.0, (sum(variances) - both) ** 2 / squares - 1.0) if squares > 0.0 else math.inf


class Interval(NamedTuple):
    """A 95 % interval, and the degrees of freedom of its variance."""

    low: float
    high: float
    df: float

    @property
    def error(self) -> float:
        """The standard error of an interval of Student's t with this width."""
        return (self.high - self.low) / 2.0 / float(stats.t.ppf(0.975, self.df))


def widened(
    ends: Ends, seeds: Floats, parts: Floats, groups: Groups, found: Components
) -> Interval:
    """Correct the width of a bootstrap interval.

    A bootstrap treats the spread of few instruments and seeds as known exactly; Student's t is
    wider than the normal distribution. The resamples also contain the part of `Components.both`
    three times: with six or more seeds the interval is narrowed to the variance that contains it
    once.

    Args:
        ends: Ends of the percentile interval.
        seeds: Each seed's difference of the score.
        parts: Each instrument's part of it.
        groups: The instruments.
        found: Components of the variance.
    """
    middle, enough = float(seeds.mean()), len(seeds) >= ENOUGH_SEEDS
    df = degrees_of_freedom(seeds, parts, groups, found.both if enough else 0.0)
    factor = float(stats.t.ppf(0.975, df) / stats.norm.ppf(0.975))
    if enough and ends.variance > 0.0:
        factor *= min(1.0, math.sqrt(found.total / ends.variance))
    low, high = (middle + factor * (end - middle) for end in (ends.low, ends.high))
    return Interval(max(-1.0, low), min(1.0, high), df)  # the limits of a difference


class Bootstrap:
    """Resamples of the instruments and the seeds of a study, the same for every comparison.

    Args:
        groups: The instruments, and the score.
        seeds: Number of seeds.
    """

    def __init__(self, groups: Groups, seeds: int) -> None:
        rng = np.random.default_rng(0)
        self.groups = groups
        self.weights = groups.resample(rng)
        self.picks = rng.integers(seeds, size=(groups.resamples, seeds))

    def interval(self, pairs: Sequence[tuple[Sequence[Run], Sequence[Run]]]) -> Interval:
        """Return the 95 % interval of a difference of the score, a mean over pairs.

        Args:
            pairs: The runs of an arm and those of its baseline, seed by seed; for several pairs
                (conditions) the interval is that of their mean difference.
        """
        scores, seeds, parts = [], [], []
        metric = self.groups.metric
        for arm, base in pairs:
            own, others = (self.groups.scores(one, self.weights) for one in (arm, base))
            scores.append(own - others)
            each = [a[metric] - b[metric] for a, b in zip(arm, base, strict=True)]
            seeds.append(each)
            parts.append(self.groups.parts(arm, base))
        every, mean = np.mean(scores, axis=0), np.mean(seeds, axis=0)
        return widened(
            interval(every, self.picks),
            mean,
            np.mean(parts, axis=0),
            self.groups,
            components(every, mean),
        )


def sign_flip_test(groups: Groups, arm: Sequence[Run], base: Sequence[Run]) -> float:
    """Test whether an arm differs: two-sided p-value over signs of instruments' differences.

    If the arm changes nothing, both signs of an instrument's part of the difference, the mean over
    seeds, are equally likely. All signs are tried, or 10,000 random ones.
    """
    parts = groups.parts(arm, base)
    parts = parts[parts != 0]  # a sign does not change zeros
    if len(parts) < 2:
        return 1.0  # both signs are equally far from zero
    result = stats.permutation_test(
        (parts,),
        lambda x, axis: np.sum(x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def p_value(groups: Groups, arm: Sequence[Run], base: Sequence[Run], sure: Interval) -> float:
    """Test whether an arm differs, for other instruments and trainings: a two-sided p-value.

    A random effect of a training on all instruments has one sign, so the sign-flip test takes it
    for an effect: with similar instruments it called 13 % of arms without effect different
    (`tests/ablation/test_sequential.py`). So the result is the larger of its p-value and that of
    Student's t with the interval's standard error.

    Args:
        groups: The instruments, and the score.
        arm: Runs of the arm.
        base: Runs of the baseline, with the same seeds.
        sure: The interval of the difference.
    """
    each = [a[groups.metric] - b[groups.metric] for a, b in zip(arm, base, strict=True)]
    flipped = sign_flip_test(groups, arm, base)
    if sure.error <= 0.0:
        return flipped
    return max(flipped, 2.0 * float(stats.t.sf(abs(float(np.mean(each))) / sure.error, sure.df)))
