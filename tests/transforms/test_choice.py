"""OneOf, SomeOf, RandomOrder and Repeat: every example takes its own way."""

import math

import pytest
import torch

import augspec
from augspec import transforms as T
from augspec.transforms import _dispatch
from augspec.transforms.base import Batch

BATCH = 12
KEYS = augspec.example_keys(5, 0, range(BATCH))
pytestmark = pytest.mark.usefixtures("eager_kernels")


def noise(batch=BATCH, time=900):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 2, time, generator=generator)


def on_every_example(monkeypatch):
    """Run every option on the whole batch, as on a GPU."""
    monkeypatch.setattr(_dispatch.Options, "_run_groups", _dispatch.Options._run_all)


COMPOSITES = {
    "one": T.OneOf([T.Speed((0.8, 1.2)), T.Gain(), T.Chain([T.Gain(), T.PolarityInversion()])]),
    "one with p": T.OneOf([T.Speed((0.8, 1.2), keep_length=False), T.Speed((0.8, 1.2),
                           keep_length=False, p=0.5)], weights=[1, 3], p=0.5),
    "one of crops": T.OneOf([T.RandomCrop(700), T.CenterCrop(700)]),
    "one in one": T.OneOf([T.OneOf([T.Gain(-3.0), T.Gain(3.0)], p=0.5), T.Speed((0.8, 1.2))]),
    "some": T.SomeOf([T.Speed((0.8, 1.2)), T.Gain(), T.PolarityInversion()], k=(0, 2), p=0.7),
    "some, all": T.SomeOf([T.Speed((0.8, 1.2)), T.Gain()], k=2),
    "order": T.RandomOrder([T.Speed((0.8, 1.2)), T.Speed(1.1), T.Gain()], p=0.8),
    "policy": T.RandAugment([T.Speed((0.8, 1.2)), T.Gain(), T.PolarityInversion()], 2, (0.2, 0.8)),
    "trivial": T.TrivialAugment([T.Speed((0.8, 1.2)), T.Gain()], p=0.8),
    "schedule": T.Schedule(T.Chain([T.Speed((0.8, 1.2)), T.Gain()]), {"p": [(0, 0.5)]}),
}  # fmt: skip


@pytest.fixture(params=COMPOSITES, ids=str)
def composite(request):
    return COMPOSITES[request.param]


@pytest.mark.parametrize("ragged", [True, False])
def test_groups_and_whole_batches_give_the_same(composite, ragged, monkeypatch):
    waveform = noise().requires_grad_()
    lengths = torch.arange(1, BATCH + 1) * 75 if ragged else None
    grouped = composite(waveform, lengths, keys=KEYS)
    on_every_example(monkeypatch)
    whole = composite(waveform, lengths, keys=KEYS)
    if ragged:
        assert torch.equal(grouped[1], whole[1])
        grouped, whole = grouped[0], whole[0]
    torch.testing.assert_close(grouped, whole, rtol=1e-5, atol=1e-5)
    first, second = (
        torch.autograd.grad(out.square().sum(), waveform)[0] for out in (grouped, whole)
    )
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("whole", [True, False])
def test_examples_end_where_their_choice_says(whole, monkeypatch):
    """Where no lengths are passed a choice still knows them, as a chain does."""
    if whole:
        on_every_example(monkeypatch)
    halve = T.Resample(16_000, 8000)
    one = T.OneOf([halve, T.Chain([T.Speed(2.0), halve])])
    params = one.make_params(noise(), keys=KEYS)
    ends = one.walk(Batch.of(noise(), None), params, by_mode=False).lengths
    assert torch.equal(ends, torch.where(params["choice"] == 0, 450, 225))
    assert torch.equal(one.walk(Batch(None, 900), params, by_mode=False).lengths, ends)
    longer = T.OneOf([T.Speed(0.5, keep_length=False)], p=0.5)
    params = longer.make_params(noise(), keys=KEYS)
    batch = longer.walk(Batch.of(noise(), None), params, by_mode=False)
    out, ends = batch.signal, batch.lengths
    assert torch.equal(ends, torch.where(params["applied"], 1800, 900))
    assert not out[~params["applied"], :, 900:].any()


def test_each_option_is_what_it_would_be_alone():
    options = [T.Speed(0.9), T.Gain(-6.0), T.PolarityInversion()]
    one = T.OneOf(options)
    waveform = noise()
    params = one.make_params(waveform, keys=KEYS)
    assert params["choice"].unique().tolist() == [0, 1, 2]
    out = one.transform(waveform, params)
    for place, option in enumerate(options):
        chosen = params["choice"] == place
        expected = option.transform(waveform, params["options"][place])
        torch.testing.assert_close(out[chosen], expected[chosen])


