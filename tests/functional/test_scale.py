"""Scales against librosa and scipy in float64, and against their definitions."""

import librosa
import numpy as np
import pytest
import scipy.fft
import torch

from augspec import functional

SCALES = pytest.mark.parametrize("mel_scale", ["htk", "slaney"])


@SCALES
def test_hz_to_mel_is_librosas(mel_scale):
    hz = torch.linspace(0, 12_000, 500, dtype=torch.float64)
    expected = librosa.hz_to_mel(hz.numpy(), htk=mel_scale == "htk")
    torch.testing.assert_close(
        functional.hz_to_mel(hz, mel_scale), torch.from_numpy(expected), rtol=1e-12, atol=1e-12
    )


@SCALES
def test_mel_to_hz_undoes_hz_to_mel(mel_scale):
    hz = torch.linspace(0, 12_000, 500, dtype=torch.float64)
    back = functional.mel_to_hz(functional.hz_to_mel(hz, mel_scale), mel_scale)
    torch.testing.assert_close(back, hz, rtol=1e-12, atol=1e-9)


def test_1000_hz_is_1000_mel_htk_and_15_mel_slaney():
    hz = torch.tensor(1000.0, dtype=torch.float64)
    assert functional.hz_to_mel(hz, "htk").item() == pytest.approx(1000.0, abs=0.02)
    assert functional.hz_to_mel(hz, "slaney").item() == pytest.approx(15.0)


@SCALES
@pytest.mark.parametrize("norm", [None, "slaney"])
@pytest.mark.parametrize(
    ("sample_rate", "n_fft", "n_mels", "f_min", "f_max"),
    [
        (16_000, 1024, 64, 0.0, None),
        (16_000, 400, 128, 0.0, None),  # torchaudio's defaults: the lowest filters are empty
        (22_050, 2048, 128, 27.5, 8000.0),
        (44_100, 1001, 40, 300.0, 15_000.0),  # an odd frame has no bin at half the sample rate
        (11_025, 512, 1, 0.0, None),
    ],
)
@pytest.mark.filterwarnings("ignore:Empty filters detected")
def test_mel_filterbank_is_librosas(sample_rate, n_fft, n_mels, f_min, f_max, norm, mel_scale):
    expected = librosa.filters.mel(
        sr=sample_rate,
        n_fft=n_fft,
        n_mels=n_mels,
        fmin=f_min,
        fmax=f_max,
        htk=mel_scale == "htk",
        norm=norm,
        dtype=np.float64,
    )
    filters = functional.mel_filterbank(
        sample_rate, n_fft, n_mels, f_min, f_max, norm, mel_scale, dtype=torch.float64
    )
    torch.testing.assert_close(filters, torch.from_numpy(expected.T), rtol=1e-9, atol=1e-12)


def test_float32_filters_are_the_float64_ones_rounded_once():
    double = functional.mel_filterbank(16_000, 1024, 64, dtype=torch.float64)
    assert torch.equal(functional.mel_filterbank(16_000, 1024, 64), double.float())


def test_slaney_filters_have_area_one():
    filters = functional.mel_filterbank(16_000, 2**16, 40, norm="slaney", dtype=torch.float64)
    torch.testing.assert_close(
        filters.sum(0) * 16_000 / 2**16, torch.ones(40, dtype=torch.float64), rtol=1e-3, atol=0.0
    )


def test_amplitude_to_db_of_powers_of_ten():
    power = torch.tensor([[1.0, 0.1, 1e-10, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[0.0, -10.0, -100.0, -100.0]], dtype=torch.float64)
    torch.testing.assert_close(functional.amplitude_to_db(power), expected)
    torch.testing.assert_close(functional.amplitude_to_db(power, 20.0), 2 * expected)
    torch.testing.assert_close(functional.amplitude_to_db(power, ref=0.01), expected + 20)


def test_ref_max_and_top_db_look_at_each_example_alone():
    power = torch.tensor([[1.0, 1e-4, 1e-9], [1e-3, 1e-6, 1e-9]], dtype=torch.float64)
    level = functional.amplitude_to_db(power, ref="max", top_db=50.0)
    expected = torch.tensor([[0.0, -40.0, -50.0], [0.0, -30.0, -50.0]], dtype=torch.float64)
    torch.testing.assert_close(level, expected)
    for example, row in zip(power.numpy(), level, strict=True):
        librosas = librosa.power_to_db(example, ref=np.max, top_db=50.0)
        torch.testing.assert_close(row, torch.from_numpy(librosas))


def test_standardize_gives_mean_0_and_deviation_1():
    values = 3.0 + 5.0 * torch.randn(4, 1, 20, 30, dtype=torch.float64)
    result = functional.scale.standardize(values)
    zero = torch.zeros(4, dtype=torch.float64)
    torch.testing.assert_close(result.mean((1, 2, 3)), zero)
    torch.testing.assert_close(result.var((1, 2, 3), correction=0), zero + 1, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("norm", [None, "ortho"])
def test_dct_matrix_is_scipys_transform(norm):
    values = torch.randn(5, 24, dtype=torch.float64)
    expected = scipy.fft.dct(values.numpy(), type=2, norm=norm, axis=-1)[:, :13]
    matrix = functional.dct_matrix(13, 24, norm, dtype=torch.float64)
    torch.testing.assert_close(
        values @ matrix.T, torch.from_numpy(expected), rtol=1e-11, atol=1e-12
    )


@pytest.mark.parametrize(("f_min", "f_max"), [(4000.0, 4000.0), (5000.0, 4000.0), (-1.0, None)])
def test_corners_in_the_wrong_order_are_refused(f_min, f_max):
    with pytest.raises(ValueError, match=r"`f_min` must be in \[0, f_max = "):
        functional.mel_filterbank(16_000, 512, 16, f_min, f_max)
