import itertools

import numpy as np
import pytest
import releases
import scipy.stats
import torch
from devices import on_others

from augspec import example_keys, random
from augspec.random import Draw

MILLION = 1_000_000


@pytest.fixture(scope="module")
def keys():
    return example_keys(seed=0, epoch=0, index=torch.arange(MILLION))


def test_uniform_draws_are_uniform(keys):
    unit = random.uniform(keys, "Gain", "gain_db").double().numpy()
    assert unit.min() >= 0.0
    assert unit.max() < 1.0
    assert scipy.stats.kstest(unit, "uniform").pvalue > 0.01


def test_normal_draws_are_normal(keys):
    draws = random.normal(keys, "Noise", "noise").double().numpy()
    assert scipy.stats.kstest(draws, "norm").pvalue > 0.01
    assert abs(scipy.stats.kurtosis(draws)) < 0.02


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 0.5, 1.0, 2.0, 8.0])
def test_beta_draws_are_beta(keys, alpha):
    draws = random.beta(keys[:200_000], "Mixup", "lam", alpha).double().numpy()
    assert draws.min() >= 0.0
    assert draws.max() <= 1.0
    distribution = scipy.stats.beta(alpha, alpha)
    # Above one half float32 rounds what lies next to 1: there some quantiles stand for all.
    low = draws[draws < 0.5]
    assert scipy.stats.kstest(low, lambda x: 2.0 * distribution.cdf(x)).pvalue > 0.01
    for point in (0.5, 0.6, 0.9, 0.99, 0.9999):
        count = int((draws < point).sum())
        assert scipy.stats.binomtest(count, len(draws), distribution.cdf(point)).pvalue > 0.005


def test_beta_draws_are_the_same_in_any_order_and_compiled(keys):
    some = keys[:1000]
    draws = random.beta(some, "Mixup", "lam", 0.4)
    assert draws.dtype == torch.float32
    assert torch.equal(random.beta(some.flip(0), "Mixup", "lam", 0.4).flip(0), draws)
    compiled = torch.compile(random.beta, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(some, "Mixup", "lam", 0.4), draws, rtol=1e-6, atol=1e-7)


def test_each_bit_is_fair_and_bits_are_independent(keys):
    draws = random.bits(keys, "Gain", "gain_db").numpy().view(np.uint64)
    bits = np.unpackbits(draws.view(np.uint8).reshape(MILLION, 8), axis=1).astype(np.float32)
    # How often two bits are set together, a bit with itself too: float32 counts to 2 ** 24 exactly.
    together = (bits.T @ bits).astype(np.float64) / MILLION
    mean = together.diagonal()
    sigma = 0.5 / np.sqrt(MILLION)
    assert np.abs(mean - 0.5).max() < 5 * sigma
    deviation = np.sqrt(mean - mean**2)
    correlation = (together - np.outer(mean, mean)) / np.outer(deviation, deviation) - np.eye(64)
    assert np.abs(correlation).max() < 5 / np.sqrt(MILLION)


def test_neighbouring_examples_and_counters_are_uncorrelated(keys):
    unit = random.uniform(keys, "Gain", "gain_db").double() - 0.5
    counter = torch.arange(MILLION)
    series = random.uniform(keys[:1], "Noise", "noise", counter=counter).double() - 0.5
    for draws, lag in itertools.product((unit, series), (1, 2, 7, 64)):
        correlation = (draws[lag:] * draws[:-lag]).mean() / draws.var()
        assert abs(correlation) < 4.5 / MILLION**0.5


def _sources():
    index = torch.arange(MILLION)
    yield "seed", random.uniform(example_keys(1, 0, index), "Gain", "gain_db")
    yield "epoch", random.uniform(example_keys(0, 1, index), "Gain", "gain_db")
    yield "path", random.uniform(example_keys(0, 0, index), "Chain/Gain#1", "gain_db")
    yield "name", random.uniform(example_keys(0, 0, index), "Gain", "other")
    channel = torch.ones(1, dtype=torch.int64)
    yield "channel", random.uniform(example_keys(0, 0, index), "Gain", "gain_db", counter=channel)


def test_seed_epoch_path_name_and_channel_give_independent_draws(keys):
    draws = {"base": random.uniform(keys, "Gain", "gain_db"), **dict(_sources())}
    table = np.corrcoef(torch.stack(list(draws.values())).double().numpy()) - np.eye(len(draws))
    assert np.abs(table).max() < 4.5 / MILLION**0.5


def test_seed_and_epoch_are_not_interchangeable():
    assert not torch.equal(example_keys(1, 2, range(8)), example_keys(2, 1, range(8)))
    assert not torch.equal(example_keys(0, 1, [0]), example_keys(0, 0, [1]))


def test_keys_of_many_examples_and_epochs_are_distinct():
    keys = torch.cat([example_keys(0, epoch, torch.arange(100_000)) for epoch in range(10)])
    assert keys.unique().numel() == MILLION


