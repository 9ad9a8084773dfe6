"""What timm, torchvision and kornia assert of mixing, erasing, choices, replay and batches."""

import copy
import math

import pytest
import torch

import augspec
from augspec import transforms as T

pytestmark = pytest.mark.usefixtures("eager_kernels")  # each fact has a shape of its own
RATE = 16_000
NOISE = 0.2 * torch.randn(4, 2, 2000, generator=torch.Generator().manual_seed(0)).double()
KEYS = augspec.example_keys(seed=0, epoch=0, index=torch.arange(4))
MIXERS = {"Mixup": T.Mixup(0.8), "CutMix": T.CutMix(0.8)}
#: One of each kind: level, filter, noise, time, distortion, a chain and a choice.
KINDS = {
    "Gain": T.Gain(p=0.5),
    "LowPass": T.LowPass((500.0, 4000.0), sample_rate=RATE, p=0.5),
    "WhiteNoise": T.WhiteNoise(p=0.5),
    "Shift": T.Shift(p=0.5),
    "BitCrush": T.BitCrush(p=0.5),
    "Chain": T.Chain([T.Gain(p=0.5), T.TimeReverse(p=0.5)]),
    "SomeOf": T.SomeOf([T.Gain(), T.Shift(), T.PolarityInversion()], (1, 2)),
}


def names_of_itself(batch, time):
    """Give a batch whose example ``i`` is one in channel ``i``: a mix reads off who is in it."""
    return torch.eye(batch).double()[:, :, None].expand(-1, -1, time).contiguous()


