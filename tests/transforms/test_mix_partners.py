"""Mixing of several examples, by labels, and labels as a union: each against a sum by hand."""

import math

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T


def batch_of(count=8, time=200):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, time, generator=generator, dtype=torch.float64)


def keys(count):
    return augspec.example_keys(3, 1, range(count))


def ring(count, mixer=T.Mixup):
    """Who follows whom without any condition."""
    return mixer().make_params(torch.zeros(count, 1, 4), keys=keys(count))["partner"].tolist()


@pytest.mark.parametrize("count", [2, 3, 7, 12])
def test_several_partners_are_the_next_in_the_ring(count):
    mixup = T.Mixup(num_partners=count)
    partner = mixup.make_params(torch.zeros(8, 1, 4), keys=keys(8))["partner"].tolist()
    following = ring(8)
    for example, found in enumerate(partner):
        expected, at = [], example
        for _ in range(min(count, 7)):
            at = following[at]
            expected.append(at)
        expected += [example] * (count - len(expected))  # no others are left
        assert found == expected


def test_mixup_of_four_is_the_weighted_sum_and_labels_have_the_weights():
    waveform, mixup, label = batch_of(), T.Mixup(1.0, num_partners=3), torch.eye(8).double()
    lengths = torch.tensor([200, 100, 50, 200, 10, 150, 70, 90])
    params = mixup.make_params(waveform, keys=keys(8))
    made, ends = mixup.transform(waveform, params, lengths)
    soft = mixup.targets({"label": label}, params)["label"]
    silent = waveform.masked_fill(torch.arange(200) >= lengths[:, None, None], 0.0)
    torch.testing.assert_close(params["share"].sum(1), torch.ones(8))
    for i in range(8):
        weights = torch.zeros(8, dtype=torch.float64)
        weights[i] = params["lam"][i]
        for part, other in zip(params["share"][i], params["partner"][i], strict=True):
            weights[other] += (1.0 - params["lam"][i]) * part
        torch.testing.assert_close(soft[i], weights, rtol=1e-6, atol=1e-6)
        mixed = (weights[:, None, None] * silent).sum(0)
        torch.testing.assert_close(made[i], mixed, rtol=1e-6, atol=1e-6)
        assert int(ends[i]) == max(int(lengths[j]) for j in [i, *params["partner"][i].tolist()])


def test_the_rest_is_divided_uniformly():
    mixup = T.Mixup(num_partners=3)
    share = mixup.make_params(torch.zeros(4000, 1, 1), keys=keys(4000))["share"]
    # Each part of a uniform division into three has the mean 1/3 and the variance 1/18.
    torch.testing.assert_close(share.mean(0), torch.full((3,), 1 / 3), rtol=0.0, atol=0.02)
    torch.testing.assert_close(share.var(0), torch.full((3,), 1 / 18), rtol=0.1, atol=0.0)


def test_each_background_has_a_level_of_its_own_and_soft_labels_the_shares_of_power():
    waveform = batch_of()
    mixer = T.MixBackground((0.0, 20.0), num_partners=2, labels="soft")
    params = mixer.make_params(waveform, keys=keys(8))
    assert params["snr_db"].shape == (8, 2)
    made = mixer.transform(waveform, params)
    soft = mixer.targets({"label": torch.eye(8)}, params)["label"]
    for i in range(8):
        expected, power = waveform[i].clone(), {i: 1.0}
        for level, other in zip(params["snr_db"][i].double(), params["partner"][i], strict=True):
            ratio = waveform[i].square().mean() / waveform[other].square().mean()
            expected += ratio.sqrt() * 10.0 ** (-level / 20.0) * waveform[other]
            power[int(other)] = float(10.0 ** (-level / 10.0))
        torch.testing.assert_close(made[i], expected, rtol=1e-6, atol=1e-6)
        for j in range(8):
            share = power.get(j, 0.0) / sum(power.values())
            assert math.isclose(float(soft[i, j]), share, abs_tol=1e-6)


LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1])
HOT = torch.nn.functional.one_hot(LABELS, 4).float()


