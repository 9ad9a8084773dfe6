"""Edits in time as transforms: places are drawn where they fit, lengths say what sounds."""

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T


def ramp(batch, time, channels=1):
    return torch.arange(1.0, time + 1).expand(batch, channels, time)


def test_shifts_are_fractions_of_each_example():
    shift, waveform = T.Shift((-0.5, 0.5), fade=0.0), ramp(300, 100)
    lengths = torch.arange(300) % 100 + 1
    params = shift.make_params(waveform)
    out, _ = shift.transform(waveform, params, lengths)
    for one, end, part in zip(out[:, 0], lengths.tolist(), params["shift"].tolist(), strict=True):
        assert int(one[0]) - 1 == -round(part * end) % end
        assert torch.equal(one[:end].sort().values, torch.arange(1.0, end + 1))


def test_a_shift_in_seconds_is_so_many_samples():
    shift = T.Shift(0.002, unit="seconds", sample_rate=16_000, rollover=False, fade=0.0)
    out = shift(ramp(1, 100))[0, 0]
    assert out.tolist() == [0.0] * 32 + list(range(1, 69))
    assert (
        T.Shift(-0.002, unit="seconds", sample_rate=16_000, fade=0.0)(ramp(1, 100))[0, 0, 0] == 33
    )


def test_a_muted_stretch_has_its_width_lies_within_and_anywhere():
    mute, waveform = T.Mute((0.2, 0.4), fade=0.0), torch.ones(2000, 1, 50)
    params = mute.make_params(waveform)
    silent = (mute.transform(waveform, params) == 0).squeeze(1)
    assert torch.equal(silent.sum(-1), (params["width"].double() * 50).round().long())
    assert (silent.int().diff(dim=-1) == 1).sum(-1).max() <= 1  # one stretch
    assert silent[:, 0].any()
    assert silent[:, -1].any()
    lengths = torch.randint(1, 51, (2000,), generator=torch.Generator().manual_seed(0))
    out, _ = mute(waveform, lengths)
    assert not ((out == 0).squeeze(1) & (torch.arange(50) >= lengths[:, None])).any()


def test_fades_of_a_muted_stretch_are_a_part_of_the_example():
    out = T.Mute(0.5, fade=0.1)(torch.ones(1, 1, 1000))
    assert ((out > 0) & (out < 1)).sum() == 200
    assert (out == 0).sum() == 300


def test_repeats_are_inserted_and_lengths_grow_as_far_as_there_is_room():
    repeat = T.RepeatPart((0.1, 0.2), (1, 2), fade=0.0)
    waveform = ramp(100, 300)
    lengths = torch.randint(20, 301, (100,), generator=torch.Generator().manual_seed(0))
    params = repeat.make_params(waveform)
    out, ends = repeat.transform(waveform, params, lengths)
    width = (params["width"].double() * lengths).round().long()
    assert torch.equal(ends, (lengths + params["repeats"] * width).clamp(max=300))
    for one, end, added in zip(out[:, 0], ends.tolist(), params["repeats"].tolist(), strict=True):
        # It runs on by one sample each, but for a jump back at every seam.
        assert (one[:end].diff() != 1).sum() <= added
        assert not one[end:].any()


def test_an_example_of_no_samples_has_none_to_repeat():
    _, ends = T.RepeatPart(0.5, 3)(ramp(2, 300), torch.tensor([0, 2]))
    assert ends.tolist() == [0, 5]


def test_replaced_parts_leave_the_lengths():
    lengths = torch.tensor([300, 100])
    out, ends = T.RepeatPart(mode="replace", fade=0.0)(ramp(2, 300), lengths)
    assert torch.equal(ends, lengths)
    assert out[1, 0, 99] > 0
    assert not out[1, 0, 100:].any()


