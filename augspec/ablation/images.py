"""Spectrograms as pictures on disk, written before training, as the article of 2018 did.

Every note becomes an 8-bit grey PNG of its log-mel. Training then reads and decodes pictures, so
that the waveform cannot be augmented any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import augspec
from augspec import features as F
from augspec._described import Described
from augspec.ablation.data import Notes, Progress
from augspec.ablation.files import write_text, write_whole

RANGE_DB = (-100.0, 40.0)  # of the log-mel, in 256 steps of half a dB


class Images(Described, Dataset[dict[str, Any]]):
    """The notes of a data set as pictures; missing ones are written.

    Args:
        notes: The notes.
        feature: Computes the log-mel.
        folder: Folder of the pictures.
        progress: Called at every picture.

    Attributes:
        seconds: Time of writing.
        bytes: Size of the pictures on the disk.
    """

    def __init__(
        self, notes: Notes, feature: torch.nn.Module, folder: Path, progress: Progress
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.notes, self.folder = notes, folder
        # Stored with the pictures, so that a resumed run also counts the time of writing them.
        paid = folder / "seconds.txt"
        self.seconds = float(paid.read_text(encoding="utf-8")) if paid.exists() else 0.0
        started = time.perf_counter()
        for place in range(len(notes)):
            if not self._path(place).exists():
                self._write(place, feature)
            progress("writing pictures", place + 1, len(notes))
        self.seconds += time.perf_counter() - started
        write_text(paid, str(self.seconds))
        self.bytes = sum(self._path(place).stat().st_size for place in range(len(notes)))

    def _path(self, place: int) -> Path:
        return self.folder / f"{self.notes.chosen[place]:06d}.png"

    @torch.no_grad()
    def _write(self, place: int, feature: torch.nn.Module) -> None:
        specgram = feature(self.notes[place]["waveform"][None])[0, 0].numpy()
        low, high = RANGE_DB
        grey = np.rint((specgram - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(grey)
        write_whole(self._path(place), lambda part: picture.save(part, format="png"))

    def __len__(self) -> int:
        return len(self.notes)

    def __getitem__(self, place: int) -> dict[str, Any]:
        note = {name: value for name, value in self.notes[place].items() if name != "waveform"}
        with Image.open(self._path(place)) as image:
            grey = np.asarray(image, dtype=np.float32)
        low, high = RANGE_DB
        return {**note, "specgram": torch.from_numpy(grey * ((high - low) / 255) + low)[None]}


class ImageLoader:
    """Batches of pictures instead of the spectrograms of an `augspec.DeviceLoader`."""

    def __init__(
        self, loader: DataLoader[dict[str, Any]], normalize: torch.nn.Module, device: torch.device
    ) -> None:
        self.loader, self.normalize, self.device = loader, normalize, device

    def __len__(self) -> int:
        return len(self.loader)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle by the epoch."""
        sampler = self.loader.sampler
        if isinstance(sampler, torch.utils.data.DistributedSampler):
            sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.loader:
            moved = {
                name: value.to(self.device, non_blocking=True)
                if isinstance(value, torch.Tensor)
                else value
                for name, value in batch.items()
            }
            yield {**moved, "specgram": self.normalize(moved["specgram"])}


def split_features(frontend: augspec.Frontend) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Separate a front end's feature and its normalisation.

    Raises:
        ValueError: If the feature is not the log-mel, whose decibels pictures hold.
    """
    stages = list(frontend.features.children())
    if not isinstance(stages[0], F.LogMelSpectrogram):
        raise ValueError(
            "pictures hold the decibels of LogMelSpectrogram: the kind of the features must be "
            f"that, got {type(stages[0]).__name__}"
        )
    feature, normalize = stages
    return feature, normalize
