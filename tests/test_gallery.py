"""Every transform and feature has a section in the gallery, which the docs build runs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from public import classes

from augspec import features as F
from augspec import transforms as T

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
from found import more_examples
from pages import class_of, link_names, llms_text, scripts, shown

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


PAGES = {name: text for name, text in scripts().items() if "/plot_" in name}


def test_every_class_has_a_page_of_its_own():
    written = {kind.__name__ for module in (T, F) for kind in classes(module)}
    left = written - set(shown())
    assert not left - {kind.__name__ for kind in classes(T)}  # the build writes those of transforms
    assert len(PAGES) == len(shown()) > 70


def test_a_page_holds_what_its_code_needs(tmp_path):
    for name, text in PAGES.items():
        path = tmp_path / Path(name).name
        path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821,F401"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_a_class_is_for_its_ranges_and_its_errors(name):
    text = ast.get_docstring(ast.parse(PAGES[name]))
    kind = class_of(name.rpartition("plot_")[2].removesuffix(".py"))
    title, line, _, prose = text.split("\n")[:4]
    assert title == kind.__name__
    assert line == "=" * len(title)
    assert prose.startswith(":class:`~augspec.")
    assert ("What may go wrong" in text) == (
        "\nRaises:\n" in kind.__doc__.replace("    Raises", "Raises")
    )
    if any(getattr(drawn, "unit", "") for drawn in getattr(kind, "drawn", {}).values()):
        assert ".. rubric:: Ranges" in text


def test_names_in_tables_are_links():
    table = "text `T.Gain`\n| `T.Gain(gain_db)`, `F.MFCC` | `x` |\n| `T.Unknown` | |"
    linked = link_names(table)
    assert linked.splitlines()[0] == "text `T.Gain`"
    assert "[`T.Gain(gain_db)`](gallery/02_level/plot_Gain.rst)" in linked
    assert "[`F.MFCC`](gallery/12_features/plot_MFCC.rst) | `x`" in linked
    assert linked.endswith("| `T.Unknown` | |")


def test_one_text_for_models_names_every_class():
    text = llms_text({"tutorial": "Tutorial"})
    assert "- [Tutorial](tutorial.html)" in text
    assert "frontend = augspec.Frontend(" in text
    for module, letter in ((T, "T"), (F, "F")):
        for kind in classes(module):
            assert f"- `{letter}.{kind.__name__}(" in text
    assert "``semitones``: -24 to 24 semitones" in text
