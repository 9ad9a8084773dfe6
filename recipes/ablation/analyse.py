"""What the runs say: differences from the baseline, how sure they are, and what they cost.

An arm is compared with the baseline of the same cell, with the same seeds. What a new sample of the
world would change is the instruments, and what a new training would change is the seed: intervals
resample both. The test flips the signs of the instruments' differences, which holds without any
assumption on their distribution; its p-values are corrected for the number of arms.

References:
    A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application", 1997.
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import tt_solve_power
from torchmetrics.functional.classification import binary_calibration_error

from ablation.plan import BASELINE

Run = dict[str, Any]  # one run: what OUT/runs/*.json holds
Row = dict[str, Any]  # one arm
Floats = NDArray[np.float64]
Ints = NDArray[np.int_]

RESAMPLES = 10_000  # of the bootstrap: the ends of a 95 % interval are then good to 0.1 points
LEVEL = 0.05  # of the test, for all arms of a cell together
WRITING = ("seconds_writing", "bytes_written")  # costs of runs that write pictures
WORTH_SEEING = 0.02  # difference of macro recall for which the number of seeds is given


def score(labels: list[int], predictions: list[int], classes: list[str]) -> Run:
    """Score predictions: accuracy, recall of each class that is there, their mean, confusions."""
    confusion = np.zeros((len(classes), len(classes)), dtype=int)  # rows: what it is
    np.add.at(confusion, (labels, predictions), 1)
    present = confusion.sum(axis=1) > 0
    recall = confusion.diagonal()[present] / confusion.sum(axis=1)[present]
    return {
        "accuracy": float(confusion.trace() / confusion.sum()),
        "macro_recall": float(recall.mean()),
        "recall": dict(zip(np.array(classes)[present].tolist(), recall.tolist(), strict=True)),
        "confusion": confusion.tolist(),
        "classes": classes,
    }


def pool(folds: Sequence[Run]) -> Run:
    """Make one run of those of a cross-validation: all predictions together, the time of all."""
    if len(folds) == 1:
        return folds[0]
    first = folds[0]
    found = {
        name: [value for run in folds for value in run[name]]
        for name in ("labels", "predictions", "confidences", "instruments", "indices")
    }
    return {
        **first,
        **score(found["labels"], found["predictions"], first["classes"]),
        **found,
        "losses": np.mean([run["losses"] for run in folds], axis=0).tolist(),
        **{name: sum(run[name] for run in folds) for name in first.keys() & WRITING},
        "seconds": float(_each(folds, "seconds").sum()),
        "seconds_per_epoch": float(_each(folds, "seconds_per_epoch").sum()),
        "peak_memory_mb": float(_each(folds, "peak_memory_mb").max()),
    }


def summarise(runs: Mapping[str, Sequence[Run]]) -> list[Row]:
    """Make a row an arm; ``runs`` holds each arm's runs of one cell, all with the same seeds.

    Raises:
        ValueError: If arms have other seeds than the baseline, or were scored on other notes.
    """
    base = runs[BASELINE]
    for arm, of_arm in runs.items():
        _check_paired(arm, of_arm, base)
    rng = np.random.default_rng(0)
    groups = Groups(base[0])
    weights = groups.resample(rng)
    picks = rng.integers(len(base), size=(RESAMPLES, len(base)))
    scores = {arm: groups.macro_recalls(of_arm, weights) for arm, of_arm in runs.items()}
    rows = []
    for arm, of_arm in runs.items():
        low, high = interval(scores[arm] - scores[BASELINE], picks)
        difference = _each(of_arm, "macro_recall") - _each(base, "macro_recall")
        spread = float(difference.std(ddof=1)) if len(base) > 1 else None
        rows.append(
            {
                "arm": arm,
                "seeds": len(of_arm),
                "accuracy": float(_each(of_arm, "accuracy").mean()),
                "macro_recall": float(_each(of_arm, "macro_recall").mean()),
                "recall": _mean_recall(of_arm),
                "alone": classes_of_one(base),
                "calibration_error": float(np.mean([calibration_error(run) for run in of_arm])),
                "difference": float(difference.mean()),
                "difference_low": low,
                "difference_high": high,
                "spread": spread,
                "p": 1.0 if arm == BASELINE else sign_flip_test(groups, of_arm, base),
                "seeds_needed": seeds_needed(spread),
                "seconds": float(_each(of_arm, "seconds").mean()),
                "seconds_per_epoch": float(_each(of_arm, "seconds_per_epoch").mean()),
                "peak_memory_mb": float(_each(of_arm, "peak_memory_mb").max()),
                "seconds_writing": _mean_cost(of_arm, "seconds_writing"),
                "disk_mb": _mean_cost(of_arm, "bytes_written") / 1e6,
            }
        )
    _correct(rows)
    return rows


def _check_paired(arm: str, of_arm: Sequence[Run], base: Sequence[Run]) -> None:
    seeds = [run["config"]["seed"] for run in of_arm]
    if seeds != [run["config"]["seed"] for run in base]:
        raise ValueError(f"arm {arm!r} must have the seeds of {BASELINE!r}, got {seeds}")
    if any(run["instruments"] != base[0]["instruments"] for run in of_arm):
        raise ValueError(f"arm {arm!r} must be scored on the notes of {BASELINE!r}")


def _each(runs: Sequence[Run], name: str) -> Floats:
    return np.array([run[name] for run in runs], dtype=np.float64)


def _mean_recall(runs: Sequence[Run]) -> dict[str, float]:
    return {
        name: float(np.mean([run["recall"][name] for run in runs])) for name in runs[0]["recall"]
    }


def _correct(rows: list[Row]) -> None:
    """Correct the p-values for the number of arms, and say in words what they say."""
    arms = [row for row in rows if row["arm"] != BASELINE]
    corrected = multipletests([row["p"] for row in arms], method="holm")[1] if arms else []
    for row, p in zip(arms, corrected, strict=True):
        row["p_holm"] = float(p)
        sure = p < LEVEL and (row["difference_low"] > 0 or row["difference_high"] < 0)
        better = "helps" if row["difference"] > 0 else "hurts"
        row["verdict"] = better if sure else "no evidence of a difference"
    rows[0].update({"p_holm": 1.0, "verdict": "baseline"})


def classes_of_one(runs: Sequence[Run]) -> list[str]:
    """Name the classes of which the notes of one instrument only were scored.

    No resample can draw another instrument there: intervals say nothing about others.
    """
    scored = {pair for run in runs for pair in zip(run["labels"], run["instruments"], strict=True)}
    counts = Counter(label for label, _ in scored)
    return [runs[0]["classes"][label] for label in sorted(counts) if counts[label] == 1]


def _mean_cost(runs: Sequence[Run], name: str) -> float:
    return float(np.mean([run.get(name, 0.0) for run in runs]))  # of runs that write pictures


class Groups:
    """The instruments of the scored notes, in their classes: what is resampled."""

    def __init__(self, run: Run) -> None:
        names, self.codes = np.unique(run["instruments"], return_inverse=True)
        labels = np.array(run["labels"])
        classes, at = np.unique(labels, return_inverse=True)
        # A note counts by its instrument and its class: an instrument has one class in the task of
        # families, many in that of pitches.
        self.cells, self.cell = np.unique(
            np.stack([self.codes, at], axis=1), axis=0, return_inverse=True
        )
        self.cell = self.cell.reshape(-1)
        self.notes = np.bincount(self.cell).astype(np.float64)
        self.members = np.eye(len(classes))[self.cells[:, 1]]  # (cell, class)
        self.family = np.array([str(name).split("_")[0] for name in names])

    def resample(self, rng: np.random.Generator) -> Ints:
        """Draw how often each instrument counts: as many of each family as there are."""
        weights = np.zeros((RESAMPLES, len(self.family)), dtype=int)
        for label in np.unique(self.family):
            members = np.flatnonzero(self.family == label)
            share = np.full(len(members), 1 / len(members))
            weights[:, members] = rng.multinomial(len(members), share, size=RESAMPLES)
        return weights

    def hits(self, run: Run) -> Floats:
        """Count the right notes of each cell."""
        right = np.equal(run["labels"], run["predictions"]).astype(np.float64)
        return np.bincount(self.cell, right).astype(np.float64)

    def macro_recalls(self, runs: Sequence[Run], weights: Ints) -> Floats:
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


def interval(differences: Floats, picks: Ints) -> tuple[float, float]:
    """Give the 95 % percentile interval over instruments and seeds.

    A resample of n seeds varies too little by n - 1 in n; their deviations are widened by the root
    of the inverse. One seed says nothing about seeds: the interval is then of instruments only.
    """
    seeds = differences.shape[1]
    mean = differences.mean(axis=1, keepdims=True)
    widened = (differences - mean) * np.sqrt(seeds / max(seeds - 1, 1))
    drawn = mean[:, 0] + np.take_along_axis(widened, picks, axis=1).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def sign_flip_test(groups: Groups, arm: Sequence[Run], base: Sequence[Run]) -> float:
    """Test whether an arm differs: two-sided p-value over the signs of instruments' differences.

    An instrument's part of the difference of macro recall, the mean over seeds, is as likely with
    either sign if the arm changes nothing. All signs are tried, or 10,000 random ones.
    """
    per_class = groups.notes @ groups.members
    share = groups.members @ (1 / per_class) / len(per_class)
    difference = np.mean(
        [groups.hits(a) - groups.hits(b) for a, b in zip(arm, base, strict=True)], axis=0
    )
    parts = np.bincount(groups.cells[:, 0], difference * share)
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


def calibration_error(run: Run) -> float:
    """Return the expected calibration error: how far confidence is from being right, 15 bins."""
    right = torch.tensor(np.equal(run["labels"], run["predictions"]))
    return float(binary_calibration_error(torch.tensor(run["confidences"]), right, n_bins=15))


def seeds_needed(spread: float | None, difference: float = WORTH_SEEING) -> int | None:
    """Say with how many seeds a difference would be seen in 8 of 10 studies, given its spread.

    A paired t-test over seeds at the 5 % level: of training alone, on these instruments.
    """
    if not spread:
        return None
    needed = tt_solve_power(effect_size=difference / spread, alpha=LEVEL, power=0.8)
    return math.ceil(float(np.ravel(needed)[0]))
