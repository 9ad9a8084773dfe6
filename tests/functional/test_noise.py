"""Noise: its statistics, its spectrum, and the level at which it is added."""

import math

import numpy as np
import pytest
import torch
from scipy import signal, stats

import augspec
from augspec import functional
from augspec.functional import noise as noise_module

KEYS = augspec.example_keys(seed=3, epoch=0, index=torch.arange(4))
pytestmark = pytest.mark.usefixtures("eager_kernels")


def test_white_noise_is_normal_and_independent():
    noise = functional.white_noise(KEYS, 2, 1 << 15).numpy().reshape(8, -1)
    for row in noise:
        assert stats.kstest(row, "norm").pvalue > 1e-4
    correlation = np.corrcoef(np.concatenate([noise, noise[:, ::-1]]))
    lagged = [np.mean(row[:-lag] * row[lag:]) for row in noise for lag in (1, 2, 3, 64)]
    off_diagonal = correlation[~np.eye(16, dtype=bool)]
    assert np.abs(off_diagonal).max() < 5 / math.sqrt(1 << 15)
    assert np.abs(lagged).max() < 5 / math.sqrt(1 << 15)


def test_a_sample_of_noise_does_not_depend_on_how_many_there_are():
    long = functional.white_noise(KEYS, 2, 1001)
    assert torch.equal(functional.white_noise(KEYS[1:2], 1, 500)[0, 0], long[1, 0, :500])
    early = functional.white_noise(KEYS, 2, 1021, start=-20)
    assert torch.equal(early[..., 20:], long)
    slope_db = torch.tensor([-6.0, -3.0, 3.0, 6.0])
    long = functional.colored_noise(KEYS, slope_db, 2, 1001)
    short = functional.colored_noise(KEYS, slope_db, 2, 500)
    torch.testing.assert_close(short, long[..., :500])


def test_a_key_for_each_channel_gives_each_channel_its_own_noise():
    keys = torch.stack([KEYS, KEYS + 1], 1)
    noise = functional.white_noise(keys, 2, 1000)
    assert torch.equal(noise[:, 0], functional.white_noise(KEYS, 1, 1000)[:, 0])
    assert abs((noise[:, 0] * noise[:, 1]).mean()) < 0.1


@pytest.mark.parametrize("slope_db", [-12.0, -6.02, -3.01, 0.0, 3.01, 6.02, 12.0])
def test_the_spectrum_of_coloured_noise_has_its_slope(slope_db):
    noise = functional.colored_noise(
        KEYS, torch.full((4,), slope_db, dtype=torch.float64), 1, 1 << 17, dtype=torch.float64
    )
    # The window must fall faster than the steepest spectrum, or its side lobes hide the slope.
    freq, power = signal.welch(noise[:, 0].numpy(), nperseg=1 << 13, window="blackmanharris")
    power = power.mean(0)
    octaves = np.arange(-9, -1)
    level = [
        10 * np.log10(np.mean(power[inside] / freq[inside] ** (slope_db / 3.0103)))
        for inside in ((freq >= 2.0**octave) & (freq < 2.0 ** (octave + 1)) for octave in octaves)
    ]
    assert np.polyfit(octaves, level, 1)[0] == pytest.approx(0.0, abs=0.2)
    assert np.abs(np.diff(level)).max() < 0.8  # 128 averages, few bins in the lowest octaves


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 35.0])
@pytest.mark.parametrize("ragged", [False, True])
def test_noise_has_the_asked_distance_over_the_valid_samples(snr_db, ragged):
    generator = torch.Generator().manual_seed(0)
    waveform = torch.randn(4, 2, 4000, generator=generator) * torch.tensor([[[1.0], [0.01]]])
    noise = 5 * functional.white_noise(KEYS, 2, 4000)
    lengths = torch.tensor([4000, 50, 1000, 3999]) if ragged else None
    ends = [4000, 50, 1000, 3999] if ragged else [4000] * 4
    for ratio, dims in ((torch.full((4,), snr_db), (0, 1)), (torch.full((4, 2), snr_db), (1,))):
        added = functional.add_noise(waveform, noise, ratio, lengths) - waveform
        for i, end in enumerate(ends):
            power = waveform[i, :, :end].square().sum(dims)
            measured = 10 * torch.log10(power / added[i, :, :end].square().sum(dims))
            torch.testing.assert_close(
                measured, torch.full_like(measured, snr_db), rtol=0, atol=0.02
            )
            assert not added[i, :, end:].any()


