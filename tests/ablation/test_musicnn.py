"""The tagger of musicnn as a backbone: what it computes, and weights that start a run."""

import importlib.util
import json
import runpy

import librosa
import numpy as np
import pytest
import timm
import torch
from recipe_runs import RECIPES, small_arguments
from safetensors.torch import save_file
from test_tensorflow import write

import augspec
from augspec.ablation import command, musicnn
from augspec.ablation.plan import make_feature
from augspec.ablation.study import Study
from augspec.ablation.tensorflow import read_checkpoint


@pytest.fixture
def recipe(monkeypatch):
    """The recipe's names; it imports from the folder that it lies in, as any script does."""
    monkeypatch.syspath_prepend(RECIPES)
    return lambda: runpy.run_path(str(RECIPES / "audio_weights.py"))


@pytest.fixture(scope="module")
def tensors():
    """Random tensors under the names and in the shapes of musicnn's checkpoint."""
    rng = np.random.default_rng(0)
    found = {}
    for place, width in enumerate([1] + 5 * [128]):
        own = "batch_normalization" + (f"_{place}" if place else "")
        for name in ("gamma", "beta", "moving_mean"):
            found[f"{own}/{name}"] = rng.normal(size=width)
        found[f"{own}/moving_variance"] = rng.uniform(0.5, 2.0, size=width)
    for place in range(5):
        shape = (3, 3, 128 if place else 1, 128)
        found[f"{place + 1}CNN/kernel"] = rng.normal(size=shape) / np.sqrt(9 * shape[2])
        found[f"{place + 1}CNN/bias"] = rng.normal(size=128)
    found["dense/kernel"], found["dense/bias"] = rng.normal(size=(256, 50)), rng.normal(size=50)
    return {name: array.astype(np.float32) for name, array in found.items()}