def test_weights_are_frequencies():
    count = 20_000
    weights = [1.0, 0.0, 3.0, 6.0]
    one = T.OneOf([T.Gain()] * 4, weights=weights, p=0.3)
    params = one.make_params(
        torch.zeros(count, 1, 1), keys=augspec.example_keys(0, 0, range(count))
    )
    seen = torch.bincount(params["choice"], minlength=4) / count
    for share, weight in zip(seen.tolist(), weights, strict=True):
        probability = weight / 10.0
        assert abs(share - probability) <= 5 * math.sqrt(probability * (1 - probability) / count)
    assert abs(params["applied"].float().mean() - 0.3) < 5 * math.sqrt(0.21 / count)
    # The choice and whether it is applied do not depend on one another.
    both = (params["applied"] & (params["choice"] == 3)).float().mean()
    assert abs(both - 0.18) < 5 * math.sqrt(0.18 * 0.82 / count)


def test_each_subset_and_each_order_is_equally_likely():
    count = 24_000
    waveform, keys = torch.zeros(count, 1, 1), augspec.example_keys(0, 0, range(count))
    place = torch.tensor([1, 2, 4, 8])
    some = T.SomeOf([T.Gain()] * 4, k=(1, 3)).make_params(waveform, keys=keys)["choice"]
    sizes = torch.bincount(some.sum(1), minlength=5) / count
    assert sizes[[0, 4]].tolist() == [0.0, 0.0]
    bound = 5 * math.sqrt(2 / 9 / count)
    assert (sizes[1:4] - 1 / 3).abs().max() < bound
    pairs = (some * place).sum(1)[some.sum(1) == 2]
    shares = torch.bincount(pairs, minlength=16)[[3, 5, 6, 9, 10, 12]] / len(pairs)
    assert (shares - 1 / 6).abs().max() < 5 * math.sqrt(5 / 36 / len(pairs))
    order = T.RandomOrder([T.Gain()] * 3).make_params(waveform, keys=keys)["choice"]
    codes = (order * torch.tensor([9, 3, 1])).sum(1)
    assert len(codes.unique()) == 6
    shares = codes.unique(return_counts=True)[1] / count
    assert (shares - 1 / 6).abs().max() < 5 * math.sqrt(5 / 36 / count)


def test_some_are_applied_in_their_order_and_random_order_in_its_own():
    """Compare with the transforms called one by one, example by example."""
    parts = [T.Speed(0.8), T.Speed(1.3), T.Gain(-6.0)]
    waveform = noise()
    some, order = T.SomeOf(parts, k=2), T.RandomOrder(parts)
    params = some.make_params(waveform, keys=KEYS)
    out = some.transform(waveform, params)
    shuffled = order.make_params(waveform, keys=KEYS)
    out_shuffled = order.transform(waveform, shuffled)
    assert len(shuffled["choice"].unique(dim=0)) > 3
    for i in range(BATCH):
        chain = T.Chain([part for part, on in zip(parts, params["choice"][i], strict=True) if on])
        assert len(chain) == 2
        expected = chain(waveform[i : i + 1])
        # A chain hands on where the sound ends; what is applied to some does so too.
        torch.testing.assert_close(out[i : i + 1], expected, rtol=1e-5, atol=1e-5)
        chain = T.Chain([parts[j] for j in shuffled["choice"][i]])
        expected = chain(waveform[i : i + 1])
        torch.testing.assert_close(out_shuffled[i : i + 1], expected, rtol=1e-5, atol=1e-5)