def test_views_have_keys_of_their_own_and_view_0_is_the_example():
    index = torch.arange(100_000)
    plain = example_keys(3, 1, index)
    assert torch.equal(example_keys(3, 1, index, view=0), plain)
    assert torch.equal(example_keys(3, 1, index, torch.zeros_like(index)), plain)
    views = [example_keys(3, 1, index, view=view) for view in range(4)]
    assert torch.cat(views).unique().numel() == 400_000
    mixed = example_keys(3, 1, [7, 7, 9, 7], view=[0, 1, 2, np.int64(3)])
    assert mixed.tolist() == [views[0][7], views[1][7], views[2][9], views[3][7]]
    unit = random.uniform(views[1], "Gain", "gain_db").double().numpy()
    assert scipy.stats.kstest(unit, "uniform").pvalue > 0.01
    both = np.corrcoef(random.uniform(torch.stack(views[:2]), "Gain", "gain_db").numpy())
    assert abs(both[0, 1]) < 4.5 / 100_000**0.5


def test_keys_of_views_are_pinned_and_compile():
    expected = [-1956252844760863100, 7961155931224905884, 5000036459108658022]
    assert example_keys(0, 3, [7, 7, 7], view=[0, 1, 2]).tolist() == expected
    compiled = torch.compile(example_keys, fullgraph=True, backend="aot_eager")
    index, view = torch.tensor([7, 7, 7]), torch.tensor([0, 1, 2])
    assert compiled(0, 3, index, view).tolist() == expected


def test_integers_are_uniform_and_in_range(keys):
    counts = random.integers(keys, "Pick", "k", -2, 5).add(2).bincount()
    assert counts.numel() == 7
    assert scipy.stats.chisquare(counts.numpy()).pvalue > 0.01


def test_bernoulli_has_its_probability_and_sure_ends(keys):
    assert not random.bernoulli(keys, "Gain", "applied", 0.0).any()
    assert random.bernoulli(keys, "Gain", "applied", 1.0).all()
    hits = int(random.bernoulli(keys, "Gain", "applied", 0.3).sum())
    assert scipy.stats.binomtest(hits, MILLION, 0.3).pvalue > 0.01


def test_choice_follows_its_weights(keys):
    weights = [1.0, 0.0, 2.0, 5.0]
    counts = random.choice(keys, "OneOf", "choice", weights).bincount(minlength=4)
    assert counts[1] == 0
    expected = np.array([1, 2, 5]) / 8 * MILLION
    assert scipy.stats.chisquare(counts[[0, 2, 3]].numpy(), expected).pvalue > 0.01


def test_draws_are_the_same_alone_and_in_a_batch(keys):
    batch = Draw(keys[:64], "Chain").child("Gain#0")
    alone = Draw(keys[17:18], "Chain").child("Gain#0")
    for name in ("uniform", "normal", "key"):
        assert torch.equal(getattr(batch, name)("x")[17:18], getattr(alone, name)("x"))


def test_hash_is_pinned_so_that_records_replay_in_later_versions():
    # SplitMix64's published test vector: state 0 steps to its first output.
    golden = torch.tensor([random._signed(random._GOLDEN)])
    assert random._mix(golden).item() & random._MASK == 0xE220A8397B1DCDAF
    keys = example_keys(seed=0, epoch=3, index=[7])
    assert keys.tolist() == [-1956252844760863100]
    assert Draw(keys, "Chain/Gain#0").uniform("gain_db").item() == 0.5802338719367981


def _all_draws(keys):
    draw = Draw(keys, "Chain", channels=3).child("Gain#0")
    return (
        draw.uniform("a"),
        draw.integers("i", 0, 7),
        draw.bernoulli("b", 0.3),
        draw.choice("c", [1.0, 2.0]),
        draw.per_channel().uniform("a"),
        draw.key("k"),
        draw.uniform("scaled", -3.0, 7.0),
        draw.normal("n"),
    )


def _assert_same_draws(ours, theirs):
    for a, b in zip(ours[:6], theirs[:6], strict=True):
        assert torch.equal(a, b.to(a.device))
    torch.testing.assert_close(ours[6], theirs[6].to(ours[6].device), rtol=2**-22, atol=2**-22)
    torch.testing.assert_close(ours[7], theirs[7].to(ours[7].device), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_draws_compile_whole_and_are_the_same_compiled(keys, backend):
    compiled = torch.compile(_all_draws, fullgraph=releases.COMPILES_WHOLE, backend=backend)
    _assert_same_draws(_all_draws(keys[:100]), compiled(keys[:100]))


@on_others()
def test_draws_are_the_same_on_other_devices(keys, device):
    _assert_same_draws(_all_draws(keys), _all_draws(keys.to(device)))


def test_global_random_state_is_untouched(keys):
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    _all_draws(keys[:4])
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: example_keys(0, 0, torch.tensor([0.5])), "`index` must hold integers"),
        (lambda: example_keys(0, 0, [1], view=0.5), "`view` must hold integers"),
        (lambda: random.integers(torch.zeros(1).long(), "a", "b", 3, 3), "`high` - `low`"),
        (lambda: random.choice(torch.zeros(1).long(), "a", "b", []), "`weights` must be"),
        (lambda: random.choice(torch.zeros(1).long(), "a", "b", [-1.0, 2.0]), "`weights` must be"),
        (lambda: random.choice(torch.zeros(1).long(), "a", "b", [0.0]), "`weights` must be"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
