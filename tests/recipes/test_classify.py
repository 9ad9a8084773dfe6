"""Using a run: the same features and the same predictions, with nothing set by hand."""

import csv
import json

import classify
import numpy as np
import pytest
import soundfile
import torch
from recipe_runs import records

import augspec
from augspec.ablation import command
from augspec.datasets import AudioTable, Windows


def test_files_get_the_predictions_that_the_run_recorded(run, root, tmp_path, monkeypatch):
    assert run(tmp_path, "--arms", "gain", "--seeds", "1", "--epochs", "2") == 0
    (checkpoint,) = tmp_path.glob("runs/gain-*/model.safetensors")
    record = records(tmp_path)["gain", 0]
    files = sorted((root / "nsynth-valid" / "audio").glob("*.wav"))
    # The notes of these tests are shorter than those of NSynth, to which files are padded.
    monkeypatch.setattr(classify, "SIZE", 20_000)
    found = classify.classify(files, checkpoint, top=10)
    for (path, texts), index in zip(found, range(len(files)), strict=True):
        assert path == str(files[index])
        expected = record["classes"][record["predictions"][index]]
        name, value, _ = texts[0].rsplit(" ", 2)
        assert name == expected
        assert float(value) == pytest.approx(100 * record["confidences"][index], abs=0.06)
        assert sum(float(text.rsplit(" ", 2)[1]) for text in texts) == pytest.approx(100, abs=0.6)


def test_a_bad_file_is_left_out_and_the_others_are_written(
    run, root, tmp_path, monkeypatch, capsys
):
    assert run(tmp_path, "--arms", "gain", "--seeds", "1", "--epochs", "1") == 0
    (checkpoint,) = tmp_path.glob("runs/gain-*/model.safetensors")
    monkeypatch.setattr(classify, "SIZE", 20_000)
    good = sorted((root / "nsynth-valid" / "audio").glob("*.wav"))[:2]
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    files = [good[0], tmp_path / "bad.wav", tmp_path / "gone.wav", good[1]]
    whole = dict(classify.classify(good, checkpoint, top=10))
    capsys.readouterr()
    for out in (tmp_path / "found.csv", tmp_path / "found.json"):
        words = ["classify.py", checkpoint, *files, "--out", out, "--top", "1"]
        monkeypatch.setattr("sys.argv", [str(word) for word in words])
        assert classify.main() == 1
        errors = capsys.readouterr().err
        assert "bad.wav cannot be read" in errors
        assert "gone.wav" in errors
    header, *rows = csv.reader((tmp_path / "found.csv").read_text().splitlines())
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row[0] for row in rows] == [str(path) for path in good] == list(found["files"])
    assert sorted(found["failed"]) == sorted(map(str, files[1:3]))
    for row in rows:
        shares = dict(zip(header[1:], map(float, row[1:]), strict=True))
        assert sum(shares.values()) == pytest.approx(1.0)
        assert found["files"][row[0]] == pytest.approx(shares)
        name, value, _ = whole[row[0]][0].rsplit(" ", 2)
        assert max(shares, key=shares.get) == name
        assert 100 * shares[name] == pytest.approx(float(value), abs=0.06)


def test_a_long_file_is_cut_into_windows(monkeypatch):
    monkeypatch.setattr(classify, "SIZE", 100)
    ramp = torch.arange(250.0)[None, None]
    windows = classify.cut(ramp, whole=True)
    assert windows.shape == (3, 1, 100)
    assert torch.equal(windows.flatten()[:250], ramp.flatten())
    assert not windows.flatten()[250:].any()
    assert torch.equal(classify.cut(ramp, whole=False), ramp[..., 75:175])
    short = classify.cut(ramp[..., :30], whole=True)
    assert torch.equal(short[..., :30], ramp[..., :30])
    assert short.shape == (1, 1, 100)


def test_a_long_file_gets_the_scores_of_its_windows(run, tmp_path, monkeypatch):
    """Those that `augspec.predict` joins of `augspec.datasets.Windows`."""
    assert run(tmp_path, "--arms", "gain", "--seeds", "1", "--epochs", "1") == 0
    (checkpoint,) = tmp_path.glob("runs/gain-*/model.safetensors")
    monkeypatch.setattr(classify, "SIZE", 20_000)
    for number, length in enumerate((70_001, 20_000, 300)):
        samples = np.random.default_rng(number).uniform(-0.3, 0.3, length)
        (tmp_path / "long").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "long" / f"{number}.wav", samples, 16_000)
    files = sorted((tmp_path / "long").glob("*.wav"))
    found = classify.score(files, checkpoint, whole=True)
    model, frontend, _, _ = classify.load(checkpoint)
    windows = Windows(AudioTable([{"path": file} for file in files], label=None), 1.25)
    # The notes of training, too, ended in zeros that counted as sound.
    items = [{**windows[place], "lengths": 20_000} for place in range(len(windows))]
    expected = augspec.predict(model, frontend, items)
    assert len(windows) == 4 + 1 + 1
    torch.testing.assert_close(torch.tensor(list(found.scores.values())), expected.scores)


def test_files_get_tags_of_a_run_of_tags(tmp_path, monkeypatch):
    rows = []
    for number in range(12):
        samples = np.random.default_rng(number).uniform(-0.3, 0.3, 8_000)
        soundfile.write(tmp_path / f"{number}.wav", samples, 8_000)
        labels = ["a,b", "b", "a"][number % 3]
        rows.append({"path": f"{number}.wav", "label": labels, "split": number // 9})
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    words = ["--data", "table", "--table", tmp_path / "t.csv", "--separator", ",", "--seconds", "1"]
    words += ["--split", "split", "--scored", "1", "--task", "tags", "--arms", "none"]
    words += ["--backbone", "test_convnext", "--batch-size", "3", "--epochs", "1", "--seeds", "1"]
    words += ["--device", "cpu", "--out", tmp_path / "out"]
    monkeypatch.setattr("sys.argv", ["ablation.py", *map(str, words)])
    assert command.main() == 0
    (checkpoint,) = tmp_path.glob("out/runs/none-*/model.safetensors")
    monkeypatch.setattr(classify, "SIZE", 16_000)
    files = [tmp_path / f"{number}.wav" for number in range(9, 12)]
    found = classify.score(files, checkpoint)
    assert found.classes == ["a", "b"]
    record = next(iter(records(tmp_path / "out").values()))
    torch.testing.assert_close(
        torch.tensor(list(found.scores.values())), torch.tensor(record["scores"]), rtol=1e-3, atol=0
    )


def test_other_rates_and_channels_are_mixed_and_resampled(tmp_path):
    time = torch.arange(44_100) / 44_100
    tone = (0.5 * torch.sin(2 * torch.pi * 440 * time)).numpy()
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], 1), 44_100, subtype="FLOAT")
    waveform = classify.read(tmp_path / "a.wav", 16_000)
    assert waveform.shape == (1, 1, 16_000)
    ideal = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(16_000) / 16_000)
    assert (waveform[0, 0] - ideal)[200:-200].abs().max() < 1e-3


def test_bad_files_are_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.safetensors").write_bytes(b"no weights")
    monkeypatch.setattr("sys.argv", ["classify.py", str(tmp_path / "a.safetensors"), "x.wav"])
    assert classify.main() == 2
    assert "a.safetensors must be the model.safetensors of a run" in capsys.readouterr().err
    (tmp_path / "b.wav").write_bytes(b"no sound")
    with pytest.raises(ValueError, match="b.wav cannot be read"):
        classify.read(tmp_path / "b.wav", 16_000)
