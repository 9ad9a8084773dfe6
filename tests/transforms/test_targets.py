"""Labels of frames follow the sound, against labels rendered from events at known times."""

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T

TIME, FRAMES, BATCH = 6000, 60, 8
START, STOP = 1730, 3910  # an event, in samples
KEYS = augspec.example_keys(3, 0, range(BATCH))
LENGTHS = torch.tensor([6000, 5000, 4000, 3000, 6000, 4500, 3500, 5500])


def render(start, stop, frames, time):
    """Label the frames whose middle lies in the event; and the distance to an edge in frames."""
    middle = (torch.arange(frames) + 0.5) * time / frames
    start, stop = start[:, None], stop[:, None]
    inside = (middle >= start) & (middle < stop)
    edge = torch.minimum((middle - start).abs(), (middle - stop).abs()) * frames / time
    return inside, edge


def events(lengths):
    start = torch.full((BATCH,), START).minimum(lengths)
    return start, torch.full((BATCH,), STOP).minimum(lengths)


def ramp(lengths):
    """A waveform that tells at each sample which sample of the input it was."""
    place = torch.arange(TIME, dtype=torch.float64).expand(BATCH, 1, TIME)
    return torch.where(place < lengths[:, None, None], place, 0.0)


CUTS = [T.RandomCrop(2500), T.CenterCrop(2500), T.RandomCrop(9000), T.CenterCrop(9000)]


@pytest.mark.parametrize("crop", CUTS, ids=repr)
@pytest.mark.parametrize("ragged", [True, False])
def test_frames_are_cut_as_the_waveform_is(crop, ragged):
    lengths = LENGTHS if ragged else torch.full_like(LENGTHS, TIME)
    given = lengths if ragged else None
    params = crop.make_params(ramp(lengths), keys=KEYS)
    cut, _ = crop.transform(ramp(lengths) + 1.0, params, lengths)
    first = cut[:, 0, 0].long() - 1
    start, stop = events(lengths)
    frames = render(start, stop, FRAMES, TIME)[0][:, None].float()
    new = crop.targets({"frames": frames}, params, given, time=TIME)["frames"]
    assert new.shape == (BATCH, 1, round(FRAMES * crop.size / TIME))
    expected, edge = render(start - first, stop - first, new.shape[-1], crop.size)
    clear = edge > 1.0
    assert torch.equal(new[:, 0][clear], expected[clear].float())
    assert expected.any()


@pytest.mark.parametrize(
    "transform",
    [
        T.TimeStretch((0.7, 1.4), p=0.7),
        T.TimeStretch((0.7, 1.4), keep_length=False),
        T.Speed((0.7, 1.4), p=0.7),
        T.Speed((0.7, 1.4), keep_length=False, p=0.7),
        T.PitchAndTempo((0.0, 0.0), (0.7, 1.4)),
    ],
    ids=repr,
)
def test_frames_are_stretched_as_the_tempo_is(transform):
    params = transform.make_params(ramp(LENGTHS), keys=KEYS)
    rate = transform._rate(params)
    rate = torch.where(params["applied"], rate, 1.0)
    start, stop = events(LENGTHS)
    frames = render(start, stop, FRAMES, TIME)[0][:, None].float()
    size = transform.transform(torch.zeros(BATCH, 1, TIME), params).shape[-1]
    new = transform.targets({"frames": frames}, params, LENGTHS, time=TIME)["frames"]
    assert new.shape[-1] == round(FRAMES * size / TIME)
    expected, edge = render(start / rate, stop / rate, new.shape[-1], size)
    clear = edge > 1.0
    assert torch.equal(new[:, 0][clear], expected[clear].float())
    assert expected.any()
    assert not torch.equal(expected, render(start, stop, new.shape[-1], size)[0])


