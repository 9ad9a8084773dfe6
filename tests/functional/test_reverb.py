"""Convolution, made rooms and the air, against scipy, Schroeder and ISO 9613."""

import numpy as np
import pytest
import torch
from scipy import signal

import augspec
from augspec import functional
from augspec.functional.reverb import fast_length

KEYS = augspec.example_keys(seed=5, epoch=0, index=torch.arange(6))

# Attenuation in dB/km at the exact midband frequencies 63 Hz to 8 kHz: ISO 9613-2:1996, table 2.
ISO_TABLE = {
    (10.0, 70.0): [0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117.0],
    (20.0, 70.0): [0.1, 0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6],
    (30.0, 70.0): [0.1, 0.3, 1.0, 3.1, 7.4, 12.7, 23.1, 59.3],
    (15.0, 20.0): [0.3, 0.6, 1.2, 2.7, 8.2, 28.2, 88.8, 202.0],
    (15.0, 50.0): [0.1, 0.5, 1.2, 2.2, 4.2, 10.8, 36.2, 129.0],
    (15.0, 80.0): [0.1, 0.3, 1.1, 2.4, 4.1, 8.3, 23.7, 82.8],
}
pytestmark = pytest.mark.usefixtures("eager_kernels")


@pytest.mark.parametrize(("time", "taps"), [(1, 1), (1000, 300), (300, 1000), (17, 1)])
def test_convolution_equals_scipy(time, taps):
    waveform = torch.randn(3, 2, time, dtype=torch.float64)
    response = torch.randn(3, 2, taps, dtype=torch.float64)
    out = functional.convolve(waveform, response)
    shared = functional.convolve(waveform, response[:, 0])
    for i in range(3):
        for c in range(2):
            expected = signal.convolve(waveform[i, c], response[i, c])[:time]
            np.testing.assert_allclose(out[i, c], expected, atol=1e-10)
            expected = signal.convolve(waveform[i, c], response[i, 0])[:time]
            np.testing.assert_allclose(shared[i, c], expected, atol=1e-10)


def test_a_delay_is_taken_back_with_what_precedes_it():
    waveform = torch.randn(2, 1, 500, dtype=torch.float64)
    response = torch.randn(2, 80, dtype=torch.float64)
    delay = torch.tensor([0, 33])
    out = functional.convolve(waveform, response, delay=delay)
    for i in range(2):
        full = signal.convolve(waveform[i, 0], response[i])
        expected = full[delay[i] : delay[i] + 500]
        np.testing.assert_allclose(out[i, 0], expected, atol=1e-10)


def test_no_tail_rings_on_into_the_padding_and_nothing_is_heard_from_there():
    waveform, response = torch.randn(2, 1, 500, dtype=torch.float64), torch.randn(80).double()
    lengths = torch.tensor([500, 200])
    loud = torch.where(torch.arange(500) < lengths[:, None, None], waveform, torch.nan)
    delay = torch.tensor(10)
    out = functional.convolve(loud, response, delay=delay, lengths=lengths)
    alone = functional.convolve(waveform[1:, :, :200], response, delay=delay)
    torch.testing.assert_close(out[1:, :, :200], alone)
    assert not out[1, :, 200:].any()


