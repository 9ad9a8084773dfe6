"""Weights to start from: of an earlier run, of timm, with another number of classes."""

import logging

import pytest
import timm
import torch
from recipe_runs import records
from safetensors.torch import load_file, save_file

from augspec.ablation import train

CONFIG = {
    "backbone": "test_convnext", "seed": 0, "epochs": 1, "accumulate": 1, "learning_rate": 1e-3,
    "weight_decay": 0.0, "warm_up": 0.2,
}  # fmt: skip


def start(classes, weights):
    return train._make_training(CONFIG, classes, 4, str(weights)).model.state_dict()


def test_a_run_starts_from_the_weights_of_another_with_other_classes(
    run, tmp_path, caplog, monkeypatch
):
    assert run(tmp_path / "first", "--arms", "none", "--seeds", "1") == 0
    (weights,) = tmp_path.glob("first/runs/*/model.safetensors")
    held = load_file(weights)
    begun = []
    make = train._make_training

    def watched(*arguments):
        made = make(*arguments)
        begun.append({name: value.clone() for name, value in made.model.state_dict().items()})
        return made

    monkeypatch.setattr(train, "_make_training", watched)
    words = ["--arms", "none", "--seeds", "1", "--task", "velocity", "--pretrained", str(weights)]
    with caplog.at_level(logging.INFO, "augspec"):
        assert run(tmp_path / "second", *words) == 0
    (state,) = begun
    head = {name for name in held if name.startswith("head.fc.")}
    assert head
    assert held.keys() == state.keys()
    for name, value in held.items():
        if name in head:
            assert value.shape[0] == 10
            assert state[name].shape[0] == 5
        else:
            assert torch.equal(state[name], value)
    assert f"{weights}: the classifier 'head.fc' is freshly initialised" in caplog.text
    (record,) = records(tmp_path / "second").values()
    assert record["config"]["pretrained"]["file"] == "model.safetensors"
    assert len(record["config"]["pretrained"]["sha256"]) == 64


def test_the_same_classes_keep_their_classifier(tmp_path):
    held = timm.create_model("test_convnext", num_classes=7, in_chans=1).state_dict()
    save_file(held, tmp_path / "weights.safetensors")
    state = start(7, tmp_path / "weights.safetensors")
    assert all(torch.equal(state[name], value) for name, value in held.items())


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_of_timm_for_pictures_start_a_run(tmp_path, suffix):
    """Of three channels, summed, and 1000 classes, left out."""
    held = timm.create_model("test_convnext").state_dict()
    path = tmp_path / f"weights.{suffix}"
    save_file(held, path) if suffix == "safetensors" else torch.save(held, path)
    state = start(10, path)
    torch.testing.assert_close(state["stem.0.weight"], held["stem.0.weight"].sum(1, keepdim=True))
    for name, value in held.items():
        if not name.startswith(("stem.0.weight", "head.fc.")):
            assert torch.equal(state[name], value)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({"model": print}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"must be a safetensors or torch file of tensors"):
        start(10, tmp_path / "weights.pth")


def test_weights_of_another_backbone_fail_the_run_by_name(run, tmp_path, capsys):
    save_file(timm.create_model("resnet10t").state_dict(), tmp_path / "other.safetensors")
    words = ["--arms", "none", "--seeds", "1", "--pretrained", str(tmp_path / "other.safetensors")]
    assert run(tmp_path, *words) == 1
    (kept,) = tmp_path.glob("runs/*/failed.txt")
    assert "`checkpoint` must hold the tensors of this model" in kept.read_text()
    assert "none, seed 0: failed: " in capsys.readouterr().err
