"""nnAudio's features on sweeps and clicks, and its own results as an oracle."""

import math

import nnAudio.features
import numpy as np
import pytest
import torch

from augspec import features as F

pytestmark = pytest.mark.usefixtures("eager_kernels")  # each fact has a shape of its own
RATE = 22_050
TIME = torch.arange(RATE).double() / RATE
NOISE = torch.randn(2, RATE // 2, generator=torch.Generator().manual_seed(0))


def linear_sweep(low=100.0, high=9000.0):
    return torch.sin(2 * math.pi * (low * TIME + (high - low) * TIME.square() / 2)).reshape(
        1, 1, -1
    )


def log_sweep(low=60.0, high=4000.0):
    ratio = math.log(high / low)
    phase = 2 * math.pi * low / ratio * (torch.exp(ratio * TIME) - 1)
    return torch.sin(phase).reshape(1, 1, -1)


def line(peaks):
    """Fit a straight line; give its slope and the largest distance from it."""
    place = np.arange(len(peaks))
    slope, start = np.polyfit(place, peaks, 1)
    return slope, np.abs(start + slope * place - peaks).max()


@pytest.mark.parametrize(("n_fft", "hop"), [(512, 128), (1024, 512)])
def test_magnitudes_are_nnaudios(n_fft, hop):
    theirs = nnAudio.features.STFT(
        n_fft=n_fft, hop_length=hop, output_format="Magnitude", sr=RATE, verbose=False
    )(NOISE)
    ours = F.Spectrogram(n_fft=n_fft, hop_length=hop, power=1.0)(NOISE[:, None])[:, 0]
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-2)


@pytest.mark.parametrize("n_mels", [40, 80])
def test_mel_powers_are_nnaudios(n_mels):
    theirs = nnAudio.features.MelSpectrogram(
        sr=RATE, n_fft=1024, n_mels=n_mels, hop_length=256, verbose=False
    )(NOISE)
    feature = F.MelSpectrogram(
        RATE, 1024, hop_length=256, n_mels=n_mels, norm="slaney", mel_scale="slaney"
    )
    torch.testing.assert_close(feature(NOISE[:, None])[:, 0], theirs, rtol=2e-3, atol=2e-3)


def test_a_linear_sweep_is_a_straight_line():
    specgram = F.Spectrogram(n_fft=1024, hop_length=256)(linear_sweep())
    slope, off = line(specgram[0, 0].argmax(0)[3:-3].numpy())
    assert slope == pytest.approx((9000 - 100) * 256 / RATE * 1024 / RATE, rel=2e-3)
    assert off < 1.5


@pytest.mark.parametrize("bins_per_octave", [12, 24])
def test_a_logarithmic_sweep_is_a_straight_line_in_pitch(bins_per_octave):
    cqt = F.CQT(RATE, 256, f_min=55.0, n_bins=6 * bins_per_octave, bins_per_octave=bins_per_octave)(
        log_sweep()
    )
    slope, off = line(cqt[0, 0].argmax(0)[20:-6].numpy())
    octaves = math.log2(4000 / 60) * 256 / RATE
    assert slope == pytest.approx(octaves * bins_per_octave, rel=0.02)
    assert off < 0.15 * bins_per_octave


def test_a_sweep_never_falls_in_mels():
    feature = F.MelSpectrogram(RATE, 1024, hop_length=256, n_mels=64)
    peaks = feature(linear_sweep(300.0))[0, 0].argmax(0)[3:-3]
    assert (peaks.diff() >= 0).all()
    assert peaks[-1] - peaks[0] > 40


@pytest.mark.parametrize("octaves", [1, 2])
def test_an_octave_is_as_many_bins_wherever_it_lies(octaves):
    cqt = F.CQT(RATE, 256, f_min=55.0, n_bins=60)
    found = [
        int(cqt(torch.sin(2 * math.pi * f * TIME).reshape(1, 1, -1))[0, 0, :, 40].argmax())
        for f in (110.0, 110.0 * 2**octaves)
    ]
    assert found[1] - found[0] == 12 * octaves


def test_a_click_has_all_frequencies_alike():
    click = torch.zeros(1, 1, 4096).double()
    click[..., 2048] = 1.0
    specgram = F.Spectrogram(n_fft=512, hop_length=128, power=1.0)(click)[0, 0, :, 16]
    torch.testing.assert_close(specgram, torch.ones_like(specgram))


def test_features_carry_a_gradient_to_the_sound():
    wave = NOISE[:1, None, :2048].double().requires_grad_()
    for feature in (F.Spectrogram(n_fft=256), F.LogMelSpectrogram(RATE, 256, n_mels=20)):
        (grad,) = torch.autograd.grad(feature(wave).sum(), wave)
        assert grad.isfinite().all()
        assert grad.abs().max() > 0
