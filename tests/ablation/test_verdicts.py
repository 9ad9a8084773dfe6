"""Verdicts, power and the winner's curse, against closed forms and simulated studies."""

import numpy as np
import pytest
from scipy import integrate, stats

from augspec.ablation import figures, power, verdicts, words
from augspec.ablation.instruments import Groups, Interval


def interval(middle, error, df=20.0):
    half = error * stats.t.ppf(0.975, df)
    return Interval(middle - half, middle + half, df)


def test_a_number_of_things_and_a_cost_are_said_in_words():
    assert [words.count(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    base = {"seconds": 100.0}
    row = {
        "arm": "eq", "verdict": "helps", "metric": "macro_recall", "practical": "worse",
        "difference": 0.1, "difference_low": 0.0, "difference_high": 0.2, "decision": None,
    }  # fmt: skip
    said = [words.answer({**row, "seconds": seconds}, base) for seconds in (46.0, 100.2, 176.0)]
    times = ["54 % less time", "as much time", "76 % more time"]
    assert [one.rpartition("; ")[2] for one in said] == [
        f"by its interval worse. It takes {time}." for time in times
    ]


def test_the_axis_of_a_single_epoch_has_whole_numbers():
    (axes,) = figures.learning_curves({"none": [{"losses": [1.5]}]}).axes
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1.0]


def test_probabilities_are_the_areas_of_students_t():
    found = verdicts.probabilities(0.03, interval(0.03, 0.02))
    density = stats.t(20.0, 0.03, 0.02).pdf
    expected = [
        integrate.quad(density, *ends)[0] for ends in ((-1, -0.02), (-0.02, 0.02), (0.02, 1))
    ]
    assert found == pytest.approx(expected, abs=1e-6)
    assert verdicts.probabilities(0.0, Interval(0.0, 0.0, 5.0)) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("middle", "error", "word"),
    [
        (0.10, 0.02, "better"),
        (-0.10, 0.02, "worse"),
        (0.001, 0.003, "equal"),
        (0.03, 0.02, "cannot tell"),
        (0.0, 0.05, "cannot tell"),
    ],
)
def test_a_verdict_is_one_of_four_words(middle, error, word):
    assert verdicts.practical(middle, interval(middle, error)) == word


@pytest.mark.parametrize("truth", [-0.02, 0.0, 0.01, 0.02])
def test_a_difference_that_does_not_matter_is_called_better_in_one_study_of_twenty(truth):
    """1,000 studies of 21 differences each; at the edge of the region the share is 5 %."""
    rng = np.random.default_rng(1)
    called = {"better": 0, "worse": 0, "equal": 0, "cannot tell": 0}
    for _ in range(1000):
        sample = rng.normal(truth, 0.05, 21)
        error = sample.std(ddof=1) / np.sqrt(21)
        called[verdicts.practical(sample.mean(), interval(sample.mean(), error))] += 1
    assert called["better"] <= 70  # 50 expected at 2 points, 7 is the standard deviation
    assert called["worse"] <= 70
    if abs(truth) == 0.02:
        assert called["equal"] <= 70


def test_the_same_arm_twice_is_equal_with_enough_instruments():
    rng = np.random.default_rng(2)
    words = []
    for _ in range(200):
        sample = rng.normal(0.0, 0.03, 200)
        error = sample.std(ddof=1) / np.sqrt(200)
        words.append(verdicts.practical(sample.mean(), interval(sample.mean(), error, 199.0)))
    assert words.count("equal") > 190


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.05])
def test_the_best_of_ten_arms_is_worth_what_another_study_finds(spread):
    """Winner's curse: the plain maximum promises points too many, the shrunken one a third."""
    rng = np.random.default_rng(3)
    plain, shrunk = [], []
    for _ in range(1000):
        truth = rng.normal(0.0, spread, 10)
        found = truth + rng.normal(0.0, 0.03, 10)
        best = int(np.argmax(found))
        plain.append(found[best] - truth[best])
        shrunk.append(verdicts.shrunken(found, [0.03] * 10)[best] - truth[best])
    assert np.mean(plain) > 0.02
    assert abs(np.mean(shrunk)) < 0.35 * np.mean(plain)


def test_shrinking_leaves_what_is_certain_and_takes_what_is_not():
    assert verdicts.shrunken([0.1, -0.1], [0.0, 0.0]) == pytest.approx([0.1, -0.1])
    assert verdicts.shrunken([0.01, -0.01], [0.05, 0.05]) == [0.0, 0.0]
    assert verdicts.shrunken([], []) == []


def groups_of(families, members):
    labels = np.repeat(np.arange(families), members)
    names = [f"f{label:02d}_{place:03d}" for place, label in enumerate(labels)]
    return Groups({"labels": labels, "instruments": names})


@pytest.mark.parametrize("seeds", [2, 6])
def test_the_variance_of_instruments_is_what_seeds_do_not_take_away(seeds):
    """Planted: 10 points between instruments, 20 between trainings of one; 10 families of 5."""
    rng, groups = np.random.default_rng(4), groups_of(10, 5)
    found = []
    for _ in range(300):
        own = rng.normal(0.0, 0.1, 50)
        parts = (own + 0.02 * rng.normal(size=(seeds, 1)) + rng.normal(0.0, 0.2, (seeds, 50))) / 50
        found.append(verdicts.instrument_variance(groups, parts)[0])
    assert np.mean(found) == pytest.approx(0.1**2 / 50, rel=0.25)


def test_so_many_times_the_instruments_see_the_difference_and_fewer_do_not():
    """Simulated: with what is said, 8 of 10 studies see 2 points; with half of it, fewer."""
    spread, count = 0.1, 20
    times = power.times_needed(0.02, spread**2 / count, count - 1)
    assert times > 5
    rng, seen = np.random.default_rng(5), []
    for number in (times * count, times * count // 2):
        sample = rng.normal(0.02, spread, (2000, number))
        seen.append(float((stats.ttest_1samp(sample, 0.0, axis=1).pvalue < 0.05).mean()))
    assert seen[0] == pytest.approx(0.8, abs=0.04)
    assert seen[1] < 0.6
    assert power.times_needed(0.02, 0.0, 5) == 1
    assert power.times_needed(0.5, 1e-6, 5) == 1
    with pytest.raises(ValueError, match="needs over a million times as many"):
        power.times_needed(1e-9, 1.0, 5)


def test_a_loss_that_still_falls_is_said():
    assert verdicts.still_falling(np.array([[2.0, 1.0, 0.5]]))
    assert not verdicts.still_falling(np.array([[2.0, 0.52, 0.5]]))
    assert not verdicts.still_falling(np.array([[2.0, 0.02, 0.01]]))
    assert not verdicts.still_falling(np.array([[2.0]]))
