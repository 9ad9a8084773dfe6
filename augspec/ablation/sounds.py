"""A user's own sounds as the notes of a study: mono, at 16 kHz, of one length."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from augspec._described import Described
from augspec.datasets import AudioFolder, AudioTable

SAMPLE_RATE = 16_000  # sample rate of a study's features
TAGGED = "sound"  # family of sounds with several labels, which have no family


class Sounds(Described, Dataset[dict[str, Any]]):
    """Some of the sounds of a data set, each with its instrument.

    Args:
        sounds: All sounds, of 16 kHz, mono, and at most ``seconds`` long.
        chosen: Indices of the selected sounds.
        groups: Group of each of ``sounds``, such as a speaker or a recording.
        seconds: Length; shorter sounds are padded with zeros.
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
        """Return the part before the first underscore, as in NSynth's names."""
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
    """Return the arguments for opening a data set of sounds."""
    return {
        "sample_rate": SAMPLE_RATE,
        "mono": True,
        "segment": seconds,
        "segment_from": "start",
    }
