"""Modes, probabilities, targets and frozen parameters: the convention, whatever the transform."""

import types

import pytest
import torch
from devices import on_others

from augspec.compat import torch_audiomentations as compat

SAMPLES = torch.tensor([[1.0, 0.5, 0.25, 0.125, 0.01], [0.95, 0.5, 0.25, 0.12, 0.011]])
# Gains end below 0 dB, so that a picked row never comes out as it was.
GAINS = {"min_gain_in_db": -30.0, "max_gain_in_db": -1.0, "output_type": "dict"}


def gains(augment, batch):
    """Apply gains to copies of the example and give the factors, (batch, channel)."""
    samples = SAMPLES.expand(batch, -1, -1)
    factors = augment(samples).samples / samples
    torch.testing.assert_close(factors.amin(-1), factors.amax(-1))
    return factors[..., 0]


def test_a_transform_is_a_module_without_parameters():
    parameters = compat.PolarityInversion(p=1.0).parameters()
    assert isinstance(parameters, types.GeneratorType)
    assert not list(parameters)


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 1, 1, 4)])
def test_samples_of_another_rank_are_refused(shape):
    with pytest.raises(RuntimeError, match="`samples` must be a tensor"):
        compat.PolarityInversion(p=1.0)(torch.ones(shape))


def test_per_channel_picks_and_draws_for_each_channel():
    torch.manual_seed(0)
    factors = gains(compat.Gain(mode="per_channel", p=0.5, **GAINS), 1000)
    changed = factors < 0.99
    counts = {
        "none": int((~changed).all(1).sum()),
        "first": int((changed[:, 0] & ~changed[:, 1]).sum()),
        "second": int((changed[:, 1] & ~changed[:, 0]).sum()),
        "both": int(changed.all(1).sum()),
    }
    assert all(150 < count < 350 for count in counts.values()), counts
    both = factors[changed.all(1)]
    assert ((both[:, 0] - both[:, 1]).abs() > 1e-4).float().mean() > 0.98
    assert 20 * factors.log10().min() >= -30.0 - 1e-4


def test_channels_picked_as_a_batch_all_change_or_none():
    torch.manual_seed(0)
    augment = compat.Gain(mode="per_channel", p=0.5, p_mode="per_batch", **GAINS)
    shares = [(gains(augment, 20) < 0.99).float().mean().item() for _ in range(100)]
    assert set(shares) == {0.0, 1.0}
    assert 20 < sum(shares) < 80


def test_channels_picked_as_examples_change_together_and_differently():
    torch.manual_seed(0)
    augment = compat.Gain(mode="per_channel", p=0.5, p_mode="per_example", **GAINS)
    factors = gains(augment, 2000)
    changed = factors < 0.99
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert 800 < changed[:, 0].sum() < 1200
    assert (factors[changed[:, 0]].diff(dim=1).abs() > 1e-4).float().mean() > 0.98


def test_examples_picked_as_a_batch_differ():
    torch.manual_seed(0)
    augment = compat.Gain(mode="per_example", p=1.0, p_mode="per_batch", **GAINS)
    factors = gains(augment, 50)
    torch.testing.assert_close(factors[:, 0], factors[:, 1])
    assert factors[:, 0].unique().numel() > 45


def test_a_batch_has_one_gain():
    torch.manual_seed(0)
    augment = compat.Gain(mode="per_batch", p=0.5, **GAINS)
    made = [gains(augment, 4) for _ in range(200)]
    for factors in made:
        torch.testing.assert_close(factors.amin(), factors.amax())
    assert 60 < sum(float(factors[0, 0]) < 0.99 for factors in made) < 140


def test_eval_changes_nothing_and_train_does():
    augment = compat.Gain(-15, -5, p=1.0, output_type="dict").eval()
    assert torch.equal(augment(SAMPLES[None]).samples, SAMPLES[None])
    assert not torch.equal(augment.train()(SAMPLES[None]).samples, SAMPLES[None])


def test_examples_of_a_batch_get_their_own_draws():
    torch.manual_seed(0)
    factors = gains(compat.Gain(-6, 6, p=0.5, output_type="dict"), 2000)[:, 0]
    assert 800 < (factors != 1.0).sum() < 1200
    changed = 20 * factors[factors != 1.0].log10()
    assert -6.001 <= changed.min() < -5.5 < 5.5 < changed.max() <= 6.001
    assert abs(changed.mean()) < 0.4


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_must_be_a_probability(p):
    with pytest.raises(ValueError, match="`p`"):
        compat.Gain(p=p)