def published(tensors, mels):
    """Compute musicnn's `vgg` as its code does: (time, mel) in, logits out."""

    def normalized(held, place):
        own = "batch_normalization" + (f"_{place}" if place else "")
        gamma, beta, mean, variance = (
            tensors[f"{own}/{name}"].astype(float)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (held - mean) / np.sqrt(variance + 1e-3) + beta

    def pooled(held, size, stride):
        windows = np.lib.stride_tricks.sliding_window_view(held, size, axis=(0, 1))
        return windows[::stride, ::stride].max(axis=(-2, -1))

    held = normalized(np.log10(10_000.0 * mels + 1.0)[..., None], 0)
    pools = [((4, 1), 2), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4)]
    for place, (size, stride) in enumerate(pools, start=1):
        kernel = tensors[f"{place}CNN/kernel"].astype(float)
        padded = np.pad(held, ((1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
        made = np.einsum("tfcij,ijco->tfo", windows, kernel, optimize=True)
        made = np.maximum(made + tensors[f"{place}CNN/bias"], 0.0)
        held = pooled(normalized(made, place), size, stride)
    return held.reshape(-1) @ tensors["dense/kernel"].astype(float) + tensors["dense/bias"]


def make(tensors):
    model = augspec.create_backbone(musicnn.NAME, num_classes=50)
    model.load_state_dict(musicnn.convert(tensors))
    return model.eval()


def test_the_network_computes_what_the_published_code_does(tensors):
    mels = np.random.default_rng(1).exponential(size=(187, 96)).astype(np.float32)
    found = make(tensors)(torch.tensor(mels.T)[None, None])
    np.testing.assert_allclose(found[0].detach(), published(tensors, mels), rtol=2e-3, atol=2e-3)


def test_three_seconds_are_seen_and_what_is_missing_is_silence(tensors):
    model, mels = make(tensors), torch.rand(2, 1, 96, 251)
    torch.testing.assert_close(model(mels), model(mels[..., :187]))
    short = torch.nn.functional.pad(mels[..., :100], (0, 87))
    torch.testing.assert_close(model(mels[..., :100]), model(short))


def test_the_features_are_those_of_librosa():
    waveform = torch.randn(1, 1, 16_000)
    expected = librosa.feature.melspectrogram(
        y=waveform[0, 0].numpy(), sr=16_000, hop_length=256, n_fft=512, n_mels=96,
        pad_mode="reflect",
    )  # fmt: skip
    found = make_feature(musicnn.FEATURES)(waveform)[0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_a_checkpoint_becomes_a_file_that_a_study_starts_from(tensors, root, tmp_path, monkeypatch):
    state = musicnn.convert(read_checkpoint(write(tmp_path, tensors)))
    save_file(state, tmp_path / "music.safetensors")
    (tmp_path / "study.yaml").write_text(
        f"""
across: true
arms: {{none: []}}
epochs: 1
batch_size: 8
axes:
  checkpoint:
    - {{name: random, backbone: musicnn_vgg, features: {musicnn.FEATURES}}}
    - {{name: music, backbone: musicnn_vgg, features: {musicnn.FEATURES},
       pretrained: {tmp_path / "music.safetensors"}}}
    - {{name: pictures, backbone: test_convnext}}
"""
    )
    words = small_arguments(root, tmp_path, "--study", str(tmp_path / "study.yaml"), "--seeds", "1")
    at = words.index("--backbone")
    monkeypatch.setattr("sys.argv", ["ablation.py", *words[:at], *words[at + 2 :]])
    assert command.main(words[:at] + words[at + 2 :]) == 0
    names = [line.split(",")[0] for line in (tmp_path / "summary.csv").read_text().splitlines()]
    assert names[1:] == [f"none (checkpoint={name})" for name in ("random", "music", "pictures")]
    configs = [json.loads(path.read_text())["config"] for path in tmp_path.glob("runs/*.json")]
    runs = {(one["backbone"], one["pretrained"] is None): one for one in configs}
    assert runs.keys() == {
        ("musicnn_vgg", True), ("musicnn_vgg", False), ("test_convnext", True)
    }  # fmt: skip
    assert runs["musicnn_vgg", False]["pretrained"]["file"] == "music.safetensors"
    assert runs["musicnn_vgg", False]["features"]["n_mels"] == 96
    assert runs["test_convnext", True]["features"]["n_mels"] == 64


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("mtt", "must be a mapping of name, backbone"),
        ({"name": "random"}, "must be a mapping of name, backbone"),
        ({"name": "a", "backbone": "resnet10t", "weights": "file"}, "must be a mapping of name"),
        ({"name": "a", "backbone": 3}, "must be text"),
    ],
)
def test_a_checkpoint_that_is_none_is_refused(value, words):
    with pytest.raises(ValueError, match=words):
        Study(axes={"checkpoint": [value]})


def test_tensors_of_another_network_are_refused(tensors):
    with pytest.raises(ValueError, match="must be of musicnn's VGG"):
        musicnn.convert({name: array for name, array in tensors.items() if "5CNN" not in name})
    with pytest.raises(ValueError, match="must be of musicnn's VGG"):
        musicnn.convert({**tensors, "1CNN/bias": tensors["dense/bias"]})


def test_it_has_no_weights_to_download():
    assert timm.is_model(musicnn.NAME)
    with pytest.raises(ValueError, match="see recipes/audio_weights.py"):
        timm.create_model(musicnn.NAME, pretrained=True)
    with pytest.raises(ValueError, match="`in_chans` must be 1"):
        timm.create_model(musicnn.NAME, in_chans=3)
    assert sum(one.numel() for one in musicnn.Tagger().parameters()) == 605_748


def test_the_recipe_says_what_to_install(recipe, tmp_path, monkeypatch, capsys):
    script = recipe()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr("sys.argv", ["audio_weights.py", str(tmp_path / "weights")])
    assert script["main"]() == 2
    assert "pip install --no-deps musicnn" in capsys.readouterr().err


def test_the_tags_of_notes_are_sorted(recipe, tensors):
    script = recipe()
    assert len(script["NAMES"]) == 50
    tags = script["tag"](musicnn.convert(tensors), script["flutes"]()[:2])
    assert sorted(tags) == sorted(script["NAMES"])
    assert list(tags.values()) == sorted(tags.values(), reverse=True)
