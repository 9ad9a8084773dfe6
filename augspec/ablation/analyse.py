"""The results of the runs: differences from the baseline, their intervals, and costs.

An arm is compared with the baseline of the same cell, with the same seeds. Intervals and the test
are those of `instruments`; the p-values are corrected for the number of arms.

References:
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from augspec.ablation.instruments import (
    Bootstrap,
    Floats,
    Groups,
    is_tagged,
    p_value,
    pairs_of,
)
from augspec.ablation.optional import optional
from augspec.ablation.plan import BASELINE
from augspec.ablation.power import pairs_needed, times_needed
from augspec.ablation.sequential import FIRST, decide
from augspec.ablation.tags import MAP, MICRO, decisions, groups_of, score_tags
from augspec.ablation.verdicts import instrument_variance, practical, shrunken, still_falling

Run = dict[str, Any]  # one run: the content of OUT/runs/*.json
Row = dict[str, Any]  # one arm
LEVEL = 0.05  # of the test, for all arms of a cell together
SCORES = ("accuracy", "macro_recall", MAP, MICRO)  # the last two of tags alone
OF_CLASSES = ("recall", "average_precision")
WRITING = ("seconds_writing", "bytes_written")  # costs of runs that write pictures
WORTH_SEEING = 0.02  # difference of the score for which the number of seeds is given
# The values of a run for each note.
_NOTES = ("labels", "predictions", "scores", "confidences", "instruments", "indices")


def score(labels: list[int], predictions: list[int], classes: list[str]) -> Run:
    """Score predictions: accuracy, recall of each class that occurs, their mean, confusions."""
    confusion = np.zeros((len(classes), len(classes)), dtype=int)  # rows: the true class
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
    """Join the runs of a cross-validation: all predictions together, and the total time."""
    if len(folds) == 1:
        return folds[0]
    first = folds[0]
    found = {
        name: [value for run in folds for value in run[name]] for name in _NOTES if name in first
    }
    scored = (
        score_tags(found["labels"], found["scores"], first["classes"])
        if is_tagged(first)
        else score(found["labels"], found["predictions"], first["classes"])
    )
    return {
        **first,
        **scored,
        **found,
        "losses": np.mean([run["losses"] for run in folds], axis=0).tolist(),
        **{name: sum(run[name] for run in folds) for name in first.keys() & WRITING},
        "seconds": float(_each(folds, "seconds").sum()),
        "seconds_per_epoch": float(_each(folds, "seconds_per_epoch").sum()),
        "peak_memory_mb": float(_each(folds, "peak_memory_mb").max()),
    }


def summarise(runs: Mapping[str, Sequence[Run]], most: int | None = None) -> list[Row]:
    """Make one row per arm; ``runs`` holds each arm's runs of one cell, with the baseline's seeds.

    Args:
        runs: The runs of each arm.
        most: Largest number of seeds of a study that stops as soon as decided. Arms may then have
            only the first of the baseline's seeds, and intervals and p-values hold at any stop.

    Raises:
        ValueError: If arms and baseline differ in their seeds, or were scored on different notes.
    """
    base = runs[BASELINE]
    for arm, of_arm in runs.items():
        _check_paired(arm, of_arm, base, most is not None)
    groups, *others = groups_of(base[0])
    bootstraps = functools.cache(lambda seeds: Bootstrap(groups, seeds))
    rows = []
    every = base
    for arm, of_arm in runs.items():
        decision = None
        if most is not None and arm != BASELINE and len(of_arm) >= FIRST:
            decision = decide(groups, of_arm, every[: len(of_arm)], most)
            of_arm = of_arm[: decision.seeds]
        base = every[: len(of_arm)]
        difference = _each(of_arm, groups.metric) - _each(base, groups.metric)
        sure = bootstraps(len(of_arm)).interval([(of_arm, base)])
        parts = groups.parts_of_seeds(of_arm, base)
        spread = float(difference.std(ddof=1)) if len(base) > 1 else None
        missing: list[str] = []
        rows.append(
            {
                "arm": arm,
                "seeds": len(of_arm),
                "metric": groups.metric,
                **{name: _mean(of_arm, name) for name in SCORES if name in base[0]},
                **{name: _mean_of(of_arm, name) for name in OF_CLASSES if name in base[0]},
                "alone": classes_of_one(base),
                "calibration_error": optional(
                    missing, "the calibration error", mean_calibration_error, of_arm
                ),
                "difference": float(difference.mean()),
                "difference_low": sure.low if decision is None else decision.low,
                "difference_high": sure.high if decision is None else decision.high,
                "decision": decision,
                "others": {one.metric: compare_by(one, of_arm, base) for one in others},
                "error": sure.error,
                "practical": decision.verdict
                if decision is not None
                else optional(
                    missing, "whether it matters", practical, float(difference.mean()), sure
                ),
                "spread": spread,
                "p": 1.0
                if arm == BASELINE
                # Each look is another test: Bonferroni's bound covers all of them.
                else min(1.0, _looks(most) * p_value(groups, of_arm, base, sure)),
                "seeds_needed": None
                if arm == BASELINE
                else optional(missing, "the number of seeds needed", seeds_needed, spread),
                "times_needed": None
                if arm == BASELINE
                else optional(missing, "the number of groups needed", _times, groups, parts),
                "data": base[0]["config"].get("data", ""),
                "instruments": len(groups.family),
                "still_falling": optional(
                    missing, "whether the loss still fell", still_falling, _losses(of_arm)
                ),
                "seconds": _mean(of_arm, "seconds"),
                "seconds_per_epoch": _mean(of_arm, "seconds_per_epoch"),
                "peak_memory_mb": float(_each(of_arm, "peak_memory_mb").max()),
                "seconds_writing": _mean_cost(of_arm, "seconds_writing"),
                "disk_mb": _mean_cost(of_arm, "bytes_written") / 1e6,
                "missing": missing,
            }
        )
    _correct(rows)
    return rows


def compare_by(groups: Groups, arm: Sequence[Run], base: Sequence[Run]) -> dict[str, float]:
    """Return the difference of one score from the baseline's, and its interval."""
    sure = Bootstrap(groups, len(base)).interval([(arm, base)])
    difference = _each(arm, groups.metric) - _each(base, groups.metric)
    return {
        "difference": float(difference.mean()),
        "difference_low": sure.low,
        "difference_high": sure.high,
    }


