"""The native kernel of the constant-Q transform gives what torch gives."""

import pytest
import torch
from torch import Tensor

from augspec import features, native
from augspec.native import constant_q as kernel

pytestmark = pytest.mark.skipif(
    native.instruction_set() == "no", reason="there is no C++ compiler here"
)

SMALL = {"hop_length": 64, "f_min": 220.0, "n_bins": 36}
SETTINGS = [
    {},
    {"hop_length": 256, "sample_rate": 22_050},
    {"hop_length": 128, "sample_rate": 44_100, "n_bins": 100, "bins_per_octave": 13},
    {"hop_length": 160, "f_min": 110.0, "n_bins": 60, "bins_per_octave": 24},
    {"n_bins": 40, "f_min": 55.0, "filter_scale": 0.5},
    {"hop_length": 1024, "n_bins": 36},
    {"hop_length": 1, "n_bins": 5, "f_min": 1760.0},
    {"hop_length": 101, "n_bins": 24, "f_min": 220.0},
    {"hop_length": 512, "sample_rate": 192_000, "n_bins": 10, "f_min": 20.0},
    {"n_bins": 1, "f_min": 440.0},
    *({**SMALL, "power": power} for power in (0.5, 1.5, 2.0, 3.0)),
    *({**SMALL, "window": window} for window in ("hamming", "rectangular", "cosine", "blackman")),
    {**SMALL, "window": "nuttall", "power": 2.0, "filter_scale": 2.0},
]


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def assert_near(ours: Tensor, expected: Tensor, power: float = 1.0) -> None:
    """Differences are rounding, beside the loudest bin; a power multiplies it."""
    assert ours.shape == expected.shape
    bound = 3e-6 * max(power, 2.0 if power < 1.0 else 1.0) * float(expected.max())
    torch.testing.assert_close(ours, expected, rtol=0.0, atol=bound)


@pytest.mark.parametrize("time", [1, 2, 63, 700, 9001])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_kernel_is_torch(settings, time):
    cqt, waveform = features.CQT(**settings), noise(4, 2, time)
    lengths = torch.tensor([time, time // 2, min(time, 65), 0])
    assert kernel.can_compute(waveform, lengths)
    whole, (specgram, counts) = cqt(waveform), cqt(waveform, lengths)
    with native.in_torch():
        expected, (cut, same) = cqt(waveform), cqt(waveform, lengths)
    assert_near(whole, expected, cqt.power)
    assert_near(specgram, cut, cqt.power)
    assert torch.equal(counts, same)
    beyond = torch.arange(specgram.shape[-1]) >= counts[:, None, None, None]
    assert not specgram.masked_select(beyond).any()


def test_kernel_is_torch_at_every_size_of_a_transform():
    """Their factors are 2, 3 and 5: rows and columns fewer than a vector has, and more."""
    cqt = features.CQT(hop_length=16, f_min=880.0, n_bins=36)
    for time in range(1, 4000, 97):
        waveform = noise(1, 1, time)
        ours = cqt(waveform)
        with native.in_torch():
            assert_near(ours, cqt(waveform))


@pytest.mark.parametrize("frequency", [3990.0, 3999.0, 4000.0, 4001.0, 4010.0, 2000.0, 7999.0])
def test_a_tone_at_half_of_a_halved_rate_is_that_of_float64(frequency):
    """There the low-pass filter has a step, so that its response is as long as the audio."""
    cqt = features.CQT(hop_length=256, f_min=980.0, n_bins=36)
    time = torch.arange(16_000, dtype=torch.float64) / 16_000
    middle = cqt(torch.cos(2 * torch.pi * cqt.frequencies[:, None, None] * time))[..., 30]
    tone = torch.cos(2 * torch.pi * frequency * time)[None, None]
    apart = (cqt(tone.float()) - cqt(tone)).abs() / middle[:, 0].diagonal()[:, None]
    assert apart.max() < 1e-6


def test_each_channel_comes_out_as_if_it_were_alone():
    cqt, waveform = features.CQT(**SMALL), noise(3, 2, 5000)
    waveform[1, 1, 100] = torch.nan
    together = cqt(waveform)
    for i in range(3):
        for c in range(2):
            alone = cqt(waveform[i : i + 1, c : c + 1])[0, 0]
            torch.testing.assert_close(together[i, c], alone, rtol=0, atol=0, equal_nan=True)


def test_threads_change_no_bit():
    cqt, waveform = features.CQT(hop_length=64, f_min=440.0, n_bins=36), noise(32, 1, 30_000)
    before = torch.get_num_threads()
    try:
        made = []
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            made.append(cqt(waveform))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


def test_an_empty_batch_and_a_batch_that_is_a_view():
    cqt, waveform = features.CQT(**SMALL), noise(3, 2, 3000)
    assert cqt(waveform[:0]).shape == (0, 2, 36, 47)
    assert cqt(waveform[:0], torch.zeros(0, dtype=torch.int64))[0].shape == (0, 2, 36, 47)
    view = waveform.transpose(0, 1)[..., ::2]
    assert torch.equal(cqt(view), cqt(view.contiguous()))


@pytest.mark.parametrize(("window", "products"), [("hann", 2), ("blackman", 2), ("hamming", 4)])
def test_filters_are_folded_into_sums_and_differences(window, products):
    """A window that is symmetric takes half the products, and none is lost in the other order."""
    cqt = features.CQT(**SMALL, window=window)
    taps = [one.double() for one in cqt._filters(torch.float64, torch.device("cpu"))]
    weights = kernel.fold(taps)
    assert weights.numel() == products * sum(12 * len(one) // 2 for one in taps)
    energy = sum(one.square().sum() for one in taps)
    assert 2.0 * weights.square().sum() == pytest.approx(float(energy))
