"""Any folder of sounds as the notes of a study: "does it help on *my* sounds?".

Labels are the names of the files' folders. Top folders ``train`` and ``valid`` (or ``val``,
``validation``, ``test``) are the split; without them a fifth of the groups of each label is scored.
A group (an instrument, a speaker, a recording) must be in one part. A pattern finds the group in a
path; without a pattern every file is its own group. With a separator the name of a folder has
several labels, ``dog+rain``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from augspec.ablation.sounds import Sounds, reading
from augspec.datasets import AudioFolder, split_by_group

SCORED = ("valid", "val", "validation", "test")


class FolderNotes(Sounds):
    """The training or scored sounds of a folder, mono, at 16 kHz, of one length.

    Args:
        root: The folder.
        split: ``"train"`` or ``"valid"``.
        seconds: Length; longer sounds are cut at the end, shorter ones padded with zeros.
        group: Pattern that is searched for in the path below ``root``; its group 1 (or the whole
            match) names the group.
        separator: Separator of several labels in the name of a folder.

    Raises:
        ValueError: If the pattern finds nothing in a path, or a label or a split has no sound.
    """

    def __init__(
        self,
        root: str,
        split: str,
        seconds: float = 4.0,
        group: str | None = None,
        separator: str | None = None,
    ) -> None:
        folders = {path.name for path in Path(root).iterdir() if path.is_dir()}
        valid = next((name for name in SCORED if name in folders), None)
        own = "train" in folders and valid is not None
        words: dict[str, Any] = {"separator": separator, **reading(seconds)}
        if own:
            words |= {"split_from": "folder", "split": "train" if split == "train" else valid}
        sounds = AudioFolder(root, **words)
        paths = [Path(path).relative_to(root).as_posix() for path in sounds.paths]
        groups = np.array([_group(path, group) for path in paths])
        chosen = np.arange(len(paths))
        if not own:
            labels = sounds.labels if sounds.labels.ndim == 1 else None
            chosen = split_by_group(groups, labels)[0 if split == "train" else 1]
        super().__init__(sounds, chosen, groups, seconds)


def _group(path: str, pattern: str | None) -> str:
    if pattern is None:
        return path
    try:
        match = re.search(pattern, path)
    except re.error as error:
        raise ValueError(f"--group {pattern!r} is not a regular expression: {error}") from error
    found = match and (match[1] if match.re.groups else match[0])
    if not found:
        raise ValueError(f"--group {pattern!r} finds no group in {path!r}")
    return found
