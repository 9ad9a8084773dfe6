"""By what a signal-to-noise ratio is measured: what sounds, the A curve, loudness, full scale."""

import numpy as np
import pyloudnorm
import pytest
import torch

import augspec
from augspec import functional
from augspec import transforms as T
from augspec.functional.reference import REFERENCES, active_blocks

RATE = 48_000
# IEC 61672-1, table 3: what the A curve adds at a nominal frequency, in dB.
A_CURVE = {63: -26.2, 125: -16.1, 250: -8.6, 500: -3.2, 1000: 0.0, 2000: 1.2, 4000: 1.0, 8000: -1.1}


def tone(freq: float, seconds: float = 1.0) -> torch.Tensor:
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    # A hard end would be a click, which the A curve hears 26 dB louder than 63 Hz.
    fade = torch.hann_window(len(time), dtype=torch.float64)
    return (fade * torch.sin(2 * torch.pi * freq * time))[None, None]


def added(signal: torch.Tensor, noise: torch.Tensor, snr_db: float, reference: str) -> torch.Tensor:
    ratio = torch.full((len(signal),), snr_db, dtype=torch.float64)
    out = functional.add_noise(signal, noise, ratio, reference=reference, sample_rate=RATE)
    return out - signal


@pytest.mark.parametrize(("nominal", "gain_db"), A_CURVE.items())
def test_the_a_curve_is_that_of_the_standard(nominal: int, gain_db: float) -> None:
    exact = 1000.0 * 10 ** (round(10 * np.log10(nominal / 1000.0)) / 10)  # of the third octave
    noise = added(tone(1000.0), tone(exact), 0.0, "a_weighted")
    level_db = 10 * torch.log10(noise.square().mean() / tone(1000.0).square().mean())
    assert level_db.item() == pytest.approx(-gain_db, abs=0.1)


def test_a_ratio_of_loudness_is_that_of_pyloudnorm() -> None:
    generator = torch.Generator().manual_seed(3)
    signal = torch.randn(1, 2, 2 * RATE, generator=generator, dtype=torch.float64) * 0.1
    signal[..., RATE:] *= 0.01  # the gate leaves the quiet half out
    noise = functional.low_pass(
        torch.randn(1, 2, 2 * RATE, generator=generator, dtype=torch.float64),
        torch.tensor([300.0]),
        sample_rate=RATE,
    )
    noise = added(signal, noise, 12.0, "lufs")
    meter = pyloudnorm.Meter(RATE, filter_class="DeMan")
    loud = [meter.integrated_loudness(sound[0].T.numpy()) for sound in (signal, noise)]
    assert loud[0] - loud[1] == pytest.approx(12.0, abs=0.05)


@pytest.mark.parametrize("transform", [T.WhiteNoise, T.ColoredNoise])
@pytest.mark.parametrize("per_channel", [False, True])
def test_noise_below_full_scale_is_in_silence_too(transform: type, per_channel: bool) -> None:
    noisy = transform(40.0, reference="full_scale", per_channel=per_channel)
    keys = augspec.example_keys(0, 0, range(2))
    loud = torch.randn(2, 2, 16_000, dtype=torch.float64)
    for waveform in (torch.zeros_like(loud), loud, 0.01 * loud):
        noise = noisy(waveform, keys=keys) - waveform
        dims = -1 if per_channel else (1, 2)
        level_db = 10 * torch.log10(noise.square().mean(dims))
        torch.testing.assert_close(level_db, torch.full_like(level_db, -40.0), atol=1e-4, rtol=0)


def test_bursts_lie_below_full_scale() -> None:
    noisy = T.ShortNoises(20.0, 1, 0.25, fade=0.0, sample_rate=16_000, reference="full_scale")
    noise = noisy(torch.zeros(4, 1, 16_000), keys=augspec.example_keys(0, 0, range(4)))
    for burst in noise[:, 0]:
        assert 10 * torch.log10(burst[burst != 0].square().mean()) == pytest.approx(-20.0, abs=0.01)


@pytest.mark.parametrize("reference", sorted(REFERENCES.keys() - {"full_scale"}))
def test_silence_stays_silent_and_gradients_finite(reference: str) -> None:
    silence = torch.zeros(1, 1, 8000, requires_grad=True)
    out = functional.add_noise(
        silence, torch.randn(1, 1, 8000), torch.tensor([0.0]), reference=reference
    )
    assert out.abs().max().item() == 0.0
    out.sum().backward()
    assert silence.grad.isfinite().all()


@pytest.mark.parametrize("reference", sorted(REFERENCES))
@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
def test_padding_changes_no_level(reference: str, sample_rate: int) -> None:
    noisy = T.WhiteNoise(10.0, reference=reference, sample_rate=sample_rate)
    keys = augspec.example_keys(0, 0, range(2))
    waveform = torch.randn(2, 2, 12_000)
    waveform[:, 1] *= 0.1
    lengths = torch.tensor([12_000, 7_301])
    out, _ = noisy(waveform, lengths, keys=keys)
    alone = noisy(waveform[1:, :, :7301], keys=keys[1:])
    torch.testing.assert_close(out[1:, :, :7301], alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out[1, :, 7301:], waveform[1, :, 7301:])


def test_a_block_without_samples_is_not_active():
    count = torch.tensor([[320, 320, 100, 0]])
    active = active_blocks(torch.tensor([[320.0, 0.1, 100.0, 0.0]]), count)
    assert active.tolist() == [[True, False, True, False]]
    # Rounding of a filter may leave energy behind the end.
    assert not active_blocks(torch.tensor([[320.0, 0.1, 100.0, 1e-9]]), count)[0, 3]
