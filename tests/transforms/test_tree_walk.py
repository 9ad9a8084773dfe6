"""One walk carries sound, ends and labels through a tree; what does not fit is refused."""

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T

KEYS = augspec.example_keys(0, 0, range(6))
LABELS = {"label": torch.eye(6)}


def shares(transform, waveform, **known):
    params = transform.make_params(waveform, keys=KEYS)
    return transform.targets(LABELS, params, **known)["label"]


@pytest.mark.parametrize(
    "transform",
    [
        T.Chain([T.TimeStretch((2.0, 4.0)), T.CutMix()]),
        T.Chain([T.OneOf([T.TimeStretch((2.0, 4.0)), T.Speed((0.5, 1.0))]), T.CutMix()]),
        T.Chain([T.Schedule(T.TimeStretch((2.0, 4.0)), {"p": [(0, 0.5)]}), T.CutMix()]),
        T.Chain([T.TimeReverse(), T.CutMix()]),
    ],
    ids=["chain", "choice", "schedule", "reverse"],
)
def test_labels_are_the_same_whether_the_time_is_known_or_not(transform):
    waveform = torch.zeros(6, 1, 160_000)
    known = shares(transform, waveform, time=160_000)
    torch.testing.assert_close(shares(transform, waveform), known, rtol=0.0, atol=1e-4)


def test_labels_are_those_of_what_is_heard():
    # Each example is a constant of its own: the sound says itself whose it is.
    waveform = torch.arange(1.0, 7.0)[:, None, None].expand(6, 1, 8000).contiguous()
    cut = T.Chain([T.Speed(2.0, keep_length=False), T.CutMix()])
    params = cut.make_params(waveform, keys=KEYS)
    heard, lengths = cut.transform(waveform, params, torch.full((6,), 8000))
    assert lengths.tolist() == [4000] * 6
    label = cut.targets(LABELS, params, torch.full((6,), 8000), time=8000)["label"]
    expected = torch.stack(
        [((heard[:, 0].round() == value).float().mean(-1)) for value in range(1, 7)], dim=1
    )
    torch.testing.assert_close(label, expected, rtol=0.0, atol=0.01)


def test_what_needs_the_time_asks_for_it():
    waveform = torch.zeros(6, 1, 16_000)
    cropped = T.Chain([T.RandomCrop(8000), T.CutMix()])
    with pytest.raises(ValueError, match="give `time`, the number of samples"):
        shares(cropped, waveform)
    assert torch.equal(shares(T.Chain([T.RandomCrop(8000), T.Gain()]), waveform), torch.eye(6))
    # Lengths are in samples: a stretch makes others of them, which need the time.
    stretched = T.Chain([T.TimeStretch((2.0, 4.0)), T.CutMix()])
    params = stretched.make_params(waveform, keys=KEYS)
    with pytest.raises(ValueError, match="give `time`, the number of samples"):
        stretched.targets(LABELS, params, torch.full((6,), 9000))


def test_waveforms_and_spectrograms_are_not_mixed():
    gain, mask = T.Gain(0.0), T.FrequencyMask(8)
    for make in (
        lambda: T.Chain([gain, mask]),
        lambda: T.OneOf([gain, mask]),
        lambda: T.SomeOf([mask, gain]),
        lambda: T.RandomOrder([gain, mask]),
        lambda: T.RandAugment([gain, mask]),
        lambda: T.Chain([T.Chain([T.OneOf([gain])]), T.Repeat(mask, 2)]),
        lambda: T.Chain([T.Schedule(mask, {"p": [(0, 1.0)]}), gain]),
    ):
        with pytest.raises(ValueError, match="must all take waveforms or all take spectrograms"):
            make()
    features = F.LogMelSpectrogram(n_mels=40)
    for inside in (mask, T.Chain([T.OneOf([mask])])):
        with pytest.raises(ValueError, match="`waveform` must transform waveforms"):
            augspec.Frontend(inside, features)
    with pytest.raises(ValueError, match="`specgram` must transform specgrams"):
        augspec.Frontend(None, features, gain)
    # What has no kind of its own goes anywhere.
    augspec.Frontend(T.Chain(), features, T.Chain())


