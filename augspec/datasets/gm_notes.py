"""The embedded notes: General MIDI instruments in NSynth's format, ready without a download."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from augspec._described import Described
from augspec.datasets._nsynth_examples import FAMILIES

FOLDER = Path(__file__).with_name("gm_notes_data")
SAMPLE_RATE = 16_000
NOTE = 64_000  # samples: 3 s held and 1 s released


class GMNotes(Described, Dataset[dict[str, Any]]):
    """Read the notes that are included in the package: 880 notes of 81 instruments.

    They are in NSynth's format: 16 kHz, mono, 3 s held and 1 s released. Each of the ten families
    has 64 notes in train and 24 in valid, of several instruments, pitches and velocities. Train and
    valid share no program (all renderings of a General MIDI program are in one split) and no sample
    of a soundfont. Notes of an instrument keep their relative levels; the loudest one peaks at -3
    dBFS. They were rendered dry from two MIT-licensed soundfonts; ``recipes/build_gm_notes.py``
    builds them again.

    An item is a dictionary as in ``NSynth``: ``waveform`` (float32 tensor), ``label`` (int),
    ``index`` (int), ``instrument`` (str, such as ``"reed_fluid_064"``), ``pitch`` (MIDI number),
    ``velocity`` (0 to 127) and ``path`` (str, the file that holds the instrument's notes).

    Opening only reads an index. The file of an instrument is decoded at its first use and kept as
    16-bit samples: about a second and 85 MB for the whole of train in each process. Each worker of
    a DataLoader decodes its own copy, so use ``persistent_workers=True`` or no workers.

    Args:
        split: ``"train"`` or ``"valid"``.

    Attributes:
        classes: Names of the ten families; ``classes[label]`` is the name of a label, as in
            ``NSynth``.
        sample_rate: 16000 Hz.
        labels: Label of every note, int64.
        pitches: MIDI number of every note.
        velocities: MIDI velocity of every note.
        programs: General MIDI program of every note, numbered from 0.
        instruments: Name of the instrument of every note.

    Shape:
        ``waveform`` is ``(1, 64000)``.

    Raises:
        ValueError: If the split is neither of the two.
        FileNotFoundError: If the notes are missing from the installed package.

    Example:
        >>> from augspec.datasets import GMNotes
        >>> notes = GMNotes("valid")
        >>> notes[0]["waveform"].shape, notes.classes[notes[0]["label"]]
        (torch.Size([1, 64000]), 'bass')
    """

    def __init__(self, split: str = "train") -> None:
        if split not in ("train", "valid"):
            raise ValueError(f"`split` must be train or valid, got {split!r}")
        index = FOLDER / "index.csv"
        if not index.is_file():
            raise FileNotFoundError(f"{index} is missing; install augspec again")
        with index.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split]
        self.split = split
        self.classes = list(FAMILIES[:10])
        self.sample_rate = SAMPLE_RATE
        self.labels: NDArray[np.int64] = np.array([FAMILIES.index(row["family"]) for row in rows])
        self.pitches: NDArray[np.int64] = np.array([int(row["pitch"]) for row in rows])
        self.velocities: NDArray[np.int64] = np.array([int(row["velocity"]) for row in rows])
        self.programs: NDArray[np.int64] = np.array([int(row["program"]) for row in rows])
        self.instruments: NDArray[np.str_] = np.array(
            [row["file"].removesuffix(".ogg") for row in rows]
        )
        self._starts = [int(row["start"]) for row in rows]
        self._decoded: dict[str, NDArray[np.int16]] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.part(index, 0, NOTE)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples of every note."""
        return np.full(len(self), NOTE, np.int64)

    def part(self, index: int, start: int, size: int) -> dict[str, Any]:
        """Return a note with ``size`` samples from ``start``, fewer at its end."""
        index = range(len(self))[index]
        instrument = str(self.instruments[index])
        begin = self._starts[index]
        note = self._decode(instrument)[begin + start : begin + min(start + size, NOTE)]
        return {
            "waveform": torch.from_numpy(note.astype(np.float32) / 32_768)[None],
            "label": int(self.labels[index]),
            "index": index,
            "instrument": instrument,
            "pitch": int(self.pitches[index]),
            "velocity": int(self.velocities[index]),
            "path": str(_path(instrument)),
        }

    def __getstate__(self) -> dict[str, Any]:
        # A spawned worker gets only the index: sending 85 MB would take longer than decoding.
        return self.__dict__ | {"_decoded": {}}

    def _decode(self, instrument: str) -> NDArray[np.int16]:
        if instrument not in self._decoded:
            path = _path(instrument)
            try:
                samples, _ = soundfile.read(path, dtype="int16")
            except soundfile.LibsndfileError as error:
                raise ValueError(
                    f"{path} cannot be decoded ({error.error_string}); install augspec again"
                ) from error
            self._decoded[instrument] = samples
        return self._decoded[instrument]


def _path(instrument: str) -> Path:
    return FOLDER / f"{instrument}.ogg"