def test_silence_stays_silent_and_silent_noise_adds_nothing():
    silence = torch.zeros(1, 1, 100, requires_grad=True)
    noise, snr_db = torch.randn(1, 1, 100), torch.zeros(1)
    out = functional.add_noise(silence, noise, snr_db)
    assert not out.any()
    (gradient,) = torch.autograd.grad(out.sum(), silence)
    assert torch.equal(gradient, torch.ones_like(gradient))
    assert torch.equal(functional.add_noise(noise, torch.zeros_like(noise), snr_db), noise)


def test_a_burst_lies_in_its_place_at_its_level():
    waveform = torch.randn(2, 2, 5000, dtype=torch.float64)
    keys = torch.stack([KEYS[:2], KEYS[2:]], 1).flatten()
    noise = functional.white_noise(keys, 2, 800, dtype=torch.float64).view(2, 2, 2, 800)
    start, width = torch.tensor([[100, 3000], [0, 4500]]), torch.tensor([[800, 50], [0, 500]])
    snr_db = torch.tensor([[10.0, -6.0], [0.0, 3.0]], dtype=torch.float64)
    added = functional.short_noises(waveform, noise, start, width, snr_db) - waveform
    for i in range(2):
        power = waveform[i].square().mean()
        silent = torch.ones(5000, dtype=torch.bool)
        for burst in range(2):
            first, size = int(start[i, burst]), int(width[i, burst])
            silent[first : first + size] = False
            if size:
                part = added[i, :, first : first + size].square().mean()
                ratio = 10 * torch.log10(power / part)
                assert ratio.item() == pytest.approx(snr_db[i, burst].item(), abs=1e-6)
        assert not added[i, :, silent].any()


def test_bursts_that_overlap_add_up_and_fade():
    waveform = torch.ones(1, 1, 300, dtype=torch.float64)
    noise = torch.ones(1, 2, 1, 100, dtype=torch.float64)
    start, width = torch.tensor([[50, 100]]), torch.tensor([[100, 100]])
    snr_db = torch.zeros(1, 2, dtype=torch.float64)
    added = functional.short_noises(waveform, noise, start, width, snr_db) - waveform
    assert torch.equal(
        added[0, 0, [49, 50, 99, 100, 149, 150, 199, 200]].round().long(),
        torch.tensor([0, 1, 1, 2, 2, 1, 1, 0]),
    )
    faded = functional.short_noises(waveform, noise, start, width, snr_db, fade=20) - waveform
    first = faded[0, 0, 50:100]
    expected = (1 - torch.cos(math.pi * torch.arange(1, 21) / 21)) / 2
    torch.testing.assert_close(first[:20] / first[20], expected.double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(faded[0, 0, 50:200], faded[0, 0, 50:200].flip(0))


def test_bursts_stay_out_of_the_padding_and_of_silence():
    waveform, lengths = torch.randn(2, 1, 300), torch.tensor([120, 0])
    noise = functional.white_noise(KEYS[:2], 1, 100)[:, None]
    start, width = torch.tensor([[60], [0]]), torch.tensor([[100], [100]])
    snr_db = torch.zeros(2, 1)
    out = functional.short_noises(waveform, noise, start, width, snr_db, lengths=lengths)
    assert torch.equal(out[0, :, 120:], waveform[0, :, 120:])
    assert torch.equal(out[1], waveform[1])
    assert not torch.equal(out[0, :, 60:120], waveform[0, :, 60:120])
    silence = torch.zeros(2, 1, 300)
    assert not functional.short_noises(silence, noise, start, width, snr_db).any()


@pytest.mark.slow
def test_compiled_noise_equals_eager(monkeypatch):
    monkeypatch.setenv("AUGSPEC_COMPILE", "1")
    compiled = functional.white_noise(KEYS, 2, 5000)
    assert noise_module._normal_pairs.failure is None
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")
    torch.testing.assert_close(compiled, functional.white_noise(KEYS, 2, 5000), rtol=0, atol=1e-6)


def test_shapes_are_checked():
    waveform, noise = torch.zeros(2, 1, 100), torch.zeros(2, 1, 1, 10)
    start = torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"`snr_db` must be \(batch,\)"):
        functional.add_noise(waveform, waveform, torch.zeros(3))
    with pytest.raises(ValueError, match=r"`start` must be \(batch, 1\)"):
        functional.short_noises(waveform, noise, start, start, torch.zeros(2, 3))
