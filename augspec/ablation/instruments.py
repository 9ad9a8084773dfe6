"""What another sample of the world would change: the instruments that were scored, and the seeds.

What a new sample of the world would change is the instruments, and what a new training would change
is the seed: intervals resample both. The test flips the signs of the instruments' differences,
which holds without any assumption on their distribution.

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

Run = dict[str, Any]  # one run: what OUT/runs/*.json holds
Floats = NDArray[np.float64]
Ints = NDArray[np.int_]

RESAMPLES = 10_000  # of the bootstrap: the ends of a 95 % interval are then good to 0.1 points
# Seeds from which on an interval has each part of the variance once. Fewer know so little of what
# trainings differ by that the surplus is needed: without it 7 to 11 of 100 arms without effect were
# called different by two to four seeds, where instruments are many and alike.
ENOUGH_SEEDS = 6
_MOST_WEIGHTS = 20_000_000  # of instruments in all resamples


def is_tagged(run: Run) -> bool:
    """Say whether the notes of a run may have several labels each."""
    return "scores" in run


def pairs_of(run: Run) -> tuple[Ints, Ints]:
    """Give each note with each label that it has: places of notes, and labels."""
    labels = run["labels"] if is_tagged(run) else [[label] for label in run["labels"]]
    notes = np.repeat(np.arange(len(labels)), [len(own) for own in labels])
    return notes, np.array([label for own in labels for label in own], int)


class Groups:
    """The instruments of the scored notes, in their classes: what is resampled."""

    #: The score that is resampled, as runs name it.
    metric = "macro_recall"
    #: Fewer are made of many thousand instruments, which would fill the memory.
    resamples = RESAMPLES

    def __init__(self, run: Run) -> None:
        names, self.codes = np.unique(run["instruments"], return_inverse=True)
        self.note, self.label = pairs_of(run)
        classes, at = np.unique(self.label, return_inverse=True)
        # A note counts by its instrument and its class: an instrument has one class in the task of
        # families, many in those of pitches and tags.
        self.cells, self.cell = np.unique(
            np.stack([self.codes[self.note], at], axis=1), axis=0, return_inverse=True
        )
        self.cell = self.cell.reshape(-1)
        self.resamples = max(1_000, min(self.resamples, _MOST_WEIGHTS // len(self.cells)))
        self.notes = np.bincount(self.cell).astype(np.float64)
        self.members = np.eye(len(classes))[self.cells[:, 1]]  # (cell, class)
        self.family = np.array([str(name).split("_")[0] for name in names])

    def resample(self, rng: np.random.Generator) -> Floats:
        """Draw how much each instrument counts: in sum as many of each family as there are.

        Of a family of n one less is drawn, and each draw counts n / (n - 1): n draws of n would
        vary by (n - 1) / n of what another n instruments vary by, half of it in families of two.
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
        """Give what each pair of a note and a label of it counts, 1 if the label is found."""
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

        A class of which a resample has no note does not count in it.
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
        """Give each instrument's part of the difference of the score, the mean over seeds."""
        parts: Floats = self.parts_of_seeds(arm, base).mean(axis=0)
        return parts

    def parts_of_seeds(self, arm: Sequence[Run], base: Sequence[Run]) -> Floats:
        """Give each seed's parts: ``(seed, instrument)``."""
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
    """A percentile interval of a bootstrap, and the variance of what was drawn."""

    low: float
    high: float
    variance: float


def interval(differences: Floats, picks: Ints) -> Ends:
    """Give the 95 % percentile interval over instruments and seeds.

    A resample of n seeds varies too little by n - 1 in n; their deviations are widened by the root
    of the inverse. One seed says nothing about seeds: the interval is then of instruments only.
    """
    seeds = differences.shape[1]
    mean = differences.mean(axis=1, keepdims=True)
    widened = (differences - mean) * np.sqrt(seeds / max(seeds - 1, 1))
    drawn = mean[:, 0] + np.take_along_axis(widened, picks, axis=1).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Ends(float(low), float(high), float(drawn.var()))


class Components(NamedTuple):
    """Variances of the mean difference, as an analysis of variance of two crossed factors has them.

    What a training adds to one instrument and not to the others is in the spread between
    instruments *and* in that between seeds. A resample of both has it a third time.
    """

    instruments: float  # what resampling them makes of the mean over seeds
    seeds: float  # what seeds differ by, divided by their number
    both: float  # the part of an instrument and a seed, which the two above each have

    @property
    def total(self) -> float:
        """The variance of the mean, each part once."""
        return self.instruments + self.seeds - self.both