@pytest.mark.parametrize("mixer", [T.Mixup, T.CutMix, T.MixBackground])
@pytest.mark.parametrize("label", [LABELS, HOT], ids=["numbers", "one-hot"])
def test_partners_of_the_same_class_are_the_next_of_the_ring_that_have_it(mixer, label):
    params = mixer(partners="same_class").make_params(batch_of(), keys=keys(8), label=label)
    following = ring(8, mixer)
    for example, partner in enumerate(params["partner"].tolist()):
        at = following[example]
        while at != example and LABELS[at] != LABELS[example]:
            at = following[at]
        assert partner == at
    assert params["partner"][3] == 3  # the only one of its class
    assert params["partner"][6] == 6


def test_examples_that_share_one_of_several_classes_are_partners():
    label = torch.tensor([[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]]).float()
    mixup = T.Mixup(partners="same_class", num_partners=3)
    partner = mixup.make_params(batch_of(4), keys=keys(4), label=label)["partner"]
    assert [set(row) for row in partner.tolist()] == [{0, 1}, {0, 1, 2}, {1, 2}, {3}]


@pytest.mark.parametrize(
    "label", [torch.tensor([0, 1, 0, 2, 1, 0, 3, 1]), HOT * torch.tensor([0.0, 1.0, 1.0, 1.0])]
)
def test_only_positives_are_mixed_and_negatives_stay_bit_for_bit(label):
    waveform, mixer = batch_of(), T.Mixup(1.0, partners="positive")
    params = mixer.make_params(waveform, keys=keys(8), label=label)
    made = mixer.transform(waveform, params)
    for example in range(8):
        positive = bool(LABELS[example] > 0)
        assert bool(LABELS[params["partner"][example]] > 0) == positive
        assert torch.equal(made[example], waveform[example]) != positive


def test_mix_background_adds_nothing_to_an_example_without_a_partner():
    waveform = batch_of()
    mixer = T.MixBackground(0.0, partners="same_class")
    params = mixer.make_params(waveform, keys=keys(8), label=LABELS)
    assert torch.equal(mixer.transform(waveform, params)[3], waveform[3])


@pytest.mark.parametrize(
    "mixer",
    [
        T.Mixup(1.0, num_partners=2, labels="union", p=0.6),
        T.MixBackground(num_partners=2, labels="union", p=0.6),
        T.CutMix(labels="union", p=0.6),
    ],
    ids=lambda mixer: type(mixer).__name__,
)
def test_the_union_has_every_class_that_is_heard_and_no_other(mixer):
    waveform = batch_of()
    params = mixer.make_params(waveform, keys=keys(8))
    heard = (torch.rand(8, 5, generator=torch.Generator().manual_seed(1)) > 0.6).float()
    made = mixer.targets({"label": heard}, params, time=200)["label"]
    partner = params["partner"].reshape(8, -1)
    for i in range(8):
        expected = heard[i].bool()
        if params["applied"][i]:
            for other in partner[i]:
                expected = expected | heard[other].bool()
        assert torch.equal(made[i], expected.float())


def test_labels_are_asked_for_where_they_are_needed():
    mixup = T.Mixup(partners="same_class")
    with pytest.raises(ValueError, match="`label` must be given"):
        mixup(batch_of())
    with pytest.raises(ValueError, match=r"`label` must be \(8,\)"):
        mixup(batch_of(), label=LABELS[:3])
    with pytest.raises(ValueError, match="`num_partners` must be"):
        T.Mixup(num_partners=0)


def test_the_loader_passes_labels_and_params_replay():
    data = [
        {"waveform": torch.randn(1, 400), "label": int(label), "index": i}
        for i, label in enumerate(LABELS)
    ]
    feature = F.Spectrogram(64)
    chain = T.Chain([T.OneOf([T.Mixup(1.0, partners="same_class", labels="union")])])
    frontend = augspec.Frontend(chain, feature)
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    batch = next(iter(augspec.DeviceLoader(loader, frontend, device="cpu", num_classes=4)))
    assert torch.equal(batch["label"], HOT)  # a mixture within a class has that class
    plain = feature(batch["waveform"])
    changed = (batch["specgram"] - plain).abs().amax((1, 2, 3)) > 1e-3
    assert changed.tolist() == [True, True, True, False, True, True, False, True]
    params = frontend.make_params(batch["waveform"], keys=keys(8), label=LABELS)
    again = augspec.params_from_json(augspec.params_to_json(params))
    made = frontend.transform(batch["waveform"], params)
    assert torch.equal(frontend.transform(batch["waveform"], again), made)
