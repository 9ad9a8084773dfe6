"""What tests of the engine share with those of the recipes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))

import pytest
from recipe_runs import blank_pictures, write_notes  # noqa: F401


@pytest.fixture(autouse=True)
def _eager(eager_kernels):
    """Arms of a few notes: their kernels would compile for longer than the networks train."""


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    return write_notes(tmp_path_factory.mktemp("nsynth"))
