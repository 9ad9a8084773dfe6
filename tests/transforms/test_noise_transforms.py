"""Random noise: its level, its places, and what it leaves alone."""

import math

import pytest
import torch

import augspec
from augspec import transforms as T
from augspec.functional.shapes import span_start

KEYS = augspec.example_keys(seed=2, epoch=0, index=torch.arange(64))
pytestmark = pytest.mark.usefixtures("eager_kernels")


LONG = augspec.Bank([torch.randn(80_000, generator=torch.Generator().manual_seed(1))], 16_000)


def make_bank():
    generator = torch.Generator().manual_seed(0)
    sounds = [torch.randn(size, generator=generator) for size in (300, 5000, 40, 1)]
    return augspec.Bank(sounds, 16_000)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda **settings: T.WhiteNoise((-5.0, 30.0), **settings),
        lambda **settings: T.ColoredNoise((-5.0, 30.0), (-9.0, 9.0), **settings),
        lambda **settings: T.BackgroundNoise(make_bank(), (-5.0, 30.0), **settings),
    ],
    ids=["WhiteNoise", "ColoredNoise", "BackgroundNoise"],
)
def test_each_example_gets_the_ratio_that_was_drawn(make, per_channel, ragged):
    transform = make(per_channel=per_channel)
    waveform = torch.randn(8, 2, 900, dtype=torch.float64) * torch.tensor([[1.0], [0.1]])
    lengths = torch.tensor([900, 500, 30, 900, 1, 899, 64, 700]) if ragged else None
    ends = lengths.tolist() if ragged else [900] * 8
    params = transform.make_params(waveform, keys=KEYS[:8])
    out = transform.transform(waveform, params, lengths)
    added = (out[0] if ragged else out) - waveform
    for i, end in enumerate(ends):
        dims = (1,) if per_channel else (0, 1)
        signal, noise = (x[i, :, :end].square().sum(dims) for x in (waveform, added))
        measured = 10 * torch.log10(signal / noise)
        torch.testing.assert_close(measured, params["snr_db"][i].double(), rtol=0, atol=1e-3)
        assert not added[i, :, end:].any()


def test_other_noise_in_each_channel_and_each_example():
    waveform = torch.ones(2, 2, 4000)
    for transform in (T.WhiteNoise(0.0), T.ColoredNoise(0.0, 0.0)):
        added = (transform(waveform, keys=KEYS[:2]) - waveform).view(4, -1)
        assert torch.corrcoef(added).triu(1).abs().max() < 5 / 4000**0.5


def test_coloured_noise_of_each_example_has_its_slope():
    waveform = torch.ones(2, 1, 1 << 15)
    transform = T.ColoredNoise(0.0, (-6.0, 6.0))
    params = transform.make_params(waveform, keys=KEYS[:2])
    params["slope_db"] = torch.tensor([-6.0, 6.0])
    power = torch.fft.rfft(transform.transform(waveform, params) - waveform)[:, 0].abs().square()
    per_octave = (power[:, 8192:16384].mean(1) / power[:, 512:1024].mean(1)).log10() * 10 / 4
    torch.testing.assert_close(per_octave, params["slope_db"], rtol=0, atol=0.2)


def test_a_longer_background_is_cut_anywhere_and_a_shorter_one_begins_again():
    # The position in the sound is what is heard: differences of 1, and jumps to its beginning.
    ramp = torch.arange(1.0, 1001.0)
    transform = T.BackgroundNoise(augspec.Bank([ramp], 8000), 0.0)
    waveform = torch.ones(64, 1, 700)
    params = transform.make_params(waveform, keys=KEYS)
    added = (transform.transform(waveform, params) - waveform)[:, 0].double()
    step = added.diff()
    scale = step.median(1, keepdim=True).values
    torch.testing.assert_close(step / scale, torch.ones_like(step), rtol=0, atol=0.05)
    start = (added[:, 0] / scale[:, 0]).round()
    assert start.min() >= 1
    assert start.max() <= 301
    assert start.std() > 60  # 87 if each of the 301 places is as likely

    long = torch.ones(64, 1, 2500)
    added = (transform.transform(long, params) - long)[:, 0].double()
    falls = added.diff() < 0  # over the 5 ms in which the end turns into the beginning
    begins = (falls[:, 1:] & ~falls[:, :-1]).sum(1) + falls[:, 0]
    assert set(begins.tolist()) <= {2, 3}


def test_every_sound_of_a_bank_is_drawn():
    sound = T.BackgroundNoise(make_bank()).make_params(torch.zeros(64, 1, 9), keys=KEYS)["sound"]
    assert set(sound.tolist()) == {0, 1, 2, 3}


