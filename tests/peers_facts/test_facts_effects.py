"""Gains, edits, filters and effects: what audiomentations, torchaudio and others promise."""

import math

import pytest
import torch

from augspec import functional as AF
from augspec import transforms as T

pytestmark = pytest.mark.usefixtures("eager_kernels")  # each fact has a shape of its own

RATE = 16_000
NOISE = 0.2 * torch.randn(3, 2, 4000, generator=torch.Generator().manual_seed(0)).double()


def tone(freq, seconds=1.0):
    time = torch.arange(round(seconds * RATE)).double() / RATE
    return torch.sin(2 * math.pi * freq * time).reshape(1, 1, -1)


def level_db(out, given):
    """Give the level of the middle of a sound relative to that of another."""
    middle = slice(out.shape[-1] // 4, 3 * out.shape[-1] // 4)
    parts = [x[..., middle].square().mean() for x in (out, given)]
    return 10 * math.log10(parts[0] / parts[1])


@pytest.mark.parametrize("gain_db", [-20.0, -6.0205999, 0.0, 6.0205999, 20.0])
def test_a_gain_is_a_factor(gain_db):
    out = T.Gain(gain_db)(NOISE)
    torch.testing.assert_close(out, NOISE * 10 ** (gain_db / 20))


TWICE = {
    "polarity": T.PolarityInversion(),
    "reverse": T.TimeReverse(),
}


@pytest.mark.parametrize("name", TWICE)
def test_twice_is_nothing(name):
    assert torch.equal(TWICE[name](TWICE[name](NOISE)), NOISE)
    assert not torch.equal(TWICE[name](NOISE), NOISE)


def test_inverted_and_not_add_up_to_silence():
    assert not (NOISE + T.PolarityInversion()(NOISE)).any()


def test_reversed_is_read_backwards():
    assert torch.equal(T.TimeReverse()(NOISE), NOISE.flip(-1))


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_never_and_always(p):
    out = T.Gain(-6.0, p=p)(NOISE)
    assert torch.equal(out, NOISE) == (p == 0.0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_p_is_the_share_of_what_is_picked(p):
    torch.manual_seed(0)
    out = T.Gain(-6.0, p=p)(torch.ones(5000, 1, 1))
    assert abs(float((out != 1.0).double().mean()) - p) < 5 * math.sqrt(p * (1 - p) / 5000)


@pytest.mark.parametrize("threshold_db", [-20.0, -6.0, -1.0])
def test_what_is_clipped_stays_within(threshold_db):
    most = 10 ** (threshold_db / 20)
    out = T.Clip(threshold_db)(4 * NOISE)
    assert out.abs().max() <= most + 1e-6
    torch.testing.assert_close(out, (4 * NOISE).clamp(-most, most), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("percentile", [10.0, 40.0])
def test_as_many_samples_are_clipped_as_was_asked_for(percentile):
    out = T.ClippingDistortion(percentile)(NOISE)
    for one in out.flatten(1):
        clipped = (one.abs() >= one.abs().max() - 1e-9).double().mean()
        assert abs(100 * float(clipped) - percentile) < 1.0


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_a_bit_depth_leaves_so_many_steps(bits):
    out = T.BitCrush(bits)(torch.linspace(-1, 1, 20_001).double().reshape(1, 1, -1))
    assert len(out.unique()) <= 2**bits + 1


@pytest.mark.parametrize("cutoff", [500.0, 1000.0, 3000.0])
def test_filters_are_three_decibels_down_at_their_cutoff(cutoff):
    wave = tone(cutoff)
    for kind in (T.LowPass, T.HighPass):
        out = kind(cutoff, sample_rate=RATE)(wave)
        assert level_db(out, wave) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("freq", [50.0, 200.0])
def test_what_is_far_below_passes_the_one_and_not_the_other(freq):
    wave = tone(freq)
    assert abs(level_db(T.LowPass(2000.0, sample_rate=RATE)(wave), wave)) < 0.1
    assert level_db(T.HighPass(2000.0, sample_rate=RATE)(wave), wave) < -36.0


@pytest.mark.parametrize("order", [2, 4])
def test_an_octave_below_a_high_pass_falls_by_its_order(order):
    one, half = (
        level_db(T.HighPass(3000.0, sample_rate=RATE, order=order)(tone(f)), tone(f))
        for f in (200.0, 100.0)
    )
    assert one - half == pytest.approx(6.02 * order, abs=0.3)


@pytest.mark.parametrize("gain_db", [-12.0, 6.0])
def test_a_bell_has_its_gain_in_the_middle_and_none_far_off(gain_db):
    bell = T.PeakingEQ(1000.0, gain_db, 2.0, sample_rate=RATE)
    assert level_db(bell(tone(1000.0)), tone(1000.0)) == pytest.approx(gain_db, abs=0.05)
    assert abs(level_db(bell(tone(50.0)), tone(50.0))) < 0.1


@pytest.mark.parametrize("gain_db", [-12.0, 6.0])
def test_shelves_have_their_gain_on_their_side(gain_db):
    low = T.LowShelf(500.0, gain_db, sample_rate=RATE)
    high = T.HighShelf(2000.0, gain_db, sample_rate=RATE)
    for shelf, inside, outside in ((low, 40.0, 7000.0), (high, 7500.0, 60.0)):
        assert level_db(shelf(tone(inside)), tone(inside)) == pytest.approx(gain_db, abs=0.3)
        assert abs(level_db(shelf(tone(outside)), tone(outside))) < 0.3


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
@pytest.mark.parametrize("kind", [T.WhiteNoise, T.ColoredNoise])
def test_noise_has_the_ratio_that_was_asked_for(kind, snr_db):
    wave = tone(440.0).expand(4, 1, -1)
    noise = kind(snr_db)(wave) - wave
    found = 10 * torch.log10(wave.square().mean((1, 2)) / noise.square().mean((1, 2)))
    torch.testing.assert_close(found, torch.full_like(found, snr_db), rtol=0, atol=1e-3)


@pytest.mark.parametrize("amount", [-0.5, 0.25])
def test_a_shift_that_rolls_over_is_a_roll(amount):
    out = T.Shift(amount, fade=0.0)(NOISE)
    assert torch.equal(out, NOISE.roll(round(amount * 4000), -1))


@pytest.mark.parametrize("amount", [-0.5, 0.25])
def test_a_shift_that_does_not_roll_over_leaves_silence(amount):
    out = T.Shift(amount, rollover=False, fade=0.0)(NOISE)
    silent = slice(0, 1000) if amount > 0 else slice(2000, 4000)
    assert not out[..., silent].any()
    assert out.abs().gt(0).double().mean() > 0.45


@pytest.mark.parametrize("size", [1000, 4000, 6000])
def test_a_crop_has_its_size(size):
    assert T.RandomCrop(size)(NOISE).shape == (3, 2, size)
    assert T.CenterCrop(size)(NOISE).shape == (3, 2, size)


def test_the_middle_is_the_middle():
    assert torch.equal(T.CenterCrop(1000)(NOISE), NOISE[..., 1500:2500])


@pytest.mark.parametrize(("where", "first"), [("end", 0), ("start", 1000), ("center", 500)])
def test_what_is_padded_is_silent_around_the_sound(where, first):
    out = T.PadTo(5000, where=where)(NOISE)
    assert torch.equal(out[..., first : first + 4000], NOISE)
    assert out.square().sum().item() == pytest.approx(NOISE.square().sum().item())


@pytest.mark.parametrize("rates", [(16_000, 8_000), (16_000, 44_100), (44_100, 16_000)])
def test_a_resampled_sound_has_its_length_and_its_tone(rates):
    old, new = rates
    time = torch.arange(old).double() / old
    out = AF.resample_rate(torch.sin(2 * math.pi * 440.0 * time).reshape(1, 1, -1), old, new)
    assert out.shape[-1] == new
    expected = torch.sin(2 * math.pi * 440.0 * torch.arange(new).double() / new)
    inner = slice(new // 10, 9 * new // 10)
    assert (out[0, 0, inner] - expected[inner]).abs().max() < 1e-2


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
def test_a_stretch_changes_the_length_and_not_the_pitch(rate):
    stretch = T.TimeStretch(rate, keep_length=False, sample_rate=RATE)
    out = stretch(tone(440.0))
    assert out.shape[-1] == math.ceil(RATE / rate)
    middle = out[0, 0, out.shape[-1] // 4 : 3 * out.shape[-1] // 4]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle)), 1 << 17).abs()
    assert abs(float(spectrum.argmax()) * RATE / (1 << 17) - 440.0) < 0.5


@pytest.mark.parametrize("semitones", [-12.0, -3.0, 4.0, 12.0])
def test_a_pitch_shift_changes_the_pitch_and_not_the_length(semitones):
    out = T.PitchShift(semitones, sample_rate=RATE)(tone(440.0))
    assert out.shape[-1] == RATE
    middle = out[0, 0, RATE // 4 : 3 * RATE // 4]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle)), 1 << 17).abs()
    expected = 440.0 * 2 ** (semitones / 12)
    assert abs(float(spectrum.argmax()) * RATE / (1 << 17) / expected - 1) < 2e-3


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_speed_changes_both(factor):
    out = T.Speed(factor, keep_length=False)(tone(440.0))
    middle = out[0, 0, out.shape[-1] // 4 : 3 * out.shape[-1] // 4]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle)), 1 << 17).abs()
    assert out.shape[-1] == math.ceil(RATE / factor)
    assert abs(float(spectrum.argmax()) * RATE / (1 << 17) - factor * 440.0) < 1.0


def test_mono_is_the_mean():
    torch.testing.assert_close(T.ToMono()(NOISE), NOISE.mean(1, keepdim=True))


def test_channels_change_places_and_none_is_lost():
    out = T.ChannelShuffle()(NOISE)
    torch.testing.assert_close(out.sum(1), NOISE.sum(1))


@pytest.mark.parametrize("seed", [0, 7])
def test_a_seed_gives_the_same_again(seed):
    chain = T.Chain([T.Gain((-6.0, 6.0)), T.Shift(), T.WhiteNoise()])
    torch.manual_seed(seed)
    once = chain(NOISE)
    torch.manual_seed(seed)
    assert torch.equal(chain(NOISE), once)
    assert not torch.equal(chain(NOISE), once)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_so_many_of_a_list_are_picked(k):
    parts = [T.Gain(20 * math.log10(factor)) for factor in (2.0, 3.0, 5.0)]
    out = T.SomeOf(parts, k)(torch.ones(200, 1, 1).double()).flatten().round().long()
    allowed = {1: {2, 3, 5}, 2: {6, 10, 15}, 3: {30}}[k]
    assert set(out.tolist()) == allowed


@pytest.mark.parametrize("width", [5, 20])
def test_masks_hide_no_more_than_they_may(width):
    specgram = torch.rand(200, 1, 30, 50) + 1.0
    for mask, dim in (
        (T.TimeMask(width, mask_value=0.0), 2),
        (T.FrequencyMask(width, mask_value=0.0), 3),
    ):
        hidden = (mask(specgram) == 0).all(dim).sum(-1)
        assert hidden.max() <= width
        assert hidden.max() >= 0.7 * width