@pytest.mark.parametrize("name", MIXERS)
@pytest.mark.parametrize("batch", [2, 5, 16])
def test_a_label_has_the_share_that_is_heard(name, batch):
    """timm corrects CutMix's weight to the area that was really pasted."""
    waveform = names_of_itself(batch, 1000)
    mixer = MIXERS[name]
    params = mixer.make_params(waveform)
    label = mixer.targets({"label": torch.eye(batch).double()}, params)["label"]
    heard = mixer.transform(waveform, params).mean(-1)
    # A segment is whole samples, and the label the weight that was drawn.
    tolerance = 1e-6 if name == "Mixup" else 1e-3
    torch.testing.assert_close(label, heard, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", MIXERS)
def test_weights_of_labels_add_up_to_one(name):
    waveform = torch.randn(32, 1, 500).double()
    params = MIXERS[name].make_params(waveform)
    label = MIXERS[name].targets({"label": torch.eye(32).double()}, params)["label"]
    torch.testing.assert_close(label.sum(1), torch.ones(32).double())
    assert ((label > 0).sum(1) <= 2).all()
    assert (label.diagonal() < 1.0).any()


@pytest.mark.parametrize("name", MIXERS)
def test_two_of_one_class_are_still_of_that_class(name):
    waveform = torch.randn(8, 1, 500)
    label = torch.zeros(8, 3)
    label[:, 1] = 1.0
    mixed = MIXERS[name].targets({"label": label}, MIXERS[name].make_params(waveform))["label"]
    torch.testing.assert_close(mixed, label)


@pytest.mark.parametrize("name", MIXERS)
def test_what_is_equal_is_mixed_to_itself(name):
    waveform = torch.randn(1, 2, 500).double().expand(6, -1, -1)
    torch.testing.assert_close(MIXERS[name](waveform), waveform, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [T.Mixup, T.CutMix])
def test_with_p_zero_labels_stay_one_hot(kind):
    waveform, label = torch.randn(8, 1, 100), torch.eye(8)
    params = kind(p=0.0).make_params(waveform)
    assert torch.equal(kind(p=0.0).transform(waveform, params), waveform)
    assert torch.equal(kind(p=0.0).targets({"label": label}, params)["label"], label)


@pytest.mark.parametrize("name", MIXERS)
def test_switched_off_nothing_is_mixed(name):
    off = copy.deepcopy(MIXERS[name]).eval()
    assert torch.equal(off(NOISE), NOISE)


@pytest.mark.parametrize("kind", [T.Mixup, T.CutMix])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_weights_have_the_moments_of_the_beta_distribution(kind, alpha):
    """Mean 1/2 and variance ``1 / (4 (2 alpha + 1))``."""
    lam = kind(alpha).make_params(torch.zeros(20_000, 1, 1))["lam"].double()
    assert abs(float(lam.mean()) - 0.5) < 0.015
    assert float(lam.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.06)
    assert 0.0 <= lam.min() <= lam.max() <= 1.0


@pytest.mark.parametrize("lam", [0.0, 0.25, 1.0])
def test_a_mix_is_the_line_between_the_two(lam):
    params = T.Mixup().make_params(NOISE, keys=KEYS)
    params["lam"] = torch.full((4,), lam)
    params["applied"] = torch.ones(4, dtype=torch.bool)
    expected = lam * NOISE + (1 - lam) * NOISE[params["partner"]]
    torch.testing.assert_close(T.Mixup().transform(NOISE, params), expected)


@pytest.mark.parametrize("most", [(1, 1), (4, 7), (30, 50)])
def test_no_more_is_erased_than_the_largest_rectangle(most):
    specgram = torch.rand(300, 1, 30, 50) + 1.0
    erased = T.Cutout(*most, mask_value=0.0)(specgram) == 0.0
    assert erased.sum((1, 2, 3)).max() <= most[0] * most[1]
    assert erased.any(2).sum((1, 2)).max() == most[1]
    assert erased.any(3).sum((1, 2)).max() == most[0]


def test_what_is_not_erased_stays_bit_for_bit():
    specgram = torch.rand(50, 2, 30, 50) + 1.0
    out = T.Cutout(20, 30, mask_value=-1.0)(specgram)
    assert torch.equal(out[out != -1.0], specgram[out != -1.0])
    assert (out == -1.0).any()
    assert torch.equal(out[:, 0] == -1.0, out[:, 1] == -1.0)


def test_rectangles_lie_elsewhere_in_each_example():
    erased = T.Cutout(10, 10, mask_value=0.0)(torch.ones(64, 1, 40, 40)) == 0.0
    assert len(erased.flatten(1).unique(dim=0)) > 55


def test_erased_cells_get_the_mean_that_the_example_has():
    specgram = torch.rand(20, 1, 30, 50).double()
    out = T.Cutout(20, 30)(specgram)
    mean = specgram.mean((2, 3), keepdim=True).expand_as(out)
    torch.testing.assert_close(out[out != specgram], mean[out != specgram])
    assert (out != specgram).any()


@pytest.mark.parametrize("p", [0.2, 0.8])
def test_so_many_examples_are_erased(p):
    specgram = torch.ones(4000, 1, 4, 4)
    touched = (T.TimeMask(2, mask_value=0.0, p=p)(specgram) == 0.0).any((1, 2, 3))
    # A width of 0 to 2 is nothing in a third of the cases.
    share = 2 * p / 3
    assert abs(float(touched.double().mean()) - share) < 5 * math.sqrt(share / 4000)


def test_a_chain_is_one_after_the_other():
    """torchvision's ``Compose([f, g])(x) == g(f(x))``."""
    parts = [T.Gain(-6.0), T.Clip(-20.0), T.TimeReverse(), T.PadTo(2100)]
    expected = NOISE
    for part in parts:
        expected = part(expected)
    assert torch.equal(T.Chain(parts)(NOISE), expected)


def test_the_order_of_a_chain_matters():
    clip, gain = T.Clip(-20.0), T.Gain(-12.0)
    assert not torch.equal(T.Chain([clip, gain])(NOISE), T.Chain([gain, clip])(NOISE))


@pytest.mark.parametrize("p", [0.25, 0.75])
def test_a_group_is_applied_whole_or_not_at_all(p):
    """torchvision's ``RandomApply``."""
    group = T.OneOf([T.Chain([T.Gain(20 * math.log10(2)), T.Gain(20 * math.log10(3))])], p=p)
    out = group(torch.ones(4000, 1, 1).double()).flatten().round(decimals=6)
    assert set(out.unique().tolist()) == {1.0, 6.0}
    assert abs(float((out == 6.0).double().mean()) - p) < 5 * math.sqrt(p * (1 - p) / 4000)


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.5, 0.2, 0.3], [2.0, 0.0, 6.0]])
def test_a_choice_picks_by_its_weights(weights):
    """torchvision's ``RandomChoice(p=...)``: weights that need not add up to one."""
    parts = [T.Gain(20 * math.log10(factor)) for factor in (2.0, 3.0, 5.0)]
    out = T.OneOf(parts, weights)(torch.ones(6000, 1, 1).double()).flatten().round()
    for factor, weight in zip((2, 3, 5), weights, strict=True):
        share = weight / sum(weights)
        assert abs(float((out == factor).double().mean()) - share) < 5 * math.sqrt(0.25 / 6000)
        assert weight or not (out == factor).any()


def test_a_random_order_runs_every_part_once():
    parts = [T.Gain(20 * math.log10(factor)) for factor in (2.0, 3.0, 5.0)]
    out = T.RandomOrder(parts)(torch.ones(100, 1, 1).double())
    torch.testing.assert_close(out, torch.full_like(out, 30.0))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_policy_runs_as_many_steps_as_it_says(n):
    """torchvision's ``RandAugment(num_ops)``; each step halves the sound."""
    policy = T.RandAugment([T.Gain(-20 * math.log10(2))], n, 1.0)
    out = policy(torch.ones(8, 1, 4).double())
    torch.testing.assert_close(out, torch.full_like(out, 0.5**n), rtol=1e-6, atol=0)