def test_bursts_are_as_many_as_drawn_and_within_the_example():
    transform = T.ShortNoises(0.0, (1, 4), (0.01, 0.02), fade=0.0, sample_rate=8000)
    waveform, lengths = torch.ones(64, 1, 8000), torch.full((64,), 6000)
    params = transform.make_params(waveform, keys=KEYS)
    assert set(params["count"].tolist()) == {1, 2, 3, 4}
    added = transform.transform(waveform, params, lengths)[0] - waveform
    heard = added[:, 0] != 0
    assert not heard[:, 6000:].any()
    begins = (heard[:, 1:] & ~heard[:, :-1]).sum(1) + heard[:, 0]
    assert (begins <= params["count"]).all()
    apart = (params["start"].sort(1).values.diff() > 0.05).all(1)
    assert apart.sum() > 20
    assert torch.equal(begins[apart], params["count"][apart])
    width = heard[apart].sum(1) / params["count"][apart]
    assert width.min() >= 80
    assert width.max() <= 160


def test_bursts_can_be_cut_from_a_bank():
    # Two constant sounds: a burst has the sign of the one that it was cut from.
    bank = augspec.Bank([torch.ones(50), -torch.ones(3000)], 8000)
    transform = T.ShortNoises(6.0, 1, (0.01, 0.1), bank=bank, fade=0.0, sample_rate=8000)
    waveform = torch.ones(64, 2, 4000)
    added = transform(waveform, keys=KEYS) - waveform
    assert torch.equal(added[:, 0], added[:, 1])
    level = added[:, 0].abs().amax(1)
    torch.testing.assert_close(level, torch.full((64,), 10 ** (-6 / 20)), rtol=0, atol=1e-5)
    heard = added[:, 0] != 0
    torch.testing.assert_close(added[:, 0].abs(), level[:, None] * heard, rtol=0, atol=1e-6)
    assert 10 < (added[:, 0].sum(1) > 0).sum() < 54


def mostly_silent(sample_rate=16_000):
    generator = torch.Generator().manual_seed(0)
    sound = torch.zeros(4 * sample_rate)
    sound[sample_rate : 2 * sample_rate] = 0.1 * torch.randn(sample_rate, generator=generator)
    return augspec.Bank([sound], sample_rate)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    "make",
    [
        T.BackgroundNoise,
        lambda bank, snr: T.ShortNoises(snr, 1, 0.1, bank=bank, fade=0.0, sample_rate=16_000),
    ],
)
def test_a_sound_of_which_a_quarter_sounds_is_not_amplified(make, seconds):
    # Cut at any place, the few samples of a cut that sound had the level of all: peaks of 7.8.
    waveform = torch.full((64, 1, int(16_000 * seconds)), 0.5)
    added = make(mostly_silent(), 0.0)(waveform, keys=KEYS) - waveform
    assert added.abs().amax((1, 2)).min() > 0.5
    # Half of a cut is noise: 1.41 times its level, of which 5 is the largest of some 1e6 values.
    assert added.abs().max() < 5 * 1.42 * 0.5 * max(1.0, seconds) ** 0.5


def test_a_place_that_sounds_stays_and_a_steady_bank_has_the_places_it_had():
    offset, sound = torch.rand(500, generator=torch.Generator().manual_seed(0)), torch.arange(500)
    steady, size = make_bank(), torch.full((500,), 100)
    length = steady.length_of(sound % 4)
    room = torch.where(length >= 100, length - 100, length - 1)
    assert torch.equal(steady.find_place(sound % 4, offset, size), span_start(offset, room))

    quiet, size = mostly_silent(), torch.full((500,), 8000)
    before = span_start(offset, torch.full((500,), 56_000))
    place = quiet.find_place(sound * 0, offset, size)
    inside = (before > 16_000 - 4000 + 320) & (before < 32_000 - 4000 - 320)
    assert torch.equal(place[inside], before[inside])
    assert 0.2 < inside.double().mean() < 0.35
    assert (place >= 16_000 - 4320).all()
    assert (place <= 32_000 - 3680).all()
    # The others are spread over all places that sound, too.
    others = place[~inside].double()
    assert abs(others.mean() - 20_000) < 600
    assert others.std() > 4000  # 4619 of 16,000 places


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_a_looped_sine_has_no_step_above_its_own(sample_rate):
    time = torch.arange(int(0.3 * sample_rate), dtype=torch.float64) / sample_rate
    bank = augspec.Bank([torch.sin(2 * torch.pi * 103.0 * time).float()], sample_rate).double()
    start, sound = torch.arange(8) * 100, torch.zeros(8, dtype=torch.int64)
    looped = bank.take(sound, start, sample_rate, smooth=True)
    step = 2 * math.pi * 103.0 / sample_rate
    assert looped.diff().abs().max() < 1.01 * step
    assert bank.take(sound, start, sample_rate).diff().abs().max() > 4 * step
    # What does not come again ends as it is.
    once = bank.take(sound, start, 500, smooth=True, used=torch.full((8,), 500))
    assert torch.equal(once, bank.take(sound, start, 500))

    waveform = torch.ones(8, 1, sample_rate, dtype=torch.float64)
    for transform in (
        T.BackgroundNoise(bank, 0.0),
        T.ShortNoises(0.0, 1, 1.0, bank=bank, sample_rate=sample_rate),
    ):
        added = transform(waveform, keys=KEYS[:8]) - waveform
        assert (added.diff().abs().amax(-1) / added.abs().amax(-1)).max() < 1.05 * step


