"""Using a run: the same features and the same predictions, with nothing set by hand."""

import classify
import numpy as np
import pytest
import soundfile
import torch
from recipe_runs import records


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
