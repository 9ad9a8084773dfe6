"""What can be asked for, and what is said to a mistake."""

import sys

import pytest
import torch

import augspec
from augspec.ablation import arms, plan
from augspec.ablation.study import Study


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nsynth"], "--data nsynth needs --root DIR"),
        (["--data", "gm-notes", "--root", "x"], "--root is for --data nsynth"),
        (["--arms", "none,louder"], "no arm named louder; there are none, gain, crop"),
        (["--seeds", "0"], "--seeds must be 1 or more"),
        (["--fold", "5/4"], "--fold must be K/N such as 1/4, got '5/4'"),
        (["--folds", "1"], "--folds must be 2 or more, got 1"),
        (["--fold", "1/4", "--folds", "4"], "--fold and --folds: give one of them"),
        (["--study", "nowhere.yaml"], "nowhere.yaml"),
        (["--preset", "imagenet"], "--preset imagenet needs --pretrained FILE"),
    ],
)
def test_bad_arguments(script, words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.parse(words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_study_with_an_unknown_setting_is_refused(script, tmp_path, capsys):
    (tmp_path / "study.yaml").write_text("epoch: 3\n")
    with pytest.raises(SystemExit):
        script.parse(["--study", str(tmp_path / "study.yaml")])
    assert "got ['epoch']" in capsys.readouterr().err


def test_the_command_line_wins_over_the_study_and_that_over_the_defaults(script, tmp_path):
    (tmp_path / "study.yaml").write_text("epochs: 7\nseeds: 5\naxes: {share: [0.5, 1.0]}\n")
    options = script.parse(["--study", str(tmp_path / "study.yaml"), "--seeds", "1"])
    assert (options.epochs, options.seeds) == (7, 1)
    assert options.batch_size == Study().batch_size
    planned = script.make_plan(options)
    assert [one.row for one in planned[:2]] == ["none (share=0.5)", "gain (share=0.5)"]
    assert len(planned) == 2 * (len(arms.ARMS) - len(arms.ONLY_BY_NAME))


def test_plans_are_made_of_the_parts_of_all(script):
    options = script.parse(["--plan", "leave-one-out"])
    assert list(options.chains) == [
        "none",
        "all",
        *(f"without {n}" for n in ("TimeStretch", "PitchShift", "RandomCrop", "Gain")),
    ]
    assert len(script.parse(["--plan", "factorial"]).chains) == 16


def test_validation_features_are_the_same_in_every_arm():
    waveform = 0.1 * torch.randn(2, 1, 64_000)
    features = arms.FEATURES
    plain = plan.make_frontend([], features).eval()(waveform)
    keys = augspec.example_keys(0, 0, torch.arange(2))
    for arm, chain in arms.ARMS.items():
        frontend = plan.make_frontend(chain, features)
        frontend.set_epoch(8)  # what rises from epoch to epoch is there by then
        assert torch.equal(frontend.eval()(waveform), plain)
        augmented = frontend.train()(waveform, keys=keys)
        same = augmented.shape == plain.shape and torch.equal(augmented, plain)
        assert same == (arm == "none")


def test_a_root_without_notes_is_an_error_without_a_traceback(
    script, tmp_path, monkeypatch, capsys
):
    words = ["ablation.py", "--data", "nsynth", "--root", str(tmp_path / "absent")]
    monkeypatch.setattr(sys, "argv", [*words, "--out", str(tmp_path / "out")])
    assert script.main() != 0
    assert "absent" in capsys.readouterr().err


def test_a_damaged_record_is_named(run, tmp_path, capsys):
    assert run(tmp_path, "--arms", "none", "--seeds", "1") == 0
    (path,) = (tmp_path / "runs").glob("*.json")
    path.write_text("{")
    assert run(tmp_path, "--arms", "none", "--seeds", "1") == 2
    assert f"{path} is damaged" in capsys.readouterr().err
