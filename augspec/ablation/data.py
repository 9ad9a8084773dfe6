"""The notes of a run: a split or a fold, a fraction of it, and the class for the task."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

import augspec
from augspec._described import Described
from augspec.ablation.folder import FolderNotes
from augspec.ablation.plan import SOUNDS, TAGS, Config
from augspec.ablation.table import TableNotes
from augspec.samplers import BalancedSampler

PRELOAD = 8_000  # largest number of notes in memory, 2 GB; with more, workers read files
VELOCITIES = (25, 50, 75, 100, 127)  # those of NSynth
Batch = dict[str, Any]
Progress = Callable[[str, int, int], None]  # the activity, the number done, the total


class Notes(Described, Dataset[Batch]):
    """Notes of a data set whose ``label`` is the class for the task."""

    def __init__(self, notes: Any, chosen: Sequence[int], task: str) -> None:
        self.notes, self.chosen, self.task = notes, list(chosen), task
        self._held: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self._held[place] if self._held else self._read(self.chosen[place])

    def _read(self, index: int) -> dict[str, Any]:
        note = dict(self.notes[index])
        if self.task == "velocity":
            note["label"] = int(np.abs(np.subtract(VELOCITIES, note["velocity"])).argmin())
        return note

    def hold(self, progress: Progress, what: str) -> None:
        """Read all notes into memory, if they are few."""
        if self._held is None and len(self) <= PRELOAD:
            held = []
            for done, index in enumerate(self.chosen, start=1):
                held.append(self._read(index))
                progress(what, done, len(self))
            self._held = held

    @property
    def held(self) -> bool:
        """Whether the notes are in memory."""
        return self._held is not None


def labels_of(notes: Notes) -> np.ndarray[Any, Any]:
    """Return the label of each note, or the tags: ``(note, tag)``."""
    return np.asarray(notes.notes.labels)[notes.chosen]


def join(parts: Sequence[Notes]) -> Notes:
    """Concatenate parts of the same split and task."""
    chosen = [index for part in parts for index in part.chosen]
    return Notes(parts[0].notes, chosen, parts[0].task)


@dataclass(frozen=True)
class Data:
    """The training notes, the scored notes and the classes of a run."""

    train: Notes
    valid: Notes
    classes: list[str]


def open_data(config: Config, root: str | None, table: str | None = None) -> Data:
    """Open the notes of a config.

    With ``fold`` ``[k, n]`` both parts come from the training split: the instruments of each family
    are assigned to ``n`` folds in the order of their names, and fold ``k`` is scored.
    """
    words = {name: config[name] for name in SOUNDS if name in config}
    if "table" in words:
        words["table"] = table  # the config has only the settings that it needs
    more = tuple((n, tuple(v) if isinstance(v, list) else v) for n, v in words.items())
    train, valid = (_open(config["data"], root, split, more) for split in ("train", "valid"))
    check_task(train, config["task"])
    chosen, scored = list(range(len(train))), list(range(len(valid)))
    if config["fold"] is not None:
        valid, fold = train, _folds(train, config["fold"][1])
        chosen = np.flatnonzero(fold != config["fold"][0]).tolist()
        scored = np.flatnonzero(fold == config["fold"][0]).tolist()
    if config["share"] < 1.0:
        chosen = take_share(_labels(train, chosen), chosen, config["share"])
    if config["smoke"]:
        chosen, scored = chosen[::8], scored[::8]
    task = config["task"]
    if task == TAGS and not valid.labels[scored].any():
        raise ValueError("--task tags: no sound to score has a label, so that nothing can be found")
    return Data(Notes(train, chosen, task), Notes(valid, scored, task), class_names(train, task))


def class_names(notes: Any, task: str) -> list[str]:
    """Name the classes of a task; pitches are all of MIDI's, so that shifted ones have a class."""
    if task == "pitch":
        return [str(pitch) for pitch in range(128)]
    if task == "velocity":
        return [str(velocity) for velocity in VELOCITIES]
    return [str(name) for name in notes.classes]