def test_a_copy_draws_what_the_original_draws():
    for transform in KINDS.values():
        twin = copy.deepcopy(transform)
        assert torch.equal(twin(NOISE, keys=KEYS), transform(NOISE, keys=KEYS))


@pytest.mark.parametrize("name", KINDS)
def test_what_was_drawn_is_applied_again_as_it_was(name):
    """kornia's ``aug(x, params=aug._params)``, with the params as data."""
    transform = KINDS[name]
    params = transform.make_params(NOISE)
    once = transform.transform(NOISE, params)
    torch.rand(3)
    assert torch.equal(transform.transform(NOISE, params), once)
    assert torch.equal(
        transform.transform(NOISE, augspec.params_from_json(augspec.params_to_json(params))), once
    )


@pytest.mark.parametrize("name", KINDS)
def test_the_same_on_a_batch_is_the_same_key_for_each(name):
    """kornia's ``same_on_batch=True``."""
    waveform = NOISE[:1].expand(4, -1, -1)
    out = KINDS[name](waveform, keys=KEYS[2:3].expand(4))
    assert torch.equal(out, out[:1].expand(4, -1, -1))


@pytest.mark.parametrize("name", KINDS)
def test_an_example_alone_is_what_it_is_in_a_batch(name):
    whole = KINDS[name](NOISE, keys=KEYS)
    for i in range(4):
        alone = KINDS[name](NOISE[i : i + 1], keys=KEYS[i : i + 1])
        torch.testing.assert_close(alone[0], whole[i], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_rank_dtype_and_input_stay(name):
    """kornia's ``keepdim``; torchvision's check that nothing is changed in place."""
    before = NOISE.clone()
    out = KINDS[name](NOISE)
    assert (out.shape, out.dtype) == (NOISE.shape, NOISE.dtype)
    assert torch.equal(NOISE, before)


@pytest.mark.parametrize("name", KINDS)
def test_params_have_one_row_an_example(name):
    params = KINDS[name].make_params(NOISE[:3])

    def leaves(node):
        if isinstance(node, torch.Tensor):
            yield node
        else:
            for one in node.values() if isinstance(node, dict) else node:
                yield from leaves(one)

    found = list(leaves(params))
    assert found
    assert all(len(leaf) == 3 for leaf in found)


@pytest.mark.parametrize("name", ["Gain", "LowPass", "WhiteNoise", "Shift", "BitCrush"])
def test_some_of_a_batch_are_picked_and_the_rest_is_untouched(name):
    """kornia's ``p`` an element, with ``p_batch=1``."""
    waveform = NOISE[:1, :, :200].expand(200, -1, -1)
    params = KINDS[name].make_params(waveform)
    out = KINDS[name].transform(waveform, params)
    same = (out == waveform).flatten(1).all(1)
    assert torch.equal(same, ~params["applied"])
    assert 60 < same.sum() < 140


GRADIENTS = {
    "Gain": T.Gain(),
    "Shift": T.Shift(),
    "LowPass": T.LowPass(2000.0, sample_rate=RATE),
    "TanhDistortion": T.TanhDistortion(0.5),
    "Mixup": T.Mixup(),
    "RMSNormalize": T.RMSNormalize(),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_gradient_is_that_of_the_function(name):
    """kornia runs ``gradcheck`` on every augmentation."""
    waveform = NOISE[:2, :1, :24].clone().requires_grad_()
    params = GRADIENTS[name].make_params(waveform)
    assert torch.autograd.gradcheck(lambda x: GRADIENTS[name].transform(x, params), (waveform,))


@pytest.mark.parametrize("sizes", [(10, 4), (11, 4), (11, 5), (4, 9)])
def test_a_centre_crop_leaves_as_much_on_both_sides(sizes):
    """As torchvision's, but for half a sample: it rounds to even, ours down."""
    time, size = sizes
    place = torch.arange(1.0, time + 1.0).reshape(1, 1, -1)
    kept = T.CenterCrop(size)(place).flatten()
    kept = kept[kept > 0]
    before, after = int(kept[0]) - 1, time - int(kept[-1])
    assert len(kept) == min(size, time)
    assert after - before == max(time - size, 0) % 2


def test_every_place_of_a_crop_is_as_likely():
    place = torch.arange(10.0).expand(7000, 1, -1)
    first = T.RandomCrop(4)(place)[:, 0, 0].long()
    counts = first.bincount(minlength=7).double()
    assert len(counts) == 7
    assert (counts - 1000).square().div(1000).sum() < 25.0  # chi-squared, 6 degrees of freedom


def test_its_words_say_what_it_was_made_with():
    """torchvision checks ``repr``."""
    words = repr(T.Chain([T.Gain((-3.0, 4.0), p=0.25), T.RandomCrop(1234)]))
    assert all(part in words for part in ("Gain", "-3.0", "4.0", "0.25", "RandomCrop", "1234"))
