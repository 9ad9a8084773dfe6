"""Finished runs, scored on notes that nobody chose on."""

import json
import runpy
import shutil

import pytest
from recipe_runs import RECIPES, records, write_notes


@pytest.fixture
def notes(tmp_path):
    """Notes whose test split holds what valid does: the scores must be the same."""
    root = write_notes(tmp_path / "notes")
    shutil.copytree(root / "nsynth-valid", root / "nsynth-test")
    return root


@pytest.fixture
def score(monkeypatch):
    main = runpy.run_path(str(RECIPES / "score_split.py"))["main"]

    def score(*words):
        monkeypatch.setattr("sys.argv", ["score_split.py", *words])
        return main()

    return score


def test_the_same_notes_have_the_same_scores(run, score, notes, tmp_path, arguments, capsys):
    out = tmp_path / "out"
    words = ["--arms", "gain", "--seeds", "2", "--root", str(notes)]
    assert score(*arguments(out, *words)) == 1  # nothing is there
    assert run(out, *words) == 0
    shutil.rmtree(out / "runs" / next((out / "runs").glob("gain-1-*.json")).stem)
    (out / "runs" / next((out / "runs").glob("gain-1-*.json")).name).unlink()
    assert score("--split", "test", *arguments(out, *words)) == 0
    found = {path.name: json.loads(path.read_text()) for path in (out / "test").glob("*.json")}
    assert len(found) == 2  # of the seed that both arms have
    for one in found.values():
        record = records(out)[one["config"]["arm"], one["config"]["seed"]]
        assert one["predictions"] == record["predictions"]
        assert one["macro_recall"] == record["macro_recall"]
    assert "## nsynth, test, seeds: 1" in (out / "test.md").read_text()
    shutil.rmtree(notes / "nsynth-test")
    assert score(*arguments(out, *words)) == 0  # from what is kept
    capsys.readouterr()


def test_other_data_are_refused(score, tmp_path, capsys):
    assert score("--data", "gm-notes", "--out", str(tmp_path)) == 2
    assert "--data must be nsynth" in capsys.readouterr().err