def _looks(most: int | None) -> int:
    return 1 if most is None else most - FIRST + 1


def _check_paired(arm: str, of_arm: Sequence[Run], base: Sequence[Run], early: bool) -> None:
    seeds = [run["config"]["seed"] for run in of_arm]
    if seeds != [run["config"]["seed"] for run in base[: len(of_arm) if early else None]]:
        raise ValueError(f"arm {arm!r} must have the seeds of {BASELINE!r}, got {seeds}")
    if any(run["instruments"] != base[0]["instruments"] for run in of_arm):
        raise ValueError(f"arm {arm!r} must be scored on the notes of {BASELINE!r}")


def _each(runs: Sequence[Run], name: str) -> Floats:
    return np.array([run[name] for run in runs], dtype=np.float64)


def _mean(runs: Sequence[Run], name: str) -> float:
    return float(_each(runs, name).mean())


def _mean_of(runs: Sequence[Run], what: str) -> dict[str, float]:
    """Return the mean over runs of a score of each class."""
    return {name: float(np.mean([run[what][name] for run in runs])) for name in runs[0][what]}


def _correct(rows: list[Row]) -> None:
    """Correct the p-values for the number of arms, and add their meaning in words."""
    # Late, because it imports pandas, and the processes of `--jobs` only train.
    from statsmodels.stats.multitest import multipletests

    arms = [row for row in rows if row["arm"] != BASELINE]
    corrected = multipletests([row["p"] for row in arms], method="holm")[1] if arms else []
    for row, p in zip(arms, corrected, strict=True):
        row["p_holm"] = float(p)
        sure = p < LEVEL and (row["difference_low"] > 0 or row["difference_high"] < 0)
        better = "helps" if row["difference"] > 0 else "hurts"
        row["verdict"] = better if sure else "no evidence of a difference"
    found = [row["difference"] for row in arms], [row["error"] for row in arms]
    shrunk = optional(rows[0]["missing"], "the shrunken differences", shrunken, *found)
    for place, row in enumerate(arms):
        row["shrunken"] = None if shrunk is None else shrunk[place]
    rows[0].update({"p_holm": 1.0, "verdict": "baseline", "practical": "", "shrunken": 0.0})


def classes_of_one(runs: Sequence[Run]) -> list[str]:
    """Name the classes for which notes of only one instrument were scored.

    No resample can draw another instrument of such a class, so its interval says nothing about
    other instruments.
    """
    scored = {
        (int(label), run["instruments"][note])
        for run in runs
        for note, label in zip(*pairs_of(run), strict=True)
    }
    counts = Counter(label for label, _ in scored)
    return [runs[0]["classes"][label] for label in sorted(counts) if counts[label] == 1]


def _mean_cost(runs: Sequence[Run], name: str) -> float:
    return float(np.mean([run.get(name, 0.0) for run in runs]))  # of runs that write pictures


def _losses(runs: Sequence[Run]) -> Floats:
    return np.array([run.get("losses", ()) for run in runs], dtype=np.float64)


def _times(groups: Groups, parts: Floats) -> int:
    variance, df = instrument_variance(groups, parts)
    return times_needed(WORTH_SEEING, variance, df)


def mean_calibration_error(runs: Sequence[Run]) -> float:
    """Return the mean of the runs' calibration errors."""
    return float(np.mean([calibration_error(run) for run in runs]))


def calibration_error(run: Run) -> float:
    """Return the expected calibration error: the gap of confidence and accuracy, in 15 bins."""
    # Late, because it imports torchvision and transformers, and only a report needs it.
    from torchmetrics.functional.classification import binary_calibration_error

    if is_tagged(run):
        confidences, right = decisions(run)
    else:
        confidences = run["confidences"]
        right = np.equal(run["labels"], run["predictions"]).tolist()
    return float(
        binary_calibration_error(torch.tensor(confidences), torch.tensor(right), n_bins=15)
    )


def seeds_needed(spread: float | None, difference: float = WORTH_SEEING) -> int | None:
    """Return the number of seeds that detect a difference in 8 of 10 studies, given its spread.

    The test is a paired t-test over seeds at the 5 % level, for other trainings on these
    instruments. Without any spread two seeds, the minimum of the test, are enough. One seed has no
    spread.
    """
    if spread is None:
        return None
    return pairs_needed(difference / spread if spread > 0.0 else math.inf, level=LEVEL)
