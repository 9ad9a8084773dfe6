"""Scoring finished runs under conditions: one training, many scores.

The corrupted notes are the same for every run. They are written once, as 16-bit samples, to
OUT/conditions, which may be deleted after a study. The scores of a run are in its folder,
OUT/runs/NAME/conditions.json, so that conditions can be added to finished runs.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch.utils.data import Dataset

import augspec
from augspec._described import Described
from augspec.ablation.analyse import SCORES
from augspec.ablation.data import Data, Notes, Progress, make_loader
from augspec.ablation.files import write_text, write_whole
from augspec.ablation.plan import Config, data_of, make_frontend, read_json
from augspec.ablation.train import Run, evaluate
from augspec.conditions import corrupt

Wanted = tuple[tuple[str, int], ...]  # conditions and severities
_KEPT = (*SCORES, "recall", "average_precision", "predictions", "scores")
_STEPS = 32_768  # full scale of 16 bits


def name_of(condition: str, severity: int) -> str:
    """Name a condition with its severity."""
    return f"{condition}-{severity}"


def read_scores(folder: Path) -> dict[str, Run]:
    """Read the scores of a run under conditions so far.

    Raises:
        ValueError: If the file is damaged; the message names it.
    """
    path = folder / "conditions.json"
    scores = read_json(path) if path.exists() else {}
    for name, score in scores.items():
        if not _is_score(score):
            raise ValueError(
                f"{path} is damaged (`{name}` holds no scores); remove it to score the run again"
            )
    return scores


def _is_score(value: Any) -> bool:
    """Whether a value has the scores of a run: shares, and the answer for each note."""
    if not isinstance(value, dict) or not isinstance(value.get("predictions"), list):
        return False
    shares = [value[name] for name in SCORES if name in value]
    return bool(shares) and all(isinstance(one, float) and 0.0 <= one <= 1.0 for one in shares)


def missing_of(folder: Path, wanted: Wanted) -> list[tuple[str, int]]:
    """List the conditions for which a run has no score."""
    if not wanted:
        return []
    found = read_scores(folder)
    return [one for one in wanted if name_of(*one) not in found]


def score_run(
    record: Run,
    folder: Path,
    out: Path,
    wanted: Wanted,
    data: Data,
    device: torch.device,
    progress: Progress,
) -> None:
    """Score a finished run under the conditions that are missing.

    Args:
        record: Record of the run.
        folder: Folder of the run, with its weights.
        out: Folder of the study, for the corrupted notes.
        wanted: Conditions and severities.
        data: The notes.
        device: Where to compute.
        progress: Called at every step.

    Raises:
        FileNotFoundError: If the weights of the run are missing.
    """
    missing, config = missing_of(folder, wanted), record["config"]
    if not missing:
        return
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(
            f"{weights} is missing and needed to score conditions: remove {folder}.json to train "
            "the run again"
        )
    model = augspec.create_backbone(config["backbone"], num_classes=len(data.classes))
    model.load_state_dict(load_file(weights))
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    frontend = make_frontend(config["transforms"], config["features"], config["arm"]).eval()
    scores = read_scores(folder)
    for condition, severity in missing:
        name = name_of(condition, severity)
        notes = corrupted_notes(out, config, data.valid, condition, severity, progress)
        batches = augspec.DeviceLoader(make_loader(notes, 64), frontend, device=device)
        found = evaluate(model, batches, data.classes, config["task"])
        scores[name] = {key: found[key] for key in _KEPT if key in found}
        write_text(folder / "conditions.json", json.dumps(scores, allow_nan=False))


class _Stored(Described, Dataset[dict[str, Any]]):
    """The scored notes, with samples from a file."""

    held = True  # a file in memory needs no workers

    def __init__(self, notes: Notes, path: Path) -> None:
        self.notes = notes
        shape = (len(notes), *notes[0]["waveform"].shape)
        self.samples: NDArray[np.int16] = np.memmap(path, np.int16, mode="r", shape=shape)

    def __len__(self) -> int:
        return len(self.notes)

    def __getitem__(self, place: int) -> dict[str, Any]:
        samples = self.samples[place].astype(np.float32) / _STEPS
        return {**self.notes[place], "waveform": torch.from_numpy(samples)}


def corrupted_notes(
    out: Path, config: Config, notes: Notes, condition: str, severity: int, progress: Progress
) -> Dataset[dict[str, Any]]:
    """Open the notes of a study under a condition; write them first if they do not exist."""
    kind = hashlib.sha256(json.dumps(data_of(config), sort_keys=True).encode()).hexdigest()[:8]
    path = out / "conditions" / kind / f"{name_of(condition, severity)}.s16"
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_suffix(".lock")):  # parallel runs need the same file
        if not path.exists():
            write_whole(path, lambda part: _write(part, notes, condition, severity, progress))
    return _Stored(notes, path)


def _write(part: Path, notes: Notes, condition: str, severity: int, progress: Progress) -> None:
    with part.open("wb") as file:
        for place in range(len(notes)):
            note = notes[place]
            found = corrupt(
                note["waveform"][None],
                augspec.example_keys(0, 0, [int(note["index"])]),
                condition,
                severity,
                sample_rate=int(notes.notes.sample_rate),
            )
            steps = torch.round(found[0].double() * _STEPS).to(torch.int16)
            file.write(steps.contiguous().numpy().tobytes())
            progress(f"{condition} {severity}", place + 1, len(notes))


def under(record: Run, folder: Path, name: str) -> Run:
    """Return the record of a run with its scores under a condition as the scores."""
    found = read_scores(folder)[name]
    return {**record, **found, "confidences": [1.0] * len(found["predictions"])}
