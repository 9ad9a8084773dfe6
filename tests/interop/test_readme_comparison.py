"""README's table of peers: what each cell says is seen in the peers' code."""

import inspect
import json
import random
from importlib.metadata import version
from pathlib import Path

import audiomentations
import numpy as np
import pytest
import soundfile
import torch
from peers import import_or_skip
from releases import modern_torchaudio

import augspec
from augspec import features as F
from augspec import transforms as T

pytestmark = pytest.mark.usefixtures("eager_kernels")  # it compares with peers, not with a compiler

torchaudio = import_or_skip("torchaudio")
torch_audiomentations = import_or_skip("torch_audiomentations")

ROOT = Path(__file__).parents[2]
RATE = 16_000
ROWS = {
    "works on": (
        *("a batch, CPU or GPU", "one example, CPU", "a batch, CPU or GPU", "a batch, CPU or GPU"),
    ),
    "draws of the usual transforms": (
        *("for an example, a channel or a batch", "for an example", "mostly fixed settings"),
        "for an example or a channel",
    ),
    "another pitch shift for each example of a batch": (
        *("one after the other", "one after the other", "one for the batch", "in one operation"),
    ),
    "replays a draw from a file": ("no", "of one transform, not of a chain", "no", "yes"),
    "an example's draw is the same in any batch, order and worker": ("no", "no", "no", "yes"),
    "computes augmentation inside the features": ("no", "no", "no", "yes"),
}


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) / 10.0


def test_the_table_says_what_is_shown_here():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| | torch-audiomentations"))
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name] = tuple(cells)
    assert rows == ROWS


def test_audiomentations_takes_one_example_as_an_array():
    gain = audiomentations.Gain(p=1.0)
    heard = gain(np.ones((2, 800), np.float32), RATE)
    assert isinstance(heard, np.ndarray)
    assert len(np.unique(heard)) == 1  # the first dimension is channels, which share a draw


def test_torchaudio_takes_a_batch_on_any_device():
    volume, batch = torchaudio.transforms.Vol(0.5), torch.ones(4, 2, 10)
    assert torch.equal(volume(batch), batch / 2)
    assert volume(batch.to("meta")).is_meta  # it moves nothing to the CPU


def test_ours_draw_for_an_example_or_a_channel():
    batch = torch.ones(4, 2, 10)
    for per_channel, draws in ((False, 4), (True, 8)):
        gain = T.Gain((-12.0, 6.0), per_channel=per_channel)
        assert len(gain(batch)[..., 0].unique()) == draws


@pytest.mark.parametrize("mode", ["per_batch", "per_example", "per_channel"])
def test_torch_audiomentations_draws_for_a_batch_an_example_or_a_channel(mode):
    gain = torch_audiomentations.Gain(p=1.0, mode=mode, output_type="dict")
    heard = gain(torch.ones(4, 2, 10), RATE).samples[..., 0]
    assert len(heard.unique()) == {"per_batch": 1, "per_example": 4, "per_channel": 8}[mode]


def test_torch_audiomentations_shifts_one_example_after_the_other(monkeypatch):
    module = inspect.getmodule(torch_audiomentations.PitchShift)
    shapes = []
    monkeypatch.setattr(module, "pitch_shift", lambda one, *_: shapes.append(one.shape) or one)
    shift = torch_audiomentations.PitchShift(sample_rate=RATE, p=1.0, output_type="dict")
    shift(noise(5, 1, 800), RATE)
    assert shapes == [(1, 1, 800)] * 5


def test_ours_shifts_each_example_by_its_own_interval_in_one_call(monkeypatch):
    calls = []
    shift = T.PitchShift((-2.0, 2.0))
    kernel = type(shift)._transform

    def counted(self, waveform, *rest, **params):
        calls.append((waveform.shape, rest, params))
        return kernel(self, waveform, *rest, **params)

    monkeypatch.setattr(type(shift), "_transform", counted)
    params = shift.make_params(noise(5, 1, 4_000))
    shift.transform(noise(5, 1, 4_000), params)
    assert [shape for shape, _, _ in calls] == [(5, 1, 4_000)]
    assert len(params["semitones"].unique()) == 5


def test_torchaudio_has_one_interval_for_a_batch_and_no_range():
    shift = inspect.signature(torchaudio.transforms.PitchShift).parameters
    assert shift["n_steps"].annotation in (int, "int")
    assert (
        not {"p", "min_gain", "range"}
        & inspect.signature(torchaudio.transforms.Vol).parameters.keys()
    )


