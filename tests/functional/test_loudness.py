"""Loudness against pyloudnorm, and against what ITU-R BS.1770-4 itself says."""

import math

import pyloudnorm
import pytest
import torch

from augspec import functional
from augspec.functional.loudness import _k_weighting


def tone(freq, sample_rate, seconds=3.0, channels=1):
    time = torch.arange(round(seconds * sample_rate), dtype=torch.float64) / sample_rate
    return torch.sin(2 * math.pi * freq * time).expand(1, channels, -1)


def noise(sample_rate, seconds=3.0, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (1, channels, round(seconds * sample_rate))
    return 0.1 * torch.randn(shape, generator=generator, dtype=torch.float64)


def high_pass_scale(sample_rate):
    """What scales the standard's high-pass to 1 in its pass-band."""
    k = math.tan(math.pi * 38.13547087613982 / sample_rate)
    return 1.0 + k / 0.5003270373253953 + k * k


def standard_loudness(waveform, sample_rate):
    """Measure with pyloudnorm's filters that have the coefficients of the standard at 48 kHz.

    Away from there pyloudnorm leaves the gain of the high-pass to the rate: 0.08 dB at 16 kHz.
    """
    meter = pyloudnorm.Meter(sample_rate, filter_class="DeMan")
    high_pass = meter._filters["high_pass_DeMan"]
    high_pass.passband_gain = high_pass_scale(48_000) / high_pass_scale(sample_rate)
    return float(meter.integrated_loudness(waveform[0].T.numpy()))


def test_the_coefficients_at_48_khz_are_those_of_the_standard():
    # Tables 1 and 2 of ITU-R BS.1770-4.
    shelf, high_pass = (torch.tensor(s).double() / s[3] for s in _k_weighting(48_000))
    expected = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    expected += [1.0, -1.69065929318241, 0.73248077421585]
    assert torch.allclose(shelf, torch.tensor(expected).double(), rtol=0, atol=1e-6)
    expected = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
    assert torch.allclose(high_pass, torch.tensor(expected).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_a_full_scale_tone_has_the_loudness_that_the_standard_says(channels):
    # -3.01 LKFS for 997 Hz in the left, centre or right channel alone; powers add up.
    weight = sum([1.0, 1.0, 1.0, 1.41, 1.41][:channels])
    found = functional.loudness(tone(997, 48_000, channels=channels), 48_000)
    assert abs(found.item() - (-3.01 + 10 * math.log10(weight))) < 0.005


# At 11,025 Hz every other block begins between two samples.
@pytest.mark.parametrize("sample_rate", [11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_noise_tones_and_gated_signals_equal_pyloudnorm(sample_rate, channels):
    third = sample_rate
    stepped = noise(sample_rate, channels=channels)
    # 1 s loud, 1 s under the relative gate, 1 s under the absolute gate.
    stepped[..., third : 2 * third] *= 10 ** (-20 / 20)
    stepped[..., 2 * third :] *= 10 ** (-70 / 20)
    uneven = noise(sample_rate, channels=channels)
    uneven[:, 0] *= 0.2
    low = 0.1 * tone(60, sample_rate, channels=channels)
    for waveform in (stepped, uneven, low):
        found = functional.loudness(waveform, sample_rate).item()
        assert abs(found - standard_loudness(waveform, sample_rate)) < 1e-6
        single = functional.loudness(waveform.float(), sample_rate).item()
        assert abs(single - found) < 1e-3


@pytest.mark.parametrize("sample_rate", [16_000, 44_100, 48_000])
def test_pyloudnorms_default_filters_are_quieter_by_the_scale_they_leave_out(sample_rate):
    waveform = noise(sample_rate, channels=2)
    meter = pyloudnorm.Meter(sample_rate)
    default = meter.integrated_loudness(waveform[0].T.numpy())
    expected = 20 * math.log10(high_pass_scale(48_000))
    assert 0.043 < expected < 0.044
    assert abs(functional.loudness(waveform, sample_rate).item() - default - expected) < 0.01


def test_the_gates_leave_the_loud_part_alone():
    loud, with_silence = noise(48_000, 2.0), torch.zeros(1, 1, 6 * 48_000, dtype=torch.float64)
    with_silence[..., : 2 * 48_000] = loud
    # 17 blocks are loud, and three across the edge have 3/4, 1/2 and 1/4 of their power, which is
    # above the relative gate. The other 57 are silent: ungated they would cost 6 LU.
    (a,), (b,) = functional.loudness(loud, 48_000), functional.loudness(with_silence, 48_000)
    expected = 10 * math.log10((17 + 1.5) / 20)
    assert abs((b - a).item() - expected) < 0.05


def test_an_example_shorter_than_a_block_is_one_block():
    # A tone's power does not depend on how much of it there is, but for the filters' onset.
    short = tone(997, 48_000, 0.2)
    (found,) = functional.loudness(short, 48_000)
    assert abs(found + 3.01) < 0.05
    padded = torch.cat([short, torch.full_like(short, torch.nan)], -1)
    (again,) = functional.loudness(padded, 48_000, torch.tensor([short.shape[-1]]))
    assert torch.allclose(found, again, rtol=1e-12)


def test_each_example_is_measured_to_its_own_end():
    waveform = noise(16_000, 2.0).expand(3, 1, -1)
    lengths = torch.tensor([32_000, 17_000, 9_000])
    found = functional.loudness(waveform, 16_000, lengths)
    for value, end in zip(found, lengths.tolist(), strict=True):
        (alone,) = functional.loudness(waveform[:1, :, :end], 16_000)
        assert torch.allclose(value, alone, rtol=1e-12)


def test_silence_and_what_is_below_the_absolute_gate_have_no_loudness():
    waveform = torch.stack([torch.zeros(1, 16_000), 1e-4 * noise(16_000, 1.0)[0].float()])
    assert functional.loudness(waveform, 16_000).tolist() == [-math.inf, -math.inf]


def test_more_than_five_channels_are_refused():
    with pytest.raises(ValueError, match="`waveform` must have at most 5 channels"):
        functional.loudness(torch.zeros(1, 6, 16_000), 16_000)


def test_what_lies_below_the_absolute_gate_keeps_its_level():
    quiet = 1e-4 * tone(1000.0, 16_000)  # -83 LUFS
    out = functional.loudness_normalize(quiet, torch.tensor([-23.0], dtype=torch.float64), 16_000)
    assert torch.equal(out, quiet)
