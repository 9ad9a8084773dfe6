"""Pitch, tempo and formants are as good at every sample rate as at 16 kHz."""

import math

import pytest
import torch
from torch import Tensor

from augspec.functional import formant_shift, pitch_and_tempo, pitch_shift, time_stretch, vtlp
from augspec.functional.frame_size import choose_n_fft

SIZES = {8000: 512, 16_000: 1024, 22_050: 1440, 44_100: 2880, 48_000: 3072, 96_000: 6144}
F0 = 82.4


def low_tone(sample_rate: int) -> Tensor:
    """Three seconds of ten partials above 82.4 Hz, the low E of a guitar."""
    time = torch.arange(3 * sample_rate, dtype=torch.float64) / sample_rate
    partials = [torch.sin(2 * math.pi * k * F0 * time + k * k) / k for k in range(1, 11)]
    return torch.stack(partials).sum(0).float()[None, None]


def harmonics_db(waveform: Tensor, sample_rate: int, f0: float) -> float:
    """Energy within 4 Hz of ten harmonics over the rest, without half a second at either end."""
    middle = waveform.flatten().double()[sample_rate // 2 : -sample_rate // 2]
    middle = middle * torch.hann_window(len(middle), dtype=torch.float64)
    power = torch.fft.rfft(middle).abs().square()
    place = torch.arange(len(power)) * (sample_rate / len(middle) / f0)
    near = ((place - place.round()).abs() * f0 <= 4) & (place > 0.5) & (place < 10.5)
    return float(10 * torch.log10(power[near].sum() / power[~near].sum()))


@pytest.mark.parametrize("sample_rate", SIZES)
def test_the_harmonics_of_a_low_tone_stand_45_db_above_the_rest(sample_rate):
    tone, up, rate = low_tone(sample_rate), torch.tensor([3.0]), torch.tensor([0.8])
    higher = F0 * 2 ** (3 / 12)
    outs = [
        (pitch_shift(tone, up, sample_rate=sample_rate), higher),
        (pitch_shift(tone, up, sample_rate=sample_rate, preserve_formants=True), higher),
        (time_stretch(tone, rate, sample_rate=sample_rate), F0),
        (pitch_and_tempo(tone, up, rate, sample_rate=sample_rate), higher),
        (formant_shift(tone, up, sample_rate=sample_rate), F0),
        (vtlp(tone, torch.tensor([1.1]), sample_rate=sample_rate), F0),
    ]
    for out, f0 in outs:
        assert harmonics_db(out, sample_rate, f0) > 45.0  # 4.4 in frames of 1024 at 44.1 kHz


@pytest.mark.parametrize(("sample_rate", "n_fft"), SIZES.items())
def test_a_frame_is_64_ms_of_a_fast_size(sample_rate, n_fft):
    assert choose_n_fft(None, sample_rate) == n_fft
    assert n_fft / sample_rate == pytest.approx(0.064, rel=0.03)
    rest = n_fft // 32
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    assert rest == 1


def test_n_fft_can_be_said_and_16_khz_is_the_default():
    tone, up = low_tone(16_000)[..., :12_000], torch.tensor([3.0])
    for function in (pitch_shift, time_stretch, formant_shift, vtlp):
        expected = function(tone, up, n_fft=1024, sample_rate=44_100)
        assert torch.equal(function(tone, up), expected)
    assert choose_n_fft(96, 44_100) == 96
    assert choose_n_fft(None, 1) == 32


@pytest.mark.parametrize("sample_rate", SIZES)
def test_clicks_land_where_they_belong_at_every_rate(sample_rate):
    places = torch.arange(sample_rate // 8, 4 * sample_rate - sample_rate // 8, sample_rate // 4)
    waveform = torch.zeros(1, 1, 4 * sample_rate)
    waveform[..., places] = 0.5
    out = time_stretch(
        waveform, torch.tensor([0.8]), size=5 * sample_rate, sample_rate=sample_rate
    ).flatten()
    distance = (torch.arange(out.numel()) - places[:, None] / 0.8).abs().amin(0)
    energy = out.double().square()
    assert energy[distance <= 0.005 * sample_rate].sum() / energy.sum() > 0.9999


@pytest.mark.parametrize(("n_fft", "sample_rate"), [(100, 16_000), (None, 0), (0, 16_000)])
def test_wrong_frames_are_named(n_fft, sample_rate):
    with pytest.raises(ValueError, match="`n_fft` must be|`sample_rate` must be"):
        time_stretch(torch.zeros(1, 1, 100), torch.ones(1), n_fft=n_fft, sample_rate=sample_rate)


def end_db(waveform: Tensor, size: int) -> float:
    """Level of the last 4 ms relative to the middle, of noise in many examples."""
    end = waveform[..., size - 64 : size].square().mean()
    return float(10 * torch.log10(end / waveform[..., size // 4 : size // 2].square().mean()))


@pytest.mark.parametrize("semitones", [1.0, 3.0, 7.0, 12.0, -3.0, -7.0])
def test_the_end_of_a_pitch_shift_does_not_fade(semitones):
    draw = torch.Generator().manual_seed(0)
    time = torch.arange(12_000) / 16_000
    freqs = 1000 + 1000 * torch.rand(64, 1, 1, generator=draw)
    tones = torch.sin(2 * math.pi * freqs * time)
    shifted = pitch_shift(tones, torch.full((64,), semitones))
    assert abs(end_db(shifted, 12_000)) < 1.0


@pytest.mark.parametrize("rate", [0.7, 1.3])
def test_the_end_of_a_stretch_does_not_fade(rate):
    time = torch.arange(12_000) / 16_000
    freqs = torch.linspace(1000, 2000, 64)[:, None, None]
    lengths = torch.full((64,), 10_000)
    tones = torch.sin(2 * math.pi * freqs * time)
    stretched = time_stretch(tones, torch.full((64,), rate), size=18_000, lengths=lengths)
    assert abs(end_db(stretched, math.ceil(10_000 / rate))) < 1.0