def test_torch_audiomentations_writes_no_draw():
    gain = torch_audiomentations.Gain(p=1.0, output_type="dict")
    gain(noise(2, 1, 800), RATE)
    with pytest.raises(NotImplementedError):
        gain.serialize_parameters()


def test_audiomentations_replays_the_draw_of_one_transform_and_of_no_chain():
    gain, other = audiomentations.Gain(p=1.0), audiomentations.Gain(p=1.0)
    one = noise(1, 800).numpy()
    heard = gain(one, RATE)
    other.parameters = json.loads(json.dumps(gain.serialize_parameters()))
    other.freeze_parameters()
    assert np.array_equal(other(one, RATE), heard)
    assert not hasattr(audiomentations.Compose, "serialize_parameters")


def test_torchaudio_keeps_no_draw():
    mask = torchaudio.transforms.TimeMasking(20)
    before = dict(vars(mask))
    mask(noise(2, 1, 8, 100))
    assert vars(mask) == before
    assert not mask.state_dict()


def _alone_and_among(call, batch):
    """Draw for the last example of a batch and for it alone, from one seed."""
    torch.manual_seed(1)
    random.seed(1)
    among = call(batch)[-1]
    torch.manual_seed(1)
    random.seed(1)
    return call(batch[-1:])[0], among


PEERS = {
    "torch-audiomentations": (
        torch_audiomentations.Gain(p=1.0, output_type="dict"),
        lambda gain, batch: gain(batch, RATE).samples,
    ),
    "audiomentations": (
        audiomentations.Gain(p=1.0),
        lambda gain, batch: [torch.from_numpy(gain(one.numpy(), RATE)) for one in batch],
    ),
    "torchaudio": (
        torchaudio.transforms.TimeMasking(400, iid_masks=True),
        lambda mask, batch: mask(batch[:, None]),
    ),
}


@pytest.mark.parametrize("peer", PEERS)
def test_a_peers_draw_depends_on_the_batch(peer):
    transform, call = PEERS[peer]
    alone, among = _alone_and_among(lambda batch: call(transform, batch), torch.ones(4, 1, 800))
    assert not torch.equal(alone, among)


def test_our_draw_does_not_and_is_replayed_from_text():
    gain = T.Chain([T.Gain((-12.0, 6.0)), T.PitchShift((-2.0, 2.0))])
    batch, keys = noise(4, 1, 2_000), augspec.example_keys(0, 0, range(4))
    params = gain.make_params(batch, keys=keys)
    alone = gain.make_params(batch[-1:], keys=keys[-1:])
    assert torch.equal(alone[0]["gain_db"][0], params[0]["gain_db"][-1])
    again = augspec.params_from_json(augspec.params_to_json(params))
    assert torch.equal(gain.transform(batch, again), gain.transform(batch, params))


@pytest.mark.parametrize("library", [torch_audiomentations, audiomentations])
def test_no_waveform_library_has_features(library):
    assert not [name for name in dir(library) if "Spectrogram" in name or "Mel" in name]


def test_torchaudio_changes_the_sound_before_its_features():
    settings = inspect.signature(torchaudio.transforms.MelSpectrogram).parameters.keys()
    assert not {"n_steps", "rate", "factor", "gain", "p"} & settings
    # An octave: other intervals take a resampler of a ratio of large numbers, for seconds.
    shift = torchaudio.transforms.PitchShift(RATE, 12)
    assert shift(noise(1, 800)).shape == (1, 800)  # a waveform: features of it cost as before


def test_ours_computes_augmentation_inside_the_features():
    chain = T.Chain([T.TimeStretch((0.8, 1.25)), T.PitchShift((-2.0, 2.0)), T.Gain()])
    frontend = augspec.Frontend(chain, F.LogMelSpectrogram(RATE, n_fft=1024, n_mels=64))
    assert "fused" in frontend.plan(noise(2, 1, 8_000))


def test_torch_audiomentations_has_no_later_release():
    # If this fails there is one: README and docs/migration.md speak of the last before it.
    assert version("torch-audiomentations") == "0.12.0"


@modern_torchaudio
@pytest.mark.parametrize("name", ["AddBackgroundNoise", "ApplyImpulseResponse"])
def test_noise_and_rooms_of_torch_audiomentations_need_an_older_torchaudio(name, tmp_path):
    assert not hasattr(torchaudio, "info")  # gone since 2.9
    soundfile.write(tmp_path / "a.wav", noise(800).numpy(), RATE)
    with pytest.raises(AttributeError, match="info"):
        getattr(torch_audiomentations, name)(str(tmp_path), p=1.0, output_type="dict")(
            noise(1, 1, 800), RATE
        )