def test_examples_that_are_not_picked_keep_their_lengths():
    repeat, lengths = T.RepeatPart(p=0.5), torch.full((50,), 200)
    params = repeat.make_params(ramp(50, 300))
    _, ends = repeat.transform(ramp(50, 300), params, lengths)
    assert torch.equal(ends == 200, ~params["applied"])


@pytest.mark.parametrize("where", ["end", "start", "center"])
def test_padding_reaches_the_size_in_eval_too_and_lengths_say_where_sound_ends(where):
    pad = T.PadTo(10, where=where).eval()
    out, ends = pad(ramp(3, 6), torch.tensor([6, 3, 0]))
    begins = {"end": [0, 0, 0], "start": [4, 7, 10], "center": [2, 3, 5]}[where]
    for one, begin, length in zip(out[:, 0], begins, (6, 3, 0), strict=True):
        assert one.tolist() == [0.0] * begin + list(range(1, length + 1)) + [0.0] * (
            10 - begin - length
        )
    assert ends.tolist() == [b + n for b, n in zip(begins, (6, 3, 0), strict=True)]
    assert torch.equal(pad(ramp(3, 12)), ramp(3, 12))


def test_a_crop_behind_padding_finds_the_sound():
    chain = T.Chain([T.PadTo(50), T.RandomCrop(10)])
    assert chain(ramp(100, 30)).min() >= 1


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("size", [2000, 3500])
def test_padding_at_the_end_is_fused_exactly(ragged, size):
    waveform = torch.randn(3, 1, 3000, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([3000, 1500, 400]) if ragged else None
    chain = T.Chain([T.Gain(), T.CenterCrop(2500), T.PadTo(size)])
    fused, plain = (
        augspec.Frontend(chain, F.Spectrogram(n_fft=256), fuse=fuse) for fuse in ("auto", "never")
    )
    assert "PadTo" in fused.plan(waveform)
    params = fused.make_params(waveform)
    one, other = (
        fused.transform(waveform, params, lengths),
        plain.transform(waveform, params, lengths),
    )
    if ragged:
        assert torch.equal(one[1], other[1])
        valid = torch.arange(one[0].shape[-1]) < one[1][:, None, None, None]
        one, other = (torch.where(valid, x[0], 0.0) for x in (one, other))
    peak = other.abs().max()
    assert (one - other).abs().max() < 1e-5 * peak
    assert not T.PadTo(size, where="start").fusable


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.PadTo(0), "`size` must be a positive number of samples"),
        (lambda: T.PadTo(9, where="middle"), "`where` must be 'end'"),
        (lambda: T.Shift(1.5), r"`shift` must lie in \[-1, 1\]"),
        (lambda: T.Shift(unit="samples"), "`unit` must be 'fraction' or 'seconds'"),
        (lambda: T.Shift(unit="seconds"), "`sample_rate` must be given for a shift in seconds"),
        (lambda: T.Mute((0.5, 1.5)), r"`width` must lie in \[0, 1\]"),
        (lambda: T.Mute(fade=-0.1), r"`fade` must lie in \[0, 1\]"),
        (lambda: T.RepeatPart(repeats=1.5), "`repeats` must be an integer"),
        (lambda: T.RepeatPart(mode="append"), "`mode` must be 'insert'"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Labels of frames.

HOP = 10


def labels(waveform):
    """Label each frame of ten samples with the samples that it has: a ramp of their numbers."""
    return waveform[:, :, HOP // 2 :: HOP]


EDITS = {
    "shift": T.Shift((-0.5, 0.5), fade=0.0, p=0.7),
    "shift with silence": T.Shift((-0.5, 0.5), rollover=False, fade=0.0, p=0.7),
    "shift in seconds": T.Shift((-0.3, 0.3), unit="seconds", sample_rate=400, fade=0.0, p=0.7),
    "reverse": T.TimeReverse(p=0.5),
    "pad": T.PadTo(600),
    "pad before": T.PadTo(600, where="start"),
    "pad around": T.PadTo(600, where="center"),
    "repeat": T.RepeatPart((0.1, 0.3), (1, 3), fade=0.0, p=0.7),
    "repeat in place": T.RepeatPart((0.1, 0.3), (1, 3), fade=0.0, mode="replace", p=0.7),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("ragged", [False, True])
def test_frame_labels_follow_the_sound(name, ragged):
    waveform = ramp(40, 400)
    lengths = torch.arange(40) * 10 + 10 if ragged else None
    if ragged:
        waveform = torch.where(torch.arange(400) < lengths[:, None, None], waveform, 0.0)
    edit = EDITS[name]
    params = edit.make_params(waveform)
    targets = {"frames": labels(waveform), "waveform": waveform}
    found = edit.targets(targets, params, lengths)["frames"]
    out = edit.transform(waveform, params, lengths)
    # The label of a frame is that of the frame its middle sample comes from.
    heard = labels(out[0] if ragged else out)
    expected = torch.where(heard > 0, (heard - 1) // HOP * HOP + HOP // 2 + 1, 0.0)
    assert torch.equal(found, expected)
    assert name.startswith("pad") or (found != targets["frames"]).any()


def test_frame_labels_follow_through_a_chain_to_a_frame():
    chain = T.Chain(
        [
            T.Shift((-0.5, 0.5), fade=0.0),
            T.PadTo(600, where="start"),
            T.TimeReverse(p=0.5),
            T.RandomCrop(500),
        ]
    )
    waveform = ramp(40, 400)
    params = chain.make_params(waveform, keys=augspec.example_keys(0, 0, range(40)))
    targets = {"frames": labels(waveform), "waveform": waveform}
    found, heard = (
        chain.targets(targets, params)["frames"],
        labels(chain.transform(waveform, params)),
    )
    # Each step takes the nearest frame; silence and the seam of a shift are at most one frame off.
    near = (found - heard).abs() <= HOP
    assert near.float().mean() > 0.95
    assert near.sum(-1).min() >= 47


def test_shifts_by_channel_and_frame_labels_of_examples_do_not_go_together():
    shift, waveform = T.Shift(fade=0.0, per_channel=True), ramp(2, 400, channels=2)
    params = shift.make_params(waveform)
    with pytest.raises(ValueError, match="`targets` has `frames` of examples, but `per_channel`"):
        shift.targets({"frames": labels(waveform), "waveform": waveform}, params)


def test_muting_leaves_labels():
    mute, waveform = T.Mute(0.5), ramp(2, 400)
    targets = {"frames": labels(waveform), "waveform": waveform}
    params = mute.make_params(waveform)
    assert torch.equal(mute.targets(targets, params)["frames"], targets["frames"])


@pytest.mark.parametrize("rollover", [True, False])
@pytest.mark.parametrize("sample_rate", [8000, 44_100])
def test_a_shifted_tone_does_not_click(rollover, sample_rate):
    """The largest step between samples stays that of the tone; without a fade it is far larger."""
    time = torch.arange(sample_rate) / sample_rate
    tone = torch.sin(2 * torch.pi * 103.37 * time + 1.0)[None, None]
    steepest = 2 * torch.pi * 103.37 / sample_rate

    def largest_step(**fade):
        shift = T.Shift(0.313, rollover=rollover, sample_rate=sample_rate, **fade)
        return shift(tone).diff().abs().max()

    assert largest_step() < 1.3 * steepest
    assert largest_step(fade=0.0) > 4.0 * steepest


def test_the_fade_of_a_shift_lasts_as_long_at_any_rate_of_a_front_end():
    for rate in (8000, 32_000):
        shift = T.Shift(0.5)
        augspec.Frontend(shift, augspec.features.LogMelSpectrogram(rate, n_mels=20))
        touched = shift(torch.ones(1, 1, rate)) < 1.0
        assert touched.sum() / rate == pytest.approx(0.01, abs=2 / rate)
