"""Native work on impulse responses gives what torch gives."""

import itertools

import pytest
import torch
from beside_torch import both, needs_kernels

import augspec
from augspec import functional
from augspec import transforms as T
from augspec.functional import reverb

pytestmark = needs_kernels

KEYS = augspec.example_keys(0, 0, range(6))


def bank_of(lengths, channels, seed=0, **settings):
    generator = torch.Generator().manual_seed(seed)
    sounds = [torch.randn(channels, n, generator=generator) for n in lengths]
    return augspec.Bank(sounds, 16_000, mono=channels == 1, **settings)


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 9001])
@pytest.mark.parametrize("sample_rate", [8_000, 44_100])
@pytest.mark.parametrize("channels", [None, 3])
def test_made_rooms(size, sample_rate, channels):
    """They are as near to those of float64 as torch's, also where they end before the tensor."""
    keys = KEYS if channels is None else KEYS[:, None] + torch.arange(channels)
    rt60 = torch.linspace(0.01, 2.0, keys.numel()).view(keys.shape)
    drr_db = torch.linspace(-60.0, 60.0, keys.numel()).view(keys.shape)
    ours, expected = both(
        lambda: functional.room_response(keys, rt60, drr_db, size, sample_rate=sample_rate)
    )
    assert ours.shape == (*keys.shape, size)
    torch.testing.assert_close(ours, expected, rtol=2e-5, atol=2e-6)


def test_no_rooms():
    nothing = torch.zeros(0)
    made = functional.room_response(KEYS[:0], nothing, nothing, 90, sample_rate=8000)
    assert made.shape == (0, 90)


@pytest.mark.parametrize("name", ["rt60", "drr_db"])
def test_a_room_has_gradients(name):
    numbers = {"rt60": torch.full((6,), 0.3), "drr_db": torch.zeros(6)}
    numbers[name].requires_grad_()
    made = functional.room_response(KEYS, size=500, sample_rate=8000, **numbers)
    made.sum().backward()
    assert numbers[name].grad.abs().min() > 0


@pytest.mark.parametrize("shape", [(3, 2, 900), (2, 1, 1), (0, 2, 50), (4, 3, 20_011)])
@pytest.mark.parametrize("in_place", [False, True])
def test_matched_powers(shape, in_place):
    generator = torch.Generator().manual_seed(0)
    waveform, other = torch.randn(2, *shape, generator=generator)
    response = torch.randn(shape[0], 77, generator=generator)
    lengths = torch.randint(0, shape[-1] + 1, shape[:1], generator=generator)
    for ends, of in itertools.product((None, lengths), (None, response)):

        def run(ends=ends, of=of):
            given = waveform.clone()
            made = reverb.match_power(given, 7.0 * other, ends, response=of, in_place=in_place)
            assert in_place or torch.equal(given, waveform)
            return made

        torch.testing.assert_close(*both(run), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lengths", [(300, 40, 1), (7,)])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_whole_sounds_of_a_bank(lengths, channels, dtype):
    bank = bank_of(lengths, channels, dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, len(lengths) * channels, (9, 2), generator=generator)
    start = torch.randint(-5, 330, (9, 2), generator=generator)
    fade = torch.rand(13, generator=generator)
    for number in (rows, rows[:0], rows[0, 0]):
        assert torch.equal(*both(lambda number=number: bank.whole(number)))
    ours, expected = both(lambda: bank.whole(rows, start=start, fade=fade))
    assert torch.equal(ours, expected)
    for i, j in itertools.product(range(9), range(2)):
        plain, first = bank.whole(rows[i, j]), max(int(start[i, j]), 0)
        assert torch.equal(ours[i, j, :first], plain[:first])
        assert not ours[i, j, max(int(start[i, j]) + len(fade), 0) :].any()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_peaks_of_a_bank_are_those_of_its_sounds(channels, dtype):
    bank = bank_of((300, 40, 1), channels, dtype=dtype)
    size = bank.whole(torch.arange(3 * channels)).abs().unflatten(0, (3, channels))
    sound = torch.tensor([[2, 0], [1, 1]])
    assert torch.equal(bank.peak_of(sound), size.amax(1).argmax(-1)[sound])
    rows = torch.arange(3 * channels)
    assert torch.equal(bank.peak_of(rows, per_channel=True), size.flatten(0, 1).argmax(-1))


def test_the_first_of_equal_peaks_counts():
    sound = torch.tensor([0.0, 0.5, -1.0, 1.0, 1.0])
    assert augspec.Bank([sound], 8000).peak_of(torch.tensor(0)).item() == 2


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("early", [None, 0.0, 0.002, 0.05])
@pytest.mark.parametrize("mono", [False, True])
def test_responses_of_a_bank(channels, per_channel, early, mono):
    bank = bank_of((900, 40, 2000), 1 if mono else channels)
    settings = {"per_channel": per_channel, "early": early, "mix": (0.2, 1.0)}
    for align, keep_level in ((True, True), (False, False)):
        transform = T.ImpulseResponse(bank, align=align, keep_level=keep_level, **settings)
        waveform = torch.randn(6, channels, 3000, generator=torch.Generator().manual_seed(1))
        params = transform.make_params(waveform, keys=KEYS)
        ours, expected = both(lambda t=transform, x=waveform, p=params: t.transform(x, p))
        # What the FFT rounds is relative to the whole example.
        error = (ours - expected).flatten(1).norm(dim=1)
        assert (error < 2e-6 * expected.flatten(1).norm(dim=1)).all()


@pytest.mark.parametrize("taps", [0, 1, 511, 513, 3000])
def test_silence_behind_a_response_changes_no_sample(taps):
    """The kernel leaves it out; the blocks are those of the longest response."""
    generator = torch.Generator().manual_seed(0)
    sound = torch.randn(2, 2, 5000, generator=generator)
    response = torch.zeros(2, 3000)
    response[:, :taps] = torch.randn(2, taps, generator=generator)
    response[1, -1] = 1e-30  # as if nothing could be left out
    other = response.clone()
    other[1, -1] = 0.0
    delay = torch.tensor([0, 2000])
    made = functional.convolve(sound, response, delay=delay)
    assert (made - functional.convolve(sound, other, delay=delay)).abs().max() < 1e-28
