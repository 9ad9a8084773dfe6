"""What librosa and torchaudio assert of scales, decibels, filters and deltas."""

import math

import pytest
import torch

from augspec import features as F
from augspec import functional


def mels(*hz, scale):
    return functional.hz_to_mel(torch.tensor(hz, dtype=torch.float64), scale)


@pytest.mark.parametrize(("hz", "mel"), [(60.0, 0.9), (110.0, 1.65), (220.0, 3.3), (440.0, 6.6)])
def test_slaneys_scale_is_a_line_below_1_khz(hz, mel):
    assert mels(hz, scale="slaney").item() == pytest.approx(mel, rel=1e-9)


@pytest.mark.parametrize("steps", [1, 9, 27])
def test_slaneys_scale_is_a_logarithm_above_1_khz(steps):
    hz = 1000.0 * 6.4 ** (steps / 27)
    assert mels(hz, scale="slaney").item() == pytest.approx(15 + steps, rel=1e-9)


@pytest.mark.parametrize("hz", [0.0, 100.0, 700.0, 1000.0, 8000.0])
def test_htks_scale_is_its_formula(hz):
    expected = 2595.0 * math.log10(1.0 + hz / 700.0)
    assert mels(hz, scale="htk").item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_from_hz_to_mel_and_back_is_nothing(scale):
    hz = torch.linspace(0.0, 22_050.0, 1000).double()
    again = functional.mel_to_hz(functional.hz_to_mel(hz, scale), scale)
    torch.testing.assert_close(again, hz, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_a_higher_frequency_has_a_higher_mel(scale):
    assert (functional.hz_to_mel(torch.linspace(0, 2e4, 999), scale).diff() > 0).all()


POWERS = [(1.0, 0.0), (10.0, 10.0), (0.01, -20.0), (1e-10, -100.0), (0.0, -100.0)]


@pytest.mark.parametrize(("power", "expected"), POWERS)
def test_decibels_of_power(power, expected):
    found = functional.amplitude_to_db(torch.full((1, 1, 1, 1), power, dtype=torch.float64))
    assert found.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("top_db", [10.0, 40.0, 80.0])
def test_nothing_lies_more_than_top_db_below_the_largest(top_db):
    power = torch.logspace(-9, 2, 50).reshape(1, 1, 5, 10)
    found = F.AmplitudeToDB(top_db=top_db)(power)
    assert found.max().item() == pytest.approx(20.0, abs=1e-4)
    assert found.min().item() == pytest.approx(20.0 - top_db, abs=1e-4)


def test_without_top_db_nothing_is_cut():
    power = torch.logspace(-9, 2, 50).reshape(1, 1, 5, 10)
    assert F.AmplitudeToDB()(power).min().item() == pytest.approx(-90.0, abs=1e-3)


def test_a_neighbour_does_not_move_where_an_example_is_cut():
    power = torch.rand(2, 1, 5, 10) + 0.1
    alone = F.AmplitudeToDB(top_db=3.0)(power[:1])
    loud = F.AmplitudeToDB(top_db=3.0)(power * torch.tensor([1.0, 1e6]).reshape(2, 1, 1, 1))
    torch.testing.assert_close(loud[:1], alone)


@pytest.mark.parametrize("factor", [2.0, 100.0])
def test_a_factor_is_a_shift_in_decibels(factor):
    power = torch.rand(1, 1, 5, 10).double() + 0.1
    moved = functional.amplitude_to_db(factor * power) - functional.amplitude_to_db(power)
    torch.testing.assert_close(moved, torch.full_like(moved, 10 * math.log10(factor)))


BANKS = [(8_000, 256, 20), (16_000, 512, 40), (22_050, 1024, 64), (44_100, 2048, 128)]


@pytest.mark.parametrize(("rate", "n_fft", "n_mels"), BANKS)
@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_filters_are_triangles_that_share_their_feet(rate, n_fft, n_mels, scale):
    bank = functional.mel_filterbank(rate, n_fft, n_mels, mel_scale=scale).double()
    bank = bank if bank.shape[0] == n_fft // 2 + 1 else bank.T
    assert bank.shape == (n_fft // 2 + 1, n_mels)
    assert (bank >= 0).all()
    assert ((bank > 0).sum(1) <= 2).all()
    # Between the first and the last peak the two of a bin add up to one.
    first, last = bank[:, 0].argmax(), bank[:, -1].argmax()
    inner = bank[first + 1 : last].sum(1)
    torch.testing.assert_close(inner, torch.ones_like(inner), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("rate", "n_fft", "n_mels"), BANKS)
def test_slaneys_norm_gives_each_filter_the_same_area(rate, n_fft, n_mels):
    bank = functional.mel_filterbank(4 * rate, 32 * n_fft, n_mels, norm="slaney").double()
    bank = bank if bank.shape[1] == n_mels else bank.T
    area = bank.sum(0) * 4 * rate / (32 * n_fft)
    torch.testing.assert_close(area, torch.ones_like(area), rtol=0.02, atol=0.0)


@pytest.mark.parametrize("width", [3, 5, 9])
def test_the_delta_of_a_constant_is_zero_and_of_a_line_its_slope(width):
    line = (0.5 * torch.arange(40.0) + 3.0).expand(1, 1, 4, -1).double()
    assert functional.delta(torch.ones_like(line), width).abs().max() < 1e-12
    slope = functional.delta(line, width)
    torch.testing.assert_close(slope, torch.full_like(slope, 0.5))


@pytest.mark.parametrize("width", [5, 9])
def test_the_second_delta_of_a_parabola_is_its_curvature(width):
    place = torch.arange(40.0).double()
    curve = functional.delta((1.5 * place.square()).expand(1, 1, 4, -1), width, order=2)
    torch.testing.assert_close(curve, torch.full_like(curve, 3.0))


@pytest.mark.parametrize("n_mfcc", [13, 20, 40])
def test_the_matrix_of_the_cosine_transform_is_orthonormal(n_mfcc):
    matrix = functional.dct_matrix(n_mfcc, 40).double()
    matrix = matrix if matrix.shape[0] == n_mfcc else matrix.T
    product = matrix @ matrix.T
    torch.testing.assert_close(product, torch.eye(n_mfcc).double(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("factor", [0.1, 3.0])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_a_spectrogram_scales_with_the_power_of_its_input(factor, power):
    waveform = torch.randn(2, 1, 4000).double()
    feature = F.Spectrogram(n_fft=256, power=power)
    torch.testing.assert_close(feature(factor * waveform), factor**power * feature(waveform))


@pytest.mark.parametrize("frames", [1, 5, 12])
def test_a_shift_by_hops_shifts_the_frames(frames):
    waveform = torch.randn(1, 1, 8000).double()
    feature = F.Spectrogram(n_fft=256, hop_length=100)
    here, there = feature(waveform), feature(waveform[..., 100 * frames :])
    torch.testing.assert_close(there[..., 2:20], here[..., 2 + frames : 20 + frames])


@pytest.mark.parametrize("hop", [64, 100, 250])
@pytest.mark.parametrize("time", [256, 4000, 4001])
def test_there_are_as_many_frames_as_hops_and_one(hop, time):
    assert F.Spectrogram(n_fft=256, hop_length=hop)(torch.zeros(1, 1, time)).shape[-1] == (
        1 + time // hop
    )


@pytest.mark.parametrize("bin_", [4, 20, 100])
def test_a_tone_in_the_middle_of_a_bin_is_largest_there(bin_):
    wave = torch.cos(2 * math.pi * bin_ / 256 * torch.arange(4000.0)).reshape(1, 1, -1)
    assert (F.Spectrogram(n_fft=256)(wave)[0, 0, :, 5:-5].argmax(0) == bin_).all()


def test_parsevals_energy():
    waveform = torch.randn(1, 1, 256 * 20).double()
    feature = F.Spectrogram(n_fft=256, hop_length=256, center=False, window="rectangular")
    power = feature(waveform)[0, 0]
    both_sides = 2 * power.sum(0) - power[0] - power[-1]
    energy = waveform.reshape(-1, 256).square().sum(1)
    torch.testing.assert_close(both_sides / 256, energy)
