"""Levels, compressors, limiters, clipping and convolution: what pedalboard and others promise."""

import math
from itertools import pairwise

import pytest
import torch

from augspec import functional as AF
from augspec import transforms as T

pytestmark = pytest.mark.usefixtures("eager_kernels")  # each fact has a shape of its own
RATE = 16_000
NOISE = 0.2 * torch.randn(3, 2, 4000, generator=torch.Generator().manual_seed(0)).double()


def steady(level_db, time=RATE):
    """Give a constant, whose level at every sample is known."""
    return torch.full((1, 1, time), 10 ** (level_db / 20), dtype=torch.float64)


def compress(waveform, threshold_db, ratio, attack=0.0, release=0.0, knee_db=0.0):
    kind = T.Compressor(
        threshold_db, ratio, sample_rate=RATE, attack=attack, release=release, knee_db=knee_db
    )
    return kind(waveform)


def limit(waveform, threshold_db, attack=0.001, release=0.1):
    return T.Limiter(threshold_db, sample_rate=RATE, attack=attack, release=release)(waveform)


def test_no_gain_is_no_change():
    assert torch.equal(T.Gain(0.0)(NOISE), NOISE)


@pytest.mark.parametrize("pair", [(-6.0, -6.0), (12.0, -3.0), (-20.0, 20.0)])
def test_gains_one_after_the_other_add_up(pair):
    both = T.Chain([T.Gain(gain_db) for gain_db in pair])
    torch.testing.assert_close(both(NOISE), T.Gain(sum(pair))(NOISE))


@pytest.mark.parametrize("attack", [0.0, 0.01])
def test_a_ratio_of_one_does_not_compress(attack):
    out = compress(NOISE, -40.0, 1.0, attack, 0.1)
    torch.testing.assert_close(out, NOISE, rtol=1e-12, atol=0)


@pytest.mark.parametrize("level_db", [-60.0, -30.0, -20.01])
def test_what_lies_below_the_threshold_is_not_compressed(level_db):
    wave = steady(level_db)
    torch.testing.assert_close(compress(wave, -20.0, 4.0, 0.01, 0.1), wave, rtol=1e-12, atol=0)


@pytest.mark.parametrize("knee_db", [0.0, 6.0, 20.0])
@pytest.mark.parametrize("ratio", [1.5, 8.0])
def test_nothing_becomes_louder(knee_db, ratio):
    out = compress(NOISE, -30.0, ratio, 0.001, 0.05, knee_db)
    assert (out.abs() <= NOISE.abs() * (1 + 1e-12)).all()
    assert out.square().mean() < 0.9 * NOISE.square().mean()


def test_a_higher_ratio_turns_down_more():
    levels = [compress(steady(-5.0), -20.0, ratio)[0, 0, -1] for ratio in (1.5, 2.0, 4.0, 20.0)]
    assert all(one > other for one, other in pairwise(levels))
    # At 20 to 1 little is left of what lies above the threshold: 15 / 20 dB.
    assert 20 * math.log10(levels[-1]) == pytest.approx(-20.0 + 15 / 20, abs=1e-9)


def test_a_lower_threshold_turns_down_more():
    levels = [compress(steady(-5.0), level, 4.0)[0, 0, -1] for level in (-6.0, -12.0, -40.0)]
    assert levels[0] > levels[1] > levels[2]


def test_the_sign_is_kept_and_makes_no_difference():
    out = compress(NOISE, -30.0, 4.0, 0.001, 0.05)
    assert torch.equal(out.sign(), NOISE.sign())
    torch.testing.assert_close(compress(-NOISE, -30.0, 4.0, 0.001, 0.05), -out)


@pytest.mark.parametrize("time", [0.005, 0.02])
def test_a_slow_attack_lets_the_beginning_through(time):
    wave = steady(0.0)
    fast, slow = compress(wave, -20.0, 4.0, 0.0, 0.1), compress(wave, -20.0, 4.0, time, 0.1)
    assert fast[0, 0, 0] < 0.2
    assert slow[0, 0, 0] > 0.95
    # After the attack's time 63 % of the 15 dB are taken away.
    reached = 20 * math.log10(slow[0, 0, round(time * RATE) - 1])
    assert reached == pytest.approx(-15 * (1 - math.exp(-1)), abs=0.3)


