"""The 95 % interval holds the truth in 95 % of studies, however few instruments and seeds."""

import numpy as np
import pytest

from augspec.ablation.instruments import Groups, interval, widened

STUDIES = 500  # the share that holds the truth is then good to 1 %
# Instruments of a family, seeds, and whether families spread alike.
SIZES = [(2, 1, True), (2, 2, True), (2, 2, False), (2, 6, True), (5, 1, True), (5, 3, False)]


def study(rng, members, seeds, alike, families=10):
    """Plant no difference: instruments vary by 10 points, seeds by 2, what is left by 5.

    One seed says nothing about seeds: then they do not vary.
    """
    scale = np.ones(families) if alike else np.exp(rng.normal(0.0, 0.5, families))
    own = 0.1 * np.repeat(scale, members) * rng.normal(size=families * members)
    shift = 0.02 * rng.normal(size=(seeds, 1)) * (seeds > 1)
    hits = own + shift + 0.05 * rng.normal(size=(seeds, len(own)))
    labels = np.repeat(np.arange(families), members)
    names = [f"f{label}_{place}" for place, label in enumerate(labels)]
    base = {"labels": labels, "instruments": names, "hits": np.zeros(len(own))}
    return base, [{**base, "hits": one} for one in hits]


def covered(monkeypatch, members, seeds, alike):
    monkeypatch.setattr(Groups, "resamples", 1000)
    # Of one note an instrument, right by a number of any size: what counts is how it spreads.
    monkeypatch.setattr(Groups, "hits", lambda self, run: np.bincount(self.cell, run["hits"]))
    rng = np.random.default_rng(seeds + 10 * members + 7)
    held = 0
    for _ in range(STUDIES):
        base, arm = study(rng, members, seeds, alike)
        groups = Groups(base)
        weights = groups.resample(rng)
        scores = groups.macro_recalls(arm, weights)
        picks = rng.integers(seeds, size=(1000, seeds))
        means = np.array([run["hits"].mean() for run in arm])
        ends = interval(scores, picks)
        low, high, _ = widened(ends, means, groups.parts(arm, [base] * seeds), groups)
        held += low <= 0.0 <= high
    return held / STUDIES


@pytest.mark.slow
@pytest.mark.parametrize(("members", "seeds", "alike"), SIZES)
def test_the_interval_holds_the_truth_in_95_of_100_studies(monkeypatch, members, seeds, alike):
    """82 % of them when as many were drawn as there are of a family, 91 % without Student's t."""
    assert covered(monkeypatch, members, seeds, alike) == pytest.approx(0.95, abs=0.025)


@pytest.mark.parametrize("members", [2, 3, 5])
def test_a_resample_varies_as_another_sample_would(members):
    """The variance of a mean over n is that of one, unbiased, divided by n."""
    rng = np.random.default_rng(members)
    base, (arm,) = study(rng, members, 1, True)
    groups = Groups(base)
    parts = arm["hits"].reshape(10, members)
    expected = parts.var(axis=1, ddof=1).sum() / members / 10**2
    weights = groups.resample(np.random.default_rng(0))
    found = (weights[:, groups.codes] * arm["hits"]).mean(axis=1).var()
    assert found == pytest.approx(expected, rel=0.1)
