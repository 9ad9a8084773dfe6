"""Mixing: who is mixed with whom, by how much, and what becomes of the labels."""

import pytest
import releases
import torch

import augspec
from augspec import features as F
from augspec import functional
from augspec import transforms as T

MIXERS = [T.Mixup(0.8), T.CutMix(), T.MixBackground((0.0, 20.0), labels="soft")]
each_mixer = pytest.mark.parametrize("mixer", MIXERS, ids=lambda t: type(t).__name__)


def keys(*index):
    return augspec.example_keys(seed=3, epoch=1, index=list(index))


def batch_of(count=7, time=400, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, time, generator=generator, dtype=dtype)


def pairs(mixer, index):
    """Which example is mixed with which, by their places in the data set."""
    params = mixer.make_params(torch.zeros(len(index), 1, 8), keys=keys(*index))
    return {place: index[other] for place, other in zip(index, params["partner"], strict=True)}


# Partners.


@each_mixer
def test_partners_form_one_ring(mixer):
    found = pairs(mixer, list(range(9)))
    place, seen = 0, []
    for _ in range(9):
        seen.append(place)
        place = found[place]
    assert place == 0
    assert sorted(seen) == list(range(9))


@each_mixer
def test_the_order_of_the_batch_keeps_the_pairs(mixer):
    assert pairs(mixer, [4, 2, 8, 0, 7, 1, 5, 3, 6]) == pairs(mixer, list(range(9)))


@each_mixer
def test_removing_an_example_changes_only_the_pair_that_it_was_second_in(mixer):
    whole = pairs(mixer, list(range(9)))
    for gone in range(9):
        left = pairs(mixer, [i for i in range(9) if i != gone])
        expected = {a: b if b != gone else whole[gone] for a, b in whole.items() if a != gone}
        assert left == expected


@each_mixer
def test_a_lone_example_is_its_own_partner_and_keeps_its_label(mixer):
    assert pairs(mixer, [5]) == {5: 5}
    label = torch.tensor([[0.0, 1.0]])
    params = mixer.make_params(torch.zeros(1, 1, 8), keys=keys(5))
    torch.testing.assert_close(mixer.targets({"label": label}, params)["label"], label)


def test_the_partner_has_the_next_larger_hash():
    values = torch.tensor([5, -3, 9, 0])
    assert functional.mix.next_larger(values).tolist() == [2, 3, 1, 0]
    assert functional.mix.next_larger(torch.zeros(3, dtype=torch.int64)).tolist() == [1, 2, 0]
    assert functional.mix.next_larger(values[:0]).shape == (0,)


# Mixup.


def test_mixup_is_the_weighted_sum():
    waveform, mixup = batch_of(), T.Mixup(1.0)
    params = mixup.make_params(waveform)
    lam = params["lam"].double()[:, None, None]
    expected = lam * waveform + (1.0 - lam) * waveform[params["partner"]]
    torch.testing.assert_close(mixup.transform(waveform, params), expected)


def test_mixup_ends_with_the_longer_of_the_two_and_lets_nothing_of_padding_in():
    waveform, lengths = batch_of(4), torch.tensor([400, 100, 0, 250])
    padding = torch.arange(400) >= lengths[:, None, None]
    params = {
        "applied": torch.tensor([True, True, True, False]),
        "partner": torch.tensor([1, 3, 0, 2]),
        "lam": torch.tensor([0.25, 0.5, 0.75, 0.0]),
    }
    out, new = T.Mixup().transform(waveform.masked_fill(padding, 7.0), params, lengths)
    assert new.tolist() == [400, 250, 400, 250]
    silent = waveform.masked_fill(padding, 0.0)
    for i, (weight, other) in enumerate([(0.25, 1), (0.5, 3), (0.75, 0)]):
        torch.testing.assert_close(out[i], weight * silent[i] + (1 - weight) * silent[other])
    assert torch.equal(out[3, :, :250], waveform[3, :, :250])


# CutMix.


def test_cutmix_takes_one_segment_of_its_share_from_the_same_place():
    waveform, cutmix = batch_of(200), T.CutMix()
    params = cutmix.make_params(waveform)
    out = cutmix.transform(waveform, params)
    theirs = (out != waveform).all(1)
    partner = waveform[params["partner"]]
    assert torch.equal(torch.where(theirs[:, None], partner, waveform), out)
    assert ((theirs.int().diff(dim=-1) == 1).sum(-1) <= 1).all()
    assert torch.equal(theirs.sum(-1), ((1.0 - params["lam"].double()) * 400).long())
    # Uniform places: as often at the front as at the back.
    front, back = theirs[:, :100].float().mean(), theirs[:, -100:].float().mean()
    assert abs(front - back) < 0.12


