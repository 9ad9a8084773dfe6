"""NSynth: four-second notes of a thousand instruments in ten families (and synth leads)."""

from __future__ import annotations

import copy
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset

from augspec._described import Described
from augspec.datasets import _nsynth_clean
from augspec.datasets._audio import audio_info, read_audio
from augspec.datasets._download import download as fetch
from augspec.datasets._nsynth_archive import unpack
from augspec.datasets._nsynth_examples import FAMILIES, QUALITIES, SOURCES, Notes, read_examples
from augspec.datasets._nsynth_filters import Filters, Names, Range
from augspec.datasets.packed import Packed
from augspec.datasets.split import split_by_group
from augspec.features import LogMelSpectrogram

SPLITS = ("train", "valid", "test")
SOURCE_URL = "http://download.magenta.tensorflow.org/datasets/nsynth"


class NSynth(Described, Dataset[dict[str, Any]]):
    """Read one split of NSynth from the official json/wav release.

    An item is a dictionary: ``waveform`` (float32 tensor), ``label`` (int), ``index`` (int),
    ``instrument`` (str), ``pitch`` (MIDI number), ``velocity`` (0 to 127) and ``path`` (str). The
    notes are in the order of their names.

    ``root`` holds ``nsynth-{split}`` with ``examples.json`` and ``audio/*.wav``, or the downloaded
    archive ``nsynth-{split}.jsonwav.tar.gz``. You need not unpack the archive, but it needs space:
    a gzip stream has no random access, so the first opening reads it once and writes the decoded
    notes to one file, ``nsynth-{split}/audio.packed`` (the size of the wav files: 37 GB for train),
    with ``examples.json`` beside it. After that the archive is not needed. A pass that was killed
    resumes where it stopped.

    Labels are the same numbers in every split: 0 to 9 are the ten families in the official order
    (``bass brass flute guitar keyboard mallet organ reed string vocal``), and 10 is ``synth_lead``.
    They differ from ``instrument_family`` in ``examples.json``, which has ``synth_lead`` at 9 and
    ``vocal`` at 10. ``synth_lead`` is a class only if the selected notes contain it; of the
    official splits only train does. Take the number of classes from the training set's ``classes``.

    A field that ``examples.json`` lacks is taken from the name of the note
    (``family_source_number-pitch-velocity``); a note without ``qualities_str`` has no qualities.

    Args:
        root: The folder of the splits or the archives.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        sources: Keep only these of ``"acoustic"``, ``"electronic"`` and ``"synthetic"``; ``None``
            keeps all, as for the next arguments.
        families: Keep only these families.
        pitch: Keep one MIDI number, or a range ``(low, high)``, both included.
        velocity: Keep one velocity, or a range. The official ones are 25, 50, 75, 100 and 127.
        qualities: Keep the notes that have all of these, such as ``"bright"``.
        instruments: Keep only these instruments, such as ``"reed_acoustic_011"``.
        clean: Drop selected notes with the same samples as an earlier selected note, also of
            another instrument, and the notes of brass_acoustic_046 from pitch 84 up, which are
            noise. The first call reads all selected audio of a folder (a minute or more for train)
            and stores hashes in ``nsynth-{split}/audio.b2sums``; delete that file when the audio
            changes.
        download: Download the archive if neither it nor the split exists.
        source_url: Address of the archives; ``/nsynth-{split}.jsonwav.tar.gz`` is appended.
        sha256: Checksum that the downloaded archive must have. Without it only the size and, on
            reading, the archive's own checksum are checked.
        progress: Show progress bars while downloading and while reading an archive.

    Attributes:
        classes: Names of the families; ``classes[label]`` is the name of a label.
        sample_rate: Sampling rate in Hz.
        labels: Label of every note, int64.

    Shape:
        ``waveform`` is ``(1, 64000)``.

    Raises:
        FileNotFoundError: If the root, the split, ``examples.json`` or a file that it names is
            missing.
        ValueError: If an argument has a value that is not allowed, ``examples.json`` or the archive
            is damaged, the archive holds unsafe members, or no note is left. Reading an item raises
            it if the file is damaged or cut.

    References:
        J. Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", ICML
        2017, https://magenta.tensorflow.org/datasets/nsynth
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        sources: Names = None,
        families: Names = None,
        *,
        pitch: Range = None,
        velocity: Range = None,
        qualities: Names = None,
        instruments: Names = None,
        clean: bool = False,
        download: bool = False,
        source_url: str = SOURCE_URL,
        sha256: str | None = None,
        progress: bool = True,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"`split` must be one of {', '.join(SPLITS)}, got {split!r}")
        kept = Filters(sources, families, pitch, velocity, qualities, instruments).checked()
        self.root, self.split = Path(root), split
        folder = _prepare(self.root, split, source_url if download else None, sha256, progress)
        examples = folder / "examples.json"
        notes = read_examples(examples)
        notes = notes.select(kept.mask(notes, examples))
        if len(notes) == 0:
            raise ValueError(f"{examples} must hold at least one note of {kept.describe()}")
        self.sample_rate = _common_sample_rate(examples, notes)
        self._audio = folder / "audio"
        self._packed: Packed | None = None
        self._places: NDArray[np.int64] | None = None  # index of the notes in the packed file
        if self._audio.is_dir() or not (folder / "audio.packed").is_file():
            _check_files(self._audio, examples, notes.names)
        else:
            self._audio = folder / "audio.packed"
            self._packed = Packed(self._audio)
            self._places = _places(self._packed, examples, notes.names)
        self._set(notes)
        if clean:
            self._set_subset(_nsynth_clean.clean(notes, self._audio, self._packed, self._places))

    def _set(self, notes: Notes) -> None:
        self._notes = notes
        self.labels: NDArray[np.int64] = notes.families.astype(np.int64)
        self.classes = list(FAMILIES if self.labels.max() == 10 else FAMILIES[:10])

    def _set_subset(self, index: NDArray[Any]) -> None:
        if self._places is not None:
            self._places = self._places[index]
        self._set(self._notes.select(index))

    @property
    def pitches(self) -> NDArray[np.int64]:
        """MIDI number of every note."""
        return self._notes.pitches.astype(np.int64)

    @property
    def velocities(self) -> NDArray[np.int64]:
        """MIDI velocity of every note."""
        return self._notes.velocities.astype(np.int64)

    @property
    def instruments(self) -> NDArray[np.str_]:
        """Name of the instrument of every note, such as ``"reed_acoustic_011"``."""
        return self._notes.instrument_names[self._notes.instruments]

    @property
    def sources(self) -> NDArray[np.str_]:
        """Source of every note, acoustic, electronic or synthetic."""
        return np.array(SOURCES)[self._notes.sources]

    @property
    def families(self) -> NDArray[np.str_]:
        """Family of every note."""
        return np.array(FAMILIES)[self._notes.families]

    @property
    def qualities(self) -> NDArray[np.bool_]:
        """Which of NSynth's ten qualities (``QUALITIES``) every note has, ``(notes, 10)``."""
        bits = np.uint16(1) << np.arange(len(QUALITIES), dtype=np.uint16)
        return np.not_equal(self._notes.qualities[:, None] & bits, 0)

    def select(self, index: ArrayLike) -> NSynth:
        """Return a data set of some notes, by index or mask; ``index`` starts again from 0.

        ``classes`` stay as they are.

        Raises:
            ValueError: If no note is selected.
        """
        places = np.asarray(index)
        chosen = np.arange(len(self))[places] if places.size else places
        if len(chosen) == 0:
            raise ValueError("`index` must select at least one note, got none")
        other = copy.copy(self)
        other._set_subset(chosen)
        other.classes = self.classes
        return other

    def split_by_instrument(self, valid: float = 0.2, seed: int = 0) -> tuple[NSynth, NSynth]:
        """Split the notes in two parts without a common instrument; see `split_by_group`.

        Args:
            valid: Fraction of each family's instruments for the second part.
            seed: Another seed gives another split.
        """
        first, second = split_by_group(self.instruments, self.labels, valid=valid, seed=seed)
        return self.select(first), self.select(second)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._item(range(len(self))[index], 0, None)

    def part(self, index: int, start: int, size: int) -> dict[str, Any]:
        """Return a note with ``size`` samples from ``start``; only these are read."""
        return self._item(range(len(self))[index], int(start), int(size))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples of every note; for wav files this reads all headers."""
        if self._packed is not None and self._places is not None:
            return self._packed.lengths[self._places]
        paths = (Path(self._path(index)) for index in range(len(self)))
        return np.array([audio_info(path).frames for path in paths], np.int64)

    def _path(self, index: int) -> str:
        return f"{self._audio}{os.sep}{self._notes.names[index].decode()}.wav"

    def _item(self, index: int, start: int, size: int | None) -> dict[str, Any]:
        path = self._path(index)
        return {
            "waveform": self._waveform(index, path, start, size),
            "label": int(self.labels[index]),
            "index": index,
            "instrument": str(self._notes.instrument_names[self._notes.instruments[index]]),
            "pitch": int(self._notes.pitches[index]),
            "velocity": int(self._notes.velocities[index]),
            "path": path,
        }

    def _waveform(self, index: int, path: str, start: int, size: int | None) -> Tensor:
        if self._packed is None or self._places is None:
            return read_audio(Path(path), self.sample_rate, start, size)
        return self._packed.waveform(int(self._places[index]), start, size)


class Article(NamedTuple):
    """The data of the article of 2018: two data sets and the features."""

    train: NSynth
    valid: NSynth
    features: LogMelSpectrogram


def nsynth_article(root: str | os.PathLike[str], **options: Any) -> Article:
    """Return the subset and the settings of the article from which augspec started.

    They are the acoustic notes of the official train and valid splits, and log-mel spectrograms
    with ``n_fft`` 1024, hop 256 and 40 bands from 20 to 8000 Hz.

    Args:
        root: As in `NSynth`.
        options: Other arguments of `NSynth`, such as ``download``.
    """
    train, valid = (NSynth(root, split, "acoustic", **options) for split in ("train", "valid"))
    features = LogMelSpectrogram(
        sample_rate=train.sample_rate,
        n_fft=1024,
        hop_length=256,
        n_mels=40,
        f_min=20.0,
        f_max=8_000.0,
    )
    return Article(train, valid, features)


def _prepare(
    root: Path, split: str, source_url: str | None, sha256: str | None, progress: bool
) -> Path:
    """Return the folder of the split; if needed, download the archive and unpack it."""
    folder = root / f"nsynth-{split}"
    name = f"nsynth-{split}.jsonwav.tar.gz"
    # Several processes, such as the ranks of a training, may open the split at once.
    while not ((folder / "examples.json").is_file() and _has_audio(folder, root / name)):
        try:
            if not (root / name).is_file():
                if source_url is None:
                    break
                fetch(f"{source_url}/{name}", root / name, sha256=sha256, progress=progress)
            unpack(root / name, folder, split, progress)
        except BlockingIOError:
            time.sleep(1.0)
        except FileExistsError:  # another process has finished meanwhile
            continue
    if not root.is_dir():
        raise FileNotFoundError(f"`root` must be an existing folder, got {root}")
    if not (folder / "examples.json").is_file():
        raise FileNotFoundError(
            f"`root` must hold {name} or nsynth-{split}/examples.json, got {root}; download the "
            "archive there (`download=True`), and give the folder that holds it"
        )
    return folder


def _has_audio(folder: Path, archive: Path) -> bool:
    return (
        (folder / "audio").is_dir() or (folder / "audio.packed").is_file() or not archive.is_file()
    )


def _check_files(audio: Path, examples: Path, names: NDArray[np.bytes_]) -> None:
    """Compare the names with one listing: a test of each file would take minutes."""
    if not audio.is_dir():
        raise FileNotFoundError(f"{audio} is missing; unpack the split again")
    present = np.array([os.fsencode(entry.name) for entry in os.scandir(audio)], np.bytes_)
    missing = names[~np.isin(np.char.add(names, b".wav"), present)]
    if len(missing):
        raise FileNotFoundError(
            f"{examples} names {len(missing)} files that {audio} does not hold, the first is "
            f"{missing[0].decode()}.wav; unpack the split again or remove them from it"
        )


def _places(packed: Packed, examples: Path, names: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Find the notes in the packed file, whose order is that of the archive."""
    there = np.array([name.encode() for name in packed.column("name")], np.bytes_)
    order = np.argsort(there)
    places: NDArray[np.int64] = order[
        np.searchsorted(there, names, sorter=order).clip(max=len(there) - 1)
    ]
    missing = names[there[places] != names]
    if len(missing):
        raise FileNotFoundError(
            f"{examples} names {len(missing)} notes that {packed.path} does not hold, the first "
            f"is {missing[0].decode()}; delete both, so that the archive is read again"
        )
    return places


def _common_sample_rate(path: Path, notes: Notes) -> int:
    rates = np.unique(notes.rates).tolist()
    if len(rates) != 1:
        raise ValueError(f"{path} must have one sample_rate for all notes, got {rates}")
    return int(rates[0])
