"""Classify sounds with the weights of a finished run of ablation.py.

    python recipes/classify.py OUT/runs/NAME/model.safetensors FILE...
    python recipes/classify.py MODEL FILE... --whole --views 4 --out found.csv

The file of weights holds the run's config, from which backbone and features are made, so no
settings are needed. Files of any rate and number of channels are mixed and resampled, and cut or
padded to the length of the training. With --whole a long file is cut into windows of that length,
whose scores are averaged. For a run of ``--task tags`` each class has its own probability. Files
that cannot be read are listed at the end; the others are classified.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError, safe_open

import augspec
from augspec import transforms as T
from augspec.ablation.files import csv_text
from augspec.ablation.plan import TAGS, make_frontend
from augspec.datasets import AudioTable

SIZE = 64_000  # samples of a note in training


def load(path: Path) -> tuple[torch.nn.Module, augspec.Frontend, list[str], dict[str, Any]]:
    """Rebuild the model and the front end of a run.

    Raises:
        ValueError: If the file does not hold a run's weights.
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
    """Read a sound of any format as one mono example ``(1, 1, time)`` at ``sample_rate``."""
    try:
        files = AudioTable([{"path": path}], label=None, sample_rate=sample_rate, mono=True)
        waveform: torch.Tensor = files[0]["waveform"]
    except (ImportError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    return waveform[None]


def cut(waveform: torch.Tensor, whole: bool) -> torch.Tensor:
    """Return the middle of an example as ``(1, 1, SIZE)``, or all of it as such windows."""
    time = waveform.shape[-1]
    if not whole or time <= SIZE:
        middle: torch.Tensor = T.CenterCrop(SIZE).eval()(waveform)
        return middle
    padded = torch.nn.functional.pad(waveform, (0, -time % SIZE))
    return padded.reshape(-1, 1, SIZE)


class Found(NamedTuple):
    """The probability of every class for each file, and the files that could not be read."""

    classes: list[str]
    scores: dict[str, list[float]]
    failed: dict[str, str]


def score(files: list[Path], checkpoint: Path, *, whole: bool = False, views: int = 1) -> Found:
    """Return the probabilities of the classes of each file that can be read."""
    model, frontend, classes, config = load(checkpoint)
    failed: dict[str, str] = {}

    def batches() -> Iterator[dict[str, Any]]:
        for number, path in enumerate(files):
            try:
                waveform = cut(read(path, config["features"]["sample_rate"]), whole)
            except (ValueError, OSError) as error:
                failed[str(path)] = str(error)
                continue
            # Some windows at a time: an hour of sound has 900.
            for part in waveform.split(32):
                source = torch.full((len(part),), number)
                yield {"waveform": part, "source": source, "index": source}

    readable = batches()
    first = next(readable, None)
    if first is None:
        return Found(classes, {}, failed)
    activation: Any = "sigmoid" if config["task"] == TAGS else "softmax"
    every = itertools.chain([first], readable)
    found = augspec.predict(model, frontend, every, views, activation=activation)
    rows = zip(found.source.tolist(), found.scores.tolist(), strict=True)
    return Found(classes, {str(files[number]): row for number, row in rows}, failed)


def classify(
    files: list[Path], checkpoint: Path, top: int, **options: Any
) -> list[tuple[str, list[str]]]:
    """Return the ``top`` classes of each file with their probabilities."""
    return best(score(files, checkpoint, **options), top)


def best(found: Found, top: int) -> list[tuple[str, list[str]]]:
    """Return the ``top`` classes of each file as texts."""
    rows = []
    for path, shares in found.scores.items():
        order = sorted(range(len(shares)), key=lambda place: -shares[place])[:top]
        texts = [f"{found.classes[place]} {100 * shares[place]:.1f} %" for place in order]
        rows.append((path, texts))
    return rows


def write(found: Found, path: Path) -> None:
    """Write all probabilities as CSV, one row per file, or as JSON, by the suffix of ``path``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".json":
            rows = {
                name: dict(zip(found.classes, shares, strict=True))
                for name, shares in found.scores.items()
            }
            json.dump({"files": rows, "failed": found.failed}, file, indent=1)
        else:
            lines = [[name, *shares] for name, shares in found.scores.items()]
            file.write(csv_text([["file", *found.classes], *lines]))


def main() -> int:
    """Classify the files of the command line."""
    parser = argparse.ArgumentParser(description="Say what sounds are.")
    parser.add_argument("checkpoint", type=Path, help="model.safetensors of a run")
    parser.add_argument("files", type=Path, nargs="+", help="sounds")
    parser.add_argument("--top", type=int, default=3, help="classes to show")
    parser.add_argument("--whole", action="store_true", help="use all of a long file, in windows")
    parser.add_argument("--views", type=int, default=1, help="views of each file to average")
    parser.add_argument("--out", type=Path, help="write all probabilities: a .csv or .json file")
    options = parser.parse_args()
    if options.out is not None and options.out.suffix not in (".csv", ".json"):
        parser.error(f"--out must end in .csv or .json, got {options.out}")
    try:
        found = score(options.files, options.checkpoint, whole=options.whole, views=options.views)
    except ValueError as error:
        print(f"classify.py: {error}", file=sys.stderr)
        return 2
    if options.out is not None:
        write(found, options.out)
    table = Table("file", *(f"{place}." for place in range(1, options.top + 1)))
    for path, texts in best(found, options.top):
        table.add_row(path, *texts)
    Console().print(table)
    for reason in found.failed.values():
        print(f"classify.py: left out: {reason}", file=sys.stderr)
    return 1 if found.failed else 0


if __name__ == "__main__":
    sys.exit(main())
