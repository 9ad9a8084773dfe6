"""Normalisers: the level that was asked for, whatever there was, and silence stays silence."""

import math

import pytest
import torch

from augspec import functional
from augspec import transforms as T


def examples(batch=6, channels=2, time=9600):
    generator = torch.Generator().manual_seed(0)
    level = torch.logspace(-3, 1, batch)[:, None, None]
    return level * torch.randn(batch, channels, time, generator=generator)


def rms_db(waveform, dims=(-2, -1)):
    return 10 * waveform.double().square().mean(dims).log10()


def peak_db(waveform, dims=(-2, -1)):
    return 20 * waveform.double().abs().amax(dims).log10()


LENGTHS = torch.tensor([9600, 8000, 7000, 6500, 12, 1])
MEASURES = {
    "rms": (T.RMSNormalize, rms_db, "rms_db"),
    "peak": (T.PeakNormalize, peak_db, "peak_db"),
    "loudness": (
        lambda *args, **kwargs: T.LoudnessNormalize(*args, sample_rate=16_000, **kwargs),
        lambda x: functional.loudness(x.double(), 16_000),
        "lufs",
    ),
}


@pytest.mark.parametrize("name", MEASURES)
def test_each_example_gets_the_level_that_was_drawn(name):
    make, measure, parameter = MEASURES[name]
    transform, waveform = make((-30.0, -10.0)), examples()
    params = transform.make_params(waveform)
    assert params[parameter].min() < params[parameter].max()
    found = measure(transform.transform(waveform, params))
    assert (found - params[parameter]).abs().max() < 0.001


@pytest.mark.parametrize("name", MEASURES)
def test_levels_are_those_of_the_valid_samples(name):
    make, measure, _ = MEASURES[name]
    waveform = examples()
    out, _ = make(-20.0)(waveform, LENGTHS)
    # An example of one sample has no loudness to speak of, but one nevertheless.
    for one, end in zip(out, LENGTHS.tolist(), strict=True):
        assert abs(measure(one[None, :, :end]).item() + 20.0) < 0.001


@pytest.mark.parametrize("name", ["rms", "peak"])
def test_per_channel_gives_each_channel_its_level(name):
    make, measure, parameter = MEASURES[name]
    transform, waveform = make((-30.0, -10.0), per_channel=True), examples()
    params = transform.make_params(waveform)
    out = transform.transform(waveform, params)
    assert (measure(out, -1) - params[parameter]).abs().max() < 0.001


def test_per_channel_loudness_is_that_of_each_channel_alone():
    transform = T.LoudnessNormalize(-20.0, sample_rate=16_000, per_channel=True)
    out = transform(examples(channels=6))
    alone = functional.loudness(out.flatten(0, 1)[:, None], 16_000)
    assert (alone + 20.0).abs().max() < 0.001


@pytest.mark.parametrize("name", MEASURES)
def test_the_balance_of_the_channels_stays_without_per_channel(name):
    waveform = examples()
    waveform[:, 1] *= 0.1
    ratio = MEASURES[name][0](-20.0)(waveform) / waveform
    assert torch.allclose(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=1e-5)


@pytest.mark.parametrize("name", MEASURES)
def test_silence_stays_silence_and_a_quiet_neighbour_is_no_matter(name):
    waveform = examples()
    waveform[2] = 0.0
    out = MEASURES[name][0](-20.0)(waveform)
    assert not out[2].any()
    assert out[[0, 1, 3]].abs().amax((-2, -1)).min() > 0.05


def test_loudness_leaves_what_is_below_the_absolute_gate():
    quiet = 1e-5 * examples(1)
    assert torch.equal(T.LoudnessNormalize(-20.0, sample_rate=16_000)(quiet), quiet)


@pytest.mark.parametrize("name", MEASURES)
def test_in_eval_is_a_choice(name):
    make, waveform = MEASURES[name][0], examples()
    assert torch.equal(make(-20.0).eval()(waveform), waveform)
    acting = make(-20.0, in_eval=True)
    assert torch.equal(acting.eval()(waveform), acting.train()(waveform))
    assert "in_eval=True" in repr(acting)


def test_a_full_scale_sine_has_an_rms_of_minus_3_01_db():
    time = torch.arange(16_000, dtype=torch.float64) / 16_000
    sine = torch.sin(2 * math.pi * 100 * time)[None, None]
    out = T.RMSNormalize(10 * math.log10(0.5))(0.01 * sine)
    assert torch.allclose(out, sine, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.RMSNormalize((0.0, -6.0)), "`rms_db` must be .low, high. with low <= high"),
        (lambda: T.PeakNormalize(300.0), r"`peak_db` must lie in \[-200, 200\]"),
        (lambda: T.LoudnessNormalize("loud", sample_rate=16_000), "`lufs` must be a number"),
        (lambda: T.LoudnessNormalize(sample_rate=0), "`sample_rate` must be a positive number"),
        (lambda: T.LoudnessNormalize(sample_rate=44.1), "`sample_rate` must be a positive number"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
