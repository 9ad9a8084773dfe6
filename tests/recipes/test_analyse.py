"""Differences, intervals, tests and what they say, against closed forms and scikit-learn."""

import itertools

import numpy as np
import pytest
from ablation import analyse
from sklearn import metrics


def outcome(labels, predictions, instruments, seed=0, **more):
    labels, predictions = np.array(labels), np.array(predictions)
    classes = [f"c{i}" for i in range(max(labels.max(), predictions.max()) + 1)]
    recall = {classes[c]: float((predictions[labels == c] == c).mean()) for c in np.unique(labels)}
    return {
        "config": {"seed": seed},
        "labels": labels.tolist(),
        "predictions": predictions.tolist(),
        "confidences": [0.5] * len(labels),
        "instruments": list(instruments),
        "classes": classes,
        "recall": recall,
        "accuracy": float((labels == predictions).mean()),
        "macro_recall": float(np.mean(list(recall.values()))),
        "seconds": 1.0,
        "seconds_per_epoch": 0.5,
        "peak_memory_mb": 100.0,
        **more,
    }


def random_runs(seeds, rng, *, instruments=12, notes=20, right=0.6, helped=()):
    """Make runs on instruments of three families; the helped ones are always right."""
    names = np.repeat([f"{'abc'[i % 3]}_{i:02d}" for i in range(instruments)], notes)
    labels = np.repeat([i % 3 for i in range(instruments)], notes)
    runs = []
    for seed in range(seeds):
        hit = rng.random(len(labels)) < right
        hit |= np.isin(names, helped)
        predictions = np.where(hit, labels, (labels + 1) % 3)
        runs.append(outcome(labels, predictions, names, seed))
    return runs


def test_resampled_scores_are_macro_recalls_of_the_drawn_instruments():
    rng = np.random.default_rng(1)
    family = np.array([0, 0, 0, 2, 2])  # class 1 is not there
    codes = rng.integers(5, size=60)
    labels, predictions = family[codes], rng.choice([0, 1, 2], size=60)
    record = outcome(labels, predictions, [f"{'xyz'[family[c]]}_{c}" for c in codes])
    order = np.unique(record["instruments"], return_inverse=True)[1]
    weights = np.array([[1, 1, 1, 1, 1], [2, 0, 1, 2, 0]])
    scores = analyse.Groups(record).macro_recalls([record], weights)
    for weight, score in zip(weights, scores[:, 0], strict=True):
        expected = metrics.recall_score(
            labels, predictions, labels=[0, 2], average="macro", sample_weight=weight[order]
        )
        assert score == pytest.approx(expected)


def test_instruments_are_drawn_within_their_family():
    names = ["a_0", "b_0", "b_1", "b_2", "c_0"]
    groups = analyse.Groups(outcome([0, 1, 1, 1, 2], [0, 1, 1, 1, 2], names))
    weights = groups.resample(np.random.default_rng(0))
    for members in ([0], [1, 2, 3], [4]):
        assert (weights[:, members].sum(axis=1) == len(members)).all()
    assert weights[:, 1:4].std(axis=0).min() > 0.5
    assert weights[:, 1:4].mean() == pytest.approx(1.0)


