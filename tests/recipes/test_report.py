"""What a study leaves, read as a program and as a person would."""

import contextlib
import csv
import io
import json
import sys

import numpy as np
import pytest
from browser import launch, needs_chromium
from geometry import faults
from recipe_runs import records

from augspec.ablation import analyse, data, report
from augspec.conditions import CONDITIONS

HEADER = "arm,seeds,accuracy,macro_recall,difference,difference_low,difference_high,seconds"


@pytest.fixture(scope="module")
def study(script, root, tmp_path_factory):
    """Two arms, one of them with a hostile name, two seeds: the folder and what was printed."""
    out = tmp_path_factory.mktemp("study")
    file = out / "study.yaml"
    arms = {"<script>alert(1)</script>": [{"Gain": {"gain_db": [-6.0, 6.0]}}], "b|c": []}
    file.write_text(json.dumps({"arms": arms, "backbone": "test_convnext", "batch_size": 8}))
    words = ["--study", str(file), "--data", "nsynth", "--root", str(root), "--out", str(out)]
    before, printed = sys.argv, io.StringIO()
    sys.argv = ["ablation.py", *words, "--seeds", "2", "--epochs", "2", "--device", "cpu"]
    try:
        with contextlib.redirect_stdout(printed):
            assert script.main() == 0
    finally:
        sys.argv = before
    return out, printed.getvalue()


def test_summary_has_a_row_an_arm_and_no_empty_cell(study):
    out, printed = study
    assert (out / "summary.csv").read_text().splitlines()[0] == HEADER
    with (out / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows] == ["none", "<script>alert(1)</script>", "b|c"]
    for row in rows:
        numbers = {name: float(value) for name, value in row.items() if name != "arm"}
        assert numbers["seeds"] == 2
        assert 0.0 <= numbers["accuracy"] <= 1.0
        assert numbers["difference_low"] <= numbers["difference_high"]
        assert numbers["seconds"] > 0.0
    assert float(rows[0]["difference"]) == 0.0
    base = float(rows[0]["macro_recall"])
    assert float(rows[1]["difference"]) == pytest.approx(
        float(rows[1]["macro_recall"]) - base, abs=2e-6
    )
    assert printed.strip().splitlines()[-1] == f"Figure: {out / 'figure.png'}"
    assert "macro recall" in printed


def test_an_arm_that_does_nothing_changes_nothing(study):
    """Paired by seed: the same weights, order and draws."""
    out, _ = study
    found = records(out)
    assert found["none", 0]["losses"] == found["b|c", 0]["losses"]
    assert found["none", 1]["losses"] == found["b|c", 1]["losses"]
    assert found["none", 0]["losses"] != found["none", 1]["losses"]
    with (out / "summary.csv").open(newline="") as file:
        idle = list(csv.DictReader(file))[2]
    for name in ("difference", "difference_low", "difference_high"):
        assert float(idle[name]) == 0.0


