"""Random filters and equalisers: what is drawn, and that each example gets its own."""

import math

import numpy as np
import pytest
import torch

import augspec
from augspec import functional
from augspec import transforms as T

KEYS = augspec.example_keys(seed=1, epoch=0, index=torch.arange(4000))


def drawn(transform, rows=4000):
    return transform.make_params(torch.zeros(rows, 1, 1), keys=KEYS[:rows])


@pytest.mark.parametrize(
    ("transform", "name"),
    [
        (T.LowPass((100.0, 6400.0), sample_rate=16_000), "cutoff_freq"),
        (T.HighPass((100.0, 6400.0), sample_rate=16_000), "cutoff_freq"),
        (T.BandPass((100.0, 6400.0), sample_rate=16_000), "center_freq"),
        (T.BandStop(1000.0, (0.1, 6.4), sample_rate=16_000), "q"),
        (T.LowShelf((100.0, 6400.0), sample_rate=16_000), "cutoff_freq"),
        (T.PeakingEQ((100.0, 6400.0), sample_rate=16_000), "center_freq"),
        (T.TiltEQ(0.0, (100.0, 6400.0), sample_rate=16_000), "center_freq"),
    ],
)
def test_frequencies_and_qualities_are_uniform_in_octaves(transform, name):
    octave = torch.log2(drawn(transform)[name] / getattr(transform, name)[0])
    counts = torch.histc(octave, 6, 0.0, 6.0)
    assert counts.sum() == 4000
    assert (counts - 4000 / 6).abs().max() < 5 * (4000 / 6 * 5 / 6) ** 0.5


def test_a_number_is_a_constant_to_the_last_bit():
    params = drawn(T.LowPass(1234.5, sample_rate=16_000))
    assert (params["cutoff_freq"] == 1234.5).all()


def test_bands_of_a_random_eq_lie_each_in_its_part_of_the_range():
    transform = T.RandomEQ(3, (-6.0, 6.0), center_freq=(100.0, 6400.0), sample_rate=16_000)
    params = drawn(transform)
    assert params["center_freq"].shape == params["gain_db"].shape == params["q"].shape == (4000, 3)
    octave = torch.log2(params["center_freq"] / 100.0)
    for band in range(3):
        assert octave[:, band].min() >= 2 * band - 1e-5
        assert octave[:, band].max() <= 2 * band + 2 + 1e-5
        assert abs(octave[:, band].mean() - (2 * band + 1)) < 0.05
    assert params["gain_db"].min() >= -6.0
    assert torch.corrcoef(params["gain_db"].T).triu(1).abs().max() < 5 / math.sqrt(4000)


def test_each_example_and_channel_gets_its_own_cutoff():
    transform = T.LowPass((200.0, 4000.0), sample_rate=16_000, order=4, per_channel=True)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3, 2, 1 << 14, generator=generator, dtype=torch.float64)
    params = transform.make_params(noise, keys=KEYS[:3])
    transfer = torch.fft.rfft(transform.transform(noise, params)) / torch.fft.rfft(noise)
    freq = np.fft.rfftfreq(1 << 14, 1 / 16_000)
    for i in range(3):
        for c in range(2):
            gain = 20 * transfer[i, c].abs().log10().numpy()
            level = np.interp(params["cutoff_freq"][i, c].item(), freq, gain)
            assert level == pytest.approx(10 * math.log10(0.5), abs=0.3)  # the tail that is cut off


@pytest.mark.parametrize("make", [T.BandPass, T.BandStop])
@pytest.mark.parametrize(("center", "narrower"), [(100.0, 0.0), (3000.0, 0.23)])
def test_a_band_is_as_wide_as_its_page_says(make, center, narrower):
    impulse = torch.zeros(1, 1, 1 << 16, dtype=torch.float64)
    impulse[..., 0] = 1.0
    response = make(center, 2.0, sample_rate=16_000)(impulse)[0, 0]
    power = torch.fft.rfft(response).abs().square()
    inside = power > 0.5 if make is T.BandPass else power < 0.5
    width = float(inside.sum()) * 16_000 / len(response)
    assert 1 - width / (center / 2.0) == pytest.approx(narrower, abs=0.006)