def test_draws_of_siblings_stay_when_an_option_is_removed():
    waveform = torch.zeros(BATCH, 1, 100)
    first, second = T.Gain((-6.0, 6.0)), T.Speed((0.8, 1.2))
    for kind in (T.OneOf, T.RandomOrder, T.SomeOf):
        long = kind([first, T.PolarityInversion(p=0.5), second]).make_params(waveform, keys=KEYS)
        short = kind([first, second]).make_params(waveform, keys=KEYS)
        assert torch.equal(long["options"][0]["gain_db"], short["options"][0]["gain_db"])
        assert torch.equal(long["options"][2]["factor"], short["options"][1]["factor"])
    # Those that stay keep their order among themselves.
    long = T.RandomOrder([first, T.PolarityInversion(), second]).make_params(waveform, keys=KEYS)
    short = T.RandomOrder([first, second]).make_params(waveform, keys=KEYS)
    left = long["choice"][long["choice"] != 1].reshape(BATCH, 2)
    assert torch.equal(left // 2, short["choice"])
    chain = T.Chain([T.OneOf([first, second]), T.Gain()])
    alone = T.Chain([T.Gain()])
    assert torch.equal(
        chain.make_params(waveform, keys=KEYS)[1]["gain_db"],
        alone.make_params(waveform, keys=KEYS)[0]["gain_db"],
    )


def test_labels_follow_the_choice():
    one = T.OneOf([T.PitchShift(3.0, n_fft=256), T.Gain(), T.Speed((0.8, 1.2))], p=0.7)
    waveform = noise(time=600)
    params = one.make_params(waveform, keys=KEYS)
    choice = torch.where(params["applied"], params["choice"], -1)
    assert choice.unique().tolist() == [-1, 0, 1, 2]
    factor = params["options"][2]["factor"]
    soft, frames = torch.rand(BATCH, 5), torch.rand(BATCH, 2, 30)
    targets = {
        "pitch": torch.full((BATCH,), 60),
        "label": torch.arange(BATCH),
        "soft": soft,
        "frames": frames,
        "path": ["a.wav"] * BATCH,
    }
    new = one.targets(targets, params, time=600)
    shift = torch.where(choice == 0, 3.0, torch.where(choice == 2, 12 * torch.log2(factor), 0.0))
    torch.testing.assert_close(new["pitch"], 60 + shift)
    assert new["label"] is targets["label"]
    assert new["soft"] is soft
    assert new["path"] is targets["path"]
    alone = T.Speed((0.8, 1.2)).targets({"frames": frames}, params["options"][2], time=600)
    moved = (choice == 2)[:, None, None]
    assert torch.equal(new["frames"], torch.where(moved, alone["frames"], frames))
    assert not torch.equal(new["frames"], frames)


def test_labels_go_through_every_step():
    parts = [T.Speed(0.8), T.PitchShift(2.0, n_fft=256), T.Speed(1.25)]
    waveform, frames = noise(time=600), torch.rand(BATCH, 2, 30)
    for composite in (T.SomeOf(parts, k=2), T.RandomOrder(parts)):
        params = composite.make_params(waveform, keys=KEYS)
        given = {"pitch": torch.full((BATCH,), 60.0), "frames": frames}
        new = composite.targets(given, params, time=600)
        for i in range(BATCH):
            choice = params["choice"][i].tolist()
            if isinstance(composite, T.SomeOf):
                choice = [place for place, on in enumerate(choice) if on]
            chain = T.Chain([parts[place] for place in choice])
            one = {name: value[i : i + 1] for name, value in given.items()}
            own = chain.make_params(waveform[i : i + 1])
            expected = chain.targets(one, own, time=600)
            torch.testing.assert_close(new["pitch"][i : i + 1], expected["pitch"])
            assert torch.equal(new["frames"][i : i + 1], expected["frames"])


class SoftLabels(T.WaveformTransform):
    """Stands for a transform that mixes labels."""

    def _draw(self, draw):
        return {}

    def _transform(self, waveform, params, lengths):
        return waveform * 1.0

    def _targets(self, targets, params, lengths):
        return {**targets, "label": targets["label"] * 0.5}


class Widens(SoftLabels):
    def _targets(self, targets, params, lengths):
        return {**targets, "label": torch.nn.functional.one_hot(targets["label"], 20)}


def test_soft_labels_follow_and_labels_of_two_shapes_are_refused():
    waveform = noise()
    one = T.OneOf([SoftLabels(), T.Gain()])
    params = one.make_params(waveform, keys=KEYS)
    label = torch.rand(BATCH, 4)
    new = one.targets({"label": label}, params)["label"]
    assert torch.equal(new, torch.where(params["choice"][:, None] == 0, 0.5 * label, label))
    with pytest.raises(ValueError, match="OneOf must give `label` of the same shape"):
        T.OneOf([Widens(), T.Gain()]).targets({"label": torch.arange(BATCH)}, params)


class MixesNeighbours(SoftLabels):
    mixes_examples = True

    def _transform(self, waveform, params, lengths):
        return waveform + waveform.flip(0)


def test_the_whole_promises_what_every_part_does():
    for make in (T.Chain, T.OneOf, T.RandAugment, lambda parts: T.Repeat(parts[0], 2)):
        assert make([T.Gain()]).differentiable
        assert not make([T.Chain([T.BitCrush()]), T.Gain()]).differentiable
        assert not make([T.BitCrush(), T.Gain()]).mixes_examples
        assert make([MixesNeighbours()]).mixes_examples
        assert make([T.BitCrush()]).compilable


def test_a_transform_that_mixes_examples_sees_all_of_them():
    one = T.OneOf([MixesNeighbours(), T.Gain(0.0)])
    assert one.mixes_examples
    assert T.Chain([one]).mixes_examples
    assert not T.OneOf([T.Gain()]).mixes_examples
    waveform = noise()
    params = one.make_params(waveform, keys=KEYS)
    mixed = (params["choice"] == 0)[:, None, None]
    expected = torch.where(mixed, waveform + waveform.flip(0), waveform)
    assert torch.equal(one.transform(waveform, params), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.OneOf([T.RandomCrop(500), T.RandomCrop(600)]),
         r"OneOf must give the same shape for every choice, got RandomCrop \(2, 500\), "
         r"RandomCrop \(2, 600\)"),
        (lambda: T.OneOf([T.RandomCrop(500), T.RandomCrop(500)], p=0.5),
         r"got RandomCrop \(2, 500\), RandomCrop \(2, 500\), an unchanged example \(2, 900\)"),
        (lambda: T.SomeOf([T.RandomCrop(500), T.Gain()], k=1), "must give the same shape"),
        (lambda: T.Schedule(T.RandomCrop(500), {"p": [(0, 0.5)]}), "Schedule must give the same"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("whole", [True, False])
def test_options_of_different_sizes_are_refused_whatever_is_drawn(
    make, message, whole, monkeypatch
):
    if whole:
        on_every_example(monkeypatch)
    with pytest.raises(ValueError, match=message):
        make()(noise(batch=1), keys=KEYS[:1])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: T.OneOf([]), ValueError, "`transforms` must hold at least one transform"),
        (lambda: T.OneOf([torch.nn.ReLU()]), TypeError, "got ReLU at place 0"),
        (lambda: T.OneOf([T.Gain()], weights=[1, 2]), ValueError, "`weights` must be 1 numbers"),
        (lambda: T.OneOf([T.Gain()], weights=[0]), ValueError, r"not all 0, got \[0\]"),
        (lambda: T.OneOf([T.Gain()] * 2, weights=[2, -1]), ValueError, "0 or more"),
        (lambda: T.OneOf([T.Gain()], p=2), ValueError, "`p` must be a probability"),
        (lambda: T.SomeOf([T.Gain()], k=2), ValueError, "from 0 to 1, got 2"),
        (lambda: T.SomeOf([T.Gain()], k=0.5), ValueError, "`k` must be a whole number or"),
        (lambda: T.SomeOf([T.Gain()] * 3, k=(2, 1)), ValueError, r"got \(2, 1\)"),
        (lambda: T.SomeOf([T.Gain()] * 3, k=True), ValueError, "got True"),
        (lambda: T.Repeat(T.Gain(), 0), ValueError, "`times` must be a positive whole number"),
        (lambda: T.Repeat([T.Gain()], 2), TypeError, "`body` must be an augspec transform, got l"),
    ],
)
def test_bad_settings_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_params_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="`params` must have applied, choice and options, got"):
        T.OneOf([T.Gain()]).transform(noise(), {"gain_db": torch.zeros(BATCH)})


def test_repeat_draws_anew_each_time():
    twice = T.Repeat(T.Gain((-6.0, 6.0)), 2)
    params = twice.make_params(noise(), keys=KEYS)
    assert (params[0]["gain_db"] != params[1]["gain_db"]).all()
    chain = T.Chain([T.Gain((-6.0, 6.0)), T.Gain((-6.0, 6.0))])
    expected = chain.transform(noise(), params)
    assert torch.equal(twice.transform(noise(), params), expected)


def test_a_front_end_runs_choices_on_the_waveform_and_fuses_what_follows():
    from augspec import features as F

    frontend = augspec.Frontend(
        waveform=T.Chain([T.OneOf([T.Gain(), T.PolarityInversion()]), T.Repeat(T.Gain(), 2)]),
        features=F.Spectrogram(256),
    )
    assert frontend.plan(noise()) == (
        "1. OneOf: on the waveform\n2. Spectrogram, with Gain, Gain fused into it"
    )
    plain = augspec.Frontend(frontend.waveform, frontend.features, fuse="never")
    torch.testing.assert_close(
        frontend(noise(), keys=KEYS), plain(noise(), keys=KEYS), rtol=1e-4, atol=1e-4
    )
