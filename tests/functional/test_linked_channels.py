"""With one parameter for all its channels, what the channels of an example share stays shared."""

import math

import pytest
import torch
from ideal_tones import Note
from torch import Tensor

from augspec.functional import (
    formant_shift,
    pitch_and_tempo,
    pitch_shift,
    resample,
    speed,
    time_stretch,
    vtlp,
)
from augspec.functional.onset import find_onsets

RATES = [8000, 16_000, 44_100]
N = 128  # draws a function, at all rates together some hundreds
CALLS = {
    "slower": lambda w, sr: time_stretch(w, torch.full((len(w),), 0.8), sample_rate=sr),
    "faster": lambda w, sr: time_stretch(w, torch.full((len(w),), 1.25), sample_rate=sr),
    "up": lambda w, sr: pitch_shift(w, torch.full((len(w),), 2.0), sample_rate=sr),
    "down": lambda w, sr: pitch_shift(w, torch.full((len(w),), -3.0), sample_rate=sr),
    "both": lambda w, sr: pitch_and_tempo(
        w, torch.full((len(w),), 2.0), torch.full((len(w),), 0.9), sample_rate=sr
    ),
    "formants": lambda w, sr: formant_shift(w, torch.full((len(w),), 3.0), sample_rate=sr),
    "tract": lambda w, sr: vtlp(w, torch.full((len(w),), 1.1), sample_rate=sr),
}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def correlation(stereo: Tensor) -> Tensor:
    left, right = stereo.unbind(1)
    return (left * right).sum(-1) / (left.norm(dim=-1) * right.norm(dim=-1))


def mono_db(stereo: Tensor) -> Tensor:
    """Level of the mono mix relative to the channels'."""
    return 10 * torch.log10(stereo.mean(1).square().mean(-1) / stereo.square().mean((1, 2)))


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("name", CALLS)
def test_one_noise_in_two_channels_stays_one(name, sample_rate):
    size = sample_rate // 4
    stereo = noise(N, 1, size) + 0.0346 * noise(N, 2, size, seed=1)
    assert correlation(stereo).min() > 0.998
    out = CALLS[name](stereo, sample_rate)
    assert correlation(out).min() > 0.97  # apart, the vocoder left 0.3 to 0.4 at worst
    assert (mono_db(out) - mono_db(stereo)).abs().max() < 0.1  # -1.9 dB


@pytest.mark.parametrize("name", CALLS)
def test_notes_with_noise_of_each_channel_stay_one(name):
    notes = torch.stack([Note(90.0 * 1.1**i, seed=i).synthesise() for i in range(16)]).float()
    stereo = notes[:, None] + 0.003 * notes.std() * noise(16, 2, notes.shape[-1])
    out = CALLS[name](stereo, 16_000)
    assert correlation(out).min() > 0.97
    assert mono_db(out).min() > -0.1


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("name", CALLS)
def test_a_delay_between_channels_stays(name, sample_rate):
    source = noise(16, 1, sample_rate // 2 + 8)
    out = CALLS[name](torch.cat([source[..., 8:], source[..., :-8]], dim=1), sample_rate)
    left, right = torch.fft.rfft(out, n=2 * out.shape[-1]).unbind(1)
    match = torch.fft.irfft(right * left.conj())
    # A shift of the pitch keeps the phase between channels, and so the delay in periods.
    ratio = {"up": 2 ** (2 / 12), "both": 2 ** (2 / 12), "down": 2 ** (-3 / 12)}.get(name, 1.0)
    assert (match.argmax(-1) == round(8 / ratio)).all()


@pytest.mark.parametrize("name", CALLS)
def test_levels_and_phases_between_channels_stay(name):
    left = noise(2, 1, 12_000)
    out = CALLS[name](torch.cat([left, -0.25 * left], dim=1), 16_000)
    torch.testing.assert_close(out[:, 1], -0.25 * out[:, 0], rtol=0, atol=1e-5)


def test_a_panned_tone_keeps_its_place_beside_a_louder_one():
    time = torch.arange(32_000) / 16_000
    low, high = torch.sin(2 * math.pi * 300 * time), 0.3 * torch.sin(2 * math.pi * 1000 * time)
    stereo = torch.stack([low + 0.9 * high, 0.2 * low - 0.4 * high])[None]
    out = time_stretch(stereo, torch.tensor([0.9]))[0, :, 8000:24_000].double()
    spectrum = torch.fft.rfft(out * torch.hann_window(16_000, dtype=torch.float64))
    for freq, right_over_left in ((300, 0.2), (1000, -0.4 / 0.9)):
        quotient = spectrum[1, freq] / spectrum[0, freq]
        assert abs(complex(quotient) - right_over_left) < 1e-3


def test_attacks_of_either_channel_are_the_examples():
    clicks = torch.zeros(1, 2, 32_000)
    clicks[0, 0, 8000], clicks[0, 1, 20_000] = 1.0, 1.0
    last, _ = find_onsets(clicks, 1024)
    assert last.shape == (1, 1000)
    assert abs(int(last[0, 300]) - 8000) <= 128
    assert abs(int(last[0, -1]) - 20_000) <= 128


def test_channels_of_one_sound_are_as_it_is_alone():
    mono = noise(2, 1, 12_000)
    for call in CALLS.values():
        both = call(mono.expand(-1, 3, -1), 16_000)
        torch.testing.assert_close(both, call(mono, 16_000).expand_as(both), rtol=0, atol=2e-4)


def test_a_parameter_for_each_channel_takes_them_apart():
    stereo = noise(2, 2, 12_000)
    values = torch.tensor([[0.8, 1.2], [0.9, 0.9]])
    for function in (time_stretch, pitch_shift, formant_shift, vtlp):
        out = function(stereo, values)
        for channel in range(2):
            alone = function(stereo[:, channel : channel + 1], values[:, channel])
            torch.testing.assert_close(out[:, channel : channel + 1], alone, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("eager_kernels")  # seven functions, of which each compiles for each dtype
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_a_ratio_of_one_gives_the_input_bit_for_bit(dtype):
    waveform = noise(4, 2, 5000).to(dtype)
    waveform[0, 0, 5], waveform[0, 1, 7] = -0.0, math.nan
    one, zero = torch.tensor([1.0, 1.0, 1.1, 1.0]), torch.tensor([0.0, 0.0, 1.0, 0.0])
    outs = [function(waveform, one) for function in (speed, resample, time_stretch)]
    outs += [pitch_shift(waveform, zero), pitch_and_tempo(waveform, zero, one)]
    outs += [time_stretch(waveform, one[:, None].expand(4, 2))]
    same = [0, 1, 3]
    for out in outs:
        assert torch.equal(out[same].view(torch.uint8), waveform[same].view(torch.uint8))
        assert not torch.equal(out[2], waveform[2])
    longer = time_stretch(waveform, one, size=6000)[3]
    assert torch.equal(longer[:, :5000], waveform[3])
    assert (longer[:, 5000:] == 0).all()