@pytest.mark.parametrize(
    ("mode", "p_mode"), [("per_batch", "per_example"), ("per_example", "per_channel"), (None, "x")]
)
def test_p_mode_must_not_be_finer_than_mode(mode, p_mode):
    with pytest.raises(ValueError, match="`p_mode`"):
        compat.Gain(mode=mode or "per_example", p_mode=p_mode)


def test_an_unknown_mode_is_refused():
    with pytest.raises(compat.ModeNotSupportedException, match="`mode` of Gain"):
        compat.Gain(mode="per_sample")
    with pytest.raises(compat.ModeNotSupportedException, match="per_batch"):
        compat.Mix(mode="per_batch")


def test_an_unknown_output_type_is_refused():
    with pytest.raises(ValueError, match="`output_type`"):
        compat.Gain(output_type="list")


def test_the_tensor_is_the_default_output_and_a_dictionary_has_attributes():
    assert type(compat.Gain()(SAMPLES[None])) is torch.Tensor
    made = compat.Gain(output_type="dict")(SAMPLES[None], sample_rate=16_000)
    assert made.samples is made["samples"]
    assert (made.sample_rate, made.targets, made.target_rate) == (16_000, None, None)
    with pytest.raises(AttributeError, match="length"):
        made.length  # noqa: B018


def test_manual_seed_repeats_every_draw():
    augment = compat.Compose(
        [compat.Gain(), compat.SomeOf((1, None), [compat.Shift(), compat.PolarityInversion()])],
        output_type="dict",
        shuffle=True,
    )
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append([augment(SAMPLES.expand(8, -1, -1)).samples for _ in range(5)])
    assert all(map(torch.equal, *made))
    assert not torch.equal(made[0][0], made[0][1])


def test_frozen_parameters_repeat_until_they_are_unfrozen():
    augment = compat.Gain(p=0.5, mode="per_channel", output_type="dict")
    first = gains(augment, 30)
    augment.freeze_parameters()
    assert torch.equal(gains(augment, 30), first)
    augment.unfreeze_parameters()
    assert not torch.equal(gains(augment, 30), first)


def test_frozen_parameters_of_another_batch_are_refused():
    augment = compat.Gain(p=1.0)
    augment(torch.ones(3, 1, 8))
    augment.freeze_parameters()
    with pytest.raises(RuntimeError, match="frozen parameters of Gain are for, 3 rows, got 4"):
        augment(torch.ones(4, 1, 8))


def test_the_input_is_not_edited():
    for make in (compat.Padding, compat.TimeInversion, compat.PeakNormalization, compat.Shift):
        samples = torch.randn(4, 2, 100)
        before = samples.clone()
        make(p=1.0)(samples)
        assert torch.equal(samples, before), make


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_dtype_stays(dtype):
    made = compat.AddColoredNoise(p=1.0, sample_rate=16_000)(torch.randn(2, 1, 400).to(dtype))
    assert made.dtype == dtype
    assert made.isfinite().all()


def test_an_empty_batch_passes_with_a_warning():
    empty = torch.empty(0, 1, 16_000)
    for p in (0.0, 1.0):
        with pytest.warns(UserWarning, match="`samples` of AddColoredNoise is empty"):
            made = compat.AddColoredNoise(20, p=p)(empty, sample_rate=16_000)
        assert torch.equal(made, empty)


def test_the_sample_rate_of_the_call_goes_before_that_of_the_constructor():
    samples = torch.arange(8.0)[None, None]
    shift = compat.Shift(1, 1, "seconds", p=1.0, sample_rate=1, output_type="dict")
    assert shift(samples).samples[0, 0, 0] == 7
    assert shift(samples, sample_rate=2).samples[0, 0, 0] == 6
    assert shift(samples, sample_rate=2).sample_rate == 2


def test_a_missing_sample_rate_is_named():
    with pytest.raises(RuntimeError, match="`sample_rate` is required by LowPassFilter"):
        compat.LowPassFilter(p=1.0)(torch.ones(1, 1, 8))


def targets(batch=3, channels=2, frames=4, classes=5):
    return torch.arange(float(batch * channels * frames * classes)).reshape(
        batch, channels, frames, classes
    )


@pytest.mark.parametrize("shape", [(3, 2, 4), (2, 2, 4, 5), (3, 1, 4, 5)])
def test_targets_of_another_shape_are_refused(shape):
    with pytest.raises(RuntimeError, match="`targets` must"):
        compat.Gain()(torch.ones(3, 2, 16), targets=torch.zeros(shape))


