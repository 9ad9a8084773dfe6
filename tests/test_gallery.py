"""Every transform and feature has a section in the gallery, which the docs build runs."""

import ast
import re
import sys
from pathlib import Path

import pytest
from public import classes

from augspec import features as F
from augspec import transforms as T

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
from found import more_examples

SCRIPTS = sorted((Path(__file__).parents[1] / "docs" / "examples").glob("plot_*.py"))


def headings(text):
    return set(re.findall(r"^# (\w+)\n# -+$", text, re.MULTILINE))


def used(text, letter):
    """Give the classes that a script makes: ``T.Gain(...)`` or ``T.Gain.example()``."""
    calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    inner = [call.value for call in calls if isinstance(call, ast.Attribute)]
    return {
        call.attr
        for call in [*calls, *inner]
        if isinstance(call, ast.Attribute)
        and isinstance(call.value, ast.Name)
        and call.value.id == letter
    }


@pytest.mark.parametrize(("letter", "module"), [("T", T), ("F", F)])
def test_every_class_has_a_section_that_uses_it(letter, module):
    shown = set()
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        shown |= headings(text) & used(text, letter)
    wanted = {kind.__name__ for kind in classes(module)}
    assert shown <= wanted
    left = wanted - shown
    if letter == "T":  # the build shows a new transform by itself
        text = more_examples(sorted(left))
        left -= headings(text) & used(text, letter) if left else set()
    assert not left


def test_a_section_that_the_build_writes_shows_its_class():
    text = more_examples(["Gain"])
    assert headings(text) == {"Gain"}
    assert "show(organ, T.Gain.example())" in text
    compile(text, "more", "exec")


def test_every_section_links_to_its_class():
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        for name in headings(text):
            assert re.search(rf"# {name}\n# -+\n# :class:`~augspec\.\w+\.{name}`: \S", text), name
