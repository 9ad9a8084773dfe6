"""A small data set in NSynth's layout, and the recipe as a module."""

import functools
import sys

import pytest
import torch
from recipe_runs import RECIPES, blank_pictures, small_arguments, write_notes  # noqa: F401

from augspec.ablation import command

sys.path.insert(0, str(RECIPES))


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small gain nothing from threads, and on a busy machine those wait in turns."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _eager(eager_kernels):
    """Arms of a few notes: their kernels would compile for longer than the networks train."""


@pytest.fixture(scope="session")
def script():
    """The command line, as `recipes/ablation.py` runs it."""
    return command


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    return write_notes(tmp_path_factory.mktemp("nsynth"))


@pytest.fixture
def arguments(root):
    """Words of a command line that trains something small."""

    return functools.partial(small_arguments, root)


@pytest.fixture
def run(script, arguments, monkeypatch):
    """Run the recipe in this process, and return its exit status."""

    def run(out, *more):
        monkeypatch.setattr(sys, "argv", ["ablation.py", *arguments(out, *more)])
        return script.main()

    return run