def test_the_mix_is_the_part_of_the_filtered_sound():
    waveform = torch.randn(3, 1, 500)
    wet = T.HighPass(1000.0, sample_rate=16_000)(waveform, keys=KEYS[:3])
    half = T.HighPass(1000.0, sample_rate=16_000, mix=0.5)(waveform, keys=KEYS[:3])
    torch.testing.assert_close(half, (waveform + wet) / 2)
    none = T.HighPass(1000.0, sample_rate=16_000, mix=0.0)(waveform, keys=KEYS[:3])
    assert torch.equal(none, waveform)


def test_transforms_are_their_functions_at_the_drawn_values():
    waveform = torch.randn(4, 2, 300, dtype=torch.float64)
    for transform, function, names in (
        (T.LowShelf((50.0, 1000.0), sample_rate=16_000), functional.low_shelf, "cutoff_freq"),
        (T.HighShelf((2000.0, 6000.0), sample_rate=16_000), functional.high_shelf, "cutoff_freq"),
        (T.PeakingEQ((50.0, 7000.0), sample_rate=16_000), functional.peaking_eq, "center_freq"),
    ):
        params = transform.make_params(waveform, keys=KEYS[:4])
        values = (params[name] for name in (names, "gain_db", "q"))
        expected = function(waveform, *values, sample_rate=16_000)
        assert torch.equal(transform.transform(waveform, params), expected)


def test_air_takes_more_from_a_farther_example():
    noise = torch.randn(1, 1, 1 << 14).expand(3, -1, -1)
    transform = T.AirAbsorption((0.0, 300.0), 20.0, 50.0, sample_rate=16_000)
    params = transform.make_params(noise, keys=KEYS[:3])
    params["distance"] = torch.tensor([0.0, 50.0, 300.0])
    spectrum = torch.fft.rfft(transform.transform(noise, params)).abs().square()
    high, low = spectrum[:, 0, 6144:].mean(-1), spectrum[:, 0, 64:512].mean(-1)
    loss = 10 * torch.log10(high / low)
    assert loss[0] - loss[1] > 2.0
    assert loss[1] - loss[2] > 10.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.LowPass(8000.0, sample_rate=16_000), "`cutoff_freq` must lie above 0 and below"),
        (lambda: T.HighPass((0.0, 9.0), sample_rate=16_000), "`cutoff_freq` must lie above 0 and"),
        (lambda: T.LowPass((9.0, 5.0), sample_rate=16_000), "`cutoff_freq` must be .low, high."),
        (lambda: T.LowPass(9.0, sample_rate=0), "`sample_rate` must be a positive number of Hz"),
        (
            lambda: T.LowPass(9.0, sample_rate=99, order=0),
            "`order` must be an integer from 1 to 32",
        ),
        (lambda: T.LowPass(9.0, sample_rate=99, mix=1.5), r"`mix` must lie in \[0, 1\]"),
        (lambda: T.BandPass(9.0, 0.0, sample_rate=99), r"`q` must lie in \[0.01, 1000\]"),
        (lambda: T.LowShelf(9.0, 90.0, sample_rate=99), r"`gain_db` must lie in \[-60, 60\]"),
        (lambda: T.RandomEQ(0, sample_rate=99), "`bands` must be an integer from 1 to 16, got 0"),
        (lambda: T.RandomEQ(center_freq=(9.0, 50.0), sample_rate=99), "`center_freq` must lie"),
        (lambda: T.TiltEQ(13.0, sample_rate=16_000), r"`slope_db` must lie in \[-12, 12\]"),
        (lambda: T.AirAbsorption(501.0, sample_rate=99), r"`distance` must lie in \[0, 500\]"),
        (lambda: T.AirAbsorption(humidity=5.0, sample_rate=99), r"`humidity` must lie in \[10, 1"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
