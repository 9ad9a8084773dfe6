"""A small data set in NSynth's layout, and the recipe as a module."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import soundfile
import torch
from recipe_runs import RECIPES

FAMILIES = ["bass", "guitar", "vocal"]


sys.path.insert(0, str(RECIPES))


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small gain nothing from threads, and on a busy machine those wait in turns."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def load_script(name):
    """Import a script by its file: `ablation` alone is the engine's package."""
    spec = importlib.util.spec_from_file_location(f"{name}_script", RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def script():
    return load_script("ablation")


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Noise of three colours; three instruments a family in train, two others in valid."""
    root = tmp_path_factory.mktemp("nsynth")
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


@pytest.fixture
def arguments(root):
    """Words of a command line that trains something small."""

    def arguments(out, *more):
        quick = ["--backbone", "test_convnext", "--epochs", "1", "--batch-size", "8"]
        where = ["--data", "nsynth", "--root", str(root), "--out", str(out), "--device", "cpu"]
        return [*where, *quick, *more]

    return arguments


@pytest.fixture
def run(script, arguments, monkeypatch):
    """Run the recipe in this process, and return its exit status."""

    def run(out, *more):
        monkeypatch.setattr(sys, "argv", ["ablation.py", *arguments(out, *more)])
        return script.main()

    return run