def test_the_ratio_of_the_active_part_does_not_depend_on_the_silence_around_it():
    waveform = torch.zeros(4, 2, 64_000)
    tone = torch.sin(torch.arange(16_000) * 0.3)
    waveform[:2, 0, 20_000:36_000] = tone
    waveform[:2, 1, 20_000:36_000] = 0.01 * tone
    waveform[2:, :, :16_000] = tone
    lengths = torch.tensor([64_000, 40_000, 64_000, 16_000])
    for transform in (
        T.WhiteNoise,
        T.ColoredNoise,
        lambda *a, **b: T.BackgroundNoise(LONG, *a, **b),
    ):
        for per_channel in (False, True):
            noisy = transform(10.0, reference="active", per_channel=per_channel)
            out, _ = noisy(waveform, lengths, keys=KEYS[:4])
            for i, (first, end) in enumerate([(20_000, 36_000)] * 2 + [(0, 16_000)] * 2):
                dims = (1,) if per_channel else (0, 1)
                heard = slice(0, int(lengths[i]))
                signal = waveform[i, :, first:end].square().mean(dims)
                added = (out - waveform)[i, :, heard].square().mean(dims)
                ratio = 10 * torch.log10(signal / added)
                torch.testing.assert_close(ratio, torch.full_like(ratio, 10.0), rtol=0, atol=0.1)
                assert not (out - waveform)[i, :, int(lengths[i]) :].any()