@pytest.mark.parametrize("kind", ["compressor", "limiter"])
def test_what_comes_back_to_a_device_is_treated_as_new(kind):
    """pedalboard resets between calls: one call leaves nothing to the next."""
    run = compress if kind == "compressor" else limit
    arguments = (-30.0, 4.0, 0.01, 0.2) if kind == "compressor" else (-30.0,)
    once = run(NOISE, *arguments)
    run(steady(0.0).expand(3, 2, -1), *arguments)
    assert torch.equal(run(NOISE, *arguments), once)


@pytest.mark.parametrize("threshold_db", [-40.0, -20.0, -3.0])
def test_no_sample_is_above_the_limit(threshold_db):
    out = limit(5 * NOISE, threshold_db)
    assert out.abs().max() <= 10 ** (threshold_db / 20)
    assert out.abs().amax((1, 2)).min() > 0.99 * 10 ** (threshold_db / 20)


def test_what_is_quiet_passes_the_limiter_bit_for_bit():
    assert torch.equal(limit(1e-3 * NOISE, -6.0), 1e-3 * NOISE)


def test_a_limiter_lets_go_after_its_release():
    wave = torch.full((1, 1, RATE), 0.05).double()
    wave[..., 100:200] = 1.0
    gain = limit(wave, -20.0, release=0.05) / wave
    held = 20.0 * math.exp(-0.05 / 0.05)  # dB that are left after one time constant
    assert 20 * math.log10(gain[0, 0, 199 + 800]) == pytest.approx(-held, abs=0.05)
    assert gain[0, 0, -1] > 0.999


@pytest.mark.parametrize("kind", [compress, limit])
def test_silence_stays_silent(kind):
    arguments = (-40.0, 4.0) if kind is compress else (-40.0,)
    assert not kind(torch.zeros(1, 2, 1000), *arguments).any()


@pytest.mark.parametrize("kind", ["compressor", "limiter"])
def test_channels_that_are_equal_come_out_equal(kind):
    wave = NOISE[:, :1].expand(-1, 2, -1)
    out = limit(wave, -20.0) if kind == "limiter" else compress(wave, -30.0, 4.0, 0.01, 0.1)
    assert torch.equal(out[:, 0], out[:, 1])


