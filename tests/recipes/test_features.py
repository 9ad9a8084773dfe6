"""Features as an axis: what another kind takes over, and what it is normalised by."""

import json

import numpy as np
import pytest
import torch
from recipe_runs import config_of_notes, records

from augspec import features as F
from augspec.ablation import data, measure, plan

BASE = {
    "kind": "LogMelSpectrogram", "sample_rate": 16_000, "n_fft": 1024, "hop_length": 512,
    "n_mels": 64, "mean": -36.0, "std": 37.0,
}  # fmt: skip


def open_notes(root):
    return data.open_data(config_of_notes(), str(root)).train


def test_another_kind_takes_what_it_knows_and_is_measured():
    assert plan.complete_features(BASE, {"n_mels": 40}) == {**BASE, "n_mels": 40}
    auto = {"mean": "auto", "std": "auto"}
    assert plan.complete_features(BASE, {"kind": "PCEN", "gain": 0.9}) == {
        **BASE, "kind": "PCEN", "gain": 0.9, **auto
    }  # fmt: skip
    assert plan.complete_features(BASE, {"kind": "MFCC", "std": 20.0}) == {
        "kind": "MFCC",
        "sample_rate": 16_000,
        "melkwargs": {"n_fft": 1024, "hop_length": 512, "n_mels": 64},
        "mean": "auto",
        "std": 20.0,
    }
    cqt = plan.complete_features(BASE, {"kind": "CQT", "to_db": True})
    assert cqt == {"kind": "CQT", "sample_rate": 16_000, "hop_length": 512, "to_db": True, **auto}
    assert plan.complete_features(cqt, {"n_bins": 60}) == {**cqt, "n_bins": 60}
    with pytest.raises(ValueError, match="kind must be among LogMelSpectrogram, .*, got 'Mel'"):
        plan.complete_features(BASE, {"kind": "Mel"})
    with pytest.raises(ValueError, match="`features` must be a mapping of settings, got 64"):
        plan.complete_features(BASE, 64)


def test_decibels_are_taken_of_magnitudes_and_of_powers():
    waveform = 0.1 * torch.randn(1, 1, 16_000)
    for kind, feature, factor in (
        ({"kind": "CQT", "power": 1.0}, F.CQT(power=1.0), 20),
        ({"kind": "Spectrogram", "n_fft": 512}, F.Spectrogram(512), 10),
    ):
        made = plan.make_feature({**kind, "to_db": True, "mean": 0.0, "std": 1.0})(waveform)
        expected = factor * feature(waveform).clamp(min=1e-10).log10()
        torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", ["LogMelSpectrogram", "PCEN", "MFCC"])
def test_measured_numbers_are_those_of_all_values_of_the_training_notes(root, kind):
    notes = open_notes(root)
    asked = {**plan.complete_features(BASE, {"kind": kind}), "mean": "auto", "std": "auto"}
    found = measure.measured(asked, notes, lambda *_: None)
    waveforms = torch.stack([notes[i]["waveform"] for i in range(len(notes))])
    values = plan.make_feature(asked)(waveforms).double().numpy()
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-3)
    assert found["std"] == pytest.approx(values.std(), rel=1e-3)
    assert {k: v for k, v in found.items() if k not in ("mean", "std")} == {
        k: v for k, v in asked.items() if k not in ("mean", "std")
    }
    normalised = plan.make_frontend([], found).eval()(waveforms)
    assert float(normalised.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(normalised.std()) == pytest.approx(1.0, abs=0.01)


def test_numbers_that_are_given_stay(root, monkeypatch):
    monkeypatch.setattr(measure, "make_feature", None)  # nothing is computed
    assert measure.measured(BASE, open_notes(root), lambda *_: None) == BASE


def test_few_notes_of_many_are_measured(root, monkeypatch):
    monkeypatch.setattr(measure, "MOST", 4)
    notes, seen = open_notes(root), []
    asked = {**BASE, "mean": "auto"}
    found = measure.measured(asked, notes, lambda _, done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found["std"] == 37.0
    assert found["mean"] == pytest.approx(
        measure.measured(asked, notes, lambda *_: None)["mean"], abs=5
    )


def test_features_are_an_axis_and_the_numbers_are_in_the_record(run, tmp_path):
    axis = [{"n_mels": 40}, {"n_fft": 512}, {"kind": "PCEN"}, {"kind": "MFCC", "n_mfcc": 36}]
    axis += [{"kind": "CQT", "to_db": True, "n_bins": 72}]
    study = {"arms": {"gain": [{"Gain": {"gain_db": [-6.0, 6.0]}}]}, "axes": {"features": axis}}
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    words = ["--study", str(tmp_path / "study.yaml"), "--seeds", "1"]
    assert run(tmp_path, *words) == 0
    configs = [json.loads(p.read_text())["config"] for p in (tmp_path / "runs").glob("*.json")]
    assert len(configs) == 2 * len(axis)
    for given in axis:
        own = [c["features"] for c in configs if given.items() <= c["features"].items()]
        assert len(own) == 2
        assert own[0] == own[1]  # of the arms: both are of plain notes
        fixed = own[0]["kind"] == "LogMelSpectrogram"
        assert (own[0]["mean"] == -36.0) == fixed
        assert all(isinstance(own[0][name], float) for name in ("mean", "std"))
    text = (tmp_path / "summary.md").read_text()
    assert "gain (features=kind:MFCC n_mfcc:36)" in text
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.json")}
    assert run(tmp_path, *words) == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.json")}


def test_a_run_with_measured_numbers_classifies_as_it_scored(run, root, tmp_path, monkeypatch):
    import classify

    study = tmp_path / "study.yaml"
    study.write_text("features: {kind: PCEN}\narms: {none: []}\n")
    assert run(tmp_path, "--study", str(study), "--seeds", "1") == 0
    (checkpoint,) = tmp_path.glob("runs/*/model.safetensors")
    (record,) = records(tmp_path).values()
    monkeypatch.setattr(classify, "SIZE", 20_000)
    files = sorted((root / "nsynth-valid" / "audio").glob("*.wav"))
    shares = [float(own[0].split()[-2]) for _, own in classify.classify(files, checkpoint, 1)]
    np.testing.assert_allclose(shares, 100 * np.array(record["confidences"]), atol=0.06)


def test_pictures_hold_decibels_only(run, tmp_path, capsys):
    study = tmp_path / "study.yaml"
    study.write_text("features: {kind: PCEN}\narms: {images: images}\n")
    assert run(tmp_path, "--study", str(study), "--seeds", "1") == 2
    assert not (tmp_path / "runs").exists()  # it is said before the first run
    error = "pictures hold the decibels of LogMelSpectrogram"
    assert error in " ".join(capsys.readouterr().err.split())
