"""Runs scored under conditions, and a folder of sounds as the notes of a study."""

import csv
import json
import re

import numpy as np
import pytest
import soundfile
import torch
from recipe_runs import small_arguments

import augspec
from augspec.ablation import command, execute, folder
from augspec.conditions import corrupt

HEADER = "arm,condition,severity,seeds,accuracy,macro_recall,difference,difference_low,"
HEADER += "difference_high"


@pytest.fixture
def study(monkeypatch):
    def study(*words):
        monkeypatch.setattr("sys.argv", ["ablation.py", *words])
        return command.main(list(words))

    return study


def test_one_training_many_scores(study, root, tmp_path, monkeypatch):
    words = small_arguments(root, tmp_path, "--arms", "gain", "--seeds", "2")
    assert study(*words) == 0  # without conditions
    assert not (tmp_path / "conditions.csv").exists()
    monkeypatch.setattr(execute, "train", lambda *_: pytest.fail("a run was repeated"))
    assert study(*words, "--conditions", "noise-5,quiet", "--status") == 0
    assert study(*words, "--conditions", "noise-5,quiet") == 0
    assert (tmp_path / "conditions.csv").read_text().splitlines()[0] == HEADER
    with (tmp_path / "conditions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 6
    assert [row["condition"] for row in rows[:6]] == ["noise", *["quiet"] * 5]
    for row in rows:
        numbers = {
            name: float(value) for name, value in row.items() if name in HEADER.split(",")[2:]
        }
        assert numbers["seeds"] == 2
        assert numbers["difference_low"] <= numbers["difference"] <= numbers["difference_high"]
    html = (tmp_path / "report.html").read_text()
    assert "gain, under all conditions" in html
    assert "It trained with quiet; under the others" in html
    assert (tmp_path / "conditions.png").read_bytes().startswith(b"\x89PNG")
    assert "Under conditions, macro recall" in (tmp_path / "summary.md").read_text()
    assert study(*words, "--conditions", "noise-5,quiet") == 0  # nothing is scored again


def test_a_condition_that_one_arm_lacks_is_in_no_mean_and_is_said(
    study, root, tmp_path, monkeypatch
):
    score = execute.conditions.evaluate

    def failing(model, batches, *rest):
        held = batches.loader.dataset
        if "quiet" in str(held.samples.filename) and failing.arm == "gain":
            raise ValueError("no room on the disk")
        return score(model, batches, *rest)

    scored = execute.conditions.score_run

    def watched(record, *rest):
        failing.arm = record["config"]["arm"]
        return scored(record, *rest)

    monkeypatch.setattr(execute.conditions, "evaluate", failing)
    monkeypatch.setattr(execute.conditions, "score_run", watched)
    words = small_arguments(root, tmp_path, "--arms", "gain", "--seeds", "1")
    assert study(*words, "--conditions", "noise-5,quiet-3") == 1
    with (tmp_path / "conditions.csv").open(newline="") as file:
        noise = {row["arm"]: row for row in csv.DictReader(file) if row["condition"] == "noise"}
    html = (tmp_path / "report.html").read_text()
    assert "1 of 2 runs have no score under some conditions" in html
    assert "gain, seed 0" in html
    mean = 100 * float(noise["none"]["macro_recall"])
    assert f"none, under all conditions: {mean:.1f} %" in html


def test_scores_are_those_of_the_corrupted_notes(study, root, tmp_path):
    """Against predictions made here, from weights and sounds."""
    from safetensors.torch import load_file

    from augspec.ablation.plan import make_frontend

    words = small_arguments(root, tmp_path, "--arms", "none", "--seeds", "1")
    assert study(*words, "--conditions", "noise-4") == 0
    (path,) = (tmp_path / "runs").glob("*.json")
    record = json.loads(path.read_text())
    found = json.loads((path.with_suffix("") / "conditions.json").read_text())["noise-4"]
    model = augspec.create_backbone("test_convnext", num_classes=len(record["classes"]))
    model.load_state_dict(load_file(path.with_suffix("") / "model.safetensors"))
    config = record["config"]
    frontend = make_frontend(config["transforms"], config["features"]).eval()
    notes = augspec.datasets.NSynth(root, "valid")
    waveform = torch.stack([notes[i]["waveform"] for i in range(len(notes))])
    keys = augspec.example_keys(0, 0, range(len(notes)))
    noisy = corrupt(waveform, keys, "noise", 4, sample_rate=16_000)
    with torch.no_grad():
        expected = model.eval()(frontend(noisy)).argmax(-1)
    assert found["predictions"] == expected.tolist()
    assert found["accuracy"] == pytest.approx(
        np.mean(np.equal(found["predictions"], record["labels"]))
    )


def test_weights_that_are_gone_are_named(study, root, tmp_path, capsys):
    words = small_arguments(root, tmp_path, "--arms", "none", "--seeds", "1")
    assert study(*words) == 0
    (weights,) = tmp_path.glob("runs/*/model.safetensors")
    weights.unlink()
    assert study(*words, "--conditions", "quiet-1") == 1
    assert "is missing and needed to score conditions" in " ".join(capsys.readouterr().err.split())


def write_sounds(root, splits=("",)):
    """Two kinds of sound, of three sources each and several lengths."""
    rng = np.random.default_rng(0)
    for split in splits:
        for place, label in enumerate(("high_pitch", "low")):
            for source in range(3):
                for take in range(4):
                    path = root / split / label / f"s{source}-{take}.wav"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    sound = np.convolve(rng.normal(size=6000 + 500 * take), np.ones(1 + 8 * place))
                    soundfile.write(path, 0.1 * sound / sound.std(), 8_000)
    return root


def test_a_folder_of_sounds_is_a_study(study, tmp_path, capsys):
    sounds = write_sounds(tmp_path / "sounds")
    words = ["--data", "folder", "--root", str(sounds), "--group", r"s(\d)", "--seconds", "1"]
    words += ["--arms", "gain", "--seeds", "1", "--epochs", "1", "--batch-size", "4"]
    words += ["--backbone", "test_convnext", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert study(*words, "--conditions", "low-pass-3") == 0
    (record, _) = [json.loads(p.read_text()) for p in (tmp_path / "out" / "runs").glob("*.json")]
    assert record["classes"] == ["high_pitch", "low"]
    assert len(set(record["instruments"])) == 2  # one source of each label is scored
    assert record["config"]["group"] == r"s(\d)"
    assert (tmp_path / "out" / "conditions.csv").exists()
    # These are no notes of instruments.
    printed = " ".join("".join(capsys.readouterr()).split())
    page, summary = ((tmp_path / "out" / f).read_text() for f in ("report.html", "summary.md"))
    for text in (printed, page, summary):
        assert not re.findall(r"\b(?:instrument|note)s?\b", text)
    assert "The data: 8 examples of 2 groups that training has not seen, in 2 classes" in summary
    assert "a bootstrap of the scored groups within classes and of seeds" in printed
    assert study("--data", "folder", "--root", str(sounds), "--group", "x(.)") == 2
    assert "--group 'x(.)' finds no group in 'high_pitch/s0-0.wav'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        study("--data", "folder")
    assert "--data folder needs --root DIR" in capsys.readouterr().err


def test_what_goes_together_is_on_one_side(tmp_path):
    sounds = write_sounds(tmp_path)
    parts = [
        folder.FolderNotes(str(tmp_path), split, 1.0, r"s(\d)") for split in ("train", "valid")
    ]
    names = [set(part.instruments) for part in parts]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 6
    assert [len(part) for part in parts] == [16, 8]
    item = parts[0][0]
    assert item["waveform"].shape == (1, 16_000)
    assert item["index"] == 0
    assert sounds == tmp_path


def test_folders_of_the_splits_are_taken(tmp_path):
    write_sounds(tmp_path, ("train", "test"))
    train, valid = (folder.FolderNotes(str(tmp_path), split, 0.5) for split in ("train", "valid"))
    assert len(train) == len(valid) == 24
    assert all("/train/" in train[i]["path"] for i in range(24))
    assert all("/test/" in valid[i]["path"] for i in range(24))
    assert train.classes == ["high_pitch", "low"]
