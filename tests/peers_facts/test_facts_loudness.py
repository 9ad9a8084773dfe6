"""Loudness of tones as EBU Tech 3341 and ITU-R BS.2217 have them, as pyloudnorm is held to."""

import math

import pytest
import torch

from augspec import functional
from augspec import transforms as T

RATE = 48_000


def tone(segments, freq=1000.0, gains=(1.0, 1.0), rate=RATE):
    """Give a tone whose peak has ``(level in dBFS, seconds)`` in turn, in channels with gains."""
    levels = [torch.full((round(s * rate),), 10 ** (db / 20)).double() for db, s in segments]
    level = torch.cat(levels)
    wave = level * torch.sin(2 * math.pi * freq * torch.arange(len(level)).double() / rate)
    return wave * torch.tensor(gains).double()[None, :, None]


def lufs(waveform, rate=RATE):
    return functional.loudness(waveform, rate).item()


# EBU Tech 3341, table 1: cases 1 to 6, -23 or -33 LUFS within 0.1 LU.
EBU = {
    1: (tone([(-23.0, 20.0)]), -23.0),
    2: (tone([(-33.0, 20.0)]), -33.0),
    3: (tone([(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)]), -23.0),
    4: (tone([(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)]), -23.0),
    5: (tone([(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)]), -23.0),
    6: (tone([(0.0, 20.0)], gains=[10 ** (db / 20) for db in (-28, -28, -24, -30, -30)]), -23.0),
}


@pytest.mark.parametrize("case", EBU)
def test_ebus_signals_have_the_loudness_that_the_table_says(case):
    waveform, expected = EBU[case]
    assert abs(lufs(waveform) - expected) < 0.1


def k_gain_db(freq):
    """Give the gain of the two filters of BS.1770-4, from its tables, at 48 kHz."""
    shelf = (
        [1.53512485958697, -2.69169619938640, 1.19839281085285],
        [-1.69065929318241, 0.73248077421585],
    )
    high_pass = ([1.0, -2.0, 1.0], [-1.99004745483398, 0.99007225036621])
    z = torch.exp(torch.tensor(-2j * math.pi * freq / RATE, dtype=torch.complex128))
    found = torch.ones((), dtype=torch.complex128)
    for b, a in (shelf, high_pass):
        found = found * (b[0] + b[1] * z + b[2] * z * z) / (1 + a[0] * z + a[1] * z * z)
    return 20 * math.log10(abs(found.item()))


@pytest.mark.parametrize("freq", [25.0, 100.0, 500.0, 1000.0, 2000.0, 10_000.0])
@pytest.mark.parametrize("wanted", [-23.0, -24.0])
def test_a_tone_is_as_loud_as_the_filters_make_it(freq, wanted):
    """BS.2217's tones of 25 Hz to 10 kHz, in two channels, at -23 and -24 LKFS."""
    # Two channels add the 3.01 dB that a sine has less than its peak; -0.691 is the standard's.
    peak_db = wanted + 0.691 - k_gain_db(freq)
    assert abs(lufs(tone([(peak_db, 20.0)], freq)) - wanted) < 0.1


@pytest.mark.parametrize("channel", range(5))
def test_each_channel_has_its_weight(channel):
    """BS.2217's check of channels: surround channels count 1.5 dB more."""
    gains = [0.0] * 5
    gains[channel] = 1.0
    expected = lufs(tone([(-24.0, 10.0)], gains=(1.0,))) + (1.5 if channel > 2 else 0.0)
    assert abs(lufs(tone([(-24.0, 10.0)], gains=gains)) - expected) < 0.01


def test_what_lies_ten_below_the_rest_does_not_count():
    assert abs(lufs(tone([(-10.0, 10.0), (-30.0, 10.0)])) - lufs(tone([(-10.0, 10.0)]))) < 0.1


@pytest.mark.parametrize(("below_db", "counts"), [(9.6, True), (10.4, False)])
def test_the_second_gate_lies_ten_below_the_mean_of_all_blocks(below_db, counts):
    share = 10 ** (-below_db / 10)
    quiet = share / (2 - share)  # its power is then this share of the mean of both
    level_db = 10 * math.log10(quiet)
    expected = 10 * math.log10((1 + quiet) / 2) if counts else 0.0
    loud = lufs(tone([(-10.0, 10.0)]))
    found = lufs(tone([(-10.0, 20.0), (-10.0 + level_db, 20.0)]))
    assert abs(found - loud - expected) < 0.1


def test_what_lies_eight_below_the_rest_counts():
    expected = 10 * math.log10((10**-1.0 + 10**-1.8) / 2)
    assert abs(lufs(tone([(-10.0, 20.0), (-18.0, 20.0)])) - expected) < 0.1


@pytest.mark.parametrize(("peak_db", "counts"), [(-69.0, True), (-71.0, False)])
def test_seventy_below_full_scale_is_silence(peak_db, counts):
    assert math.isfinite(lufs(tone([(peak_db, 10.0)]))) == counts


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000, 192_000])
def test_the_rate_does_not_change_what_is_loud(rate):
    assert abs(lufs(tone([(-23.0, 10.0)], rate=rate), rate) + 23.0) < 0.1


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 3.0, 10.0])
def test_a_gain_changes_the_loudness_by_itself(gain_db):
    waveform = tone([(-30.0, 5.0)])
    louder = functional.gain(waveform, torch.tensor([gain_db]))
    assert lufs(louder) - lufs(waveform) == pytest.approx(gain_db, abs=1e-6)


@pytest.mark.parametrize("target", [-36.0, -23.0, -16.0])
def test_what_is_normalized_has_the_loudness_that_was_asked_for(target):
    waveform = tone([(-30.0, 5.0), (-20.0, 5.0)], freq=440.0)
    assert lufs(T.LoudnessNormalize(target, sample_rate=RATE)(waveform)) == pytest.approx(
        target, abs=1e-3
    )


@pytest.mark.parametrize("peak_db", [-12.0, -1.0, 0.0])
def test_what_is_normalized_to_a_peak_has_that_peak(peak_db):
    out = T.PeakNormalize(peak_db)(tone([(-30.0, 1.0)], freq=440.0))
    assert out.abs().max().item() == pytest.approx(10 ** (peak_db / 20), rel=1e-6)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_left_and_right_are_alike(order):
    waveform = tone([(-23.0, 5.0)], gains=(1.0, 0.3))
    assert lufs(waveform[:, list(order)]) == pytest.approx(lufs(waveform), abs=1e-9)


def test_the_sign_makes_no_difference():
    waveform = tone([(-23.0, 5.0)], gains=(1.0, 0.3))
    assert lufs(-waveform) == pytest.approx(lufs(waveform), abs=1e-9)
