"""Banks that keep channels, early reflections, and responses that are made: devices and rooms."""

import numpy as np
import pyroomacoustics
import pytest
import scipy.signal
import torch

import augspec
from augspec import transforms as T
from augspec._responses import DEVICES
from augspec.transforms import reverb

RATE = 16_000
KEYS = augspec.example_keys(0, 0, range(6))


def stereo_bank() -> augspec.Bank:
    generator = torch.Generator().manual_seed(0)
    sounds = [torch.randn(2, size, generator=generator) for size in (700, 400)]
    return augspec.Bank(sounds, RATE, mono=False)


def test_a_bank_keeps_the_channels_of_its_sounds() -> None:
    bank = stereo_bank()
    assert (len(bank), bank.channels, bank.max_length) == (2, 2, 700)
    rows = bank.rows_of(torch.tensor([1, 0]), 2)
    whole = bank.whole(rows)
    for i, sound in enumerate((bank.sounds[1], bank.sounds[0])):
        torch.testing.assert_close(whole[i, :, : sound.shape[-1]], sound)
    again = augspec.Bank(bank.sounds, RATE, mono=False)
    assert torch.equal(again.whole(rows), whole)


def test_channels_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"`sounds\[0\]` has 1 and `sounds\[1\]` has 2"):
        augspec.Bank([torch.randn(9), torch.randn(2, 9)], RATE, mono=False)
    for transform in (T.ImpulseResponse, T.BackgroundNoise):
        with pytest.raises(ValueError, match="`bank` holds sounds of 2 channels, and `waveform` h"):
            transform(stereo_bank())(torch.randn(2, 1, 1000))


@pytest.mark.parametrize("per_channel", [False, True])
def test_each_channel_is_convolved_with_its_own_response(per_channel: bool) -> None:
    bank, waveform = stereo_bank(), torch.randn(6, 2, 2000, dtype=torch.float64)
    room = T.ImpulseResponse(bank, align=False, keep_level=False, per_channel=per_channel)
    params = room.make_params(waveform, keys=KEYS)
    out = room.transform(waveform, params)
    for i in range(6):
        for channel in range(2):
            sound = params["sound"][i, channel] if per_channel else params["sound"][i]
            response = bank.sounds[int(sound)][channel].double()
            wanted = np.convolve(waveform[i, channel], response)[:2000]
            torch.testing.assert_close(out[i, channel].numpy(), wanted, rtol=1e-6, atol=1e-6)


def test_the_delay_between_microphones_stays() -> None:
    """With `align` the direct sound comes first at one of them, and later at the other."""
    response = torch.zeros(2, 300)
    response[0, 40], response[1, 52] = 1.0, 0.8
    room = T.ImpulseResponse(augspec.Bank([response], RATE, mono=False), keep_level=False)
    click = torch.zeros(1, 2, 500)
    click[..., 100] = 1.0
    out = room(click)[0]
    assert out.argmax(-1).tolist() == [100, 112]


def test_a_background_in_stereo_comes_from_one_place() -> None:
    time = torch.arange(3000, dtype=torch.float32)
    ramps = torch.stack([time + 1.0, -time - 1.0])
    noisy = T.BackgroundNoise(augspec.Bank([ramps], RATE, mono=False), 0.0)
    waveform = torch.randn(6, 2, 800)
    added = noisy(waveform, keys=KEYS) - waveform
    torch.testing.assert_close(added[:, 0], -added[:, 1], rtol=1e-3, atol=1e-4)
    bursts = T.ShortNoises(bank=noisy.bank, sample_rate=RATE)(waveform, keys=KEYS) - waveform
    torch.testing.assert_close(bursts[:, 0], -bursts[:, 1], rtol=1e-3, atol=1e-4)