@pytest.mark.parametrize(
    "transform", [T.Gain(), T.TimeStretch(), T.Chain([T.Gain()]), T.OneOf([T.PitchShift()])]
)
def test_params_with_a_renamed_key_are_explained(transform):
    waveform = torch.randn(6, 1, 4000)
    params = transform.make_params(waveform, keys=KEYS)
    own = params[0] if isinstance(params, list) else params.get("options", [params])[0]
    name = next(name for name in own if name != "applied")
    own[f"{name}_"] = own.pop(name)
    with pytest.raises(ValueError, match=rf"`params` of \w+ must have .*{name} missing"):
        transform.transform(waveform, params)


@pytest.mark.parametrize(
    "transform", [T.Mixup(), T.CutMix(), T.MixBackground(labels="soft")], ids=lambda t: str(t)[:9]
)
def test_soft_labels_under_other_names_are_mixed_or_refused(transform):
    waveform = torch.randn(6, 1, 400)
    params = transform.make_params(waveform, keys=KEYS)
    with pytest.raises(ValueError, match="`weak`, which looks like soft labels"):
        transform.targets({"weak": torch.eye(6)}, params, time=400)
    others = {"pitch": torch.rand(6), "index": torch.arange(6), "path": ["a"] * 6}
    assert transform.targets(others, params, time=400).keys() == others.keys()
    named = type(transform)(label_names=["label", "weak"])
    if isinstance(named, T.MixBackground):
        named = T.MixBackground(label_names=["label", "weak"], labels="soft")
    params = named.make_params(waveform, keys=KEYS)
    made = named.targets({**LABELS, "weak": torch.eye(6)}, params, time=400)
    assert torch.equal(made["weak"], made["label"])
    assert not torch.equal(made["weak"], torch.eye(6))


@pytest.mark.parametrize("channels", [1, 2])
def test_masks_per_channel_draw_for_what_the_features_give(channels):
    features = torch.nn.Sequential(
        F.MFCC(n_mfcc=13, melkwargs={"n_fft": 256, "n_mels": 20}), F.Delta(order=(0, 1, 2))
    )
    masks = T.TimeMask(30, mask_value=-777.0, per_channel=True)
    frontend = augspec.Frontend(None, features, masks)
    waveform = torch.randn(6, channels, 8000)
    params = frontend.make_params(waveform, keys=KEYS)
    assert params["specgram"][0]["width"].shape == (6, 3 * channels)
    out = frontend.transform(waveform, params)
    widths = (out == -777.0).all(2).sum(-1)
    assert widths.shape == (6, 3 * channels)
    assert widths.float().std(dim=1).min() > 0.0


class Own(torch.nn.Module):
    """A feature of a user's own."""

    def forward(self, waveform, lengths=None):
        specgram = waveform.unfold(-1, 100, 100).transpose(-1, -2)
        return specgram if lengths is None else (specgram, self.frame_lengths(lengths))

    def frame_lengths(self, lengths):
        return lengths // 100


def test_a_feature_of_ones_own_says_where_labels_end():
    frames = torch.arange(40.0).expand(6, 1, 40)
    warp = T.TimeWarp(10)
    frontend = augspec.Frontend(None, Own(), warp)
    waveform, lengths = torch.randn(6, 1, 4000), torch.full((6,), 2000)
    params = frontend.make_params(waveform, lengths, keys=KEYS)
    moved = frontend.targets({"frames": frames}, params, lengths, time=4000)["frames"]
    expected = warp.targets({"frames": frames}, params["specgram"][0], lengths // 100, time=40)
    assert torch.equal(moved, expected["frames"])
    assert not torch.equal(moved, frames)


def test_the_loop_of_a_schedule_does_not_cut():
    stretch = T.TimeStretch((1.25, 1.25), keep_length=False)
    scheduled = T.Schedule(stretch, {"magnitude": [(0, 0.0)]})
    waveform = torch.randn(2, 1, 4000)
    out = scheduled(waveform)
    assert out.shape[-1] >= 4000
    torch.testing.assert_close(out[..., :4000], waveform, rtol=0.0, atol=1e-3)
