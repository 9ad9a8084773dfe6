"""Distortions state what they do to levels and to the spectrum of a tone."""

import math

import audiomentations
import pytest
import torch

from augspec import functional

RATE = 16_000


def sine(freq, time=RATE, amplitude=1.0):
    n = torch.arange(time, dtype=torch.float64)
    return amplitude * torch.sin(2 * math.pi * freq * n / RATE + 0.1).expand(1, 1, -1)


def noise(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def spectrum_db(waveform):
    """Amplitude at each Hz of a second of audio, in dB of full scale."""
    return 20 * (torch.fft.rfft(waveform[0, 0]).abs() * 2 / waveform.shape[-1] + 1e-15).log10()


def integers(*numbers):
    return torch.tensor(numbers)


def test_clip_keeps_what_is_within_and_sets_the_rest_to_the_threshold():
    waveform = noise(3, 2, 500)
    out = functional.clip(waveform, torch.tensor([-20.0, -6.0, 0.0]))
    for one, source, threshold in zip(out, waveform, [0.1, 10 ** (-6 / 20), 1.0], strict=True):
        assert torch.allclose(one, source.clamp(-threshold, threshold), rtol=1e-6)
    peak = waveform.abs().amax((-2, -1))
    relative = functional.clip(waveform, torch.full((3,), -20.0), relative=True)
    assert torch.allclose(relative.abs().amax((-2, -1)), 0.1 * peak, rtol=1e-6)
    peak = waveform.abs().amax(-1)
    relative = functional.clip(waveform, torch.full((3, 2), -20.0), relative=True)
    assert torch.allclose(relative.abs().amax(-1), 0.1 * peak, rtol=1e-6)


@pytest.mark.parametrize("percentile", [0.0, 10.0, 40.0, 100.0])
def test_the_percentage_of_samples_is_clipped(percentile):
    waveform, lengths = noise(2, 2, 1000), torch.tensor([1000, 700])
    out = functional.clipping_distortion(waveform, torch.full((2,), percentile), lengths)
    for one, source, end in zip(out, waveform, lengths.tolist(), strict=True):
        clipped = (one != source)[:, :end].double().mean()
        assert abs(clipped - percentile / 100) <= 1.5 / (2 * end)
        threshold = source[:, :end].abs().flatten().quantile(1 - percentile / 100)
        assert torch.allclose(
            one[:, :end], source[:, :end].clamp(-threshold, threshold), rtol=0, atol=1e-6
        )


@pytest.mark.parametrize("amount", [0.0, 0.05, 0.5, 1.0])
def test_tanh_distortion_is_that_of_audiomentations(amount):
    waveform = noise(1, 2, 3000)
    theirs = audiomentations.TanhDistortion(amount, amount, p=1.0)
    expected = theirs(waveform[0].float().numpy(), sample_rate=RATE)
    found = functional.tanh_distortion(waveform, torch.tensor([amount]))
    torch.testing.assert_close(found[0].float(), torch.from_numpy(expected), rtol=1e-4, atol=1e-4)


def test_tanh_distortion_makes_odd_harmonics_only_and_keeps_the_rms():
    tone = sine(200)
    out = functional.tanh_distortion(tone, torch.tensor([0.7]))
    level = spectrum_db(out)
    assert level[600] > -30
    assert level[1000] > -50
    odd = torch.zeros_like(level, dtype=torch.bool)
    odd[200::400] = True
    assert level[~odd].max() < -250
    assert torch.allclose(out.square().mean(), tone.square().mean(), rtol=1e-12)


def test_tanh_distortion_does_not_depend_on_the_level_nor_on_padding():
    waveform, amount = noise(1, 2, 900), torch.tensor([0.4])
    out = functional.tanh_distortion(waveform, amount)
    assert torch.allclose(
        functional.tanh_distortion(0.01 * waveform, amount), 0.01 * out, rtol=1e-3
    )
    padded = torch.cat([waveform, torch.full_like(waveform, torch.nan)], -1)
    again = functional.tanh_distortion(padded, amount, torch.tensor([900]))
    assert torch.allclose(again[..., :900], out, rtol=1e-12)
    assert not again[..., 900:].any()


@pytest.mark.parametrize("bits", range(1, 13))
def test_bit_crush_leaves_two_to_the_bits_values_of_equal_steps(bits):
    ramp = torch.linspace(-1.5, 1.5, 40_001, dtype=torch.float64).expand(1, 1, -1)
    out = functional.bit_crush(ramp, integers(bits))
    levels = out.unique()
    assert len(levels) == 2**bits
    step = 2.0 ** (1 - bits)
    assert torch.equal(levels.diff(), torch.full((2**bits - 1,), step, dtype=torch.float64))
    assert 0.0 in levels
    inside = (ramp >= -1) & (ramp <= 1 - step)
    assert ((out - ramp)[inside]).abs().max() <= step / 2


@pytest.mark.parametrize("bits", range(6, 15))
def test_a_full_scale_sine_keeps_six_decibels_a_bit(bits):
    # The largest sine that is not clipped; the frequency shares no period with the sample rate.
    tone = sine(997.123, 10 * RATE, 1.0 - 2.0**-bits)
    error = functional.bit_crush(tone, integers(bits)) - tone
    snr = 10 * (tone.square().mean() / error.square().mean()).log10()
    assert abs(snr.item() - (6.02 * bits + 1.76)) < 0.5


@pytest.mark.parametrize("channels", [2, 5, 16, 255, 256, 65536])
def test_mu_law_is_that_of_torchaudio(channels, torchaudio):
    waveform = noise(3, 2, 500).clamp(-3, 3) / 3
    codes = torchaudio.functional.mu_law_encoding(waveform, channels)
    expected = torchaudio.functional.mu_law_decoding(codes, channels).double()  # float32 in it
    found = functional.mu_law(waveform, torch.full((3,), channels))
    assert torch.allclose(found, expected, rtol=0, atol=1e-6)


def test_mu_law_hears_quiet_sounds_better_than_uniform_steps_of_as_many_values():
    for gain, better in ((1e-2, True), (1.0, False)):
        tone = gain * sine(997.123)
        errors = [
            (out - tone).square().mean()
            for out in (
                functional.mu_law(tone, integers(256)),
                functional.bit_crush(tone, integers(8)),
            )
        ]
        assert (errors[0] < errors[1] / 10) == better


def test_mu_law_clips_and_leaves_zero():
    waveform = torch.tensor([[[0.0, 1.0, 2.0, -7.0]]])
    assert functional.mu_law(waveform, integers(256)).allclose(torch.tensor([0.0, 1.0, 1.0, -1.0]))


@pytest.mark.parametrize("freq", [2500, 3000, 3700])
def test_a_tone_above_the_new_nyquist_frequency_folds(freq):
    # At 4 kHz, half of which is 2 kHz, a tone of f sounds at 4000 - f.
    level = spectrum_db(functional.aliasing(sine(freq), torch.tensor([4000.0]), sample_rate=RATE))
    folded = 4000 - freq
    below = level[:2000].clone()
    assert below.argmax() == folded
    # Holding each sample for four lowers f by sin(4x) / (4 sin x), where x is pi f / 16000.
    x = math.pi * folded / RATE
    assert abs(below[folded] - 20 * math.log10(math.sin(4 * x) / (4 * math.sin(x)))) < 1e-6
    below[folded] = -300
    assert below.max() < -200


def test_samples_are_held_as_long_as_the_rates_say():
    ramp = torch.arange(1.0, 1001.0).expand(3, 1, -1)
    out = functional.aliasing(ramp, torch.tensor([4000.0, 16_000.0, 6000.0]), sample_rate=RATE)
    assert torch.equal(out[0, 0], ramp[0, 0, ::4].repeat_interleave(4))
    assert torch.equal(out[1], ramp[1])
    # 6 of 16: each is held for two or three samples, and none comes late.
    values, held = out[2, 0].unique_consecutive(return_counts=True)
    assert len(values) == 375
    assert held.min() == 2
    assert held.max() == 3
    starts = torch.cat([torch.zeros(1), held.cumsum(0)[:-1]])
    assert torch.equal(values, starts + 1)


@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_blend_mixes_amplitudes_and_is_exact_at_its_ends(mix):
    dry, wet = noise(2, 2, 50), noise(2, 2, 50) ** 3
    out = functional.shapes.blend(dry, wet, torch.full((2,), mix))
    assert torch.allclose(out, mix * wet + (1 - mix) * dry, rtol=1e-6)
    assert mix == 0.3 or torch.equal(out, wet if mix else dry)
