"""A study that stops as soon as decided: which runs it does, and what its report says."""

import pytest
from browser import launch, needs_chromium
from geometry import faults
from recipe_runs import records, tables

from augspec.ablation import execute

ARMS = "arms: {same: [], other: [{Gain: {gain_db: [-6.0, 6.0]}}]}\n"


@pytest.fixture
def words(tmp_path):
    (tmp_path / "study.yaml").write_text(ARMS)
    return ("--study", str(tmp_path / "study.yaml"), "--seeds", "5", "--until", "decided")


def test_an_arm_that_is_decided_is_trained_no_more(run, words, tmp_path, monkeypatch):
    assert run(tmp_path, *words) == 0
    done = records(tmp_path)
    seeds = {arm: sorted(seed for own, seed in done if own == arm) for arm, _ in done}
    assert seeds["same"] == [0, 1]  # bit for bit the baseline
    assert seeds["none"] == list(range(max(len(seeds["other"]), 2)))
    assert [int(row["seeds"]) for row in tables(tmp_path)] == [
        len(seeds[arm]) for arm in ("none", "same", "other")
    ]
    text = (tmp_path / "report.html").read_text()
    less = 15 - len(done)
    assert f"{less} of 15 runs were not needed ({100 * less / 15:.0f} %)" in text
    assert "Decided after 2 of 5 seeds: equal." in text
    # The same command trains nothing and says the same.
    before = tables(tmp_path)
    monkeypatch.setattr(execute, "train", lambda *_: pytest.fail("a run began"))
    assert run(tmp_path, *words) == 0
    assert tables(tmp_path) == before


def test_a_run_that_failed_is_not_one_that_was_not_needed(run, words, tmp_path, monkeypatch):
    """Three runs of `same` are saved; four of `other` failed and would be needed."""
    train = execute.train

    def failing(config, *rest):
        if config["arm"] == "other" and config["seed"] > 0:
            raise ValueError("no room on the disk")
        return train(config, *rest)

    monkeypatch.setattr(execute, "train", failing)
    assert run(tmp_path, *words) == 1
    assert len(records(tmp_path)) == 5 + 2 + 1
    text = (tmp_path / "report.html").read_text()
    assert "3 of 15 runs were not needed (20 %)" in text
    assert "4 of 12 runs have no result" in text
    assert "other, seed 1, other, seed 2" in text


def test_the_status_knows_what_is_not_needed(run, words, tmp_path, capsys):
    assert run(tmp_path, *words) == 0
    capsys.readouterr()
    assert run(tmp_path, *words, "--status") == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("not needed same, seed") for line in lines) == 3
    assert "waiting" not in lines[-1]


def test_a_study_goes_on_from_any_record_and_side_by_side(run, words, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert run(one, *words) == 0
    lost = next((one / "runs").glob("other-1-*.json"))
    lost.unlink()
    assert run(one, *words) == 0
    assert run(two, *words, "--jobs", "2") == 0
    assert tables(one) == tables(two)
    assert records(one).keys() == records(two).keys()


def test_what_was_trained_beyond_is_not_compared(run, words, tmp_path):
    """All seeds first, then the study that stops: the arm has the seeds that decide it."""
    assert run(tmp_path, *words[:4]) == 0
    assert run(tmp_path, *words) == 0
    assert [row["seeds"] for row in tables(tmp_path)][1] == "2"


def test_two_seeds_are_no_study_that_stops_early(run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "--until", "decided", "--seeds", "2")
    assert "--until decided needs --seeds 3 or more" in capsys.readouterr().err


@needs_chromium
def test_the_verdict_is_on_the_page_at_both_widths(run, words, tmp_path):
    from playwright.sync_api import sync_playwright

    assert run(tmp_path, *words) == 0
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto((tmp_path / "report.html").as_uri())
            for said in ("Decided after 2 of 5 seeds: equal.", "runs were not needed"):
                assert page.get_by_text(said).first.is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert faults(page) == []
            page.close()
        browser.close()
