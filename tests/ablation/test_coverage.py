"""The 95 % interval holds the truth in 95 % of studies, however few instruments and seeds."""

from types import SimpleNamespace

import numpy as np
import pytest

from augspec.ablation.instruments import (
    ENOUGH_SEEDS,
    Bootstrap,
    Components,
    Ends,
    Groups,
    components,
    degrees_of_freedom,
    widened,
)

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
    base = {"labels": labels, "instruments": names, "hits": np.zeros(len(own)), "macro_recall": 0.0}
    return base, [{**base, "hits": one, "macro_recall": float(one.mean())} for one in hits]


def covered(monkeypatch, members, seeds, alike):
    monkeypatch.setattr(Groups, "resamples", 1000)
    # Of one note an instrument, right by a number of any size: what counts is how it spreads.
    monkeypatch.setattr(Groups, "hits", lambda self, run: np.bincount(self.cell, run["hits"]))
    rng = np.random.default_rng(seeds + 10 * members + 7)
    held = 0
    for _ in range(STUDIES):
        base, arm = study(rng, members, seeds, alike)
        found = Bootstrap(Groups(base), seeds).interval([(arm, [base] * seeds)])
        held += found.low <= 0.0 <= found.high
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


@pytest.mark.parametrize("members", [2, 3, 6])
@pytest.mark.parametrize("families", [1, 4])
def test_degrees_of_freedom_are_those_of_one_family_and_more_of_several(members, families):
    """n - 1 of n instruments; k(n + 1) - 1 of k parts of n degrees that vary alike."""
    family = np.repeat(np.arange(families), members)
    parts = np.tile(np.arange(members) - 1.0, families)
    found = degrees_of_freedom(np.zeros(1), parts, SimpleNamespace(family=family), 0.0)
    assert found == pytest.approx(families * members - 1)


def test_what_instruments_and_seeds_share_counts_once():
    """Against the analysis of variance of two crossed factors, on a table of one family."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(4, 1)) + 2.0 * rng.normal(size=(1, 30)) + rng.normal(size=(4, 30))
    seeds, count = table.shape
    own = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    residual = (own**2).sum() / (seeds - 1) / (count - 1) / seeds / count
    draws = rng.multinomial(count - 1, np.full(count, 1 / count), size=20_000) / (count - 1)
    found = components(draws @ table.T, table.mean(axis=1))
    assert found.instruments == pytest.approx(table.mean(0).var(ddof=1) / count, rel=0.05)
    assert found.seeds == pytest.approx(table.mean(1).var(ddof=1) / seeds)
    assert found.both == pytest.approx(residual, rel=0.05)
    assert found.total == found.instruments + found.seeds - found.both


def test_one_seed_has_no_part_of_seeds():
    found = components(np.random.default_rng(0).normal(size=(100, 1)), np.array([0.1]))
    assert (found.seeds, found.both) == (0.0, 0.0)
    assert found.total == found.instruments


@pytest.mark.parametrize("seeds", [2, 8])
def test_what_instruments_and_seeds_share_counts_only_with_enough_seeds(seeds):
    """With few seeds the part that both share is not known well enough to be taken out."""
    rng = np.random.default_rng(0)
    each = 0.1 + 0.02 * rng.normal(size=seeds)
    parts = 0.01 * rng.normal(size=6)
    groups = SimpleNamespace(family=np.repeat([0, 1], 3))
    found = Components(2e-5, 3e-5, 1e-5)
    both = found.both if seeds >= ENOUGH_SEEDS else 0.0
    df = degrees_of_freedom(each, parts, groups, both)
    assert widened(Ends(-0.1, 0.1, 4e-5), each, parts, groups, found).df == df
