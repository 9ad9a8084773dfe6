"""The records that are kept: a study goes on from them, and the page of results is theirs."""

import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def table_below(heading):
    """Read the first table below a heading of the page: its rows, without the headings."""
    lines = iter(PAGE.split(f"\n{heading}\n")[1].splitlines())
    next(line for line in lines if line.startswith("|---"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip(" *") for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize(
    ("name", "heading", "column"), [("screen", "### Screened", 1), ("nsynth", "### Confirmed", 2)]
)
def test_the_page_has_the_figures_of_the_records(script, root, name, heading, column):
    out = ROOT / "docs" / "results" / name
    study = ROOT / "recipes" / "configs" / f"{name}.yaml"
    options = script.parse(["--study", str(study), "--root", str(root), "--out", str(out)])
    planned = script.make_plan(options)
    place = script.make_place(options)
    assert {place.record(one.config).exists() for one in planned} == {True}
    rows = script.compare(planned, script.read_runs(planned, place), options.across)
    shown = table_below(heading)
    assert len(shown) == len(rows) == len(options.arms)
    for row, cells in zip(rows, shown, strict=True):
        assert cells[column] == f"{100 * row['macro_recall']:.1f} %"
        if row["arm"] == "none":
            continue
        assert re.match(r"[+-][\d.]+", cells[column + 1])[0] == f"{100 * row['difference']:+.1f}"
        low, high = 100 * row["difference_low"], 100 * row["difference_high"]
        assert cells[column + 2] == f"{low:+.1f} to {high:+.1f}"


def test_records_name_no_folder_of_the_machine_that_made_them():
    records = list((ROOT / "docs" / "results").glob("*/runs/*.json"))
    assert len(records) == 60 + 18 + 12
    for record in records:
        assert not re.search(r'"/|[ =]/', record.read_text(encoding="utf-8")), record.name