def test_the_rate_of_targets_follows_from_their_number():
    augment = compat.Gain(output_type="dict", p=1.0)
    made = augment(torch.ones(3, 2, 1600), sample_rate=16_000, targets=targets())
    assert made.target_rate == 40
    whole = augment(torch.ones(3, 2, 1600), sample_rate=16_000, targets=targets(frames=1))
    assert whole.target_rate == 0
    given = augment(torch.ones(3, 2, 1600), targets=targets(), target_rate=7)
    assert given.target_rate == 7


@pytest.mark.parametrize("mode", ["per_batch", "per_example", "per_channel"])
def test_targets_go_with_the_rows_that_are_picked(mode):
    torch.manual_seed(1)
    samples = torch.randn(60, 2, 16)
    labels = targets(60)
    made = compat.TimeInversion(mode, p=0.5, output_type="dict")(samples, targets=labels)
    turned = (made.samples == samples.flip(-1)).all(-1)
    assert turned.any() or mode == "per_batch"
    wanted = torch.where(turned[..., None, None], labels.flip(-2), labels)
    assert torch.equal(made.targets, wanted)


class Louder(compat.BaseWaveformTransform):
    """A transform as a user of the convention writes it: in place, without a constructor."""

    requires_sample_rate = False

    def randomize_parameters(self, samples=None, sample_rate=None, targets=None, target_rate=None):
        self.transform_parameters["factor"] = torch.full((len(samples), 1, 1), 3.0)

    def apply_transform(self, samples=None, sample_rate=None, targets=None, target_rate=None):
        samples *= self.transform_parameters["factor"]
        return compat.ObjectDict(
            samples=samples, sample_rate=sample_rate, targets=targets, target_rate=target_rate
        )


def test_a_transform_of_ones_own_is_given_the_picked_rows():
    torch.manual_seed(0)
    samples = torch.ones(100, 2, 8)
    made = Louder(p=0.5, mode="per_channel", output_type="dict")(samples).samples
    assert set(made.unique().tolist()) == {1.0, 3.0}
    assert torch.equal(samples, torch.ones(100, 2, 8))


def test_a_transform_that_wants_targets_or_one_channel_says_so():
    class Needs(Louder):
        requires_target = True
        supports_multichannel = False

    with pytest.raises(RuntimeError, match="`targets` is required by Needs"):
        Needs(p=1.0)(torch.ones(1, 1, 8))
    with pytest.raises(compat.MultichannelAudioNotSupportedException, match="one channel, got 2"):
        Needs(p=1.0)(torch.ones(1, 2, 8))


@pytest.mark.parametrize(
    "augment",
    [
        compat.Compose([compat.Gain(-15.0, -5.0, p=1.0), compat.PolarityInversion(p=1.0)]),
        compat.Gain(-6.1, -6, p=1.0),
        compat.PolarityInversion(p=1.0),
        compat.Shift(p=1.0),
        compat.AddColoredNoise(20, p=1.0),
        compat.PeakNormalization(p=1.0),
        compat.LowPassFilter(p=1.0),
        compat.BandStopFilter(p=1.0),
        compat.HighPassFilter(p=1.0),
        compat.SpliceOut(2, 0.1, p=1.0),
        compat.Padding(p=1.0),
        compat.Mix(p=1.0),
    ],
    ids=lambda one: type(one).__name__,
)
def test_gradients_flow(augment):
    samples = torch.randn(2, 1, 40, dtype=torch.float64, requires_grad=True)
    augment(samples, sample_rate=16_000).square().sum().backward()
    assert samples.grad.isfinite().all()
    assert samples.grad.any()


EVERYWHERE = {
    "Gain": compat.Gain,
    "AddColoredNoise": compat.AddColoredNoise,
    "BandPassFilter": compat.BandPassFilter,
    "HighPassFilter": compat.HighPassFilter,
    "Mix": compat.Mix,
    "Padding": compat.Padding,
    "PeakNormalization": compat.PeakNormalization,
    "Shift": compat.Shift,
    "ShuffleChannels": compat.ShuffleChannels,
    "SpliceOut": compat.SpliceOut,
    "TimeInversion": compat.TimeInversion,
}


@on_others(*EVERYWHERE)
def test_another_device_draws_and_computes_what_the_cpu_does(device, name):
    samples, labels = torch.randn(8, 2, 4000), torch.rand(8, 2, 40, 3)
    augment = EVERYWHERE[name](p=0.5, sample_rate=16_000, output_type="dict")
    made = []
    for place in ("cpu", device):
        torch.manual_seed(0)
        made.append(augment(samples.to(place), targets=labels.to(place)))
    here, there = made
    assert there.samples.device.type == device
    torch.testing.assert_close(there.samples.cpu(), here.samples, atol=1e-4, rtol=1e-3)
    assert torch.equal(there.targets.cpu(), here.targets)
