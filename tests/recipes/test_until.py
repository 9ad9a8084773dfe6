"""A study that stops as soon as decided: which runs it does, and what its report says."""

import shutil
import sys

import pytest
from browser import launch, needs_chromium
from geometry import faults
from recipe_runs import records, small_arguments, tables

from augspec.ablation import execute

ARMS = "arms: {same: [], other: [{Gain: {gain_db: [-6.0, 6.0]}}]}\n"


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    study = tmp_path_factory.mktemp("words") / "study.yaml"
    study.write_text(ARMS)
    return ("--study", str(study), "--seeds", "5", "--until", "decided")


@pytest.fixture(scope="module")
def decided(words, script, root, tmp_path_factory):
    """The folder of the study, which is trained once for all tests."""
    out = tmp_path_factory.mktemp("decided")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ablation.py", *small_arguments(root, out, *words)])
        assert script.main() == 0
    return out


@pytest.fixture
def copy(decided, tmp_path):
    """Copy the study, without the records of some names."""

    def copy(name, *without):
        shutil.copytree(decided, tmp_path / name)
        for pattern in without:
            found = list((tmp_path / name / "runs").glob(f"{pattern}.json"))
            assert found
            for record in found:
                record.unlink()
        return tmp_path / name

    return copy


def test_an_arm_that_is_decided_is_trained_no_more(run, words, decided, copy, monkeypatch):
    done = records(decided)
    seeds = {arm: sorted(seed for own, seed in done if own == arm) for arm, _ in done}
    assert seeds["same"] == [0, 1]  # bit for bit the baseline
    assert seeds["none"] == list(range(max(len(seeds["other"]), 2)))
    assert [int(row["seeds"]) for row in tables(decided)] == [
        len(seeds[arm]) for arm in ("none", "same", "other")
    ]
    text = (decided / "report.html").read_text()
    less = 15 - len(done)
    assert f"{less} of 15 runs were not needed ({100 * less / 15:.0f} %)" in text
    assert "Decided after 2 of 5 seeds: equal." in text
    # The same command trains nothing and says the same.
    monkeypatch.setattr(execute, "train", lambda *_: pytest.fail("a run began"))
    again = copy("again")
    assert run(again, *words) == 0
    assert tables(again) == tables(decided)


def test_a_run_that_failed_is_not_one_that_was_not_needed(run, words, copy, monkeypatch):
    """Three runs of `same` are saved; four of `other` failed and would be needed."""
    train = execute.train

    def failing(config, *rest):
        if config["arm"] == "other" and config["seed"] > 0:
            raise ValueError("no room on the disk")
        return train(config, *rest)

    monkeypatch.setattr(execute, "train", failing)
    out = copy("failed", "other-[1-9]-*")
    assert run(out, *words) == 1
    assert len(records(out)) == 5 + 2 + 1
    text = (out / "report.html").read_text()
    assert "3 of 15 runs were not needed (20 %)" in text
    assert "4 of 12 runs have no result" in text
    assert "other, seed 1, other, seed 2" in text


def test_the_status_knows_what_is_not_needed(run, words, decided, capsys):
    assert run(decided, *words, "--status") == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("not needed same, seed") for line in lines) == 3
    assert "waiting" not in lines[-1]


def test_a_study_goes_on_from_any_record_and_side_by_side(run, words, decided, copy):
    one, two = copy("one", "other-1-*"), copy("two", "*-1-*")
    assert run(one, *words) == 0
    assert run(two, *words, "--jobs", "2") == 0
    assert tables(one) == tables(two) == tables(decided)
    assert records(one).keys() == records(two).keys() == records(decided).keys()


def test_what_was_trained_beyond_is_not_compared(run, words, copy):
    """All seeds first, then the study that stops: the arm has the seeds that decide it."""
    out = copy("beyond")
    assert run(out, *words[:4]) == 0
    assert len(records(out)) == 15
    assert run(out, *words) == 0
    assert [row["seeds"] for row in tables(out)][1] == "2"


def test_two_seeds_are_no_study_that_stops_early(run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "--until", "decided", "--seeds", "2")
    assert "--until decided needs --seeds 3 or more" in capsys.readouterr().err


@needs_chromium
def test_the_verdict_is_on_the_page_at_both_widths(decided):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto((decided / "report.html").as_uri())
            for said in ("Decided after 2 of 5 seeds: equal.", "runs were not needed"):
                assert page.get_by_text(said).first.is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert faults(page) == []
            page.close()
        browser.close()
