"""Sounds with several labels each: their scores, and resampling for their intervals.

The score is mAP, the mean over tags of the average precision. The average precision of a tag is the
mean, over the sounds that have it, of the precision among all sounds that are scored as high or
higher. A sound changes it in two ways: by its own rank if it has the tag, and by lowering the rank
of sounds below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augspec.ablation.instruments import Floats, Groups, Ints, Run, is_tagged

THRESHOLD = 0.5  # a tag counts as found above this score
RESAMPLES = 1_000  # resamples of slow rankings: ends of an interval are good to 0.3 of its width
MAP = "mean_average_precision"
MICRO = "micro_average_precision"


def score_tags(labels: Sequence[Sequence[int]], scores: Any, classes: list[str]) -> Run:
    """Score tags: mAP, micro average precision, and the tags found at a score of one half.

    Args:
        labels: Numbers of the tags of each sound.
        scores: Score of each sound and tag, ``(sound, tag)`` in [0, 1].
        classes: Names of the tags; tags without a sound are ignored.

    Raises:
        ValueError: If no sound has a tag.
    """
    from sklearn.metrics import average_precision_score

    values = np.asarray(scores, float)
    truth = multi_hot(labels, len(classes))
    present = truth.any(axis=0)
    if not present.any():
        raise ValueError("no scored sound has a tag: there is nothing to score")
    found = values > THRESHOLD
    names = np.array(classes)[present].tolist()
    precision = average_precision_score(truth[:, present], values[:, present], average=None)
    each: list[float] = np.atleast_1d(precision).tolist()
    recall = (found & truth).sum(axis=0)[present] / truth.sum(axis=0)[present]
    return {
        "accuracy": float((found == truth).all(axis=1).mean()),
        "macro_recall": float(recall.mean()),
        MAP: float(np.mean(each)),
        MICRO: float(average_precision_score(truth.ravel(), values.ravel())),
        "recall": dict(zip(names, recall.tolist(), strict=True)),
        "average_precision": dict(zip(names, each, strict=True)),
        "predictions": [np.flatnonzero(row).tolist() for row in found],
        "classes": classes,
    }


def multi_hot(labels: Sequence[Sequence[int]], count: int) -> NDArray[np.bool_]:
    """Return lists of tags as ``(sound, tag)``."""
    truth = np.zeros((len(labels), count), bool)
    for row, own in zip(truth, labels, strict=True):
        row[list(own)] = True
    return truth


def decisions(run: Run) -> tuple[list[float], list[bool]]:
    """Return the confidence of each decision on a tag of a sound, and whether it is right."""
    scores = np.asarray(run["scores"], float)
    found = scores > THRESHOLD
    right = found == multi_hot(run["labels"], scores.shape[1])
    return np.where(found, scores, 1.0 - scores).ravel().tolist(), right.ravel().tolist()


class Rankings(Groups):
    """The instruments of tagged sounds, for the mean average precision instead of the recall."""

    metric = MAP
    resamples = RESAMPLES

    def scores(self, runs: Sequence[Run], weights: Floats) -> Floats:
        """Score each resample of the instruments and each run: (resample, run)."""
        counted = weights[:, self.codes]
        found = []
        for run in runs:
            values = np.asarray(run["scores"], float)
            each = []
            for tag in np.unique(self.label):
                notes = self.note[self.label == tag]
                own = counted[:, notes]
                total = own.sum(axis=1)
                sums = (own * precisions(values[:, tag], notes, counted)).sum(axis=1)
                each.append(np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0))
            found.append(np.nanmean(each, axis=0))
        return np.stack(found, axis=1)

    def parts_of_seeds(self, arm: Sequence[Run], base: Sequence[Run]) -> Floats:
        """Return each seed's parts: ``(seed, instrument)``.

        The part of an instrument is the change when only its sounds are scored by the other arm,
        the mean of both directions. The parts sum to the difference, up to interactions of sounds.
        """
        parts = np.zeros((len(arm), len(self.family)))
        tags = np.unique(self.label)
        for part, one, other in zip(parts, arm, base, strict=True):
            own, others = np.asarray(one["scores"], float), np.asarray(other["scores"], float)
            for tag in tags:
                notes, pair = self.note[self.label == tag], (others[:, tag], own[:, tag])
                change = (moved(*pair, notes) - moved(*pair[::-1], notes)) / 2.0
                part += np.bincount(self.codes, change, len(part)) / len(tags)
        return parts


def moved(before: Floats, after: Floats, positives: Ints) -> Floats:
    """Return the change of the average precision when only one sound gets another score.

    Args:
        before: Scores of a tag, ``(sound,)``.
        after: Other scores.
        positives: Indices of the sounds that have the tag.
    """
    has = np.zeros(len(before), bool)
    has[positives] = True
    lines = np.sort(before[positives])
    count = np.searchsorted(np.sort(-before), -lines, side="right").astype(float)
    right = len(lines) - np.searchsorted(lines, lines).astype(float)
    now = right / count

    def crossed(changed: Floats) -> Floats:
        """Sum the changes of the sounds whose scores lie between the two scores of each sound."""
        sums = np.concatenate([[0.0], np.cumsum(changed - now)])
        ends = np.searchsorted(lines, np.stack([before, after]), side="right")
        found: Floats = sums[ends.max(axis=0)] - sums[ends.min(axis=0)]
        return found

    rises, least = after > before, np.maximum(count - 1.0, 1.0)
    change = np.where(
        has,
        np.where(rises, crossed((right + 1.0) / (count + 1.0)), crossed((right - 1.0) / least)),
        np.where(rises, crossed(right / (count + 1.0)), crossed(right / least)),
    )
    # Where a sound with the tag falls, the sums above count its own line among the other sounds':
    # subtract it.
    place = np.searchsorted(lines, before[positives])
    fallen = after[positives] < before[positives]
    change[positives] -= np.where(fallen, ((right - 1.0) / least - now)[place], 0.0)
    change[positives] += _alone(before, after, positives) - now[place]
    return change / len(lines)


def _alone(before: Floats, after: Floats, positives: Ints) -> Floats:
    """Return the precision at each positive sound's new score, with the others unchanged."""
    own, new = before[positives], after[positives]
    every, lines = np.sort(before), np.sort(own)
    stays = own >= new  # it is already counted among those above its new score
    above = len(every) - np.searchsorted(every, new) - stays
    right = len(lines) - np.searchsorted(lines, new) - stays
    result: Floats = (right + 1.0) / (above + 1.0)
    return result


def precisions(scores: Floats, positives: Ints, weights: Floats) -> Floats:
    """Return the precision at the score of each sound that has a tag, for several weightings.

    Args:
        scores: Scores of the tag, ``(sound,)``.
        positives: Indices of the sounds that have it.
        weights: Weight of each sound, ``(weighting, sound)``.

    Returns:
        ``(weighting, positive)``; 0 where all sounds with at least that score have weight 0.
    """
    order = np.argsort(-scores, kind="stable")
    # Sounds with equal scores have the same rank, the last one.
    last = np.searchsorted(-scores[order], -scores[positives], side="right") - 1
    ranked = weights[:, order]
    has = np.isin(order, positives)
    every = ranked.cumsum(axis=1)[:, last]
    right = (ranked * has).cumsum(axis=1)[:, last]
    result: Floats = np.divide(right, every, out=np.zeros_like(right), where=every > 0)
    return result


def metric_of(run: Run) -> str:
    """Name the main score of a study of such runs."""
    return MAP if is_tagged(run) else Groups.metric


def groups_of(run: Run) -> list[Groups]:
    """Return the groups to resample for each score of a run, the study's main score first."""
    return [Rankings(run), Groups(run)] if is_tagged(run) else [Groups(run)]