def check_task(notes: Any, task: str) -> None:
    """Raise a ValueError unless notes have the labels that a task needs: one each, or several."""
    is_tagged = getattr(getattr(notes, "labels", None), "ndim", 1) == 2
    if is_tagged and task != TAGS:
        raise ValueError(f"--task {task}: these sounds have several labels each; take --task tags")
    if task == TAGS and not is_tagged:
        raise ValueError(
            "--task tags: these sounds have one label each; say with --separator what is between "
            "several labels, such as ',' in the cells of a table or '+' in the names of folders"
        )


@functools.cache  # folds and shares of a split are taken from one object
def _open(data: str, root: str | None, split: str, more: tuple[tuple[str, Any], ...]) -> Any:
    words = dict(more)
    if data == "gm-notes":
        return augspec.datasets.GMNotes(split)
    if data == "table":
        return TableNotes(words.pop("table"), root, split, folds=words.pop("split"), **words)
    if root is None:
        raise ValueError(f"--data {data} needs --root DIR")
    if data == "folder":
        return FolderNotes(root, split, **words)
    return augspec.datasets.NSynth(root, split)


def _labels(notes: Any, chosen: Sequence[int]) -> list[str]:
    instruments = notes.instruments
    return [str(instruments[index]) for index in chosen]


def _folds(notes: Any, count: int) -> np.ndarray[Any, np.dtype[np.int_]]:
    """Assign instruments to folds within their family, so that each fold has every family."""
    names = np.array(_labels(notes, range(len(notes))))
    family = np.array([name.split("_")[0] for name in names])
    fold = np.zeros(len(names), dtype=int)
    for label in np.unique(family):
        members = np.unique(names[family == label])
        for place, member in enumerate(members):
            fold[names == member] = place % count
    return fold


def take_share(instruments: Sequence[str], chosen: Sequence[int], share: float) -> list[int]:
    """Take the same fraction of every instrument's notes, evenly spread, at least one of each."""
    kept: list[int] = []
    names = np.array(instruments)
    if len(set(instruments)) == len(instruments):
        # If each note is its own instrument, take the fraction per family: otherwise all would be
        # kept.
        names = np.array([name.split("_")[0] for name in instruments])
    for name in dict.fromkeys(names.tolist()):
        members = np.flatnonzero(names == name)
        count = max(1, round(share * len(members)))
        places = np.linspace(0, len(members) - 1, count).round().astype(int)
        kept += [chosen[members[place]] for place in places]
    return sorted(kept)


def make_loader(
    notes: Dataset[Batch],
    batch_size: int,
    seed: int | None = None,
    *,
    whole: int = 1,
    rank: int = 0,
    world: int = 1,
    labels: np.ndarray[Any, Any] | None = None,
) -> DataLoader[Batch]:
    """Batch notes: in their order, or, with a seed, in a new order every epoch.

    With labels every class comes equally often, drawn with replacement.

    Each of several processes gets its part of each batch, so that the joint batches are those of
    one process. The rest after batches of ``whole`` notes is left out.
    """
    sampler: Sampler[Any] | None = None
    if seed is not None and labels is not None:
        size = len(labels) // whole * whole
        sampler = BalancedSampler(labels, size, num_replicas=world, rank=rank, seed=seed)
    elif seed is not None:
        sampler = _Shuffled(notes, whole, rank, world, seed)
    return DataLoader(
        notes,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=0 if getattr(notes, "held", False) else min(8, os.cpu_count() or 1),
        pin_memory=torch.cuda.is_available(),
    )


class _Shuffled(DistributedSampler[Batch]):
    """A new order every epoch, cut to whole batches, as batch norm works badly with one example."""

    def __init__(self, notes: Any, whole: int, rank: int, world: int, seed: int) -> None:
        super().__init__(notes, num_replicas=world, rank=rank, seed=seed, drop_last=True)
        self.total_size = len(notes) // whole * whole
        self.num_samples = self.total_size // world