def components(differences: Floats, seeds: Floats) -> Components:
    """Divide the variance of the mean difference.

    Args:
        differences: Of each resample of the instruments and each seed: ``(resample, seed)``.
        seeds: Each seed's difference of the score.
    """
    count = len(seeds)
    mean = differences.mean(axis=1, keepdims=True)
    instruments = float(mean.var(ddof=1))
    if count == 1:
        return Components(instruments, 0.0, 0.0)
    between = float(seeds.var(ddof=1)) / count
    own = float((differences - mean).var(axis=0, ddof=1).sum()) / (count - 1) / count
    # An estimate of a part may be larger than that of what it is a part of.
    return Components(instruments, between, min(own, instruments, between))


def degrees_of_freedom(seeds: Floats, parts: Floats, groups: Groups, both: float) -> float:
    """Give the degrees of freedom of the variance that an interval is made of.

    Each family of n instruments gives n - 1, and so do seeds, but not all to the same weight.
    Satterthwaite's number of them is too small on average where components have one or two, and its
    unbiased form was too large in simulations of studies of this kind
    (`tests/ablation/test_coverage.py`); this is the form between them.

    Args:
        seeds: Each seed's difference of the score.
        parts: Each instrument's part of it.
        groups: The instruments.
        both: The part of the variance that seeds and instruments both have: see `Components`.
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
    """A 95 % interval, and the degrees of freedom of the spread that it is made of."""

    low: float
    high: float
    df: float

    @property
    def error(self) -> float:
        """The standard error that an interval of Student's t of this width has."""
        return (self.high - self.low) / 2.0 / float(stats.t.ppf(0.975, self.df))


def widened(
    ends: Ends, seeds: Floats, parts: Floats, groups: Groups, found: Components
) -> Interval:
    """Bring a bootstrap interval to the width that it should have, about the difference.

    A bootstrap takes the spread of few instruments and seeds as if it were known exactly: Student's
    t is wider than the normal. And what it draws has the part of `Components.both` three times: of
    six seeds or more the interval is narrowed to the variance that has it once.

    Args:
        ends: Of the percentile interval.
        seeds: Each seed's difference of the score.
        parts: Each instrument's part of it.
        groups: The instruments.
        found: Of the variance.
    """
    middle, enough = float(seeds.mean()), len(seeds) >= ENOUGH_SEEDS
    df = degrees_of_freedom(seeds, parts, groups, found.both if enough else 0.0)
    factor = float(stats.t.ppf(0.975, df) / stats.norm.ppf(0.975))
    if enough and ends.variance > 0.0:
        factor *= min(1.0, math.sqrt(found.total / ends.variance))
    low, high = (middle + factor * (end - middle) for end in (ends.low, ends.high))
    return Interval(max(-1.0, low), min(1.0, high), df)  # no difference of shares lies beyond


class Bootstrap:
    """Resamples of the instruments and the seeds of a study, the same for every comparison.

    Args:
        groups: The instruments, and the score.
        seeds: How many there are.
    """

    def __init__(self, groups: Groups, seeds: int) -> None:
        rng = np.random.default_rng(0)
        self.groups = groups
        self.weights = groups.resample(rng)
        self.picks = rng.integers(seeds, size=(groups.resamples, seeds))

    def interval(self, pairs: Sequence[tuple[Sequence[Run], Sequence[Run]]]) -> Interval:
        """Give the 95 % interval of a difference of the score, a mean over pairs.

        Args:
            pairs: The runs of an arm and those of its baseline, seed by seed; of several pairs
                (conditions) it is the interval of their mean difference.
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
    """Test whether an arm differs: two-sided p-value over the signs of instruments' differences.

    An instrument's part of the difference of the score, the mean over seeds, is as likely with
    either sign if the arm changes nothing. All signs are tried, or 10,000 random ones.
    """
    parts = groups.parts(arm, base)
    parts = parts[parts != 0]  # a sign makes no difference to them
    if len(parts) < 2:
        return 1.0  # either sign is as far from zero
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
    """Test whether an arm differs, with other instruments and other trainings: a two-sided p-value.

    What a training adds to all instruments alike has one sign, and the sign-flip test takes it for
    an effect: where instruments differ little it called 13 % of arms without effect different
    (`tests/ablation/test_sequential.py`). So the larger of its p-value and that of Student's t with
    the interval's standard error counts.

    Args:
        groups: The instruments, and the score.
        arm: Runs of the arm.
        base: Those of the baseline, with the same seeds.
        sure: The interval of the difference.
    """
    each = [a[groups.metric] - b[groups.metric] for a, b in zip(arm, base, strict=True)]
    flipped = sign_flip_test(groups, arm, base)
    if sure.error <= 0.0:
        return flipped
    return max(flipped, 2.0 * float(stats.t.sf(abs(float(np.mean(each))) / sure.error, sure.df)))
