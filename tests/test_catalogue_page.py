"""The catalogue page: every class of ours, every transform of the peers, and no stale list."""

import inspect
import re
import sys
from pathlib import Path

import audiomentations
import pytest
from peers import import_or_skip
from torch import nn

from augspec import features as F
from augspec import transforms as T

torchaudio = import_or_skip("torchaudio")
torch_audiomentations = import_or_skip("torch_audiomentations")

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
from found import complete_catalogue  # noqa: E402

PAGE = complete_catalogue((ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8"))
NAME = re.compile(r"`([^`]+)`")


def ours():
    """Give each class that can be made, by the name that the page has for it."""
    found = {}
    for letter, module in (("T", T), ("F", F)):
        for name in module.__all__:
            cls = getattr(module, name)
            if inspect.isclass(cls) and issubclass(cls, nn.Module) and not inspect.isabstract(cls):
                found[f"{letter}.{name}"] = cls
    return found


def table(text):
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]


def section(title):
    (body,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return body


def between(marker):
    (body,) = re.findall(rf"<!-- {marker} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    return body


# The first table, without its headings, those of families among them.
TABLE = section("augspec and other libraries").partition("\n\ntorchaudio's filters")[0]
ROWS = [row for row in table(TABLE) if row[0] != "augspec" and not row[0].startswith("**")]


def public_classes(module):
    return {name for name, value in vars(module).items() if inspect.isclass(value)}


PEERS = {
    1: public_classes(torch_audiomentations),
    2: public_classes(audiomentations),
    3: set(torchaudio.transforms.__all__),
}


def test_every_class_of_ours_has_one_row_and_every_row_exists():
    named = [name for row in ROWS for name in NAME.findall(row[0])]
    assert len(named) == len(set(named))
    assert set(named) == set(ours())


def test_a_new_transform_gets_a_row():
    without = re.sub(r"^\| `T\.Gain` .*\n", "", PAGE, flags=re.MULTILINE)
    assert "`T.Gain` |" not in without.partition("torchaudio's filters")[0]
    table_of = complete_catalogue(without).partition("\n\ntorchaudio's filters")[0]
    assert "\n| `T.Gain` | | | | | | | |" in table_of


@pytest.mark.parametrize("column", PEERS)
def test_every_transform_of_a_peer_is_in_a_row(column):
    assert {name for row in ROWS for name in NAME.findall(row[column])} == PEERS[column]


def test_a_row_without_ours_says_why():
    for row in ROWS:
        assert row[0] or len(row[7]) > 10, row


def test_exemptions_are_those_of_the_classes():
    promised = {
        "mixes_examples": False,
        "in_feature_only": False,
        "compilable": True,
        "differentiable": True,
    }
    actual = {
        (name, f"{attribute} = {value}")
        for name, cls in ours().items()
        for attribute, usual in promised.items()
        if (value := getattr(cls, attribute, usual)) != usual
    }
    rows = table(between("exemptions"))[1:]
    assert {tuple(cell.strip("`") for cell in row[:2]) for row in rows} == actual
    assert all(len(row[2]) > 10 for row in rows)


def test_every_cost_is_of_a_class():
    rows = table(between("cost"))[1:]
    made = {name for name, cls in ours().items() if hasattr(cls, "example")}
    # What is new since the benchmark ran last has none yet.
    assert {row[0].strip("`") for row in rows} <= made
    assert all(float(row[1]) > 0 for row in rows)


def test_the_benchmark_has_a_row_for_every_transform_that_a_batched_peer_has():
    sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
    try:
        from peer_rows import NOT_COMPARED
        from peer_rows import ROWS as COMPARED
    finally:
        sys.path.remove(str(ROOT / "tests" / "benchmarks"))
    names = {name.partition(".")[2] for name in ours()}
    assert set(COMPARED) | set(NOT_COMPARED) <= names
    batched = {
        name.partition(".")[2] for row in ROWS if row[1] or row[3] for name in NAME.findall(row[0])
    }
    assert batched <= set(COMPARED) | set(NOT_COMPARED)
    assert not set(COMPARED) & set(NOT_COMPARED)
