"""Our transforms inside the peers' own Compose."""

import json
import random

import audiomentations
import numpy as np
import pytest
import torch
from peers import import_or_skip
from torchvision.transforms import v2

import augspec
from augspec import features as F
from augspec import interop
from augspec import transforms as T

torch_audiomentations = import_or_skip("torch_audiomentations")

RATE = 16_000
CHAIN = T.Chain([T.PitchShift((-3.0, 3.0), n_fft=256), T.Gain((-12.0, -1.0))])
TONE = torch.sin(torch.arange(3000) * 0.3)


def keyed(transform, waveform, seed):
    """Give what ``transform`` makes of one example with the first key after ``manual_seed``."""
    torch.manual_seed(seed)
    return transform(waveform[None])[0]


# audiomentations


@pytest.mark.parametrize("shape", [(3000,), (1, 3000), (2, 3000)])
def test_ours_in_audiomentations_compose(shape):
    samples = TONE.expand(shape).numpy().copy()
    before = samples.copy()
    compose = audiomentations.Compose(
        [audiomentations.PolarityInversion(p=1.0), interop.to_audiomentations(CHAIN)]
    )
    torch.manual_seed(7)
    state = random.getstate()
    out = compose(samples=samples, sample_rate=RATE)
    assert isinstance(out, np.ndarray)
    assert out.dtype == np.float32
    expected = keyed(CHAIN, -TONE.expand(shape).reshape(-1, 3000), seed=7)
    np.testing.assert_array_equal(out, expected.numpy().reshape(shape))
    np.testing.assert_array_equal(samples, before)
    # The draws of audiomentations are its own: of ours none comes from `random`.
    interop.to_audiomentations(CHAIN)(samples, RATE)
    random.setstate(state)
    compose(samples, RATE)
    first = random.getstate()
    random.setstate(state)
    audiomentations.Compose([audiomentations.PolarityInversion(p=1.0)])(samples, RATE)
    assert random.getstate() == first


def test_audiomentations_freezes_ours():
    gain = interop.to_audiomentations(T.Gain((-12.0, 12.0)))
    compose = audiomentations.Compose([gain])
    ones = np.ones(10, dtype=np.float32)
    first = compose(ones, RATE)
    assert not np.array_equal(first, compose(ones, RATE))
    again = compose(ones, RATE)
    compose.freeze_parameters()
    np.testing.assert_array_equal(compose(ones, RATE), again)
    record = json.loads(json.dumps(gain.serialize_parameters()))
    key = torch.tensor([record["key"]])
    assert T.Gain((-12.0, 12.0))(torch.ones(1, 1, 1), keys=key).item() == again[0]
    compose.unfreeze_parameters()
    assert not np.array_equal(compose(ones, RATE), again)


def test_audiomentations_sees_a_sample_rate_that_differs():
    codec = interop.to_audiomentations(T.Chain([T.Gain(), T.Codec(RATE)]))
    with pytest.raises(ValueError, match="that of Codec, 16000, got 8000"):
        codec(np.ones(100, dtype=np.float32), 8000)


# torch-audiomentations


def theirs(transforms):
    return torch_audiomentations.Compose(transforms, output_type="dict")


def test_ours_in_torch_audiomentations_compose():
    batch = TONE.expand(4, 2, 3000)
    compose = theirs(
        [
            torch_audiomentations.PolarityInversion(p=1.0, output_type="dict"),
            interop.to_torch_audiomentations(CHAIN),
        ]
    )
    torch.manual_seed(3)
    torch_audiomentations.PolarityInversion(p=1.0, output_type="dict")(batch, RATE)
    expected = CHAIN(-batch)
    torch.manual_seed(3)
    out = compose(batch, sample_rate=RATE)
    assert torch.equal(out.samples, expected)
    assert out.sample_rate == RATE
    assert out.targets is None
    assert torch.equal(compose.eval()(batch, sample_rate=RATE).samples, batch)
    assert not compose.state_dict()
    assert "per_example" in compose.supported_modes


def test_ours_in_someof_and_frozen():
    batch = torch.ones(4, 1, 10)
    gain = interop.to_torch_audiomentations(T.Gain((-12.0, 12.0)))
    some = torch_audiomentations.SomeOf(1, [gain], output_type="dict")
    first = some(batch).samples
    assert len(first[:, 0, 0].unique()) == 4
    assert not torch.equal(some(batch).samples, first)
    last = some(batch).samples
    some.freeze_parameters()
    assert torch.equal(some(batch).samples, last)


