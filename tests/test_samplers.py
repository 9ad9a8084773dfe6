"""Weighted and balanced samplers: right in proportion, and disjoint in place over processes."""

import collections

import numpy as np
import pytest
import torch
from scipy import stats

from augspec import samplers


def test_draws_are_in_proportion_to_the_weights():
    weights = [0.0, 1.0, 3.0, 0.0, 4.0, 0.0]
    drawn = np.bincount(list(samplers.WeightedSampler(weights, 8000)), minlength=6)
    assert not drawn[[0, 3, 5]].any()
    assert stats.chisquare(drawn[[1, 2, 4]], [1000, 3000, 4000]).pvalue > 0.01


@pytest.mark.parametrize("count", [10, 11])
def test_processes_share_one_order(count):
    weights = np.arange(1, 30)
    whole = samplers.WeightedSampler(weights, 12 if count == 11 else 10, seed=3)
    ranks = [
        samplers.WeightedSampler(weights, count, num_replicas=2, rank=rank, seed=3)
        for rank in (0, 1)
    ]
    orders = []
    for epoch in range(2):
        for sampler in (whole, *ranks):
            sampler.set_epoch(epoch)
        shares = [list(sampler) for sampler in ranks]
        assert [len(share) for share in shares] == [len(sampler) for sampler in ranks]
        assert [x for pair in zip(*shares, strict=True) for x in pair] == list(whole)
        orders.append(list(whole))
    assert orders[0] != orders[1]
    whole.set_epoch(0)
    assert list(whole) == orders[0]


def test_classes_come_equally_often():
    labels = [0] * 900 + [1] * 90 + [2] * 10
    drawn = collections.Counter(labels[i] for i in samplers.BalancedSampler(labels, 9000))
    assert stats.chisquare([drawn[i] for i in range(3)]).pvalue > 0.01


def test_several_classes_at_once():
    labels = torch.tensor([[1, 0]] * 8 + [[0, 1]] + [[1, 1]] + [[0, 0]])
    weights = torch.tensor([1 / 9] * 8 + [1 / 2] + [(1 / 9 + 1 / 2) / 2])
    expected = torch.cat([weights, weights.mean()[None]]).double()
    drawn = np.bincount(list(samplers.BalancedSampler(labels, 20_000)), minlength=11)
    assert stats.chisquare(drawn, 20_000 * expected / expected.sum()).pvalue > 0.01
    assert list(samplers.BalancedSampler(torch.zeros(4, 2), 5))


def test_class_weights_are_those_of_scikit_learn():
    utils = pytest.importorskip("sklearn.utils.class_weight")
    labels = np.array([0, 2, 2, 1, 2, 0, 2])
    expected = utils.compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert samplers.class_weights(labels).tolist() == pytest.approx(expected.tolist())
    assert samplers.class_weights(labels, num_classes=4)[3] == 0
    several = samplers.class_weights(np.eye(3)[labels])
    assert several.tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: samplers.WeightedSampler([-1.0, 2.0]), "`weights` must be non-negative"),
        (lambda: samplers.WeightedSampler([0.0]), "`weights` must be non-negative"),
        (lambda: samplers.WeightedSampler([float("nan")]), "`weights` must be non-negative"),
        (lambda: samplers.WeightedSampler([1.0], num_replicas=2, rank=2), "`rank` must be less"),
        (lambda: samplers.WeightedSampler([1.0], 0), "`num_samples` must be 1 or more"),
        (lambda: samplers.BalancedSampler([0.5, 1.0]), "`labels` must be class numbers"),
        (lambda: samplers.class_weights([0, -1]), "`labels` must be class numbers"),
        (lambda: samplers.class_weights([0, 3], 3), "`labels` must have at most `num_classes`"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
