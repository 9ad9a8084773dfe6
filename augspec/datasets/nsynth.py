"""NSynth: four-second notes of a thousand instruments in ten families (and synth leads)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from augspec.datasets._audio import read_audio

# The official order, but for synth_lead (officially 9, before vocal): only the train split has it,
# and so that the ten families of the benchmark are 0 to 9 in every split, it comes last.
FAMILIES = (
    *("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "vocal"),
    "synth_lead",
)
SOURCES = ("acoustic", "electronic", "synthetic")
SPLITS = ("train", "valid", "test")
SAMPLE_RATE = 16_000

_NAME = re.compile(
    rf"(?P<instrument>(?P<family>{'|'.join(FAMILIES)})_(?P<source>{'|'.join(SOURCES)})_\d+)"
    r"-(?P<pitch>\d+)-(?P<velocity>\d+)"
)


class NSynth(Dataset[dict[str, Any]]):
    """Read one split of NSynth from the official json/wav release.

    An item is a dictionary: ``waveform`` (float32 tensor), ``label`` (int), ``index`` (int),
    ``instrument`` (str), ``pitch`` (MIDI number), ``velocity`` (0 to 127) and ``path`` (str). The
    notes are in the order of their names.

    Labels are the same numbers in every split: 0 to 9 are the ten families in the official order
    (``bass brass flute guitar keyboard mallet organ reed string vocal``), and 10 is ``synth_lead``.
    They differ from ``instrument_family`` in ``examples.json``, which has ``synth_lead`` at 9 and
    ``vocal`` at 10. ``synth_lead`` is a class only when the chosen notes hold one, which of the
    official splits only train does: size a classifier by the training set's ``classes``.

    A field that ``examples.json`` lacks is taken from the name of the note
    (``family_source_number-pitch-velocity``).

    Args:
        root: The folder that holds ``nsynth-train``, ``nsynth-valid`` and ``nsynth-test``, each
            with ``examples.json`` and ``audio/*.wav``.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        sources: Keep only these of ``"acoustic"``, ``"electronic"`` and ``"synthetic"``; ``None``
            keeps all.

    Attributes:
        classes: Names of the families; ``classes[label]`` is the name of a label.
        sample_rate: Sampling rate in Hz.
        labels: Label of every note, int64.
        pitches: MIDI number of every note.
        velocities: MIDI velocity of every note.

    Shape:
        ``waveform`` is ``(1, 64000)``.

    Raises:
        FileNotFoundError: If the root, the split, ``examples.json`` or a file that it names is
            missing.
        ValueError: If an argument is not one of those above, ``examples.json`` is damaged, or no
            note is left. Reading an item raises it if the file is damaged or cut.

    References:
        J. Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", ICML
        2017, https://magenta.tensorflow.org/datasets/nsynth
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        sources: str | Iterable[str] | None = None,
    ) -> None:
        folder = _split_folder(Path(root), split)
        self.split = split
        self._audio = folder / "audio"
        examples = folder / "examples.json"
        kept = _check_sources(sources)
        notes = [note for note in _read_examples(examples) if note.source in kept]
        if not notes:
            raise ValueError(f"{examples} must hold at least one note of `sources` {sorted(kept)}")
        notes.sort(key=lambda note: note.name)
        self._check_files(examples, [note.name for note in notes])

        # Compact arrays instead of a dictionary a note: 300,000 notes take about 20 MB, and workers
        # that are forked share the pages, which reference counts of Python objects would unshare.
        self._names = np.array([note.name.encode() for note in notes])
        names, codes = np.unique([note.instrument for note in notes], return_inverse=True)
        self._instruments: NDArray[np.str_] = names
        self._instrument_codes = codes.astype(np.int32)
        self.labels: NDArray[np.int64] = np.array([FAMILIES.index(note.family) for note in notes])
        self.pitches: NDArray[np.int64] = np.array([note.pitch for note in notes])
        self.velocities: NDArray[np.int64] = np.array([note.velocity for note in notes])
        self.classes = list(FAMILIES if self.labels.max() == 10 else FAMILIES[:10])
        self.sample_rate = _common_sample_rate(examples, notes)

    @property
    def instruments(self) -> NDArray[np.str_]:
        """Name of the instrument of every note, such as ``"reed_acoustic_011"``."""
        return self._instruments[self._instrument_codes]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[index]
        path = self._audio / f"{self._names[index].decode()}.wav"
        return {
            "waveform": read_audio(path, self.sample_rate),
            "label": int(self.labels[index]),
            "index": index,
            "instrument": str(self._instruments[self._instrument_codes[index]]),
            "pitch": int(self.pitches[index]),
            "velocity": int(self.velocities[index]),
            "path": str(path),
        }

    def _check_files(self, examples: Path, names: list[str]) -> None:
        """Compare the names with one listing; asking for each file would take minutes."""
        if not self._audio.is_dir():
            raise FileNotFoundError(f"{self._audio} is missing; unpack the split again")
        present = {file.name for file in self._audio.iterdir()}
        missing = [f"{name}.wav" for name in names if f"{name}.wav" not in present]
        if missing:
            raise FileNotFoundError(
                f"{examples} names {len(missing)} files that {self._audio} does not hold, "
                f"the first is {missing[0]}; unpack the split again or take them out of it"
            )


class _Note(NamedTuple):
    name: str
    family: str
    source: str
    instrument: str
    pitch: int
    velocity: int
    sample_rate: int


def _split_folder(root: Path, split: str) -> Path:
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {', '.join(SPLITS)}, got {split!r}")
    if not root.is_dir():
        raise FileNotFoundError(f"`root` must be an existing folder, got {root}")
    folder = root / f"nsynth-{split}"
    if not (folder / "examples.json").is_file():
        raise FileNotFoundError(
            f"`root` must hold nsynth-{split}/examples.json, got {root}; unpack "
            f"nsynth-{split}.jsonwav.tar.gz there, and give the folder that holds the splits"
        )
    return folder


def _check_sources(sources: str | Iterable[str] | None) -> set[str]:
    if sources is None:
        return set(SOURCES)
    kept = {sources} if isinstance(sources, str) else set(sources)
    if not kept or kept - set(SOURCES):
        raise ValueError(f"`sources` must be some of {', '.join(SOURCES)}, got {sources!r}")
    return kept


def _read_examples(path: Path) -> list[_Note]:
    try:
        records = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); unpack the split again") from error
    if not isinstance(records, dict):
        raise ValueError(f"{path} must hold an object with one entry a note")
    return [_parse(path, name, record) for name, record in records.items()]


def _parse(path: Path, name: str, record: Any) -> _Note:
    if not isinstance(record, dict):
        raise ValueError(f"{path}: the entry of {name!r} must be an object, got {record!r}")
    match = _NAME.fullmatch(name)
    from_name: dict[str, Any] = match.groupdict() if match else {}

    def field(key: str, group: str) -> Any:
        value = record.get(key, from_name.get(group))
        if value is None:
            raise ValueError(
                f"{path}: {name!r} has no {key}, and its name does not tell it; names are "
                "family_source_number-pitch-velocity"
            )
        return value

    note = _Note(
        name=name,
        family=field("instrument_family_str", "family"),
        source=field("instrument_source_str", "source"),
        instrument=str(field("instrument_str", "instrument")),
        pitch=_midi(path, name, "pitch", field("pitch", "pitch")),
        velocity=_midi(path, name, "velocity", field("velocity", "velocity")),
        sample_rate=record.get("sample_rate", SAMPLE_RATE),
    )
    if note.family not in FAMILIES or note.source not in SOURCES:
        raise ValueError(
            f"{path}: {name!r} must be of a family of NSynth ({', '.join(FAMILIES)}) and a source "
            f"({', '.join(SOURCES)}), got {note.family!r} and {note.source!r}"
        )
    if "/" in name or "\\" in name:
        raise ValueError(f"{path}: {name!r} must be a plain file name")
    return note


def _midi(path: Path, name: str, key: str, value: Any) -> int:
    number = int(value) if isinstance(value, int) or str(value).isdecimal() else -1
    if not 0 <= number <= 127:
        raise ValueError(f"{path}: {key} of {name!r} must be from 0 to 127, got {value!r}")
    return number


def _common_sample_rate(path: Path, notes: list[_Note]) -> int:
    rates = {note.sample_rate for note in notes}
    if len(rates) != 1:
        raise ValueError(f"{path} must have one sample_rate for all notes, got {rates}")
    return int(rates.pop())