def test_cutmix_stays_within_both_examples():
    waveform = batch_of(300)
    lengths = torch.randint(0, 401, (300,), generator=torch.Generator().manual_seed(1))
    cutmix = T.CutMix()
    params = cutmix.make_params(waveform)
    out, new = cutmix.transform(waveform, params, lengths)
    assert torch.equal(new, lengths)
    both = torch.minimum(lengths, lengths[params["partner"]])
    theirs = (out != waveform).all(1)
    assert not (theirs & (torch.arange(400) >= both[:, None])).any()
    width = ((1.0 - params["lam"].double()) * both).long()
    assert torch.equal(theirs.sum(-1), width)
    label = torch.eye(300, dtype=torch.float64)
    weights = cutmix.targets({"label": label}, params, lengths)["label"]
    share = weights.gather(1, params["partner"][:, None]).squeeze(1)
    exact = width / lengths.clamp(min=1)
    alone = params["partner"] == torch.arange(300)
    assert ((share - exact).abs() <= 1.0 / lengths.clamp(min=1))[~alone].all()


@pytest.mark.parametrize("lengths", [None, torch.tensor([400, 300, 400, 200, 400, 400])])
def test_frames_within_the_segment_become_the_partners(lengths):
    cutmix, waveform = T.CutMix(), batch_of(6)
    params = cutmix.make_params(waveform)
    out = cutmix.transform(waveform, params, lengths)
    theirs = ((out if lengths is None else out[0]) != waveform).all(1)
    frames = torch.arange(6.0)[:, None, None].expand(6, 3, 40)
    found = cutmix.targets({"frames": frames}, params, lengths, time=400)["frames"]
    # A frame lies over ten samples; its middle decides.
    inside = theirs[:, 5::10]
    expected = torch.where(inside[:, None], frames[params["partner"]], frames)
    assert torch.equal(found, expected)
    with pytest.raises(ValueError, match="give `time`"):
        cutmix.targets({"frames": frames}, params, lengths)


# MixBackground.


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 12.5])
def test_the_background_lies_as_far_below_as_was_asked(snr_db):
    waveform = batch_of() * torch.logspace(-3, 0, 7, dtype=torch.float64)[:, None, None]
    lengths = torch.tensor([400, 300, 400, 50, 200, 399, 400])
    waveform = waveform.masked_fill(torch.arange(400) >= lengths[:, None, None], 0.0)
    mixer = T.MixBackground(snr_db)
    params = mixer.make_params(waveform)
    out, new = mixer.transform(waveform, params, lengths)
    assert torch.equal(new, lengths)
    background = out - waveform
    for i, other in enumerate(params["partner"].tolist()):
        heard = min(int(lengths[i]), int(lengths[other]))
        assert not background[i, :, heard:].any()
        own = waveform[i, :, : lengths[i]].square().mean()
        theirs = background[i, :, :heard].square().mean()
        assert abs(float(10 * torch.log10(own / theirs)) - snr_db) < 1e-3
        shape = torch.nn.functional.cosine_similarity(
            background[i, :, :heard].flatten(), waveform[other, :, :heard].flatten(), dim=0
        )
        assert shape > 0.999999


def test_nothing_is_added_to_silence_or_of_silence():
    waveform = batch_of(2)
    waveform[0] = 0.0
    waveform.requires_grad_()
    out = T.MixBackground()(waveform)
    assert torch.equal(out, waveform)
    (gradient,) = torch.autograd.grad(out.sum(), waveform)
    assert gradient.isfinite().all()


# Labels.


@each_mixer
def test_unpicked_examples_keep_waveform_and_label_bit_for_bit(mixer):
    waveform = batch_of(60, dtype=torch.float32)
    half = type(mixer)(p=0.5) if mixer is not MIXERS[2] else T.MixBackground(p=0.5, labels="soft")
    params = half.make_params(waveform, keys=keys(*range(60)))
    label = torch.rand(60, 5)
    picked = params["applied"]
    assert 15 < picked.sum() < 45
    out, new = half.transform(waveform, params), half.targets({"label": label}, params)["label"]
    assert torch.equal(out[~picked], waveform[~picked])
    assert torch.equal(new[~picked], label[~picked])
    assert (out[picked] != waveform[picked]).any(-1).any(-1).float().mean() > 0.9
    assert (new[picked] != label[picked]).any(-1).float().mean() > 0.9


