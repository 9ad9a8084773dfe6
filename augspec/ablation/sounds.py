"""Sounds of a user's own as the notes of a study: mono, at 16 kHz, of one length."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from augspec.datasets import AudioFolder, AudioTable

SAMPLE_RATE = 16_000  # of the features of a study
TAGGED = "sound"  # the family of sounds with several labels, which have none of their own


class Sounds(Dataset[dict[str, Any]]):
    """Some of the sounds of a data set, each with the instrument that it is of.

    Args:
        sounds: All sounds, of 16 kHz, mono, and at most ``seconds`` long.
        chosen: Places of those that there are.
        groups: What each of ``sounds`` belongs to, such as a speaker or a recording.
        seconds: What is shorter ends in zeros.
    """

    def __init__(
        self,
        sounds: AudioFolder | AudioTable,
        chosen: NDArray[np.int64],
        groups: NDArray[Any],
        seconds: float,
    ) -> None:
        self.sounds, self.chosen = sounds, chosen
        self.size, self.sample_rate = round(seconds * SAMPLE_RATE), SAMPLE_RATE
        self.classes = sounds.classes
        every: Any = sounds.labels
        self.labels: NDArray[Any] = every[chosen]
        self.instruments = np.array(
            [f"{name}_{one}" for name, one in zip(self._families(), groups[chosen], strict=True)]
        )

    def _families(self) -> list[str]:
        """Name what stands before the first underscore, as in NSynth's names."""
        if self.labels.ndim == 2:
            return [TAGGED] * len(self.labels)
        return [self.classes[label].replace("_", "-") for label in self.labels]

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


def reading(seconds: float) -> dict[str, Any]:
    """Give the arguments that a data set of sounds is opened with."""
    return {
        "sample_rate": SAMPLE_RATE,
        "mono": True,
        "segment": seconds,
        "segment_from": "start",
    }
