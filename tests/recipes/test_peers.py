"""Transforms of other libraries as arms of a study."""

import json

import pytest
from peers import import_or_skip
from recipe_runs import numbers, records

from augspec.ablation import train

import_or_skip("torchaudio")

ARMS = {
    "tam-pitch": [
        {
            "FromTorchAudiomentations": {
                "peer": {
                    "PitchShift": {
                        "min_transpose_semitones": -1.0,
                        "max_transpose_semitones": 1.0,
                        "p": 1.0,
                        "sample_rate": 16_000,
                    }
                },
                "sample_rate": 16_000,
                "p": 0.5,
            }
        }
    ],
    "aud-gain": [
        {
            "FromAudiomentations": {
                "peer": {"Gain": {"min_gain_db": -6.0, "max_gain_db": 6.0, "p": 1.0}},
                "sample_rate": 16_000,
            }
        },
        {"Gain": {"gain_db": [-1.0, 1.0]}},
    ],
    "tau-mask": {
        "specgram": [
            {"FromTorchaudio": {"peer": {"TimeMasking": {"time_mask_param": 9}}, "p": 0.5}}
        ]
    },
}


def test_peers_are_arms_that_go_on_where_they_were_stopped(run, tmp_path, monkeypatch):
    study = tmp_path / "study.yaml"
    study.write_text(json.dumps({"arms": ARMS}))
    words = ["--study", str(study), "--seeds", "1", "--epochs", "2"]
    assert run(tmp_path / "undisturbed", *words) == 0
    save = train.Training.save

    def last(self, path):
        save(self, path)
        raise RuntimeError("stopped after an epoch")

    monkeypatch.setattr(train.Training, "save", last)
    assert run(tmp_path / "stopped", *words) == 1
    assert records(tmp_path / "stopped") == {}
    monkeypatch.setattr(train.Training, "save", save)
    assert run(tmp_path / "stopped", *words) == 0
    whole, resumed = records(tmp_path / "undisturbed"), records(tmp_path / "stopped")
    assert set(whole) == {(arm, 0) for arm in ("none", *ARMS)}
    assert {k: numbers(v) for k, v in resumed.items()} == {k: numbers(v) for k, v in whole.items()}
    losses = {arm: record["losses"] for (arm, _), record in whole.items()}
    assert len({tuple(own) for own in losses.values()}) == 4
    for arm, chain in ARMS.items():
        written = chain if isinstance(chain, dict) else {"waveform": chain}
        config = whole[arm, 0]["config"]["transforms"]
        assert {part: own for part, own in config.items() if own} == written


def test_an_arm_that_names_no_transform_of_a_peer_is_said(run, tmp_path, capsys):
    study = tmp_path / "study.yaml"
    study.write_text("arms: {odd: [{FromAudiomentations: {peer: Gian, sample_rate: 16000}}]}")
    assert run(tmp_path, "--study", str(study)) == 2
    assert "FromAudiomentations.peer: there is no class 'Gian'; nearest" in capsys.readouterr().err


@pytest.mark.parametrize("peer", ["os.system", "builtins.eval", "BaseWaveformTransform"])
def test_an_arm_cannot_reach_beyond_a_peers_transforms(run, tmp_path, capsys, peer):
    study = tmp_path / "study.yaml"
    study.write_text(json.dumps({"arms": {"odd": [{"FromAudiomentations": {"peer": {peer: {}}}}]}}))
    assert run(tmp_path, "--study", str(study)) == 2
    assert f"there is no class '{peer}'" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