def test_gradients_of_a_convolution():
    waveform = torch.randn(2, 1, 20, dtype=torch.float64, requires_grad=True)
    response = torch.randn(2, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(functional.convolve, (waveform, response))


def test_sizes_of_ffts_have_small_prime_factors_and_are_the_next():
    def smooth(n):
        for prime in (2, 3, 5):
            while n % prime == 0:
                n //= prime
        return n == 1

    for size in [*range(1, 200), 65_001, 66_399, 1_000_003]:
        assert fast_length(size) == next(n for n in range(size, 2 * size + 1) if smooth(n))


def test_match_power_gives_each_example_the_power_of_the_other():
    waveform, reference = torch.randn(3, 2, 900), torch.randn(3, 2, 900) * 7
    lengths = torch.tensor([900, 100, 0])
    out = functional.reverb.match_power(waveform, reference, lengths)
    for i, end in enumerate((900, 100)):
        power = out[i, :, :end].square().mean() / reference[i, :, :end].square().mean()
        assert power.item() == pytest.approx(1.0, rel=1e-5)
    assert not functional.reverb.match_power(torch.zeros(1, 1, 9), torch.ones(1, 1, 9)).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_rounding_of_a_convolution_is_no_sound_to_be_raised(dtype):
    """What lies before the response's first sample is silence, found by FFT only to rounding."""
    waveform = torch.randn(3, 2, 700, dtype=dtype)
    response = torch.zeros(3, 2_000, dtype=dtype)
    response[0, 700:], response[1, 699:], response[2, 5:] = 1.0, 1.0, 1e-12
    wet = functional.convolve(waveform, response)
    assert wet[0].any()  # rounding
    out = functional.reverb.match_power(wet, waveform, response=response)
    assert not out[0].any()
    torch.testing.assert_close(out[1:], functional.reverb.match_power(wet, waveform)[1:])
    torch.testing.assert_close(out[1:].norm(dim=(1, 2)), waveform[1:].norm(dim=(1, 2)))
    alone = functional.convolve(waveform[:, :, :31], response)
    assert not functional.reverb.match_power(alone, waveform[:, :, :31], response=response)[
        :2
    ].any()


def schroeder_rt60(response, sample_rate):
    """Measure the reverberation time as ISO 3382 does: T30 of the backward integral."""
    decay = response.double().square().flip(-1).cumsum(-1).flip(-1)
    level = (10 * torch.log10(decay / decay[0])).numpy()
    inside = (level < -5) & (level > -35)
    slope = np.polyfit(np.flatnonzero(inside) / sample_rate, level[inside], 1)[0]
    return -60 / slope


@pytest.mark.parametrize("sample_rate", [8000, 44_100])
def test_a_made_room_decays_by_sixty_decibels_in_rt60(sample_rate):
    rt60 = torch.tensor([0.2, 0.4, 0.6, 0.8, 1.2, 1.5])
    response = functional.room_response(
        KEYS, rt60, torch.full((6,), -60.0), 2 * sample_rate, sample_rate=sample_rate
    )
    for own, wanted in zip(response, rt60.tolist(), strict=True):
        assert schroeder_rt60(own[1:], sample_rate) == pytest.approx(wanted, rel=0.05)


def test_a_made_room_has_its_direct_sound_and_unit_energy():
    drr_db = torch.tensor([-10.0, -3.0, 0.0, 3.0, 10.0, 30.0])
    response = functional.room_response(
        KEYS, torch.full((6,), 0.3), drr_db, 8000, sample_rate=16_000
    )
    direct, tail = response[:, 0].square(), response[:, 1:].square().sum(1)
    torch.testing.assert_close(10 * torch.log10(direct / tail), drr_db, rtol=0, atol=1e-3)
    torch.testing.assert_close(direct + tail, torch.ones(6), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("weather", "table"), ISO_TABLE.items())
def test_attenuation_by_air_is_that_of_the_standards_table(weather, table):
    freq = torch.tensor(1000.0) * 10 ** (0.3 * torch.arange(-4.0, 4.0))
    temperature, humidity = map(torch.tensor, weather)
    measured = 1000 * functional.reverb.air_attenuation(freq.double(), temperature, humidity)
    for ours, theirs in zip(measured.tolist(), table, strict=True):
        assert ours == pytest.approx(theirs, rel=0.005, abs=0.06)  # of its digits


@pytest.mark.parametrize("sample_rate", [8000, 16_000, 48_000])
def test_air_filters_as_its_attenuation_says_without_delay(sample_rate):
    distance = torch.tensor([0.0, 5.0, 50.0, 200.0, 500.0])
    temperature, humidity = torch.full((5,), 20.0), torch.full((5,), 30.0)
    impulse = torch.zeros(5, 1, 4096, dtype=torch.float64)
    impulse[..., 2048] = 1.0
    out = functional.air_absorption(
        impulse, distance, temperature, humidity, sample_rate=sample_rate
    )
    spectrum = np.fft.rfft(np.roll(out[:, 0].numpy(), -2048, axis=-1))
    freq = torch.from_numpy(np.fft.rfftfreq(4096, 1 / sample_rate))
    loss = functional.reverb.air_attenuation(freq, temperature[0].double(), humidity[0].double())
    expected = -(loss * distance[:, None]).numpy()
    heard = expected > -40
    level = 20 * np.log10(np.abs(spectrum[heard]))
    np.testing.assert_allclose(level, expected[heard], atol=0.1)
    assert np.abs(np.angle(spectrum[heard])).max() < 1e-3  # the outermost tap has no partner


def test_shapes_are_checked():
    waveform = torch.zeros(2, 1, 100)
    with pytest.raises(ValueError, match=r"`response` must be \(tap,\) or .*\(2, 1, tap"):
        functional.convolve(waveform, torch.zeros(3, 10))
    with pytest.raises(ValueError, match=r"`humidity` must be \(batch,\)"):
        functional.air_absorption(
            waveform, torch.ones(2), torch.ones(2), torch.ones(1), sample_rate=8000
        )
