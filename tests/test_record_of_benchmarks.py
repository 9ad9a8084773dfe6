"""The tables of the docs are those that a benchmark printed."""

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "benchmarks" / "record.py"
spec = importlib.util.spec_from_file_location("record", SCRIPT)
record = importlib.util.module_from_spec(spec)
spec.loader.exec_module(record)

PRINTED = """torch 2.14.1, 2 threads of 2 cores, load 0.10

| what | ms | ratio | beside 2 busy | where the time goes |
|---|---:|---:|---:|---|
| torchaudio | 10.0 | 1.00 | 1.00 | FFT 41 %, memory 12 % |
| ours | 2.0 | 0.20 | 0.18, 1.20 **loses** | - |

| other | ms |
|---|---:|
| a | - |
"""


def test_what_was_printed_is_read_and_laid_out_again() -> None:
    said, tables = record.parse(PRINTED)
    assert said == ["torch 2.14.1, 2 threads of 2 cores, load 0.10"]
    assert [table["header"] for table in tables] == [
        ["what", "ms", "ratio", "beside 2 busy", "where the time goes"],
        ["other", "ms"],
    ]
    assert record.as_printed(tables[0]) in PRINTED


def test_two_logs_with_other_peers_make_one_table() -> None:
    more = PRINTED.replace("ours | 2.0 | 0.20", "nnAudio | 20.0 | 2.00")
    _, tables = record.parse(PRINTED + more)
    assert [row[0] for row in tables[0]["rows"]] == ["torchaudio", "ours", "nnAudio"]


def test_phrases_get_a_column_for_each_peer() -> None:
    rows = [["solo pitch", name, "1.000", "2.000"] for name in ("the ideal", "augspec", "librosa")]
    laid = record.by_peer({"header": ["a", "peer", "median dB", "worst dB"], "rows": rows})
    assert laid.splitlines()[0] == "| median / worst dB | **augspec** | librosa |"
    assert laid.splitlines()[2] == "| solo pitch | 1.000 / 2.000 | 1.000 / 2.000 |"


def test_a_figure_in_a_sentence_is_that_of_the_record() -> None:
    said, tables = record.parse(PRINTED)
    kept = {"some": {"said": said, "tables": tables}}
    marks = '<!-- figure some 0 "ours" "ratio" -->{}<!-- end figure -->'
    other = '<!-- figure some 0 "torchaudio" / "ours" "ms" -->{}<!-- end figure -->'
    text = f"It takes {marks.format('?')} of it, {other.format(9)} times as fast."
    expected = f"It takes {marks.format('0.20')} of it, {other.format('5.00')} times as fast."
    assert record.with_tables(text, kept) == expected
    with pytest.raises(ValueError, match="unpack"):  # a row that is not there
        record.with_tables(text.replace("ours", "mine"), kept)


@pytest.mark.parametrize("page", record.PAGES, ids=lambda page: page.name)
def test_the_docs_show_the_figures_of_the_record(page: Path) -> None:
    kept = json.loads(record.FILE.read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    assert record.with_tables(text, kept) == text


@pytest.mark.parametrize("page", record.PAGES, ids=lambda page: page.name)
def test_no_line_begins_with_a_figure(page: Path) -> None:
    """A comment that begins a line ends the paragraph in Markdown."""
    lines = page.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if line.lstrip().startswith("<!-- figure")]
