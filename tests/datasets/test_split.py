"""Folds by group."""

import numpy as np
import pytest

from augspec.datasets import folds_by_group, split_by_group

RANDOM = np.random.default_rng(0)
GROUPS = RANDOM.integers(0, 23, 400)
LABELS = GROUPS % 3


@pytest.mark.parametrize("folds", [2, 5, 23])
@pytest.mark.parametrize("labels", [None, LABELS])
def test_each_example_is_held_out_once_and_no_group_is_on_both_sides(folds, labels):
    parts = folds_by_group(GROUPS, labels, folds=folds)
    assert len(parts) == folds
    assert sorted(np.concatenate([valid for _, valid in parts])) == list(range(400))
    for train, valid in parts:
        assert sorted([*train, *valid]) == list(range(400))
        assert not set(GROUPS[train]) & set(GROUPS[valid])


@pytest.mark.parametrize("folds", [2, 5, 7])
def test_folds_have_as_many_groups_of_each_label(folds):
    parts = folds_by_group(GROUPS, LABELS, folds=folds)
    counts = np.array(
        [np.bincount(np.unique(GROUPS[valid]) % 3, minlength=3) for _, valid in parts]
    )
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(1)) <= 1


def test_folds_depend_on_names_and_seed_alone():
    more = np.concatenate([GROUPS, GROUPS[:50]])
    once, again = folds_by_group(GROUPS, folds=5), folds_by_group(more, folds=np.int64(5))
    for (_, valid), (_, other) in zip(once, again, strict=True):
        assert set(GROUPS[valid]) == set(more[other])
    other = folds_by_group(GROUPS, folds=5, seed=1)
    assert any(set(a[1]) != set(b[1]) for a, b in zip(once, other, strict=True))


@pytest.mark.parametrize(("valid", "held"), [(0.001, 1), (0.26, 2), (0.5, 4), (0.999, 7)])
def test_each_label_has_a_group_on_both_sides_however_small_a_share_is(valid, held):
    groups, labels = np.arange(24), np.arange(24) % 3
    first, second = split_by_group(groups, labels, valid=valid)
    assert np.bincount(labels[second]).tolist() == [held] * 3
    assert np.bincount(labels[first]).tolist() == [8 - held] * 3


def test_a_split_is_the_same_in_every_release():
    """Results of two releases are compared only if the same groups are held out."""
    names = [f"piano {number}" for number in range(10)]
    held = [valid.tolist() for _, valid in folds_by_group(names, folds=5)]
    assert held == [[3, 9], [0, 1], [2, 4], [5, 7], [6, 8]]
    held = [valid.tolist() for _, valid in folds_by_group(names, folds=5, seed=1)]
    assert held == [[1, 6], [3, 5], [4, 7], [2, 8], [0, 9]]


def test_what_cannot_be_split_is_named():
    with pytest.raises(
        ValueError, match="`folds` must be from 2 to the number of groups, 2, got 3"
    ):
        folds_by_group(["a", "b"], folds=3)
    with pytest.raises(ValueError, match="`folds` must be from 2"):
        folds_by_group(["a", "b"], folds=1)
    for split in (folds_by_group, split_by_group):
        with pytest.raises(ValueError, match="`labels` must be as many as `groups`, 2, got 3"):
            split(["a", "b"], [1, 2, 3])
        with pytest.raises(ValueError, match=r"one label per example, got shape \(2, 3\)"):
            split(["a", "b"], np.zeros((2, 3)))
