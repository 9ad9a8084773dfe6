"""Mean and deviation of a data set."""

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.datasets import mean_std

RATE = 8_000
LENGTHS = [4_000, 900, 2_500, 4_000, 8_000]
FEATURES = F.LogMelSpectrogram(RATE, n_fft=256, hop_length=100, n_mels=12)


@pytest.fixture
def sounds():
    return [
        {"waveform": 0.1 * (place + 1) * torch.randn(2, length), "label": "x" * place}
        for place, length in enumerate(LENGTHS)
    ]


def values(sounds):
    """Each item alone, without padding: (bins, values)."""
    return torch.cat(
        [
            FEATURES(item["waveform"][None])[0].double().transpose(0, 1).flatten(1)
            for item in sounds
        ],
        1,
    )


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.usefixtures("eager_kernels")
def test_it_is_that_of_all_valid_frames(sounds, batch_size):
    expected = values(sounds)
    mean, std = mean_std(sounds, FEATURES, batch_size=batch_size)
    assert mean == pytest.approx(float(expected.mean()), abs=1e-4)
    assert std == pytest.approx(float(expected.std(correction=0)), abs=1e-4)
    mean, std = mean_std(sounds, FEATURES, batch_size=batch_size, per_bin=True)
    assert mean == pytest.approx(expected.mean(1).tolist(), abs=1e-4)
    assert std == pytest.approx(expected.std(1, correction=0).tolist(), abs=1e-4)


@pytest.mark.usefixtures("eager_kernels")
def test_normalize_takes_it(sounds):
    statistics = mean_std(sounds, FEATURES, per_bin=True)
    normalized = torch.nn.Sequential(FEATURES, F.Normalize(*statistics))
    mean, std = mean_std(sounds, normalized)
    assert mean == pytest.approx(0.0, abs=1e-4)
    assert std == pytest.approx(1.0, abs=1e-4)


@pytest.mark.usefixtures("eager_kernels")
def test_a_front_end_does_not_augment(sounds):
    frontend = augspec.Frontend(T.Gain(gain_db=(-40.0, -30.0)), FEATURES, T.TimeMask(10))
    assert mean_std(sounds, frontend) == mean_std(sounds, FEATURES)
    assert frontend.training


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="`dataset` must hold at least one item"):
        mean_std([], FEATURES)