def test_bursts_lie_below_the_active_part():
    waveform = torch.zeros(2, 1, 64_000)
    waveform[0, 0, :16_000] = waveform[1, 0] = 1.0
    make = {"fade": 0.0, "sample_rate": 16_000, "reference": "active"}
    added = T.ShortNoises(20.0, 1, 0.1, **make)(waveform, keys=KEYS[:2]) - waveform
    level = added.square().sum((1, 2)) / (added != 0).sum((1, 2))
    torch.testing.assert_close(level, torch.full((2,), 0.01), rtol=1e-3, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_active_levels_of_half_precision_are_those_of_float32(dtype):
    waveform = torch.zeros(2, 2, 8000)
    waveform[:, :, 2000:4000] = 0.1 * torch.randn(2, 2, 2000)
    waveform = waveform.to(dtype)
    noisy = T.WhiteNoise(10.0, reference="active")
    expected = noisy(waveform.float(), keys=KEYS[:2]).to(dtype)
    assert torch.equal(noisy(waveform, keys=KEYS[:2]), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(noisy(waveform, keys=KEYS[:2]), expected)


def test_a_front_end_says_the_rate_of_the_active_part():
    noisy, mel = T.WhiteNoise(10.0, reference="active"), {"n_fft": 1024, "n_mels": 20}
    augspec.Frontend(noisy, augspec.features.LogMelSpectrogram(48_000, **mel))
    assert noisy._measure() == {"reference": "active", "sample_rate": 48_000}
    with pytest.raises(ValueError, match="`sample_rate`"):
        augspec.Frontend(
            T.WhiteNoise(reference="active", sample_rate=8000),
            augspec.features.LogMelSpectrogram(48_000, **mel),
        )


def test_the_active_part_has_gradients_and_is_no_part_of_silence():
    waveform = torch.zeros(2, 1, 4000)
    waveform[0, 0, 1000:2000] = torch.randn(1000)
    waveform.requires_grad_()
    out = T.WhiteNoise(10.0, reference="active")(waveform, keys=KEYS[:2])
    assert not out[1].any()
    (gradient,) = torch.autograd.grad(out.square().sum(), waveform)
    assert gradient.isfinite().all()


def test_silence_stays_silent():
    silence = torch.zeros(3, 1, 400)
    for transform in (T.WhiteNoise(), T.ColoredNoise(), T.ShortNoises(sample_rate=8000)):
        assert not transform(silence, keys=KEYS[:3]).any()


def test_a_sound_that_is_heard_once_lies_whole_at_a_random_place_within_the_example():
    sound = torch.arange(1.0, 101.0)
    transform = T.BackgroundNoise(augspec.Bank([sound], 8000), 0.0, loop=False)
    waveform, lengths = torch.ones(64, 1, 700), torch.full((64,), 600)
    added = (transform(waveform, lengths, keys=KEYS)[0] - waveform)[:, 0]
    assert ((added != 0).sum(1) == 100).all()
    begin = (added != 0).int().argmax(1)
    assert begin.min() < 60
    assert begin.max() > 440
    assert begin.max() <= 500
    for one, first in zip(added, begin.tolist(), strict=True):
        heard = one[first : first + 100]
        torch.testing.assert_close(heard / heard[-1] * 100, sound, rtol=1e-3, atol=1e-3)
    power = added.square().sum(1) / 600  # of the silence, too
    torch.testing.assert_close(power, torch.ones(64), rtol=1e-3, atol=0)


def test_a_sound_as_long_as_the_example_or_longer_is_the_same_heard_once():
    bank = augspec.Bank([torch.randn(900), torch.randn(5000)], 8000)
    waveform, lengths = torch.randn(64, 2, 900), torch.randint(1, 901, (64,))
    for each in (False, True):
        once = T.BackgroundNoise(bank, loop=False, per_channel=each)
        looped = T.BackgroundNoise(bank, per_channel=each)
        expected = looped(waveform, lengths, keys=KEYS)[0]
        assert torch.equal(once(waveform, lengths, keys=KEYS)[0], expected)


def test_channels_of_a_sound_that_is_heard_once_stay_together():
    sound = torch.stack([torch.ones(50), -2 * torch.ones(50)])
    bank = augspec.Bank([sound], 8000, mono=False)
    added = T.BackgroundNoise(bank, loop=False)(torch.ones(8, 2, 400), keys=KEYS[:8]) - 1.0
    assert ((added != 0).sum(-1) == 50).all()
    torch.testing.assert_close(added[:, 1], -2 * added[:, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("per_channel", [False, True])
def test_noise_goes_through_its_transform_before_it_is_added(per_channel):
    shape = T.Chain([T.LowPass((200.0, 900.0), sample_rate=16_000), T.TimeReverse(p=0.5)])
    plain = T.BackgroundNoise(LONG, 0.0, per_channel=per_channel)
    shaped = T.BackgroundNoise(LONG, 0.0, per_channel=per_channel, noise_transform=shape)
    waveform, lengths = torch.randn(8, 2, 2000), torch.tensor([2000, 700, 1999, 2000] * 2)
    params = shaped.make_params(waveform, keys=KEYS[:8])
    inside = params.pop("noise_transform")
    same = plain.make_params(waveform, keys=KEYS[:8])  # its own draws stay
    assert same.keys() == params.keys()
    assert all(torch.equal(params[name], same[name]) for name in same)
    assert len(inside[0]["cutoff_freq"].unique()) == 8
    assert 0 < inside[1]["applied"].sum() < 8
    noise = plain.transform(waveform, same, lengths)[0] - waveform
    noise, _ = shape.transform(noise, inside, lengths)
    expected = noise.double().square().sum((1, 2) if not per_channel else 2, keepdim=True)
    power = waveform.double().square()
    power = torch.where(torch.arange(2000) < lengths[:, None, None], power, 0.0)
    power = power.sum((1, 2) if not per_channel else 2, keepdim=True)
    noise = noise * (power / expected).sqrt()
    out, _ = shaped.transform(waveform, {**params, "noise_transform": inside}, lengths)
    torch.testing.assert_close((out - waveform).double(), noise, rtol=0, atol=1e-4)


def test_params_of_the_noise_replay_from_json_and_by_examples():
    tone = T.PeakingEQ((500.0, 2000.0), 12.0, sample_rate=16_000)
    shaped = T.ShortNoises(0.0, (1, 3), bank=LONG, sample_rate=16_000, noise_transform=tone)
    waveform = torch.randn(4, 1, 4000)
    params = shaped.make_params(waveform, keys=KEYS[:4])
    out = shaped(waveform, keys=KEYS[:4])
    again = augspec.params_from_json(augspec.params_to_json(params))
    assert torch.equal(shaped.transform(waveform, again), out)
    some = augspec.select(params, [2, 0])
    torch.testing.assert_close(shaped.transform(waveform[[2, 0]], some), out[[2, 0]])
    plain = T.ShortNoises(0.0, (1, 3), bank=LONG, sample_rate=16_000)
    assert not torch.equal(plain(waveform, keys=KEYS[:4]), out)


def test_a_burst_goes_through_its_transform_as_a_sound_of_its_own_width():
    # A fall from 1 to 0 in the sound; played backwards, each burst rises from its start to its end.
    bank = augspec.Bank([torch.linspace(1.0, 0.01, 8000)], 8000)
    settings = {"bank": bank, "fade": 0.0, "sample_rate": 8000}
    reverse = T.ShortNoises(0.0, 1, (0.01, 0.1), **settings, noise_transform=T.TimeReverse())
    waveform = torch.ones(64, 2, 4000)
    added = reverse(waveform, keys=KEYS) - waveform
    plain = T.ShortNoises(0.0, 1, (0.01, 0.1), **settings)(waveform, keys=KEYS) - waveform
    for one, other in zip(added[:, 0], plain[:, 0], strict=True):
        heard = one.abs() > 1e-4
        torch.testing.assert_close(one[heard].flip(0), other[heard], rtol=0, atol=1e-5)


def test_the_level_of_noise_is_that_after_its_transform():
    """A gain of the noise changes nothing: it is scaled to its ratio afterwards."""
    waveform = torch.randn(4, 2, 2000)
    for make in (
        lambda **more: T.BackgroundNoise(LONG, 3.0, **more),
        lambda **more: T.ShortNoises(3.0, 2, sample_rate=16_000, **more),
        lambda **more: T.ShortNoises(3.0, 2, bank=LONG, sample_rate=16_000, **more),
    ):
        louder = make(noise_transform=T.Gain((10.0, 20.0)))
        expected = make()(waveform, keys=KEYS[:4])
        torch.testing.assert_close(louder(waveform, keys=KEYS[:4]), expected)


def test_the_noise_transform_has_the_rate_of_the_bank():
    bank = augspec.Bank([torch.randn(4000)], 8000)
    pitch = T.PitchShift()
    T.BackgroundNoise(bank, noise_transform=T.Chain([pitch]))
    assert pitch._effective_rate() == 8000
    filtered = T.LowPass(500.0, sample_rate=16_000)
    with pytest.raises(ValueError, match="sample rate of the noise, 8000, got 16000 in LowPass"):
        T.BackgroundNoise(bank, noise_transform=filtered)


def test_a_noise_transform_that_changes_the_shape_is_named():
    cut = T.BackgroundNoise(LONG, noise_transform=T.RandomCrop(100))
    with pytest.raises(ValueError, match="`noise_transform` must keep the shape of the noise"):
        cut(torch.randn(2, 1, 400))


def test_a_codec_of_the_noise_breaks_graphs():
    shaped = T.BackgroundNoise(LONG, noise_transform=T.Codec(16_000))
    assert not shaped.compilable
    assert T.BackgroundNoise(LONG, noise_transform=T.Gain()).compilable


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: T.WhiteNoise((9.0, 3.0)), ValueError, "`snr_db` must be .low, high. with"),
        (lambda: T.ColoredNoise(9.0, 20.0), ValueError, r"`slope_db` must lie in \[-12, 12\]"),
        (lambda: T.WhiteNoise(reference="a"), ValueError, "`reference` must be .all., .active."),
        (
            lambda: T.BackgroundNoise(LONG, noise_transform=3),
            TypeError,
            "`noise_transform` must be a transform or a chain, got int",
        ),
        (
            lambda: T.BackgroundNoise(LONG, noise_transform=T.Chain([T.TimeMask(9)])),
            ValueError,
            "`noise_transform` must take waveforms, got Chain",
        ),
        (
            lambda: T.ShortNoises(sample_rate=9, noise_transform=T.Mixup()),
            ValueError,
            "`noise_transform` must not mix the examples of a batch, got Mixup",
        ),
        (lambda: T.BackgroundNoise("a"), TypeError, "`bank` must be an augspec.Bank, got str"),
        (lambda: T.ShortNoises(count=0, sample_rate=9), ValueError, r"`count` must lie in \[1, 64"),
        (lambda: T.ShortNoises(duration=0.0, sample_rate=9), ValueError, "`duration` must lie in"),
        (
            lambda: T.ShortNoises(fade=-1.0, sample_rate=99),
            ValueError,
            "`fade` must lie in .0, 3600.",
        ),
    ],
)
def test_bad_settings_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
