"""What the library and the recipes must not do; and that text is escaped in pages."""

import ast
from pathlib import Path

import pytest

from augspec import plot

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "augspec").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")])
# A check that modules survive pickling unpickles its own bytes, in the line that made them.
PICKLES = {"augspec/testing/modules.py"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pty.spawn"}
CALLS |= {"yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all", "torch.jit.load"}
CALLS |= {"np.load", "numpy.load", "subprocess.getoutput", "subprocess.getstatusoutput"}
CALLS |= {"asyncio.create_subprocess_shell", "tempfile.mktemp"}
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


# Only one writes tables of names that others gave, so that none of them can be a formula.
WRITE_TABLES = {"augspec/ablation/files.py", "recipes/build_gm_notes.py"}


def faults(source, may_pickle=False):
    """List what a source does that it must not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            roots = {name.partition(".")[0] for name in names}
            found += [] if may_pickle else [f"import {name}" for name in roots & MODULES]
            found += ["import os.system"] if {"system", "popen"} & set(names) else []
        if isinstance(node, ast.Call):
            found += _faults_of_call(node)
    return found


def _faults_of_call(node):
    name = ast.unparse(node.func)
    last = name.rpartition(".")[2]
    arguments = {word.arg: ast.unparse(word.value) for word in node.keywords}
    found = [name] if name in CALLS else []
    if arguments.get("shell", "False") != "False":
        found.append(f"{name} with a shell")
    if name == "torch.load" and arguments.get("weights_only") != "True":
        found.append("torch.load without weights_only=True")
    if last in ("extractall", "extract") and arguments.get("filter") not in ("'data'", "data"):
        found.append(f"{name} without filter='data'")
    if arguments.get("autoescape", "True") != "True":
        found.append("pages without escapes")
    if last == "Environment" and "autoescape" not in arguments:
        found.append("pages without escapes")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_runs_code_or_unpickles(path):
    may_pickle = path.relative_to(ROOT).as_posix() in PICKLES
    assert faults(path.read_text(encoding="utf-8"), may_pickle) == []


def test_tables_are_written_in_one_place():
    writers = {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if {"writer", "DictWriter", "to_csv"} & set(_names(path.read_text(encoding="utf-8")))
    }
    assert writers == WRITE_TABLES


def _names(source):
    """Give the attributes and the imported names of a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "exec('1')",
        "import pickle",
        "from pickle import loads",
        "import os\nos.system('ls')",
        "from os import system",
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls', shell=flag)",
        "yaml.load(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "tar.extractall(folder)",
        "tar.extractall(folder, filter='fully_trusted')",
        "jinja2.Environment(loader=loader)",
        "jinja2.Environment(autoescape=False)",
    ],
)
def test_the_search_finds(source):
    assert faults(source)


def test_no_file_is_left_out():
    assert len(FILES) > 100
    assert {path.name for path in FILES} >= {"config.py", "backbones.py", "ablation.py"}


def test_titles_are_escaped_in_a_player():
    import torch

    markup = plot.player(torch.zeros(100), 16_000, title='<script>alert("x")</script>').html
    assert "<script" not in markup
    assert "&lt;script&gt;" in markup
