"""Settings: what is read, what is refused, and that it is said before anything is computed."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile
import torch
from recipe_runs import small_arguments

from augspec.ablation import command, execute
from augspec.ablation.study import Study, read_file, settle


@pytest.fixture
def fails(tmp_path, monkeypatch, capsys):
    """Run a command line that must end with 2, and give what was said; no run may begin."""

    def fails(*words, study=None):
        if study is not None:
            (tmp_path / "study.yaml").write_text(study)
            words = (*words, "--study", str(tmp_path / "study.yaml"))
        monkeypatch.setattr("sys.argv", ["ablation.py", *words])
        monkeypatch.setattr(execute, "train", lambda *_: pytest.fail("a run began"))
        try:
            status = command.main([*words, "--out", str(tmp_path / "out")])
        except SystemExit as stopped:
            status = stopped.code
        assert status == 2
        assert not (tmp_path / "out").exists()
        return capsys.readouterr().err

    return fails


def test_a_number_in_yaml_may_be_written_in_any_way(tmp_path):
    """YAML 1.1 reads 1e-3 as text, which failed in each run."""
    path = tmp_path / "study.yaml"
    path.write_text("learning_rate: 1e-3\nweight_decay: 1\nepochs: '3'\naxes: {share: [5e-1]}\n")
    study = settle({}, file=path)
    assert study.learning_rate == 0.001
    assert isinstance(study.weight_decay, float)
    assert study.epochs == 3
    assert study.all_axes["share"] == [0.5]


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("data: imagenet", "--data must be among gm-notes, nsynth, folder, table, got 'imagenet'"),
        ("arms: [gain, pitch]", "`arms` must be a mapping of names to lists of transforms, got a"),
        ("features: 64", "`features` must be a mapping of names to settings, got 64"),
        ("learning_rate: fast", "--learning-rate must be a number above 0, got 'fast'"),
        ("learning_rate: .nan", "--learning-rate must be a number above 0, got nan"),
        ("share: 1.5", "--share must be a number above 0, at most 1, got 1.5"),
        ("warm_up: -1", "--warm-up must be a number 0 or more, at most 1, got -1"),
        ("epochs: 2.5", "--epochs must be a whole number, 1 or more, got 2.5"),
        ("epochs: true", "--epochs must be a whole number, 1 or more, got True"),
        ("across: maybe", "--across must be true or false, got 'maybe'"),
        ("precision: 8-bit", "--precision must be among 32-true, "),
        ("task: colour", "--task must be among family, pitch, velocity, tags, got 'colour'"),
        ("axes: {share: [0.5, 2.0]}", "`axes`: share must be a number above 0, at most 1, got 2.0"),
        ("axes: {task: [family, colour]}", "`axes`: task must be among family"),
        ("axes: {colour: [1]}", "`axes` must be among backbone"),
        ("axes: {backbone: resnet18}", "`axes`: backbone must be a list of values"),
        ("- none", "must have keys among"),
        ("jobs: 4", "got ['jobs']"),
        ("arms: {a: [}", "is not YAML"),
        ("backbone: resnet10tt", "--backbone: timm has no model 'resnet10tt'; nearest: resnet10t"),
        ("features: {n_mels: -4}", "arm 'none': "),
        ("features: {mels: 64}", "arm 'none': "),
        ("batch_size: 100000", "--batch-size 100000 must be at most the number of training notes"),
        ("batch_size: 9\naccumulate: 2", "--batch-size 9 must be a multiple of devices * nodes"),
        ("folds: 1000", "there are no notes to score in fold"),
    ],
)
def test_a_study_that_is_wrong_is_refused_before_the_first_run(fails, study, message):
    assert message in fails(study=study)


def test_all_that_is_wrong_is_said_at_once(fails):
    said = fails("--epochs", "0", "--seeds", "x", "--precision", "8", "--fold", "9/4")
    for message in (
        "--epochs must be 1 or more, got 0",
        "--seeds must be a whole number, 1 or more, got 'x'",
        "--precision must be among",
        "--fold must be K/N such as 1/4, got '9/4'",
    ):
        assert message in said


def test_what_the_machine_lacks_is_said_at_once(fails, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    words = ("--data", "nsynth", "--root", str(tmp_path / "absent"))
    said = fails(*words, "--device", "cuda", "--devices", "2", "--backbone", "none")
    assert "--device cuda: 2 wanted, and torch can use 1 here" in said
    assert f"--root: there is no folder {tmp_path / 'absent'}" in said
    assert "--backbone: timm has no model 'none'" in said


def test_a_root_without_notes_is_refused(fails, tmp_path):
    (tmp_path / "empty").mkdir()
    said = fails("--data", "nsynth", "--root", str(tmp_path / "empty"))
    assert "the notes cannot be opened" in said
    assert "Traceback" not in said


def test_a_group_that_is_no_pattern_is_refused(fails, tmp_path):
    for name in ("high", "low"):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", np.zeros(1600), 16_000)
    said = fails("--data", "folder", "--root", str(tmp_path), "--group", r"speaker(\d+")
    assert r"--group 'speaker(\\d+' is not a regular expression: missing )" in said
    assert "Traceback" not in said


def test_an_option_or_a_file_that_is_not_there_is_named(fails, tmp_path):
    assert "unrecognized arguments: --sedes 2; nearest: --seeds" in fails("--sedes", "2")
    absent = tmp_path / "absent.yaml"
    assert f"--study: there is no file {absent}" in fails("--study", str(absent))


def test_what_all_folds_lack_is_said_once(fails):
    assert fails("--folds", "1000").count("there are no notes to score in fold") == 1


def test_a_batch_that_is_too_large_is_told_the_largest(fails):
    assert "; give --batch-size " in fails("--batch-size", "100000")


def test_a_study_is_frozen_and_checks_itself():
    study = Study(seeds=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.seeds = 4
    with pytest.raises(ValueError, match="--seeds must be 1 or more, got 0"):
        dataclasses.replace(study, seeds=0)
    with pytest.raises(TypeError):
        Study(epoch=3)


def test_a_key_without_a_value_is_left_open(tmp_path):
    (tmp_path / "study.yaml").write_text("epochs:\nroot: ~\nseeds: 5\n")
    assert read_file(tmp_path / "study.yaml") == {"seeds": 5}


def test_robust_is_there_by_name_in_any_study():
    assert "robust" not in Study().chains
    assert list(Study(chosen="robust").chains) == ["none", "robust"]
    own = {"loud": [{"Gain": {"gain_db": 6.0}}]}
    assert list(Study(arms=own, chosen="robust,loud").chains) == ["none", "robust", "loud"]
    kinds = [type(part).__name__ for part in Study(chosen="robust").chains["robust"]]
    assert kinds == ["Gain", "RandomEQ", "RoomReverb", "ColoredNoise"]


def test_a_finished_study_is_told_again_though_an_arm_is_no_longer_taken(
    root, tmp_path, monkeypatch
):
    words = small_arguments(root, tmp_path, "--arms", "gain", "--seeds", "1")
    monkeypatch.setattr("sys.argv", ["ablation.py", *words])
    assert command.main(words) == 0

    def refuse(*_):
        raise ValueError("`specgram` must transform specgrams")

    monkeypatch.setattr(command.preflight, "make_frontend", refuse)
    assert command.main(words) == 0
    assert command.main([*words, "--seeds", "2"]) == 2  # what is to be trained is checked


@pytest.mark.parametrize("epochs", [1, 5])
def test_a_schedule_of_few_steps_trains(root, tmp_path, monkeypatch, epochs):
    """A batch of all 27 notes is a step an epoch; a rise of 0.2 of five was a division by zero."""
    words = small_arguments(root, tmp_path, "--arms", "none", "--seeds", "1", "--batch-size", "27")
    words += ["--epochs", str(epochs)]
    monkeypatch.setattr("sys.argv", ["ablation.py", *words])
    assert command.main(words) == 0
    (record,) = (tmp_path / "runs").glob("*.json")
    assert len(json.loads(record.read_text())["losses"]) == epochs
