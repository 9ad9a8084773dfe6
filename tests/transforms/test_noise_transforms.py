"""Random noise: its level, its places, and what it leaves alone."""

import pytest
import torch

import augspec
from augspec import transforms as T

KEYS = augspec.example_keys(seed=2, epoch=0, index=torch.arange(64))
pytestmark = pytest.mark.usefixtures("eager_kernels")


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
    jumps = (added.diff() < 0).sum(1)
    assert set(jumps.tolist()) <= {2, 3}


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


def test_silence_stays_silent():
    silence = torch.zeros(3, 1, 400)
    for transform in (T.WhiteNoise(), T.ColoredNoise(), T.ShortNoises(sample_rate=8000)):
        assert not transform(silence, keys=KEYS[:3]).any()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: T.WhiteNoise((9.0, 3.0)), ValueError, "`snr_db` must be .low, high. with"),
        (lambda: T.ColoredNoise(9.0, 20.0), ValueError, r"`slope_db` must lie in \[-12, 12\]"),
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
