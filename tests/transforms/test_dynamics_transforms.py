"""Compressor and limiter as transforms: what is drawn is what is done."""

import pytest
import torch

from augspec import functional
from augspec import transforms as T

RATE = 16_000


def noise(batch=4, channels=2, time=3000):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, channels, time, generator=generator)


def test_the_compressor_passes_what_it_drew_and_its_settings_to_the_kernel():
    compressor = T.Compressor(sample_rate=RATE, knee_db=3.0, relative=True, mix=(0.2, 0.8))
    waveform = noise()
    params = compressor.make_params(waveform)
    wet = functional.compressor(
        waveform,
        *(params[name] for name in ("threshold_db", "ratio", "attack", "release")),
        sample_rate=RATE,
        knee_db=3.0,
        relative=True,
    )
    expected = functional.shapes.blend(waveform, wet, params["mix"])
    assert torch.equal(compressor.transform(waveform, params), expected)
    ranges = {"threshold_db": (-30, -10), "ratio": (1.5, 8), "mix": (0.2, 0.8)}
    ranges |= {"attack": (0.001, 0.03), "release": (0.05, 0.5)}
    many = compressor.make_params(torch.zeros(4000, 1, 1))
    for name, (low, high) in ranges.items():
        assert low <= many[name].min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < many[name].max() <= high


def test_parallel_compression_lies_between_dry_and_wet():
    waveform = noise()
    wet = T.Compressor(-20.0, 8.0, sample_rate=RATE, attack=0.01, release=0.1)
    half = T.Compressor(-20.0, 8.0, sample_rate=RATE, attack=0.01, release=0.1, mix=0.5)
    torch.testing.assert_close(half(waveform), (waveform + wet(waveform)) / 2)


def test_each_example_is_limited_to_its_own_threshold():
    limiter, waveform = T.Limiter((-24.0, -2.0), sample_rate=RATE), noise(50)
    params = limiter.make_params(waveform)
    peak = limiter.transform(waveform, params).abs().amax((-2, -1))
    torch.testing.assert_close(peak, 10 ** (params["threshold_db"] / 20))


def test_a_limiter_relative_to_the_peak_acts_on_quiet_examples():
    waveform = 1e-3 * noise()
    out = T.Limiter(-6.0, sample_rate=RATE, relative=True)(waveform)
    peaks = out.abs().amax((-2, -1)) / waveform.abs().amax((-2, -1))
    torch.testing.assert_close(peaks, torch.full((4,), 10 ** (-6 / 20)))
    assert torch.equal(T.Limiter(-6.0, sample_rate=RATE)(waveform), waveform)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Compressor(sample_rate=0), "`sample_rate` must be a positive number of Hz"),
        (lambda: T.Compressor(-20, 0.5, sample_rate=RATE), r"`ratio` must lie in \[1, 1000\]"),
        (lambda: T.Compressor(sample_rate=RATE, attack=-1.0), r"`attack` must lie in \[0, 10\]"),
        (lambda: T.Compressor(sample_rate=RATE, knee_db=-1.0), r"`knee_db` must lie in \[0, 200\]"),
        (lambda: T.Compressor(sample_rate=RATE, mix=1.5), r"`mix` must lie in \[0, 1\]"),
        (lambda: T.Limiter((0, -6), sample_rate=RATE), "`threshold_db` must be .low, high."),
        (lambda: T.Limiter(sample_rate=RATE, release=11), r"`release` must lie in \[0, 10\]"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
