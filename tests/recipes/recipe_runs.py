"""What the tests of the recipes share."""

import json
import os
import sys
from pathlib import Path

RECIPES = Path(__file__).parents[2] / "recipes"
# What a repeated run may differ in.
COSTS = ("seconds", "seconds_per_epoch", "peak_memory_mb", "command", "processes")


def records(out):
    """Read the finished runs by arm and seed."""
    found = [json.loads(path.read_text()) for path in sorted((out / "runs").glob("*.json"))]
    return {(one["config"]["arm"], one["config"]["seed"]): one for one in found}


def numbers(record):
    """Leave out what a run cost."""
    return {name: value for name, value in record.items() if name not in COSTS}


def environment():
    """Give what a process of the recipe needs to find this code."""
    paths = os.pathsep.join([str(RECIPES.parent), *filter(None, sys.path)])
    return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
