"""The migration page names every transform of the installed peers, and only what exists here."""

import inspect
import re
from pathlib import Path

import audiomentations
import pytest
from peers import import_or_skip
from releases import modern_torchaudio

from augspec import features as F
from augspec import transforms as T

torchaudio = import_or_skip("torchaudio")
torch_audiomentations = import_or_skip("torch_audiomentations")

PAGE = (Path(__file__).parents[1] / "docs" / "migration.md").read_text(encoding="utf-8")
OURS = re.compile(r"`([TF])\.(\w+)(?:\(([^)`]*)\))?`")


def public_classes(module):
    return {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and not name.startswith("_")
    }


PEERS = {
    "audiomentations": public_classes(audiomentations),
    "torch-audiomentations": public_classes(torch_audiomentations),
    "torchaudio.transforms": set(torchaudio.transforms.__all__),
    "torchaudio.functional": set(torchaudio.functional.__all__),
}


def rows(section):
    """Give ``(theirs, ours, note)`` of each row of a section's table."""
    (body,) = re.findall(
        rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE
    )
    lines = [line for line in body.splitlines() if line.startswith("| `")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


@modern_torchaudio
@pytest.mark.parametrize("peer", PEERS)
def test_every_transform_of_the_installed_peer_has_one_row(peer):
    names = [theirs.strip("`") for theirs, _, _ in rows(peer)]
    assert len(names) == len(set(names))
    assert set(names) == PEERS[peer]


DEFAULTS = re.compile(r"by default `([^`]*)`")
RANGE = re.compile(r"(\w+)=\((-?[\d.]+), (-?[\d.]+)\)")
# What ours is called, as a function of theirs.
CONVERSIONS = {"q": lambda value: 1.0 / value, "slope_db": lambda value: -6.0 * value}


def ranges_of(theirs):
    """Give the ranges that their class has by default, of ``min_...`` and ``max_...``."""
    known = inspect.signature(theirs.__init__).parameters
    return [
        (low.default, known[f"max_{name[4:]}"].default)
        for name, low in known.items()
        if name.startswith("min_") and f"max_{name[4:]}" in known
    ]


@pytest.mark.parametrize("module", [audiomentations, torch_audiomentations])
def test_a_default_range_of_the_page_is_that_of_the_installed_peer(module):
    section = module.__name__.replace("_", "-")
    for theirs, _, note in rows(section):
        name = theirs.strip("`")
        for stated in DEFAULTS.findall(note):
            found = RANGE.findall(stated)
            assert found, f"{name}: {stated}"
            for argument, low, high in found:
                convert = CONVERSIONS.get(argument, lambda value: value)
                plain = [tuple(map(float, pair)) for pair in ranges_of(getattr(module, name))]
                turned = [sorted(map(convert, pair)) for pair in plain if 0.0 not in pair]
                wanted = pytest.approx((float(low), float(high)), abs=0.01)
                assert any(pair == wanted for pair in [*plain, *map(tuple, turned)]), (
                    f"{name}: {argument}"
                )


@pytest.mark.parametrize("module", [audiomentations, torch_audiomentations])
def test_a_range_that_must_be_given_here_is_stated(module):
    """Who moves ``LowPassFilter(p=0.3)`` would otherwise have to look for their range."""
    for theirs, ours, note in rows(module.__name__.replace("_", "-")):
        if not ranges_of(getattr(module, theirs.strip("`"))) or ours == "-":
            continue
        _, name, _ = OURS.findall(ours)[0]
        needed = [
            parameter.name
            for parameter in inspect.signature(getattr(T, name)).parameters.values()
            if parameter.default is inspect.Parameter.empty
            if parameter.name not in ("sample_rate", "bank", "transforms")
        ]
        stated = [argument for argument, _, _ in RANGE.findall(" ".join(DEFAULTS.findall(note)))]
        assert set(needed) <= set(stated), f"{theirs} needs {needed}"


@pytest.mark.parametrize("peer", PEERS)
def test_a_row_names_what_exists_here_or_a_reason(peer):
    for theirs, ours, note in rows(peer):
        if ours == "-":
            assert len(note) > 5, f"{theirs} has no reason"
            continue
        assert OURS.sub("", ours).strip(", ") == "", f"{theirs}: {ours}"
        for space, name, arguments in OURS.findall(ours):
            module = T if space == "T" else F
            assert name in module.__all__, f"{theirs}: {space}.{name} does not exist"
            known = inspect.signature(getattr(module, name)).parameters
            for argument in filter(None, arguments.split(", ")):
                assert argument in known, f"{space}.{name} has no argument {argument}"
