"""Edits in time: which sample goes where, within each example's own length."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from augspec import functional


def ramp(batch, time):
    return torch.arange(1.0, time + 1, dtype=torch.float64).expand(batch, 1, time)


def integers(*numbers):
    return torch.tensor(numbers)


@pytest.mark.parametrize("samples", [-103, -100, -7, 0, 1, 99, 250])
def test_a_shift_with_rollover_is_that_of_roll(samples):
    waveform = torch.randn(2, 3, 100)
    out = functional.shift(waveform, torch.full((2,), samples), fade=0)
    assert torch.equal(out, waveform.roll(samples, -1))


@pytest.mark.parametrize("rollover", [True, False])
@pytest.mark.parametrize("samples", [-50, -3, 0, 4, 80])
def test_shifts_stay_within_each_examples_own_length(rollover, samples):
    lengths = integers(20, 13, 1, 0)
    out = functional.shift(
        ramp(4, 20), torch.full((4,), samples), rollover=rollover, fade=0, lengths=lengths
    )
    for one, end in zip(out[:, 0], lengths.tolist(), strict=True):
        sound = list(range(1, end + 1))
        expected = [sound[(n - samples) % end] for n in range(end)]
        if not rollover:
            expected = [v if 0 <= n - samples < end else 0 for n, v in enumerate(expected)]
        assert one.tolist() == expected + [0] * (20 - end)


def test_channels_may_shift_apart():
    waveform = torch.randn(1, 2, 50)
    out = functional.shift(waveform, integers(3, -4)[None], fade=0)
    assert torch.equal(out[0, 0], waveform[0, 0].roll(3))
    assert torch.equal(out[0, 1], waveform[0, 1].roll(-4))
    faded = functional.shift(waveform, integers(3, -4)[None], fade=2)
    for i, samples in enumerate([3, -4]):
        alone = functional.shift(waveform, integers(samples), fade=2)
        assert torch.equal(faded[0, i], alone[0, i])


def low_tone():
    """103 Hz at 16 kHz: from one sample to the next it moves by less than 0.041."""
    return torch.sin(2 * math.pi * 103 / 16_000 * torch.arange(16_000.0) + 1.0)[None, None]


@pytest.mark.parametrize("rollover", [True, False])
@pytest.mark.parametrize("lengths", [None, 12_345])
@pytest.mark.parametrize("samples", [-15_000, -4321, -81, 1, 4000, 8000, 12_344])
def test_a_shifted_tone_has_no_jump_where_it_begins_and_ends(samples, lengths, rollover):
    tone = low_tone()
    arguments = {
        "rollover": rollover,
        "lengths": None if lengths is None else integers(lengths),
    }
    end = tone.shape[-1] if lengths is None else lengths
    out = functional.shift(tone, integers(samples), fade=80, **arguments)[0, 0, :end]
    hard = functional.shift(tone, integers(samples), fade=0, **arguments)[0, 0, :end]
    assert out.diff().abs().max() < 0.06
    # Only the 80 samples on each side of the seam differ.
    changed = (out != hard).nonzero().flatten()
    seam = samples % end
    assert ((changed - seam >= -80) & (changed - seam < 80)).all()


def test_the_fade_of_a_shift_is_a_raised_cosine_on_both_sides_of_the_seam():
    ones = torch.ones(3, 2, 100, dtype=torch.float64)
    out = functional.shift(ones, integers(40, -3, 0), fade=9)
    rising = 0.5 - 0.5 * torch.cos(math.pi * torch.arange(1.0, 10.0, dtype=torch.float64) / 10)
    assert torch.allclose(out[0, :, 40:49], rising, rtol=1e-12)
    assert torch.allclose(out[0, :, 31:40], rising.flip(0), rtol=1e-12)
    assert torch.equal(out[0, :, :31], ones[0, :, :31])
    assert torch.equal(out[0, :, 49:], ones[0, :, 49:])
    # A part that is shorter than the fade gets the part of it that fits.
    assert torch.allclose(out[1, :, 97:], rising[:3], rtol=1e-12)
    assert torch.allclose(out[1, :, 88:97], rising.flip(0), rtol=1e-12)


@pytest.mark.parametrize("samples", [0, 100, -200])
def test_what_comes_back_to_its_place_has_no_fade(samples):
    waveform = torch.randn(1, 2, 100)
    assert torch.equal(functional.shift(waveform, integers(samples)), waveform)


@pytest.mark.parametrize("size", [1, 10, 11])
def test_a_fade_of_a_shift_is_at_most_half_of_the_time(size):
    waveform = torch.randn(2, 1, size)
    by = integers(3, -1)
    assert torch.equal(
        functional.shift(waveform, by, fade=1_000), functional.shift(waveform, by, fade=size // 2)
    )


def test_a_fade_of_a_shift_is_not_negative():
    with pytest.raises(ValueError, match="`fade` must be at least 0 samples, got -1"):
        functional.shift(torch.ones(1, 1, 8), integers(1), fade=-1)


def test_reversing_twice_is_the_identity_and_once_is_flip():
    waveform, lengths = torch.randn(3, 2, 30), integers(30, 17, 1)
    out = functional.time_reverse(waveform, lengths)
    for one, source, end in zip(out, waveform, lengths.tolist(), strict=True):
        assert torch.equal(one[:, :end], source[:, :end].flip(-1))
        assert not one[:, end:].any()
    assert torch.equal(functional.time_reverse(functional.time_reverse(waveform)), waveform)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("end", [[1, 2, 3, 4, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0]]),
        ("start", [[0, 0, 0, 1, 2, 3, 4], [0, 0, 0, 0, 0, 1, 2]]),
        ("center", [[0, 1, 2, 3, 4, 0, 0], [0, 0, 1, 2, 0, 0, 0]]),
    ],
)
def test_padding_goes_where_it_is_said(where, expected):
    lengths = integers(4, 2)
    out = functional.pad_to(ramp(2, 4), 7, where, lengths)
    assert out[:, 0].tolist() == expected
    begins = functional.edit.pad_start(lengths, 7, where).tolist()
    assert begins == [row.index(1) for row in expected]


def test_mute_is_silent_inside_raised_cosine_at_its_edges_and_exact_elsewhere():
    waveform = torch.randn(2, 2, 200, dtype=torch.float64)
    start, width, fade = integers(50, 0), integers(80, 200), integers(9, 0)
    out = functional.mute(waveform, start, width, fade)
    assert torch.equal(out[0, :, :50], waveform[0, :, :50])
    assert torch.equal(out[0, :, 130:], waveform[0, :, 130:])
    assert not out[0, :, 59:121].any()
    assert not out[1].any()
    falling = 0.5 + 0.5 * torch.cos(math.pi * torch.arange(1.0, 10.0, dtype=torch.float64) / 10)
    assert torch.allclose(out[0, :, 50:59], falling * waveform[0, :, 50:59], rtol=1e-12)
    rising = falling.flip(0)
    assert torch.allclose(out[0, :, 121:130], rising * waveform[0, :, 121:130], rtol=1e-12)


def test_mute_of_no_width_is_the_identity_and_fades_share_a_narrow_stretch():
    waveform = torch.ones(2, 1, 50)
    out = functional.mute(waveform, integers(10, 10), integers(0, 5), integers(20, 20))
    assert torch.equal(out[0], waveform[0])
    # Two samples down, one silent, two up.
    assert out[1, 0, 10:15].allclose(torch.tensor([0.75, 0.25, 0.0, 0.25, 0.75]))


def test_a_part_is_inserted_again_and_again():
    waveform = ramp(4, 12)
    out = functional.repeat_part(
        waveform,
        integers(2, 2, 0, 3),
        integers(3, 3, 12, 1),
        integers(1, 2, 1, 0),
        integers(*4 * [0]),
    )
    assert out[:, 0].tolist() == [
        [1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5, 6],
        list(range(1, 13)),
        list(range(1, 13)),
    ]


def test_a_part_replaces_what_follows_it():
    out = functional.repeat_part(
        ramp(3, 12),
        integers(2, 2, 8),
        integers(3, 3, 3),
        integers(1, 2, 5),
        integers(0, 0, 0),
        mode="replace",
        lengths=integers(12, 10, 12),
    )
    assert out[:, 0].tolist() == [
        [1, 2, 3, 4, 5, 3, 4, 5, 9, 10, 11, 12],
        [1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 0, 0],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 9],
    ]


def test_what_is_inserted_lengthens_an_example_into_the_padding():
    out = functional.repeat_part(
        ramp(1, 12), integers(1), integers(2), integers(2), integers(0), lengths=integers(4)
    )
    assert out[0, 0].tolist() == [1, 2, 3, 2, 3, 2, 3, 4, 0, 0, 0, 0]


@pytest.mark.parametrize("mode", ["insert", "replace"])
def test_seams_are_crossfaded_with_gains_that_add_up_to_one(mode):
    arguments = integers(30), integers(40), integers(2), integers(9)
    constant = torch.ones(1, 1, 250, dtype=torch.float64)
    out = functional.repeat_part(constant, *arguments, mode=mode)
    assert torch.allclose(out, constant, rtol=1e-12)
    # Where the source jumps from 70 to 30, half a cosine leads over.
    out = functional.repeat_part(ramp(1, 250), *arguments, mode=mode)[0, 0]
    hard = functional.repeat_part(ramp(1, 250), *arguments[:3], integers(0), mode=mode)[0, 0]
    gain = 0.5 - 0.5 * torch.cos(math.pi * torch.arange(1.0, 10.0, dtype=torch.float64) / 10)
    old = torch.arange(71.0, 80.0, dtype=torch.float64)
    for seam in (70, 110):
        assert torch.allclose(out[seam : seam + 9], gain * (old - 40) + (1 - gain) * old)
    changed = (out - hard).abs() > 1e-9
    expected = torch.zeros(250, dtype=torch.bool)
    for seam in (70, 110) if mode == "insert" else (70, 110, 150):
        expected[seam : seam + 9] = True
    assert torch.equal(changed, expected)


@pytest.mark.parametrize("fade", [0, 2])
@pytest.mark.parametrize("mode", ["insert", "replace"])
def test_what_is_no_longer_faded_out_is_not_heard_even_if_it_is_infinite(mode, fade):
    waveform = ramp(1, 12)
    waveform[..., 5 + fade] = torch.inf  # would follow the part when its repeat is faded in
    out = functional.repeat_part(
        waveform, integers(2), integers(3), integers(1), integers(fade), mode=mode
    )
    rest = {"insert": [5, 6, 7, 8], "replace": [8, 9, 10, 11]}[mode]
    expected = waveform[0, 0, [0, 1, 2, 3, 4, 2, 3, 4, *rest]]
    plain = [i for i in range(12) if not 0 <= i - 5 < fade and not 0 <= i - 8 < fade]
    assert torch.equal(out[0, 0, plain], expected[plain])


def test_a_periodic_sound_stays_periodic_across_the_seams():
    time = torch.arange(2000, dtype=torch.float64)
    tone = torch.sin(2 * math.pi * time / 40)[None, None]
    out = functional.repeat_part(tone, integers(400), integers(200), integers(3), integers(64))
    assert torch.allclose(out, tone, rtol=0, atol=1e-12)


def test_the_gradient_of_a_shift_takes_no_more_than_some_copies_of_the_audio():
    """That of all views of it, each a sample later, took 2 GB for a second of two sounds."""
    largest = 0

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                largest = max(largest, out.untyped_storage().nbytes())
            return out

    waveform = torch.randn(2, 1, 1000, requires_grad=True)
    with Sizes():
        shifted = functional.shift(waveform, torch.tensor([100, -300]), fade=20)
        shifted.backward(torch.randn(2, 1, 1000))
    assert largest <= 4 * waveform.untyped_storage().nbytes()
    places = torch.stack([torch.arange(1000.0).roll(100), torch.arange(1000.0).roll(-300)])
    still = torch.arange(1000.0).expand(2, 1, -1).clone().requires_grad_()
    assert torch.equal(functional.shift(still, torch.tensor([100, -300]))[:, 0], places)
    assert torch.equal(functional.shift(still.detach(), torch.tensor([100, -300]))[:, 0], places)


@pytest.mark.parametrize("rollover", [True, False])
@pytest.mark.parametrize("time", [26, 27, 60, 200])
def test_a_fade_is_at_most_half_of_the_example(time, rollover):
    """What surrounds a short example has no influence on its fade."""
    sound = torch.randn(3, 2, 26, dtype=torch.float64)
    samples, ends = torch.tensor([-9, 3, 20]), torch.tensor([26, 25, 8])
    padded = torch.nn.functional.pad(sound, (0, time - 26))
    made = functional.shift(padded, samples, rollover=rollover, fade=80, lengths=ends)
    for i, end in enumerate(ends):
        own = sound[i : i + 1, :, :end]
        alone = functional.shift(own, samples[i : i + 1], rollover=rollover, fade=80)
        torch.testing.assert_close(made[i : i + 1, :, :end], alone)
        assert not made[i, :, end:].any()
