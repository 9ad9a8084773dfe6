"""Time stretch and pitch shift state facts about tones, places and silence."""

import pytest
import torch

from augspec.functional.stretch import pitch_shift, stretched_lengths, time_stretch

SAMPLE_RATE = 16_000


def tone(freq: float, seconds: float = 2.0) -> torch.Tensor:
    time = torch.arange(int(seconds * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    return torch.sin(2 * torch.pi * freq * time).float().reshape(1, 1, -1)


def f0(waveform: torch.Tensor) -> float:
    """Frequency of the strongest line of the middle of a waveform, within 0.01 cent."""
    middle = waveform.flatten().double()[4000:-4000]
    middle = middle * torch.hann_window(middle.numel(), dtype=torch.float64)
    n_fft = 2**20
    power = torch.log(torch.fft.rfft(middle, n=n_fft).abs())
    peak = int(power.argmax())
    left, top, right = power[peak - 1 : peak + 2].tolist()
    offset = 0.5 * (left - right) / (left - 2 * top + right)
    return (peak + offset) / n_fft * SAMPLE_RATE


def cents(freq: float, target: float) -> float:
    return abs(1200 * torch.log2(torch.tensor(freq / target, dtype=torch.float64)).item())


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
def test_time_stretch_keeps_f0(rate):
    stretched = time_stretch(tone(440.0), torch.tensor([rate]), size=int(32_000 / rate))
    assert cents(f0(stretched), 440.0) < 1.0


@pytest.mark.parametrize("semitones", [-12.0, -7.0, -0.3, 0.3, 4.0, 12.0])
def test_pitch_shift_moves_f0_by_the_interval(semitones):
    shifted = pitch_shift(tone(440.0), torch.tensor([semitones]))
    assert cents(f0(shifted), 440.0 * 2 ** (semitones / 12)) < 1.0


def test_rate_one_is_the_input():
    waveform = tone(440.0)
    assert (time_stretch(waveform, torch.ones(1)) - waveform).abs().max() < 1e-5


def test_stretched_lengths_are_the_ends_of_the_content():
    lengths = stretched_lengths(torch.tensor([1000, 1000]), torch.tensor([0.8, 1.25]), 1200)
    assert lengths.tolist() == [1200, 800]
