"""The weak label of a clip, where events are known: a class is there as long as it is heard."""

import pytest
import torch
from public import classes

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.testing.case import takes_specgram
from augspec.transforms.base import LeafTransform

BATCH, FRAMES, SIZE, BINS = 64, 40, 4_000, 8
KEYS = augspec.example_keys(5, 0, range(BATCH))
KINDS = [
    kind
    for kind in classes(T)
    if issubclass(kind, LeafTransform) and kind._source is not LeafTransform._source
]


def events(seed=0):
    """One event in each of three classes; one in two examples has a class less."""
    random = torch.Generator().manual_seed(seed)
    frames = torch.zeros(BATCH, 3, FRAMES)
    for example in range(BATCH):
        for place in range(3 - example % 2):
            first = int(torch.randint(FRAMES - 3, (), generator=random))
            frames[example, place, first : first + 3] = 1.0
    return frames


def sounds_of(frames, of_specgram):
    """Make each class alone heard where its frames say, ``(class, batch, 1, ...)``."""
    time = FRAMES if of_specgram else SIZE
    heard = frames.repeat_interleave(time // FRAMES, -1).transpose(0, 1)
    if of_specgram:
        return heard[:, :, None, None].expand(-1, -1, 1, BINS, -1).contiguous()
    tone = torch.sin(torch.arange(SIZE) * 0.7)
    return (heard * tone)[:, :, None]


def weak(frames):
    return frames.amax(-1)


@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_class_is_in_the_label_as_long_as_it_is_heard(kind, ragged):
    """What is heard is told from the sound: that of each class alone goes through the transform."""
    transform = kind.example()
    if isinstance(transform, T.RandomCrop | T.CenterCrop):
        transform = kind(SIZE // 2)
    of_specgram = takes_specgram(transform)
    time = FRAMES if of_specgram else SIZE
    frames = events()
    lengths = None
    if ragged:
        lengths = torch.randint(time // 2, time + 1, (BATCH,), generator=torch.manual_seed(1))
        inside = torch.arange(FRAMES) < (lengths * FRAMES // time)[:, None]
        frames = frames * inside[:, None]
    sounds = sounds_of(frames, of_specgram)
    params = transform.make_params(sounds[0], lengths, keys=KEYS)
    before = {"label": weak(frames), "frames": frames}
    label = transform.targets(before, params, lengths, time=time)["label"]
    left = []
    for own in sounds:
        out = transform.transform(own, params, lengths)
        out = out if lengths is None else out[0]
        left.append(out.double().square().flatten(1).sum(1) / own.double().square().sum())
    left = torch.stack(left, 1) * BATCH
    assert not label[weak(frames) == 0].any()
    there = weak(frames) > 0
    assert (label[there & (left > 0.1)] == 1.0).all()
    assert (label[there & (left < 1e-9)] == 0.0).all()


def test_the_walk_finds_what_moves_time():
    names = {kind.__name__ for kind in KINDS}
    assert names >= {
        "RandomCrop", "CenterCrop", "PadTo", "Shift", "TimeStretch", "Speed", "PitchAndTempo",
        "TimeReverse", "RepeatPart", "ImpulseResponse", "TimeWarp",
        "RandomResizeCrop", "SpecAugment",
    }  # fmt: skip


def test_a_crop_takes_what_it_leaves_out():
    frames = events()
    crop = T.RandomCrop(SIZE // 2)
    sound = sounds_of(frames, of_specgram=False)
    params = crop.make_params(sound[0], keys=KEYS)
    made = crop.targets({"label": weak(frames), "frames": frames}, params, time=SIZE)
    gone = (weak(frames) == 1.0) & (made["label"] == 0.0)
    assert 20 < gone.sum() < 120
    assert (made["label"] >= weak(made["frames"])).all()
    heard = torch.stack([crop.transform(own, params).abs().amax((1, 2)) for own in sound], 1)
    assert ((made["label"] == 1.0) != (heard > 0)).float().mean() < 0.03  # an eighth of a frame


def test_an_event_between_the_middles_of_frames_is_heard():
    """A stretch takes frames by their middles, which may miss a short event that still sounds."""
    frames = torch.eye(FRAMES)[:, None]  # one frame in each of 40 examples
    stretch = T.TimeStretch(1.9, keep_length=False)
    params = stretch.make_params(torch.zeros(FRAMES, 1, SIZE))
    made = stretch.targets({"label": weak(frames), "frames": frames}, params, time=SIZE)
    assert (weak(made["frames"]) == 0.0).sum() > 10
    assert (made["label"] == 1.0).all()


@pytest.mark.parametrize(
    "label",
    [
        pytest.param(torch.ones(BATCH, 3), id="tags of clips without marked events"),
        pytest.param(torch.eye(5)[torch.arange(BATCH) % 5], id="other classes"),
        pytest.param(torch.arange(BATCH) % 7, id="numbers"),
    ],
)
def test_labels_that_are_not_those_of_the_frames_stay(label):
    frames = torch.zeros(BATCH, 3, FRAMES)
    frames[:, 0, :2] = 1.0
    crop = T.RandomCrop(400)
    params = crop.make_params(torch.zeros(BATCH, 1, SIZE), keys=KEYS)
    made = crop.targets({"label": label, "frames": frames}, params, time=SIZE)
    assert torch.equal(made["label"], label)
    assert not made["frames"].equal(frames)


def test_an_example_that_is_not_picked_keeps_its_label():
    frames = events()
    shift = T.Shift((0.4, 0.5), rollover=False, p=0.5)
    params = shift.make_params(torch.zeros(BATCH, 1, SIZE), keys=KEYS)
    made = shift.targets({"label": weak(frames), "frames": frames}, params, time=SIZE)
    idle = ~params["applied"]
    assert torch.equal(made["label"][idle], weak(frames)[idle])
    assert (made["label"] < weak(frames))[params["applied"]].any()


def test_mixing_mixes_the_label_with_the_frames():
    """What was cut before does not come back, and what comes with the partner is there."""
    frames = events()
    chain = T.Chain([T.RandomCrop(SIZE // 2), T.Mixup()])
    params = chain.make_params(torch.zeros(BATCH, 1, SIZE), keys=KEYS)
    made = chain.targets({"label": weak(frames), "frames": frames}, params, time=SIZE)
    cut = T.RandomCrop(SIZE // 2).targets(
        {"label": weak(frames), "frames": frames}, params[0], time=SIZE
    )["label"]
    lam, partner = params[1]["lam"][:, None], params[1]["partner"]
    torch.testing.assert_close(made["label"], lam * cut + (1.0 - lam) * cut[partner])


def test_a_crop_after_mixing_takes_what_is_heard_of_neither():
    frames = events()
    chain = T.Chain([T.Mixup(), T.RandomCrop(SIZE // 4)])
    params = chain.make_params(torch.zeros(BATCH, 1, SIZE), keys=KEYS)
    made = chain.targets({"label": weak(frames), "frames": frames}, params, time=SIZE)
    sound = sounds_of(frames, of_specgram=False)
    heard = torch.stack([chain.transform(own, params).abs().amax((1, 2)) for own in sound], 1)
    differ = (made["label"] > 0) != (heard > 0)
    assert differ.float().mean() < 0.03  # of which an eighth of a frame is left
    assert (made["label"] > 0).any()
    assert (made["label"] == 0)[(weak(frames) > 0)].any()


def test_what_cutmix_replaces_is_gone():
    frames = events()
    cutmix = T.CutMix()
    sound = sounds_of(frames, of_specgram=False)
    params = cutmix.make_params(sound[0], keys=KEYS)
    made = cutmix.targets({"label": weak(frames), "frames": frames}, params, time=SIZE)
    heard = torch.stack([cutmix.transform(own, params).abs().amax((1, 2)) for own in sound], 1)
    label = made["label"]
    assert not label[heard == 0].any()
    assert ((label > 0) == (heard > 0)).float().mean() > 0.97  # a few begin or end in mid-frame
    assert (label[heard > 0] > 0).float().mean() > 0.97


def test_a_choice_and_a_front_end_do_so_too():
    frames = events()
    frontend = augspec.Frontend(
        T.Chain([T.OneOf([T.Shift((0.3, 0.5), rollover=False), T.Gain()]), T.RandomCrop(2_000)]),
        F.Spectrogram(n_fft=200, hop_length=100),
        T.TimeWarp(4),
    )
    sound = sounds_of(frames, of_specgram=False)
    params = frontend.make_params(sound[0], keys=KEYS)
    made = frontend.targets({"label": weak(frames), "frames": frames}, params, time=SIZE)
    alone = torch.stack(
        [frontend.waveform.transform(own, params["waveform"]).abs().amax((1, 2)) for own in sound],
        1,
    )
    agree = (made["label"] > 0) == (alone > 0)
    assert agree.float().mean() > 0.97
    assert (made["label"] == 0)[weak(frames) == 1.0].any()
