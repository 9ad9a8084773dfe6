"""What the tests of the recipes share."""

import base64
import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from augspec.ablation import figures

RECIPES = Path(__file__).parents[2] / "recipes"
FAMILIES = ["bass", "guitar", "vocal"]
# A white dot as PNG.
BLANK = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
# What a repeated run may differ in.
COSTS = ("seconds", "seconds_per_epoch", "peak_memory_mb", "command", "commit", "processes")


@pytest.fixture(autouse=True)
def blank_pictures(request, monkeypatch):
    """Leave out the ink of a report's pictures, half of a small study's time, if nobody looks."""
    if request.node.get_closest_marker("pictures") is None:
        monkeypatch.setattr(figures, "to_png", lambda *_, **__: BLANK)


def records(out):
    """Read the finished runs by arm and seed."""
    found = [json.loads(path.read_text()) for path in sorted((out / "runs").glob("*.json"))]
    return {(one["config"]["arm"], one["config"]["seed"]): one for one in found}


def numbers(record):
    """Leave out what a run cost."""
    return {name: value for name, value in record.items() if name not in COSTS}


def tables(out):
    """Read the summary, without what a run cost."""
    with (out / "summary.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def config_of_notes(**more):
    """Give what of a config says which notes there are."""
    base = {"data": "nsynth", "fold": None, "share": 1.0, "smoke": False, "task": "family"}
    return {**base, **more}


def environment():
    """Give what a process of the recipe needs to find this code."""
    paths = os.pathsep.join([str(RECIPES.parent), *filter(None, sys.path)])
    return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


def write_notes(root):
    """Write noise of three colours in NSynth's layout; three instruments a family in train, two
    others in valid."""
    rng = np.random.default_rng(0)
    for split, instruments, notes in (("train", 3, 3), ("valid", 2, 2)):
        examples = {}
        (root / f"nsynth-{split}" / "audio").mkdir(parents=True)
        for label, family in enumerate(FAMILIES):
            for instrument in range(instruments):
                number = instrument + (10 if split == "valid" else 0)
                for pitch in range(60, 60 + notes):
                    name = f"{family}_acoustic_{number:03d}-{pitch:03d}-100"
                    examples[name] = {"sample_rate": 16_000}
                    noise = np.convolve(rng.normal(size=20_000), np.ones(1 + 4 * label), "same")
                    path = root / f"nsynth-{split}" / "audio" / f"{name}.wav"
                    soundfile.write(path, 0.1 * noise / noise.std(), 16_000)
        (root / f"nsynth-{split}" / "examples.json").write_text(json.dumps(examples))
    return root


def small_arguments(root, out, *more):
    """Give the words of a command line that trains something small."""
    quick = ["--backbone", "test_convnext", "--epochs", "1", "--batch-size", "8"]
    where = ["--data", "nsynth", "--root", str(root), "--out", str(out), "--device", "cpu"]
    return [*where, *quick, *more]
