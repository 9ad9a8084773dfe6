"""Distortions as transforms: their draws, their mix and their limits."""

import pytest
import torch

from augspec import functional
from augspec import transforms as T

RATE = 16_000


def noise(batch=4, channels=2, time=2000):
    generator = torch.Generator().manual_seed(0)
    return 0.3 * torch.randn(batch, channels, time, generator=generator)


@pytest.mark.parametrize("per_channel", [False, True])
def test_each_example_or_channel_is_clipped_at_its_own_threshold(per_channel):
    clip, waveform = T.Clip((-20.0, -10.0), per_channel=per_channel), noise(40)
    params = clip.make_params(waveform)
    threshold = 10 ** (params["threshold_db"] / 20)
    assert threshold.shape == ((40, 2) if per_channel else (40,))
    assert threshold.unique().numel() == threshold.numel()
    dims = -1 if per_channel else (-2, -1)
    torch.testing.assert_close(clip.transform(waveform, params).abs().amax(dims), threshold)


def test_the_percentage_that_was_drawn_is_clipped():
    distortion, waveform = T.ClippingDistortion((0.0, 40.0)), noise(20)
    params = distortion.make_params(waveform)
    clipped = (distortion.transform(waveform, params) != waveform).float().mean((-2, -1))
    assert (clipped - params["percentile"] / 100).abs().max() < 1e-3


def test_bit_depths_are_whole_and_reach_both_ends():
    params = T.BitCrush((5, 7)).make_params(torch.zeros(3000, 1, 1))
    counts = params["bit_depth"].bincount(minlength=8)
    assert counts[:5].sum() == 0
    assert (counts[5:] - 1000).abs().max() < 5 * (3000 * 2 / 9) ** 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda mix: T.TanhDistortion(0.6, mix=mix),
        lambda mix: T.BitCrush(4, mix=mix),
        lambda mix: T.Aliasing(3000, sample_rate=RATE, mix=mix),
    ],
)
def test_mix_leads_from_dry_to_wet(make):
    waveform = noise()
    wet = make(1.0)(waveform)
    assert torch.equal(make(0.0)(waveform), waveform)
    torch.testing.assert_close(make(0.25)(waveform), 0.75 * waveform + 0.25 * wet)


def test_new_rates_are_drawn_within_their_range():
    aliasing, waveform = T.Aliasing((3000, 12_000), sample_rate=RATE), noise(30, 1, 4800)
    params = aliasing.make_params(waveform)
    out = aliasing.transform(waveform, params)
    changes = (out.diff(dim=-1) != 0).sum(-1).squeeze(1) + 1
    # 0.3 s hold so many samples of the new rate.
    assert (changes - 0.3 * params["new_freq"]).abs().max() <= 1
    assert changes.min() < 2000 < changes.max()


def test_nothing_is_held_into_padding():
    waveform, lengths = noise(1, 1, 100), torch.tensor([50])
    out, _ = T.Aliasing(100, sample_rate=RATE)(waveform, lengths)
    assert (out[..., :50] == waveform[..., :1]).all()
    assert not out[..., 50:].any()


def test_mu_law_can_differ_by_channel():
    mu_law, waveform = T.MuLaw((2, 300), per_channel=True), noise()
    params = mu_law.make_params(waveform)
    out = mu_law.transform(waveform, params)
    for i, values in enumerate(params["quantization_channels"]):
        alone = functional.mu_law(waveform[i, :, None], values)
        assert torch.equal(out[i], alone[:, 0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Clip((0.0, -6.0)), "`threshold_db` must be .low, high. with low <= high"),
        (lambda: T.ClippingDistortion(101.0), r"`percentile` must lie in \[0, 100\]"),
        (lambda: T.TanhDistortion((0.0, 1.1)), r"`distortion` must lie in \[0, 1\]"),
        (lambda: T.TanhDistortion(mix=-0.1), r"`mix` must lie in \[0, 1\]"),
        (lambda: T.BitCrush(7.5), "`bit_depth` must be an integer or .low, high. integers"),
        (lambda: T.BitCrush((4, True)), "`bit_depth` must be an integer or .low, high. integers"),
        (lambda: T.BitCrush((0, 4)), r"`bit_depth` must lie in \[1, 24\]"),
        (lambda: T.BitCrush((9, 4)), "`bit_depth` must be .low, high. with low <= high"),
        (lambda: T.MuLaw(1), r"`quantization_channels` must lie in \[2, 65536\]"),
        (lambda: T.Aliasing(17_000, sample_rate=RATE), r"`new_freq` must lie in \[1, 16000\]"),
        (lambda: T.Aliasing(4_000, sample_rate=None), "`sample_rate` must be a positive number"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