def test_early_keeps_what_comes_soon_after_the_direct_sound() -> None:
    response = torch.zeros(2000)
    response[100], response[500], response[1500] = 1.0, 0.5, 0.4  # 25 and 87.5 ms later
    bank = augspec.Bank([response], RATE)
    click = torch.zeros(1, 1, 3000)
    click[..., 0] = 1.0
    out = T.ImpulseResponse(bank, keep_level=False, early=0.05)(click)[0, 0]
    assert out[[0, 400]].tolist() == pytest.approx([1.0, 0.5], abs=1e-6)
    assert out[1400].item() == pytest.approx(0.0, abs=1e-6)
    out = T.ImpulseResponse(bank, keep_level=False, early=0.0)(click)[0, 0]
    assert out[[0, 400, 1400]].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
    with pytest.raises(ValueError, match=r"`early` must lie in \[0, 60\]"):
        T.ImpulseResponse(bank, early=-1.0)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
def test_a_device_has_its_curve_and_the_least_delay(sample_rate: int) -> None:
    bank = augspec.Bank.from_devices(sample_rate)
    assert len(bank) == len(DEVICES)
    for sound, points in zip(bank.sounds, DEVICES.values(), strict=True):
        taps = sound.double().numpy()
        inside = [(freq, gain) for freq, gain in points if 80 <= freq < 0.45 * sample_rate]
        freqs, gains = zip(*inside, strict=True)
        _, have = scipy.signal.freqz(taps, worN=freqs, fs=sample_rate)
        error = 20 * np.log10(np.abs(have)) - np.array(gains)
        # A curve's corners are rounded by a filter of 64 ms.
        assert np.abs(error[np.array(gains) > -30]).max() < 1.0
        # No filter of these gains has more of its energy earlier: all zeros lie within the circle.
        reverse = np.cumsum(taps[::-1] ** 2)
        assert (np.cumsum(taps**2) >= reverse - 1e-9).all()


def test_a_room_is_that_of_pyroomacoustics_and_reverberates_as_long() -> None:
    bank = augspec.Bank.from_rooms(6, RATE, seed=3, rt60=0.4, size=(4.0, 7.0))
    times = [
        pyroomacoustics.experimental.measure_rt60(sound.numpy(), fs=RATE, decay_db=20)
        for sound in bank.sounds
    ]
    assert np.median(times) == pytest.approx(0.4, rel=0.25)  # Sabine's formula is no better
    again = augspec.Bank.from_rooms(6, RATE, seed=3, rt60=0.4, size=(4.0, 7.0))
    assert all(torch.equal(a, b) for a, b in zip(bank.sounds, again.sounds, strict=True))
    fewer = augspec.Bank.from_rooms(2, RATE, seed=3, rt60=0.4, size=(4.0, 7.0))
    assert torch.equal(fewer.sounds[1], bank.sounds[1])


def test_a_row_of_microphones_hears_a_source_with_the_delays_of_sound() -> None:
    bank = augspec.Bank.from_rooms(3, 48_000, channels=4, spacing=0.1, rt60=0.2)
    assert (len(bank), bank.channels) == (3, 4)
    for response in bank.sounds:
        arrivals = response.abs().argmax(-1) / 48_000
        assert arrivals.diff().abs().max() <= 0.1 / 343.0 + 3 / 48_000
    out = T.ImpulseResponse(bank)(torch.randn(2, 4, 4800))
    assert out.shape == (2, 4, 4800)


def test_what_is_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`rt60` must lie in \[0.05, 5\]"):
        augspec.Bank.from_rooms(1, RATE, rt60=9.0)
    with pytest.raises(ValueError, match="`spacing` of 1 m between 9 microphones must fit"):
        augspec.Bank.from_rooms(1, RATE, channels=9, spacing=1.0)


def test_early_reflections_fade_as_half_a_cosine() -> None:
    """From one to nothing, within 5 ms after the end of the early part."""
    response = torch.full((2000,), 0.5)
    response[0] = 1.0
    click = torch.zeros(1, 1, 3000)
    click[..., 0] = 1.0
    out = T.ImpulseResponse(augspec.Bank([response], RATE), keep_level=False, early=0.05)(click)
    time = (torch.arange(2000) / RATE - 0.05) / reverb._EARLY_FADE
    fade = 0.5 + 0.5 * torch.cos(torch.pi * time.clamp(0.0, 1.0))
    torch.testing.assert_close(out[0, 0, :2000], response * fade, rtol=0.0, atol=1e-5)
