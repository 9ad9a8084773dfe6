"""Differences, intervals, tests and what they say, against closed forms and scikit-learn."""

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from statsmodels.stats.power import tt_solve_power

from augspec.ablation import analyse, instruments, power, report

LOST = ("seeds_needed", "calibration_error", "missing")


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
    scores = instruments.Groups(record).macro_recalls([record], weights)
    for weight, score in zip(weights, scores[:, 0], strict=True):
        expected = metrics.recall_score(
            labels, predictions, labels=[0, 2], average="macro", sample_weight=weight[order]
        )
        assert score == pytest.approx(expected)


def test_instruments_are_drawn_within_their_family():
    names = ["a_0", "b_0", "b_1", "b_2", "c_0"]
    groups = instruments.Groups(outcome([0, 1, 1, 1, 2], [0, 1, 1, 1, 2], names))
    weights = groups.resample(np.random.default_rng(0))
    for members in ([0], [1, 2, 3], [4]):
        assert (weights[:, members].sum(axis=1) == len(members)).all()
    assert weights[:, 1:4].std(axis=0).min() > 0.5
    assert weights[:, 1:4].mean() == pytest.approx(1.0)


def test_the_interval_over_seeds_is_as_wide_as_their_standard_error():
    """Without any spread over instruments: 1.96 standard errors, unbiased, for many seeds."""
    rng = np.random.default_rng(2)
    seeds = rng.normal(0.05, 0.02, size=40)
    differences = np.tile(seeds, (instruments.RESAMPLES, 1))
    picks = rng.integers(40, size=differences.shape)
    low, high, _ = instruments.interval(differences, picks)
    error = seeds.std(ddof=1) / np.sqrt(40)
    assert (high + low) / 2 == pytest.approx(seeds.mean(), abs=0.1 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.05)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_few_seeds_drawn_in_every_way_vary_as_the_standard_error_has_it(seeds):
    each = np.array([0.01, 0.05, 0.03, -0.02, 0.0])[:seeds]
    picks = np.array(list(itertools.product(range(seeds), repeat=seeds)))
    found = instruments.interval(np.tile(each, (len(picks), 1)), picks)
    assert found.variance == pytest.approx(each.var(ddof=1) / seeds)


def test_an_arm_that_helps_one_instrument_only_has_an_interval_that_reaches_zero():
    """Many notes do not stand for many instruments."""
    instruments = [f"{f}_{i}" for f in "ab" for i in range(2) for _ in range(100)]
    labels = [0] * 200 + [1] * 200
    base = outcome(labels, [1] * 200 + [1] * 200, instruments)
    helped = outcome(labels, [0] * 100 + [1] * 100 + [1] * 200, instruments)
    row = analyse.summarise({"none": [base], "arm": [helped]})[1]
    assert row["difference"] == pytest.approx(0.25)
    # What two instruments of one family differ by is known from one difference: a wide interval.
    assert row["difference_low"] <= 0.0
    assert row["difference_high"] >= 0.5
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
    assert instruments.sign_flip_test(instruments.Groups(base[0]), arm, base) == pytest.approx(
        expected
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_an_arm_that_helps_every_instrument_has_the_p_of_two_signs_among_all(count):
    """Only all instruments up or all down are as far from zero as what was found."""
    names = [f"{'abcd'[i]}_0" for i in range(count) for _ in range(10)]
    labels = [i for i in range(count) for _ in range(10)]
    base = outcome(labels, [label if i % 2 else 9 for i, label in enumerate(labels)], names)
    arm = outcome(labels, labels, names)
    found = instruments.sign_flip_test(instruments.Groups(base), [arm], [base])
    assert found == pytest.approx(2 / 2**count)


def test_folds_are_scored_together_and_one_alone_is_left():
    classes = ["a", "b"]
    parts = [
        outcome([0, 0, 1], [0, 1, 1], "xyz", losses=[3.0, 1.0], classes=classes),
        outcome([0, 1, 1], [0, 0, 0], "uvw", losses=[2.0, 2.0], classes=classes),
    ]
    parts[1] |= {"seconds": 3.0, "peak_memory_mb": 50.0}
    assert analyse.pool(parts[:1]) == parts[0]
    pooled = analyse.pool(parts)
    truth, found = [0, 0, 1, 0, 1, 1], [0, 1, 1, 0, 0, 0]
    assert (pooled["labels"], pooled["predictions"]) == (truth, found)
    assert pooled["accuracy"] == pytest.approx(metrics.accuracy_score(truth, found))
    assert pooled["macro_recall"] == pytest.approx(metrics.balanced_accuracy_score(truth, found))
    assert pooled["losses"] == [2.5, 1.5]
    assert (pooled["seconds"], pooled["seconds_per_epoch"]) == (4.0, 1.0)
    assert pooled["peak_memory_mb"] == 100.0


def test_an_arm_that_is_the_baseline_differs_with_certainty_in_nothing():
    runs = random_runs(3, np.random.default_rng(0))
    groups = instruments.Groups(runs[0])
    sure = instruments.Bootstrap(groups, 3).interval([(runs, runs)])
    assert (sure.low, sure.high) == (0.0, 0.0)
    assert instruments.p_value(groups, runs, runs, sure) == 1.0


NO_EVIDENCE = "no evidence of a difference"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.2, "helps"),
        (-0.2, -0.01, "hurts"),
        (0.0, 0.2, NO_EVIDENCE),
        (-0.2, 0.0, NO_EVIDENCE),
    ],
)
def test_a_verdict_needs_an_interval_that_does_not_touch_zero(low, high, verdict):
    arm = {"arm": "a", "p": 0.001, "difference": (low + high) / 2, "error": 0.05}
    rows = [{"arm": "none", "missing": []}, {**arm, "difference_low": low, "difference_high": high}]
    analyse._correct(rows)
    assert rows[1]["verdict"] == verdict