def test_frames_follow_the_sound_through_a_chain():
    """The label lies where the tone that it stands for is heard."""
    chain = T.Chain(
        [T.Speed((0.8, 1.25), p=0.8), T.Gain(), T.Resample(16_000, 8000), T.RandomCrop(2000)]
    )
    place = torch.arange(TIME)
    tone = torch.sin(place * 0.9) * ((place >= START) & (place < STOP))
    waveform = tone.expand(BATCH, 1, TIME)
    params = chain.make_params(waveform, keys=KEYS)
    frames = render(*events(torch.full_like(LENGTHS, TIME)), FRAMES, TIME)[0][:, None]
    new = chain.targets({"frames": frames, "label": 7}, params, time=TIME)
    assert new["label"] == 7
    assert new["frames"].shape[-1] == 40  # two thirds of the duration
    assert new["frames"].dtype == torch.bool
    out = chain.transform(waveform, params)
    energy = out.reshape(BATCH, new["frames"].shape[-1], -1).square().mean(-1)
    loud = energy > 0.2 * energy.amax(1, keepdim=True)
    changes = (loud[:, 1:] != loud[:, :-1]).long()
    near = torch.nn.functional.pad(changes, (1, 0)) + torch.nn.functional.pad(changes, (0, 1)) > 0
    assert torch.equal(new["frames"][:, 0][~near], loud[~near])
    assert loud.any()
    assert not loud.all()


def test_transforms_that_move_nothing_leave_frames_and_need_no_time():
    chain = T.Chain([T.Gain(), T.PitchShift(n_fft=256)])
    frames = torch.rand(BATCH, 3, FRAMES)
    params = chain.make_params(torch.zeros(BATCH, 1, TIME), keys=KEYS)
    assert chain.targets({"frames": frames}, params)["frames"] is frames


def test_the_time_is_that_of_the_waveform_in_the_batch_or_asked_for():
    crop = T.RandomCrop(3000)
    waveform, frames = torch.zeros(BATCH, 1, TIME), torch.rand(BATCH, 3, FRAMES)
    params = crop.make_params(waveform, keys=KEYS)
    batch = crop.targets({"frames": frames, "waveform": waveform}, params)
    assert torch.equal(
        batch["frames"], crop.targets({"frames": frames}, params, time=TIME)["frames"]
    )
    with pytest.raises(ValueError, match="has `frames`, which RandomCrop moves: give `time`"):
        crop.targets({"frames": frames}, params)


def test_a_front_end_moves_frames_in_the_waveform():
    frontend = augspec.Frontend(
        waveform=T.RandomCrop(3000), features=F.Spectrogram(256), specgram=T.TimeMask(3)
    )
    waveform, frames = torch.zeros(BATCH, 1, TIME), torch.rand(BATCH, 3, FRAMES)
    params = frontend.make_params(waveform, keys=KEYS)
    new = frontend.targets({"frames": frames}, params, LENGTHS, time=TIME)["frames"]
    crop = T.Chain([T.RandomCrop(3000)])
    expected = crop.targets({"frames": frames}, params["waveform"], LENGTHS, time=TIME)["frames"]
    assert torch.equal(new, expected)


def test_an_example_that_is_not_picked_keeps_its_frames():
    stretch = T.TimeStretch((0.5, 2.0), p=0.5)
    frames = torch.rand(BATCH, 3, FRAMES)
    params = stretch.make_params(torch.zeros(BATCH, 1, TIME), keys=KEYS)
    new = stretch.targets({"frames": frames}, params, time=TIME)["frames"]
    picked = params["applied"]
    assert torch.equal(new[~picked], frames[~picked])
    assert not torch.equal(new[picked], frames[picked])


@pytest.mark.parametrize(
    "transform", [T.TimeStretch((0.7, 1.4), p=0.7), T.Speed((0.7, 1.4)), T.TimeReverse()], ids=repr
)
def test_rates_and_shares_need_no_time(transform):
    frames = torch.rand(BATCH, 3, FRAMES)
    params = transform.make_params(torch.zeros(BATCH, 1, TIME), keys=KEYS)
    expected = transform.targets({"frames": frames}, params, time=FRAMES << 12)["frames"]
    assert torch.equal(transform.targets({"frames": frames}, params)["frames"], expected)
    assert not torch.equal(expected, frames)