@each_mixer
def test_nan_reaches_no_example_that_is_not_picked(mixer):
    waveform = batch_of(3)
    waveform[1] = torch.nan
    label = torch.eye(3)
    label[1] = torch.nan
    params = mixer.make_params(waveform)
    params["applied"] = torch.zeros(3, dtype=torch.bool)
    params["partner"] = torch.tensor([1, 2, 1])
    for lengths in (None, torch.tensor([300, 400, 100])):
        out = mixer.transform(waveform, params, lengths)
        out = out if lengths is None else out[0]
        torch.testing.assert_close(out, waveform, rtol=0.0, atol=0.0, equal_nan=True)
    new = mixer.targets({"label": label}, params)["label"]
    torch.testing.assert_close(new, label, rtol=0.0, atol=0.0, equal_nan=True)


@each_mixer
def test_labels_are_shared_out_by_weight_and_other_targets_stay(mixer):
    waveform = batch_of()
    params = mixer.make_params(waveform)
    targets = {"label": torch.eye(7), "pitch": torch.arange(7), "path": list("abcdefg")}
    new = mixer.targets(targets, params)
    if isinstance(mixer, T.MixBackground):
        power = 10.0 ** (params["snr_db"] / 10.0)
        weight = power / (1.0 + power)
    else:
        weight = params["lam"]
    expected = (
        weight[:, None] * torch.eye(7) + (1 - weight[:, None]) * torch.eye(7)[params["partner"]]
    )
    torch.testing.assert_close(new["label"], expected)
    torch.testing.assert_close(new["label"].sum(1), torch.ones(7))
    assert torch.equal(new["pitch"], targets["pitch"])
    assert new["path"] == targets["path"]
    assert torch.equal(targets["label"], torch.eye(7))


def test_frames_are_mixed_with_the_weights_of_mixup():
    mixup, frames = T.Mixup(), torch.rand(5, 3, 11)
    params = mixup.make_params(torch.zeros(5, 1, 8))
    lam = params["lam"][:, None, None]
    found = mixup.targets({"frames": frames}, params)["frames"]
    torch.testing.assert_close(found, lam * frames + (1 - lam) * frames[params["partner"]])


@each_mixer
def test_class_numbers_cannot_be_mixed_and_the_error_says_what_to_do(mixer):
    params = mixer.make_params(torch.zeros(4, 1, 8))
    with pytest.raises(ValueError, match="pass num_classes to augspec.DeviceLoader, or give"):
        mixer.targets({"label": torch.arange(4)}, params)
    several = torch.tensor([[1, 0], [1, 1], [0, 1], [0, 0]])
    mixed = mixer.targets({"label": several}, params)["label"]
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, mixer.targets({"label": several.float()}, params)["label"])


def test_a_background_leaves_class_numbers_unless_labels_are_soft():
    mixer = T.MixBackground()
    params = mixer.make_params(torch.zeros(4, 1, 8))
    targets = {"label": torch.arange(4)}
    assert mixer.targets(targets, params)["label"] is targets["label"]


def test_the_loader_makes_soft_labels_with_num_classes():
    notes = [{"waveform": torch.randn(1, 800), "label": i % 3, "index": i} for i in range(8)]
    loader = torch.utils.data.DataLoader(notes, batch_size=8)
    frontend = augspec.Frontend(T.Chain([T.Gain(), T.Mixup(1.0)]), F.Spectrogram(n_fft=256))
    (batch,) = augspec.DeviceLoader(loader, frontend, device="cpu", num_classes=3)
    torch.testing.assert_close(batch["label"].sum(1), torch.ones(8))
    assert ((batch["label"] > 0) & (batch["label"] < 1)).any()
    with pytest.raises(ValueError, match="num_classes"):
        list(augspec.DeviceLoader(loader, frontend, device="cpu"))


# All of it.


@each_mixer
def test_replay_gradient_and_compilation(mixer):
    waveform, lengths = batch_of(4, 50), torch.tensor([50, 20, 33, 41])
    params = augspec.params_from_json(augspec.params_to_json(mixer.make_params(waveform)))
    out, _ = mixer.transform(waveform, params, lengths)
    assert out.dtype == torch.float64
    torch.autograd.gradcheck(
        lambda x: mixer.transform(x, params, lengths)[0], waveform.requires_grad_(), fast_mode=True
    )
    compiled = torch.compile(mixer, fullgraph=releases.COMPILES_WHOLE, backend="aot_eager")
    ours = mixer(waveform, lengths, keys=keys(0, 1, 2, 3))
    theirs = compiled(waveform, lengths, keys=keys(0, 1, 2, 3))
    torch.testing.assert_close(theirs, ours)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Mixup(0.0), r"`alpha` must lie in \[0.01, 100\], got 0.0"),
        (lambda: T.CutMix(float("nan")), "`alpha` must be a finite number"),
        (lambda: T.MixBackground((3.0, 1.0)), "`snr_db` must be .* low <= high"),
        (
            lambda: T.MixBackground(labels="hard"),
            "`labels` must be 'keep', 'soft' or 'union'",
        ),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
