"""Any folder of sounds as the notes of a study: "does it help on *my* sounds?".

Labels are the names of the folders that files lie in. With folders ``train`` and ``valid`` (or
``val``, ``validation``, ``test``) at the top those are the split; else a fifth of the groups of
each label is scored. A group is what belongs together (an instrument, a speaker, a recording) and
must be on one side: say with a pattern how it is told from a path, or every file is its own group.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from augspec.datasets import AudioFolder, split_by_group

SAMPLE_RATE = 16_000  # of the features of a study
SCORED = ("valid", "val", "validation", "test")


class FolderNotes(Dataset[dict[str, Any]]):
    """The sounds of a folder that are trained on or scored, mono, at 16 kHz, of one length.

    Args:
        root: The folder.
        split: ``"train"`` or ``"valid"``.
        seconds: What is longer is cut at its end, what is shorter ends in zeros.
        group: Pattern that is searched for in the path below ``root``; its group 1 (or all that it
            finds) names what belongs together.

    Raises:
        ValueError: If the pattern finds nothing in a path, or a label or a split has no sound.
    """

    def __init__(
        self, root: str, split: str, seconds: float = 4.0, group: str | None = None
    ) -> None:
        folders = {path.name for path in Path(root).iterdir() if path.is_dir()}
        valid = next((name for name in SCORED if name in folders), None)
        own = "train" in folders and valid is not None
        words: dict[str, Any] = {"sample_rate": SAMPLE_RATE, "mono": True}
        words |= {"segment": seconds, "segment_from": "start"}
        if own:
            words |= {"split_from": "folder", "split": "train" if split == "train" else valid}
        self.sounds = AudioFolder(root, **words)
        self.size, self.sample_rate = round(seconds * SAMPLE_RATE), SAMPLE_RATE
        self.classes = self.sounds.classes
        paths = [Path(path).relative_to(root).as_posix() for path in self.sounds.paths]
        groups = np.array([_group(path, group) for path in paths])
        chosen = np.arange(len(paths))
        if not own:
            chosen = split_by_group(groups, self.sounds.labels)[0 if split == "train" else 1]
        self.chosen = chosen
        self.labels = self.sounds.labels[chosen]
        # As in NSynth's names the family stands before the first underscore.
        families = [self.classes[label].replace("_", "-") for label in self.labels]
        self.instruments = np.array(
            [f"{name}_{one}" for name, one in zip(families, groups[chosen], strict=True)]
        )

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.sounds[int(self.chosen[index])]
        waveform = item["waveform"]
        missing = self.size - waveform.shape[-1]
        return {
            "waveform": torch.nn.functional.pad(waveform, (0, missing)),
            "label": item["label"],
            "index": index,
            "instrument": str(self.instruments[index]),
            "path": item["path"],
        }


def _group(path: str, pattern: str | None) -> str:
    if pattern is None:
        return path
    match = re.search(pattern, path)
    found = match and (match[1] if match.re.groups else match[0])
    if not found:
        raise ValueError(f"--group {pattern!r} finds no group in {path!r}")
    return found