def test_on_its_own_it_gives_their_dictionary_or_a_tensor():
    batch = torch.ones(2, 1, 10)
    assert interop.to_torch_audiomentations(T.Gain())(batch).samples.shape == batch.shape
    gain = interop.to_torch_audiomentations(T.Gain(), output_type="tensor")
    assert gain(batch).shape == batch.shape


class _Reverse(T.WaveformTransform):
    """Reverse time; labels say it."""

    def _draw(self, draw):
        return {}

    def _transform(self, waveform, params, lengths):
        return waveform.flip(-1)

    def _source(self, position, time, params, lengths):
        return lengths[:, None] - 1 - position

    def _targets(self, targets, params, lengths):
        return {**targets, "label": -targets["label"]} if "label" in targets else targets


def test_their_targets_follow_ours():
    batch, frames = torch.randn(2, 2, 100), torch.randn(2, 2, 5, 3)
    compose = theirs([interop.to_torch_audiomentations(_Reverse())])
    out = compose(batch, sample_rate=RATE, targets=frames, target_rate=800)
    assert torch.equal(out.samples, batch.flip(-1))
    assert torch.equal(out.targets, frames.flip(2))
    labels = torch.randn(2, 2, 1, 3)
    assert torch.equal(compose(batch, sample_rate=RATE, targets=labels).targets, -labels)


# torchvision


def test_ours_in_torchvision_compose():
    waveform = TONE[None]
    compose = v2.Compose([interop.to_torchvision(CHAIN), v2.Lambda(lambda x: -x)])
    expected = keyed(CHAIN, waveform, seed=11)
    torch.manual_seed(11)
    assert torch.equal(compose(waveform), -expected)


def test_a_dictionary_keeps_its_keys_and_its_labels_follow():
    shift = T.PitchShift(3.0, n_fft=256)
    sample = {"waveform": TONE[None], "label": 4, "pitch": 60, "path": "a.wav", "index": 7}
    out = v2.Compose([interop.to_torchvision(shift)])(sample)
    assert torch.equal(out["waveform"], shift(TONE[None, None])[0])
    assert (out["label"], out["pitch"], out["path"], out["index"]) == (4, 63.0, "a.wav", 7)
    assert sample["pitch"] == 60
    assert torch.equal(sample["waveform"], TONE[None])
    tensors = {**sample, "label": torch.tensor(4), "pitch": torch.tensor(60)}
    assert torch.equal(interop.to_torchvision(shift)(tensors)["pitch"], torch.tensor(63.0))


def test_frames_of_a_dictionary_are_cut_with_the_sound():
    crop = interop.to_torchvision(T.CenterCrop(1000))
    out = crop({"waveform": TONE[None], "frames": torch.eye(3)})
    assert torch.equal(out["frames"], torch.tensor([[0.0], [1.0], [0.0]]))


def test_a_whole_front_end_in_torchvision_compose():
    features = F.LogMelSpectrogram(sample_rate=RATE, n_fft=256, hop_length=64, n_mels=20)
    frontend = augspec.Frontend(CHAIN, features)
    compose = v2.Compose([interop.to_torchvision(frontend), v2.CenterCrop((20, 32))])
    expected = keyed(frontend, TONE[None], seed=5)
    torch.manual_seed(5)
    out = compose(TONE[None])
    assert torch.equal(out, v2.functional.center_crop(expected, [20, 32]))
    same = interop.to_torchvision(frontend).eval()
    assert torch.equal(same(TONE[None]), frontend.features(TONE[None, None])[0])


# Bad input.


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: interop.to_audiomentations(len), TypeError, "an augspec transform, got builtin"),
        (lambda: interop.to_torch_audiomentations(len), TypeError, "an augspec transform"),
        (lambda: interop.to_torchvision(len), TypeError, "an augspec transform"),
        (
            lambda: interop.to_torch_audiomentations(T.Gain(), output_type="list"),
            ValueError,
            '`output_type` must be "dict" or "tensor", got \'list\'',
        ),
        (
            lambda: interop.to_torchvision(T.Gain())(torch.zeros(2, 1, 9)),
            ValueError,
            r"`waveform` must be \(channel, time\), got shape \(2, 1, 9\)",
        ),
        (
            lambda: interop.to_torchvision(T.Gain())({"audio": torch.zeros(1, 9)}),
            TypeError,
            r"a dictionary with `waveform`, got \['audio'\]",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
