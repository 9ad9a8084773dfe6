"""Sounds from a table as the notes of a study, with one or several labels each.

The rows of some folds are scored and the others are for training. Without a column of folds a fifth
of the groups is scored: of each label, or of all groups if sounds have several labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from augspec._names import listing
from augspec.ablation.sounds import Sounds, reading
from augspec.datasets import AudioTable, split_by_group

SCORED = ("valid", "val", "validation", "test")  # scored folds by default


class TableNotes(Sounds):
    """The training or scored rows of a table.

    Args:
        table: CSV or TSV file.
        root: Folder to which its paths are relative; None takes the table's.
        split: ``"train"`` or ``"valid"``.
        seconds: Length; longer sounds are cut at the end, shorter ones padded with zeros.
        group: Column of the groups that must stay in one part; None makes every file its own group.
        separator: Separator of the labels of a cell, if it may hold several.
        path: Column, or pattern of columns, of the path.
        label: Column of the label or the labels.
        folds: Column of the split or the fold.
        scored: The scored folds.

    Raises:
        ValueError: If there is no fold of those names, and as `augspec.datasets.AudioTable`.
        FileNotFoundError: If the table is missing.
    """

    def __init__(
        self,
        table: str,
        root: str | None,
        split: str,
        *,
        seconds: float = 4.0,
        group: str | None = None,
        separator: str | None = None,
        path: str = "path",
        label: str = "label",
        folds: str | None = None,
        scored: tuple[str, ...] | None = None,
    ) -> None:
        columns: dict[str, Any] = {"path": path, "label": label, "fold": folds, "group": group}
        sounds = AudioTable(table, root, separator=separator, **columns, **reading(seconds))
        groups = sounds.groups
        if groups is None:  # neither the folder's place nor the system may change the split
            groups = np.array([_below(Path(path), sounds.root) for path in sounds.paths])
        if sounds.folds is None:
            labels: Any = sounds.labels
            sides = split_by_group(groups, labels if labels.ndim == 1 else None)
            chosen = sides[0 if split == "train" else 1]
        else:
            is_scored = np.isin(sounds.folds, _scored(sounds.folds.tolist(), scored))
            chosen = np.flatnonzero(~is_scored if split == "train" else is_scored)
        super().__init__(sounds, chosen, groups, seconds)


def _below(file: Path, root: Path) -> str:
    return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()


def _scored(folds: list[str], wanted: tuple[str, ...] | None) -> list[str]:
    """Return the scored folds."""
    there = sorted(set(folds))
    if wanted is None:
        found = [name for name in SCORED if name in there][:1]
    else:
        found = [name for name in wanted if name in there]
    if not found or (wanted is not None and len(found) < len(wanted)):
        raise ValueError(
            f"--scored must name folds of the table, which are {listing(there)}, got "
            f"{'nothing' if wanted is None else ', '.join(wanted)}"
        )
    return found