def test_the_interval_over_seeds_is_as_wide_as_their_standard_error():
    """Without any spread over instruments: 1.96 standard errors, unbiased, for many seeds."""
    rng = np.random.default_rng(2)
    seeds = rng.normal(0.05, 0.02, size=40)
    differences = np.tile(seeds, (analyse.RESAMPLES, 1))
    picks = rng.integers(40, size=differences.shape)
    low, high = analyse.interval(differences, picks)
    error = seeds.std(ddof=1) / np.sqrt(40)
    assert (high + low) / 2 == pytest.approx(seeds.mean(), abs=0.1 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_an_arm_that_helps_one_instrument_only_has_an_interval_that_reaches_zero():
    """Many notes do not stand for many instruments."""
    instruments = [f"{f}_{i}" for f in "ab" for i in range(2) for _ in range(100)]
    labels = [0] * 200 + [1] * 200
    base = outcome(labels, [1] * 200 + [1] * 200, instruments)
    helped = outcome(labels, [0] * 100 + [1] * 100 + [1] * 200, instruments)
    row = analyse.summarise({"none": [base], "arm": [helped]})[1]
    assert row["difference"] == pytest.approx(0.25)
    assert row["difference_low"] == 0.0
    assert row["difference_high"] == pytest.approx(0.5)
    assert row["verdict"] == "no evidence of a difference"


def test_the_sign_flip_test_counts_all_signs():
    """Against a plain count over the 2**6 signs of six instruments' differences."""
    rng = np.random.default_rng(3)
    base, arm = random_runs(2, rng, instruments=6), random_runs(2, rng, instruments=6, right=0.75)
    names = np.array(base[0]["instruments"])
    labels = np.array(base[0]["labels"])
    parts = []
    for name in np.unique(names):
        own = names == name
        hits = [
            np.mean([np.equal(r["labels"], r["predictions"])[own].sum() for r in runs])
            for runs in (arm, base)
        ]
        parts.append((hits[0] - hits[1]) / (labels == labels[own][0]).sum() / 3)
    sums = np.array([np.dot(signs, parts) for signs in itertools.product([1, -1], repeat=6)])
    assert sum(parts) == pytest.approx(
        np.mean([a["macro_recall"] - b["macro_recall"] for a, b in zip(arm, base, strict=True)])
    )
    larger = sums >= sum(parts) - 1e-12
    expected = min(1.0, 2 * min(larger.mean(), (sums <= sum(parts) + 1e-12).mean()))
    assert analyse.sign_flip_test(analyse.Groups(base[0]), arm, base) == pytest.approx(expected)


def test_an_arm_without_any_effect_is_found_in_one_study_of_twenty():
    rng = np.random.default_rng(4)
    values = []
    for _ in range(60):
        base, arm = random_runs(1, rng, instruments=9), random_runs(1, rng, instruments=9)
        values.append(analyse.sign_flip_test(analyse.Groups(base[0]), arm, base))
    assert np.mean(np.array(values) < 0.05) < 0.15  # 3 of 60 expected, 9 in a thousand studies
    assert np.mean(values) == pytest.approx(0.5, abs=0.15)


def test_a_clear_effect_is_called_one_and_its_p_is_corrected():
    rng = np.random.default_rng(7)
    names = [f"{'abc'[i % 3]}_{i:02d}" for i in range(12)]
    runs = {
        "none": random_runs(3, rng),
        "same": random_runs(3, rng),
        "better": random_runs(3, rng, helped=names),
        "worse": random_runs(3, rng, right=0.2),
    }
    rows = {row["arm"]: row for row in analyse.summarise(runs)}
    assert rows["none"]["verdict"] == "baseline"
    assert rows["same"]["verdict"] == "no evidence of a difference"
    assert rows["better"]["verdict"] == "helps"
    assert rows["worse"]["verdict"] == "hurts"
    ordered = sorted((row["p"], row["p_holm"]) for arm, row in rows.items() if arm != "none")
    # Holm: the smallest times 3, the next times 2, the largest as it is, never going down.
    expected = np.maximum.accumulate([p * k for (p, _), k in zip(ordered, (3, 2, 1), strict=True)])
    assert [p for _, p in ordered] == pytest.approx(np.minimum(expected, 1.0).tolist())


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    run = outcome([0] * 10, [0] * 7 + [1] * 3, ["a"] * 10, confidences=[0.9] * 10)
    assert analyse.calibration_error(run) == pytest.approx(0.2, abs=1e-6)
    sure = outcome([0, 1], [0, 1], ["a", "b"], confidences=[1.0, 1.0])
    assert analyse.calibration_error(sure) == pytest.approx(0.0, abs=1e-6)


def test_how_many_seeds_would_see_a_difference():
    """Cohen 1988: a paired t-test at 5 %, power 0.8, d = 0.5 needs 34 pairs; d = 1 needs 10."""
    assert analyse.seeds_needed(0.04) == 34
    assert analyse.seeds_needed(0.02) == 10
    assert analyse.seeds_needed(None) is None


def test_classes_of_one_scored_instrument_are_named():
    names = ["a_0", "a_1", "b_0", "b_0", "d_0", "d_0"]
    fold = outcome([0, 0, 1, 1, 3, 3], [0, 0, 1, 1, 3, 3], names)
    assert analyse.summarise({"none": [fold]})[0]["alone"] == ["c1", "c3"]
    other = {**fold, "instruments": ["a_0", "a_1", "b_9", "b_9", "d_0", "d_0"]}
    assert analyse.classes_of_one([fold, other]) == ["c3"]


def test_arms_that_are_not_paired_are_refused():
    rng = np.random.default_rng(6)
    base = random_runs(2, rng)
    with pytest.raises(ValueError, match="arm 'arm' must have the seeds of 'none', got \\[1\\]"):
        analyse.summarise({"none": base, "arm": random_runs(2, rng)[1:]})
    with pytest.raises(ValueError, match="must be scored on the notes of 'none'"):
        analyse.summarise({"none": base, "arm": random_runs(2, rng, instruments=9)})
