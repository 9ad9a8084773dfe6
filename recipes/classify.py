"""Say what sounds are, with the weights of a finished run of ablation.py.

    python recipes/classify.py OUT/runs/NAME/model.safetensors FILE...

The file of weights holds the run's config: the same backbone and features are made again, and
nothing is to be set. Files of any rate and any number of channels are mixed and resampled to the
run's, and cut or padded to the length that it trained on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import soundfile
import torch
from ablation.plan import make_frontend
from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError, safe_open

import augspec
from augspec import functional
from augspec import transforms as T

SIZE = 64_000  # samples of a note in training


def load(path: Path) -> tuple[torch.nn.Module, augspec.Frontend, list[str], dict[str, Any]]:
    """Make the model and the front end of a run again.

    Raises:
        ValueError: If the file is no run's weights.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config, classes = json.loads(metadata["config"]), json.loads(metadata["classes"])
    except (SafetensorError, KeyError, OSError, ValueError) as error:
        raise ValueError(
            f"{path} must be the model.safetensors of a run of ablation.py: {error!r}"
        ) from error
    model = augspec.create_backbone(config["backbone"], num_classes=len(classes))
    model.load_state_dict(state)
    frontend = make_frontend(config["transforms"], config["features"], config["arm"])
    return model.eval(), frontend.eval(), classes, config


def read(path: Path, sample_rate: int) -> torch.Tensor:
    """Read a sound as one mono example ``(1, 1, time)`` at ``sample_rate``."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} cannot be read: {error.error_string}") from error
    if len(samples) == 0:
        raise ValueError(f"{path} holds no sound")
    waveform = torch.from_numpy(samples.mean(axis=1))[None, None]
    return functional.resample_rate(waveform, rate, sample_rate)


@torch.no_grad()
def classify(files: list[Path], checkpoint: Path, top: int) -> list[tuple[str, list[str]]]:
    """Give the ``top`` classes of each file with their probabilities."""
    model, frontend, classes, config = load(checkpoint)
    crop = T.CenterCrop(SIZE).eval()
    found = []
    for path in files:
        specgram = frontend(crop(read(path, config["features"]["sample_rate"])))
        probability = model(specgram).softmax(-1)[0]
        values, places = probability.topk(min(top, len(classes)))
        texts = [
            f"{classes[place]} {100 * value:.1f} %"
            for value, place in zip(values.tolist(), places.tolist(), strict=True)
        ]
        found.append((str(path), texts))
    return found


def main() -> int:
    """Classify the files of the command line."""
    parser = argparse.ArgumentParser(description="Say what sounds are.")
    parser.add_argument("checkpoint", type=Path, help="model.safetensors of a run")
    parser.add_argument("files", type=Path, nargs="+", help="sounds")
    parser.add_argument("--top", type=int, default=3, help="classes to show")
    options = parser.parse_args()
    try:
        found = classify(options.files, options.checkpoint, options.top)
    except ValueError as error:
        print(f"classify.py: {error}", file=sys.stderr)
        return 2
    table = Table("file", *(f"{place}." for place in range(1, options.top + 1)))
    for path, texts in found:
        table.add_row(path, *texts)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
