"""Peers' transforms named in configs, as arms of a study are."""

import copy
import json
import subprocess
import sys

import audiomentations
import pytest
import torch
import yaml
from peers import import_or_skip

import augspec
from augspec import config, interop
from augspec import transforms as T

torchaudio = import_or_skip("torchaudio")
torch_audiomentations = import_or_skip("torch_audiomentations")

RATE = 16_000
KEYS = augspec.example_keys(seed=3, epoch=1, index=torch.arange(4))
WRITTEN = """
- Gain: {gain_db: [-3.0, 3.0]}
- FromTorchAudiomentations:
    peer: {PitchShift: {min_transpose_semitones: -1, max_transpose_semitones: 1, p: 1.0,
                        sample_rate: 16000}}
    sample_rate: 16000
- FromTorchAudiomentations:
    peer: {OneOf: {transforms: [{Gain: {p: 1.0}}, {PolarityInversion: {p: 1.0}}], p: 1.0}}
    sample_rate: 16000
    p: 0.5
- FromAudiomentations:
    peer: {SomeOf: {num_transforms: 1, transforms: [TanhDistortion, {Gain: {min_gain_db: -6.0}}]}}
    sample_rate: 16000
- FromAudiomentations: {peer: TimeMask, sample_rate: 16000}
- FromTorchaudio: {peer: {Fade: {fade_in_len: 100}}, p: 0.5}
"""


def same(a, b):
    waveform = 0.1 * torch.randn(4, 1, 4000, generator=torch.Generator().manual_seed(0))
    return torch.equal(a(waveform, keys=KEYS), b(waveform, keys=KEYS))


def test_a_chain_with_peers_round_trips():
    chain = augspec.from_config(yaml.safe_load(WRITTEN))
    described = augspec.to_config(chain)
    again = augspec.from_config(json.loads(json.dumps(described)))
    assert augspec.to_config(again) == described
    assert same(chain, again)
    for written, part in zip(yaml.safe_load(WRITTEN)[1:], described["Chain"][1:], strict=True):
        ((name, given),) = written.items()
        values = part[name]
        peer = given["peer"] if isinstance(given["peer"], dict) else {given["peer"]: {}}
        assert values["peer"] == peer
        assert given | {"peer": peer} == {key: values[key] for key in given}
    assert augspec.to_config(copy.deepcopy(chain)) == described


@pytest.mark.parametrize(
    ("written", "made"),
    [
        (
            {"FromAudiomentations": {"peer": {"Gain": {"p": 1.0}}, "sample_rate": RATE, "p": 0.5}},
            lambda: interop.from_audiomentations(audiomentations.Gain(p=1.0), RATE, p=0.5),
        ),
        (
            {"FromTorchAudiomentations": {"peer": {"Shift": {"p": 1.0}}, "sample_rate": RATE}},
            lambda: interop.from_torch_audiomentations(
                torch_audiomentations.Shift(p=1.0, output_type="dict"), RATE
            ),
        ),
        (
            {"FromTorchaudio": {"peer": {"Vol": {"gain": -6.0, "gain_type": "db"}}, "p": 0.5}},
            lambda: interop.from_torchaudio(torchaudio.transforms.Vol(-6.0, "db"), p=0.5),
        ),
    ],
)
def test_a_written_peer_is_the_one_made_in_python(written, made):
    assert same(augspec.from_config(written), made())


AM, TAU = "FromAudiomentations", "FromTorchaudio"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({AM: "Gain"}, f"{AM} needs the argument `peer`: a transform of audiomentations"),
        ({AM: {"peer": ["Gain"], "sample_rate": RATE}}, f"{AM} needs the argument `peer`"),
        ({AM: {"peer": "Gain"}}, f"{AM} needs the argument `sample_rate`"),
        ({AM: {"peer": "Gain", "sample_rate": RATE, "q": 1}}, f"{AM} has no argument `q`"),
        ({AM: {"peer": "Gain", "sample_rate": RATE, "p": 2}}, f"{AM}: `p` must be"),
        (
            {AM: {"peer": {"Gain": {"min_gain": 1}}, "sample_rate": RATE}},
            f"{AM}.peer.Gain has no argument `min_gain`; nearest: min_gain_db",
        ),
        (
            {AM: {"peer": {"TimeMask": {"kwargs": {}}}, "sample_rate": RATE}},
            f"{AM}.peer.TimeMask has no argument `kwargs`",
        ),
        (
            {AM: {"peer": {"OneOf": {"transforms": [["Gain"]]}}, "sample_rate": RATE}},
            rf"{AM}.peer.OneOf.transforms\[0\] must be a mapping of one class",
        ),
        (
            {TAU: {"peer": {"SpecAugment": {}}}},
            f"{TAU}.peer.SpecAugment needs the argument `n_time_masks`",
        ),
        ({TAU: {"peer": "MVDR"}}, f"{TAU}: `module` must take one tensor"),
        (
            {
                "FromTorchAudiomentations": {
                    "peer": {"Gain": {"min_gain_in_db": 3.0, "max_gain_in_db": 1.0}},
                    "sample_rate": RATE,
                }
            },
            "FromTorchAudiomentations.peer.Gain: max_gain_in_db must be higher",
        ),
        ({"FromTorchaudios": {}}, "there is no class 'FromTorchaudios'; nearest: FromTorchaudio"),
    ],
)
def test_what_is_wrong_is_said(written, message):
    with pytest.raises(ValueError, match=message):
        augspec.from_config(written)


@pytest.mark.parametrize("wrapper", [AM, "FromTorchAudiomentations", TAU])
@pytest.mark.parametrize(
    "name",
    # Not a class; no transform; ours; a base class; an attribute of the module; another module's.
    ["Nothing", "Tensor", "ToAudiomentations", "BaseWaveformTransform", "__loader__", "os.system",
     "torch.nn.Linear", "core", "example_effects", "Lambda", "Frontend"],
)  # fmt: skip
def test_nothing_but_public_transforms_of_the_library_can_be_named(wrapper, name):
    written = {wrapper: {"peer": {name: {}}, "sample_rate": RATE}}
    with pytest.raises(ValueError, match=f"peer: there is no class '{name}'"):
        augspec.from_config(written)
    if wrapper == TAU:
        return  # which has nothing that holds others
    with pytest.raises(ValueError, match=f"there is no class '{name}'"):
        augspec.from_config({wrapper: {"peer": {"Compose": {"transforms": [name]}}}})


def test_a_peer_made_in_python_cannot_be_described():
    wrapped = interop.from_audiomentations(audiomentations.Gain(), RATE)
    with pytest.raises(TypeError, match="FromAudiomentations of a transform that was made in Py"):
        augspec.to_config(T.Chain([wrapped]))


def test_a_class_of_your_own_cannot_take_a_wrappers_name():
    kind = type(AM, (T.Gain,), {})
    with pytest.raises(ValueError, match="`kind` must have a unique name, but .* wraps a peer"):
        config.register(kind)


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "augspec.interop.audiomentations", raising=False)
    monkeypatch.setitem(sys.modules, "audiomentations", None)
    written = {AM: {"peer": "Gain", "sample_rate": RATE}}
    with pytest.raises(ValueError, match=f"{AM}: .* install it with `pip install audiomentations`"):
        augspec.from_config(written)


def test_configs_without_peers_import_none():
    program = (
        "import sys, augspec; augspec.to_config(augspec.from_config(['Gain'])); "
        "print(sorted({'torchaudio', 'audiomentations', 'torch_audiomentations'} & "
        "{name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