def test_the_tables_to_paste_are_markdown(study):
    text = (study[0] / "summary.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    results, recalls = lines[:5], lines[5:]
    for table in (results, recalls):
        assert len({line.replace("\\|", "").count("|") for line in table}) == 1
        assert "b\\|c" in table[4]
        assert "<" not in "".join(table)
    assert recalls[0] == "| arm | bass | guitar | vocal |"
    means = np.mean([list(run["recall"].values()) for run in of_arm(study[0], "b|c")], axis=0)
    assert recalls[4].split(" | ")[1:] == [f"{100 * mean:.1f}" for mean in means[:2]] + [
        f"{100 * means[2]:.1f} |"
    ]
    assert "`python " in text


def of_arm(out, arm):
    return [run for (name, _), run in records(out).items() if name == arm]


def test_the_page_says_what_was_done_and_with_what(study):
    html = (study[0] / "report.html").read_text()
    (run, *_) = records(study[0]).values()
    assert f"torch {run['versions']['torch']}" in html
    assert "ablation.py --study" in html
    assert "&#34;gain_db&#34;: [-6.0, 6.0]" in html
    assert "learning_rate: 0.002" in html
    if run["commit"]:  # a copy without its history has none
        assert f"commit {run['commit']}" in html
        assert f"commit {run['commit']}" in (study[0] / "summary.md").read_text()
    for name in ("bass", "guitar", "vocal"):
        assert f"<th>{name}</th>" in html


def test_the_page_begins_with_the_question_the_data_and_the_answer(study):
    out, _ = study
    html = (out / "report.html").read_text()
    begin = html.split("<h1>")[1].split("<table>")[0]
    assert "The question: does an arm recognise more of nsynth than the arm none" in begin
    assert "The data: 12 notes of 6 instruments that training has not seen, in 3 classes" in begin
    assert "b|c: no evidence of a difference (+0.0 points of macro recall, 95 % interval" in begin
    assert "The best of 2 arms is best by luck, too" in begin
    text = (out / "summary.md").read_text()
    assert text.index("The question: ") < text.index("| arm |")


def test_a_picture_that_fails_costs_no_report(study, tmp_path, monkeypatch):
    runs = {arm: of_arm(study[0], arm) for arm in ("none", "b|c")}

    def broken(*_):
        raise RuntimeError("no ink")

    monkeypatch.setattr(report.figures, "learning_curves", broken)
    monkeypatch.setattr(report, "worst_confusions", broken)
    notes = data.Notes([], [], "family")
    report.report("t", runs, analyse.summarise(runs), notes, tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert "curves.png could not be computed (RuntimeError: no ink)" in html
    assert "the worst confusions could not be computed" in html
    assert (tmp_path / "figure.png").exists()
    assert not (tmp_path / "curves.png").exists()


def test_the_page_opens_offline_and_escapes_names(study):
    html = (study[0] / "report.html").read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "http" not in html.split("</style>")[1]
    for name in ("figure", "curves", "confusions"):
        assert (study[0] / f"{name}.png").read_bytes().startswith(b"\x89PNG")


HOSTILE = "<script>$\\frac$|"


def rename_first_class(run):
    """Name a class as no class is named, and leave it one instrument."""
    recall = {HOSTILE if name == "bass" else name: value for name, value in run["recall"].items()}
    instruments = ["bass_0" if name.startswith("bass") else name for name in run["instruments"]]
    classes = [HOSTILE, *run["classes"][1:]]
    return {**run, "recall": recall, "classes": classes, "instruments": instruments}


@pytest.mark.pictures
def test_a_class_named_script_is_text_and_one_instrument_is_marked(study, root, tmp_path):
    runs = {arm: list(map(rename_first_class, of_arm(study[0], arm))) for arm in ("none", "b|c")}
    rows = analyse.summarise(runs)
    notes = data.open_data(runs["none"][0]["config"], str(root)).valid
    report.report(HOSTILE, runs, rows, notes, tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert "<script" not in html
    assert "<th>&lt;script&gt;$\\frac$| *</th>" in html
    assert "&lt;script&gt;$\\frac$| taken for" in html or "taken for &lt;script&gt;" in html
    assert (tmp_path / "confusions.png").stat().st_size > 10_000
    text = (tmp_path / "summary.md").read_text()
    assert "| arm | &lt;script>$\\frac$\\| * | guitar | vocal |" in text
    for written in (text, report.describe(rows), html):
        assert "*: one scored instrument, so its interval says nothing about others." in written
    assert "one scored instrument" not in (study[0] / "summary.md").read_text()


@pytest.mark.pictures
def test_a_report_of_several_tasks_compares_an_arm_with_its_own_baseline(study, tmp_path):
    """Cells may have other classes: the best arm's confusions are laid beside those of its cell."""
    found = {arm: of_arm(study[0], arm) for arm in ("none", "b|c")}
    other = [
        {**run, "classes": ["x", "y"], "recall": {"y": 1.0}, "confusion": [[0, 0], [0, 12]]}
        for run in found["none"]
    ]
    rows = analyse.summarise(found)
    more = [{**row, "arm": f"{row['arm']} (task=b)", "recall": {"y": 1.0}} for row in rows]
    more[1]["difference"] = 0.5
    named = {**found, **{row["arm"]: other for row in more}}
    report.report("two tasks", named, [*rows, *more], None, tmp_path)
    assert report.recalls([*rows, *more])[0] == ["arm", "bass", "guitar", "vocal", "y"]
    assert report.recalls([*rows, *more])[3] == ["none (task=b)", "", "", "", "100.0"]
    assert (tmp_path / "confusions.png").stat().st_size > 10_000


@pytest.mark.pictures
@needs_chromium
def test_long_names_and_many_conditions_are_read_whole(study, tmp_path):
    """No table and no line of settings is cut on a laptop; charts are legible on a telephone."""
    from playwright.sync_api import sync_playwright

    long, short = "gain, equalizer, noise for a quarter", "gain, equalizer"
    found = {"none": of_arm(study[0], "none"), long: of_arm(study[0], "b|c")}
    rows = analyse.summarise({**found, short: found[long]})
    for row, falls in zip(rows, (False, True, True), strict=True):
        row["still_falling"] = falls
    score = {"metric": "macro_recall", "macro_recall": 0.5, "difference": 0.1}
    score |= {"accuracy": 0.5, "difference_low": 0.0, "difference_high": 0.2, "seeds": 2}
    under = [
        {"arm": row["arm"], "condition": name, "severity": 3, **score}
        for row in rows
        for name in CONDITIONS
    ]
    mean = {"all": score, "unseen": score, "relative_error": 0.9, "trained_with": ["noise"]}
    means = [{"arm": row["arm"], **mean} for row in rows]
    robust = report.Robustness(under, means)
    report.report("t", {**found, short: found[long]}, rows, None, tmp_path, robust)
    html = (tmp_path / "report.html").read_text()
    assert f"in: {long}; {short}. Longer training" in html
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for width, boxes in ((1280, "table, pre"), (390, "pre")):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto((tmp_path / "report.html").as_uri())
            assert faults(page) == []
            cut = f"""[...document.querySelectorAll('{boxes}')].flatMap(t => [t, t.parentElement])
                .filter(t => t.scrollWidth > t.clientWidth + 1).map(t => t.textContent)"""
            assert page.evaluate(cut) == []
            # Of 1050 px, in which letters are 21 px high.
            charts = "[...document.querySelectorAll('.chart img')].map(i => i.width)"
            assert min(page.evaluate(charts)) >= 500
        browser.close()


@needs_chromium
def test_the_page_in_a_browser(study):
    """No error, all pictures are drawn, players have sound, a phone needs no sideways scroll."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            problems = []
            page.on("pageerror", lambda error: problems.append(str(error)))  # noqa: B023
            page.on("requestfailed", lambda request: problems.append(request.url[:80]))  # noqa: B023
            page.goto((study[0] / "report.html").as_uri())
            page.wait_for_function(
                "[...document.querySelectorAll('audio')].every(a => a.readyState >= 1)"
            )
            pictures = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
            assert len(pictures) >= 4
            assert all(pictures)
            lengths = page.eval_on_selector_all("audio", "all => all.map(a => a.duration)")
            assert lengths
            assert all(length == pytest.approx(1.25, abs=0.01) for length in lengths)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert faults(page) == []
            if width == 1280:  # no table is cut
                wide = "[...document.querySelectorAll('table')].map(t => t.parentElement)"
                assert page.evaluate(f"{wide}.every(t => t.scrollWidth <= t.clientWidth)")
            assert not problems
            page.close()
        browser.close()