@pytest.mark.parametrize("kind", [T.Clip(-12.0), T.TanhDistortion(0.6), T.MuLaw(64)])
def test_a_curve_that_is_odd_treats_both_signs_alike(kind):
    torch.testing.assert_close(kind(-NOISE), -kind(NOISE), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bits", [3, 8, 12])
def test_rounding_moves_a_sample_by_half_a_step_at_most(bits):
    wave = torch.linspace(-0.99, 0.8, 5001).double().reshape(1, 1, -1)
    moved = (T.BitCrush(bits)(wave) - wave).abs()
    inside = wave < 1.0 - 2.0 ** (1 - bits)
    assert moved[inside].max() <= 2.0**-bits + 1e-12
    assert moved[inside].max() > 0.98 * 2.0**-bits


def test_more_distortion_has_more_overtones():
    time = torch.arange(RATE).double() / RATE
    wave = torch.sin(2 * math.pi * 400.0 * time).reshape(1, 1, -1)
    thirds = []
    for amount in (0.05, 0.3, 0.7):
        spectrum = torch.fft.rfft(T.TanhDistortion(amount)(wave)[0, 0]).abs()
        thirds.append(float(spectrum[1200] / spectrum[400]))
    assert thirds[0] < thirds[1] < thirds[2]


@pytest.mark.parametrize("delay", [0, 1, 37, 3999])
def test_an_impulse_delays_by_its_place(delay):
    response = torch.zeros(4000).double()
    response[delay] = 1.0
    expected = torch.nn.functional.pad(NOISE, (delay, 0))[..., :4000]
    torch.testing.assert_close(AF.convolve(NOISE, response), expected, rtol=0, atol=1e-12)


def test_to_convolve_is_linear():
    response = torch.randn(300).double()
    other = NOISE.flip(0)
    sum_ = AF.convolve(2 * NOISE - 3 * other, response)
    torch.testing.assert_close(
        sum_, 2 * AF.convolve(NOISE, response) - 3 * AF.convolve(other, response)
    )


def test_which_of_two_responses_comes_first_makes_no_difference():
    first, second = torch.randn(50).double(), torch.randn(80).double()
    there, back = (
        AF.convolve(AF.convolve(NOISE, one), two) for one, two in ((first, second), (second, first))
    )
    torch.testing.assert_close(there, back)


DRY = {
    "reverb": T.RoomReverb(sample_rate=RATE, mix=0.0),
    "low pass": T.LowPass(500.0, sample_rate=RATE, mix=0.0),
    "bits": T.BitCrush(4, mix=0.0),
    "compressor": T.Compressor(-40.0, 8.0, sample_rate=RATE, mix=0.0),
}


@pytest.mark.parametrize("name", DRY)
def test_all_dry_is_the_input(name):
    torch.testing.assert_close(DRY[name](NOISE), NOISE, rtol=0, atol=0)


@pytest.mark.parametrize("mix", [0.25, 0.5])
def test_half_wet_is_the_mean_of_dry_and_wet(mix):
    wet = T.BitCrush(4)(NOISE)
    torch.testing.assert_close(T.BitCrush(4, mix=mix)(NOISE), (1 - mix) * NOISE + mix * wet)


def test_a_pitch_shift_by_nothing_is_nothing():
    assert torch.equal(T.PitchShift(0.0, sample_rate=RATE)(NOISE), NOISE)


def test_a_formant_shift_by_nothing_is_nothing_but_rounding():
    out = T.FormantShift(0.0, sample_rate=RATE)(NOISE)
    torch.testing.assert_close(out, NOISE, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", [T.TimeStretch, T.Speed])
def test_a_rate_of_one_is_nothing(kind):
    assert torch.equal(kind(1.0)(NOISE), NOISE)


@pytest.mark.parametrize("kind", [T.LowPass, T.HighPass])
@pytest.mark.parametrize("sound", [0.0, 1.0])
def test_a_constant_passes_low_and_not_high(kind, sound):
    wave = torch.full((1, 1, RATE), sound, dtype=torch.float64)
    out = kind(1000.0, sample_rate=RATE)(wave)[0, 0, -1]
    assert float(out) == pytest.approx(sound if kind is T.LowPass else 0.0, abs=1e-9)


@pytest.mark.parametrize("kind", [T.LowPass, T.HighPass, T.BandPass, T.BandStop])
def test_a_filter_is_linear_and_the_same_at_every_time(kind):
    filter_ = kind(1500.0, sample_rate=RATE)
    keys = torch.zeros(3, dtype=torch.int64)
    late = torch.nn.functional.pad(NOISE, (100, 0))
    torch.testing.assert_close(
        filter_(late, keys=keys)[..., 100:], filter_(NOISE, keys=keys), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(filter_(3 * NOISE, keys=keys), 3 * filter_(NOISE, keys=keys))


def test_low_and_high_of_the_second_order_take_no_more_than_there_is():
    """A Butterworth pair has powers that add up to one at every frequency."""
    impulse = torch.zeros(1, 1, 8192).double()
    impulse[..., 0] = 1.0
    power = sum(
        torch.fft.rfft(kind(2000.0, sample_rate=RATE)(impulse)).abs().square()
        for kind in (T.LowPass, T.HighPass)
    )
    torch.testing.assert_close(power, torch.ones_like(power), rtol=0, atol=1e-9)


def test_band_pass_and_band_stop_of_one_q_add_up_to_the_input():
    both = sum(kind(2000.0, 2.0, sample_rate=RATE)(NOISE) for kind in (T.BandPass, T.BandStop))
    torch.testing.assert_close(both, NOISE, rtol=0, atol=1e-12)


@pytest.mark.parametrize("gain_db", [-9.0, 9.0])
@pytest.mark.parametrize("kind", [T.PeakingEQ, T.LowShelf, T.HighShelf])
def test_a_cut_undoes_the_boost_of_as_many_decibels(kind, gain_db):
    there, back = (kind(1000.0, gain, 0.7, sample_rate=RATE) for gain in (gain_db, -gain_db))
    torch.testing.assert_close(back(there(NOISE)), NOISE, rtol=0, atol=1e-9)
