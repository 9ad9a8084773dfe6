"""RandAugment and TrivialAugment: choices per example, and magnitudes that scale what is drawn."""

import math

import pytest
import torch

import augspec
from augspec import transforms as T

COUNT = 4000
KEYS = augspec.example_keys(7, 0, range(COUNT))
NOTHING = torch.zeros(COUNT, 1, 1)


def test_every_step_chooses_for_every_example_by_itself():
    policy = T.RandAugment([T.Gain(), T.Speed(), T.PolarityInversion()], n=3)
    choice = policy.make_params(NOTHING, keys=KEYS)["choice"]
    assert choice.shape == (COUNT, 3)
    code = (choice * torch.tensor([9, 3, 1])).sum(1)
    shares = torch.bincount(code, minlength=27) / COUNT  # the same transform may come twice
    assert (shares - 1 / 27).abs().max() < 5 * math.sqrt(26 / 27**2 / COUNT)


def test_the_magnitude_scales_what_is_drawn_around_its_neutral_value():
    parts = [T.Gain((-12.0, 6.0)), T.Speed((0.8, 1.4)), T.Chain([T.PitchShift((2.0, 4.0))])]
    full = T.RandAugment(parts, n=2, magnitude=1.0).make_params(NOTHING, keys=KEYS)
    half = T.RandAugment(parts, n=2, magnitude=0.25).make_params(NOTHING, keys=KEYS)
    assert torch.equal(half["choice"], full["choice"])
    for weak, strong in zip(half["options"], full["options"], strict=True):
        torch.testing.assert_close(weak[0]["gain_db"], 0.25 * strong[0]["gain_db"])
        torch.testing.assert_close(weak[1]["factor"], 1.0 + 0.25 * (strong[1]["factor"] - 1.0))
        semitones = weak[2][0]["semitones"]
        torch.testing.assert_close(semitones, 0.25 * strong[2][0]["semitones"])
        assert semitones.min() >= 0.5
        assert semitones.max() < 1.0
        assert torch.equal(weak[0]["applied"], strong[0]["applied"])
    first, second = full["options"]
    assert (first[0]["gain_db"] != second[0]["gain_db"]).float().mean() > 0.99


def test_magnitude_0_is_the_identity_and_what_has_no_neutral_value_is_left():
    policy = T.RandAugment([T.Gain(), T.Speed((0.8, 1.2))], n=2, magnitude=0.0)
    waveform = torch.randn(6, 1, 500)
    torch.testing.assert_close(policy(waveform, keys=KEYS[:6]), waveform, rtol=1e-5, atol=1e-5)
    masks = T.RandAugment([T.TimeMask(9)], n=1, magnitude=0.5)
    drawn = masks.make_params(torch.zeros(COUNT, 1, 1, 1), keys=KEYS)["options"][0][0]
    assert drawn["start"].max() > 0.99


def test_whole_numbers_stay_whole():
    policy = T.RandAugment([T.RepeatPart(repeats=(3, 4))], n=1, magnitude=0.4)
    repeats = policy.make_params(NOTHING, keys=KEYS)["options"][0][0]["repeats"]
    assert repeats.dtype == torch.int64
    assert repeats.unique().tolist() == [1, 2]  # 1.2 and 1.6, rounded


def test_trivial_augment_draws_a_magnitude_for_each_example():
    policy = T.TrivialAugment([T.Gain(10.0), T.PitchShift((-6.0, 6.0))])
    params = policy.make_params(NOTHING, keys=KEYS)
    magnitude = params["magnitude"]
    assert magnitude.shape == (COUNT,)
    assert abs(magnitude.mean() - 0.5) < 5 * math.sqrt(1 / 12 / COUNT)
    torch.testing.assert_close(params["options"][0][0]["gain_db"], 10.0 * magnitude)
    assert params["choice"].shape == (COUNT, 1)
    assert abs(params["choice"].float().mean() - 0.5) < 5 * math.sqrt(0.25 / COUNT)


def test_one_policy_inside_another_is_scaled_too():
    inner = T.TrivialAugment([T.Gain(8.0)])
    outer = T.RandAugment([inner, T.OneOf([T.Gain(8.0)])], n=1, magnitude=0.5)
    params = outer.make_params(NOTHING, keys=KEYS)["options"][0]
    gain = params[0]["options"][0][0]["gain_db"]
    torch.testing.assert_close(gain, 8.0 * params[0]["magnitude"])
    assert params[0]["magnitude"].max() <= 0.5
    assert torch.equal(params[1]["options"][0]["gain_db"], torch.full((COUNT,), 4.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.RandAugment([T.Gain()], n=0), "`n` must be a positive whole number, got 0"),
        (lambda: T.RandAugment([T.Gain()], magnitude=1.5), r"`magnitude` must lie in \[0, 1\]"),
        (lambda: T.TrivialAugment([]), "`transforms` must hold at least one transform"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