def test_an_arm_without_any_effect_is_found_in_one_study_of_twenty():
    rng = np.random.default_rng(4)
    values = []
    for _ in range(60):
        base, arm = random_runs(1, rng, instruments=9), random_runs(1, rng, instruments=9)
        values.append(instruments.sign_flip_test(instruments.Groups(base[0]), arm, base))
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


@pytest.mark.parametrize("spread", [0.0, 1e-300, 1e-12, 1e-4, 0.0016])
def test_seeds_that_hardly_differ_need_two(spread):
    """Two pairs with 12 deviations between them: power 0.83, Cohen's t-test on one degree."""
    assert analyse.seeds_needed(spread) == 2


def test_the_number_of_seeds_is_that_of_statsmodels_where_it_finds_one():
    compared = 0
    for spread in np.geomspace(0.0005, 0.5, 60):
        with warnings.catch_warnings(record=True):  # where it does not converge it says so
            warnings.simplefilter("always")
            theirs = float(np.ravel(tt_solve_power(0.02 / spread, alpha=0.05, power=0.8))[0])
        if np.isfinite(theirs) and theirs > 2.0:
            compared += 1
            assert analyse.seeds_needed(spread) == math.ceil(theirs)
    assert compared > 40


@pytest.mark.parametrize("pairs", [2, 3, 10, 100])
@pytest.mark.parametrize("effect", [0.1, 0.5, 1.0, 2.0])
def test_power_is_that_of_the_noncentral_t(pairs, effect):
    df, shift = pairs - 1, effect * np.sqrt(pairs)
    critical = stats.t.ppf(0.975, df)
    expected = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
    if np.isfinite(expected):  # it is not for all of them
        assert power.paired_power(pairs, effect) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("effect", [0.0, np.nan])
def test_no_number_of_pairs_sees_nothing(effect):
    with pytest.raises(ValueError, match="`effect` must be a number other than 0"):
        power.pairs_needed(effect)
    with pytest.raises(ValueError, match="needs more than"):
        power.pairs_needed(1e-9)


def test_two_seeds_of_240_notes_always_have_a_report():
    """Differences between two seeds are often one or two notes, and sometimes none."""
    rng = np.random.default_rng(8)
    for _ in range(8):
        base = random_runs(2, rng, instruments=12, notes=20, right=0.9)
        arm = [
            {**run, "macro_recall": own["macro_recall"] + step}
            for run, own, step in zip(
                random_runs(2, rng, instruments=12, notes=20, right=0.9),
                base,
                rng.choice([0.0, 0.0001, 0.0011, 0.0016, 0.004], size=2),
                strict=True,
            )
        ]
        row = analyse.summarise({"none": base, "arm": arm})[1]
        assert row["seeds_needed"] >= 2
        assert row["missing"] == []


def test_a_figure_that_fails_is_an_empty_cell_said_in_words(monkeypatch):
    runs = {"none": random_runs(2, np.random.default_rng(9))}
    runs["arm"] = random_runs(2, np.random.default_rng(10))
    expected = analyse.summarise(runs)[1]

    def broken(*_, **__):
        raise ArithmeticError("no root")

    monkeypatch.setattr(analyse, "pairs_needed", broken)
    monkeypatch.setattr(analyse, "calibration_error", lambda _: np.nan)
    rows = analyse.summarise(runs)
    assert {**rows[1], **{k: expected[k] for k in LOST}} == expected
    assert rows[1]["seeds_needed"] is None
    text = report.describe(rows)
    assert "Of arm the number of seeds needed could not be computed (ArithmeticError: no" in text
    assert "Of none the calibration error could not be computed (it came out as nan)" in text
    assert report.cells(rows[1])[report.HEADINGS.index("ECE")] == ""


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


def test_calibration_error_is_that_of_15_bins():
    rng = np.random.default_rng(0)
    confidences, right = rng.random(200), rng.random(200) < 0.5
    run = outcome(np.zeros(200, int), 1 - right.astype(int), ["a"] * 200)
    run["confidences"] = confidences.tolist()
    bins = np.ceil(15 * confidences) - 1
    gaps = [abs((confidences - right)[bins == n].sum()) for n in range(15)]
    assert analyse.calibration_error(run) == pytest.approx(sum(gaps) / 200, abs=1e-6)
