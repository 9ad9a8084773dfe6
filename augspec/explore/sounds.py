"""The sounds that can be picked, and no others."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from augspec._compile import eager_kernels
from augspec.datasets import GMNotes
from augspec.datasets._audio import SUFFIXES, audio_info, read_audio
from augspec.functional import resample_rate
from augspec.functional.checks import check_sample_rate

__all__ = ["SECONDS", "Folder", "Notes", "Sounds", "open_sounds"]

#: Longest part of a sound in seconds, so that the page responds at once.
SECONDS = 10
# Browsers are slow with longer lists.
_MOST = 5_000
_MOST_RECORDINGS = 8
_RECORDING = "recording-"


class Sounds(ABC):
    """The sounds that can be selected.

    Args:
        names: Names of the sounds.
        sample_rate: Rate in Hz at which the sounds are read.
        left_out: How many sounds are not in the list.
    """

    #: Whether the sounds are files, so that an `augspec.Bank` can be made of them.
    has_files = False

    def __init__(self, names: list[str], sample_rate: int, left_out: int = 0) -> None:
        self.names = names
        self.sample_rate = check_sample_rate(sample_rate)
        self.left_out = left_out
        self._recorded: dict[str, Tensor] = {}
        self._count = 0

    @property
    def first(self) -> str:
        """The sound that a page begins with."""
        return self.names[0]

    @property
    def choices(self) -> list[str]:
        """All sounds that can be selected: recordings, the newest first, then the names."""
        return [*reversed(self._recorded), *self.names]

    def record(self, waveform: Tensor) -> str:
        """Store a recording at the sample rate, and return its name.

        Args:
            waveform: ``(channel, time)``, at most `SECONDS` long.
        """
        name = f"{_RECORDING}{self._count + 1}"
        self._count += 1
        self._recorded[name] = waveform
        while len(self._recorded) > _MOST_RECORDINGS:
            del self._recorded[next(iter(self._recorded))]
        return name

    def check(self, name: object) -> str:
        """Return a name from a browser if it is in the list.

        Raises:
            ValueError: If it is not.
        """
        if not isinstance(name, str) or name not in self.names:
            raise ValueError(f"`name` must be one of the sounds of the list, got {name!r:.100}")
        return name

    def seconds(self, name: str) -> float:
        """Return the duration of a sound."""
        recorded = self._recording(name)
        return self._seconds(name) if recorded is None else recorded.shape[-1] / self.sample_rate

    def read(self, name: str, start: float = 0.0) -> Tensor:
        """Read at most `SECONDS` of a sound from ``start``, in seconds: ``(channel, time)``.

        Raises:
            ValueError: If it is not in the list or cannot be read.
        """
        recorded = self._recording(name)
        return self._read(name, start) if recorded is None else recorded

    def code(self, name: str, start: float = 0.0) -> str:
        """Write Python that makes the ``waveform`` of `read`."""
        if self._recording(name) is None:
            return self._code(name, start)
        return (
            f"# Save the original by the menu of its player, as {name}.wav.\n"
            f'samples, _ = soundfile.read("{name}.wav", dtype="float32", always_2d=True)\n'
            "waveform = torch.from_numpy(samples.T.copy())\n"
        )

    def _recording(self, name: object) -> Tensor | None:
        # A browser may send any type; a list is not hashable.
        return self._recorded.get(name) if isinstance(name, str) else None

    @abstractmethod
    def _seconds(self, name: str) -> float: ...

    @abstractmethod
    def _read(self, name: str, start: float) -> Tensor: ...

    @abstractmethod
    def _code(self, name: str, start: float) -> str: ...


class Notes(Sounds):
    """One embedded note of each family, the one nearest to middle C.

    Args:
        sample_rate: Rate in Hz; ``None`` is that of the notes.
    """

    def __init__(self, sample_rate: int | None = None) -> None:
        self._notes = GMNotes("train")
        own = self._notes.sample_rate
        super().__init__(self._notes.classes, own if sample_rate is None else sample_rate)

    def _seconds(self, name: str) -> float:
        """Return the duration of a note."""
        return self._note(name).shape[-1] / self._notes.sample_rate

    def _read(self, name: str, start: float) -> Tensor:
        """Return a whole note, because notes are short."""
        return _resample(self._note(name), self._notes.sample_rate, self.sample_rate)

    def _code(self, name: str, start: float) -> str:
        """Write Python that reads a note."""
        return (
            f'waveform = augspec.datasets.GMNotes("train")[{self._index(name)}]["waveform"]'
            f"  # {name}\n" + _resampling(self._notes.sample_rate, self.sample_rate)
        )

    def _note(self, name: str) -> Tensor:
        note: Tensor = self._notes[self._index(name)]["waveform"]
        return note

    def _index(self, name: str) -> int:
        family = self._notes.classes.index(self.check(name))
        distance = np.abs(self._notes.pitches - 60) + 1000 * (self._notes.labels != family)
        return int(distance.argmin())


class Folder(Sounds):
    """The audio files of a folder, named by their paths in it, or one of them.

    Args:
        root: The folder; it is searched to any depth. Names that begin with a dot, and links that
            lead out of it, are left out.
        file: The only file to offer.
        sample_rate: Rate in Hz; ``None`` is that of the first file that can be read.

    Raises:
        ValueError: If there is no audio file, or none can be read.
    """

    has_files = True

    def __init__(
        self, root: Path, file: str | None = None, *, sample_rate: int | None = None
    ) -> None:
        self.root = root.resolve(strict=True)
        found = [file] if file else sorted(n for n in _files(self.root) if self._is_inside(n))
        if not found:
            kinds = " ".join(sorted(SUFFIXES))
            raise ValueError(f"there is no audio file ({kinds}) in {str(self.root)!r}")
        self._first, own = _first_readable(self.root, found)
        rate = own if sample_rate is None else sample_rate
        super().__init__(found[:_MOST], rate, max(0, len(found) - _MOST))

    @property
    def first(self) -> str:
        """The first file that can be read."""
        return self._first

    def path_of(self, name: str) -> Path:
        """Return the path of a file of the list.

        Raises:
            ValueError: If the name is not in the list, or has become a link out of the folder.
        """
        self.check(name)
        if not self._is_inside(name):
            raise ValueError(f"`name` must be a file inside the folder, got {name!r}")
        return self.root / name

    def _seconds(self, name: str) -> float:
        """Return the duration of a file from its header."""
        info = audio_info(self.path_of(name))
        return info.frames / info.sample_rate

    def _read(self, name: str, start: float) -> Tensor:
        """Read a part of a file, resampled if needed.

        Raises:
            ValueError: If the file is not in the list or cannot be read.
        """
        rate, first, frames = self._part(name, start)
        waveform = read_audio(self.path_of(name), rate, first, frames)
        return _resample(waveform, rate, self.sample_rate)

    def _code(self, name: str, start: float) -> str:
        """Write Python that reads the same part of the file."""
        rate, first, frames = self._part(name, start)
        part = f", start={first}" if first else ""
        return (
            f"samples, _ = soundfile.read(\n    {str(self.path_of(name))!r},\n"
            f'    dtype="float32", always_2d=True{part}, frames={frames},\n)\n'
            "waveform = torch.from_numpy(samples.T.copy())\n" + _resampling(rate, self.sample_rate)
        )

    def _part(self, name: str, start: float) -> tuple[int, int, int]:
        """Return the file's rate, the first sample to read and the number of samples."""
        info = audio_info(self.path_of(name))
        rate = info.sample_rate
        seconds = min(max(0.0, start), info.frames / rate)  # also for NaN
        first = max(0, min(round(seconds * rate), info.frames - 1))
        return rate, first, max(1, min(SECONDS * rate, info.frames - first))

    def _is_inside(self, name: str) -> bool:
        try:
            path = (self.root / name).resolve(strict=True)
        except (OSError, RuntimeError):  # a broken or circular link
            return False
        return path.is_relative_to(self.root) and path.is_file()


def open_sounds(path: Path | None, sample_rate: int | None = None) -> Sounds:
    """Open a folder or a file of the command line, or the embedded notes without one.

    Raises:
        ValueError: If there is no such file or folder, or no audio in it.
    """
    if path is None:
        return Notes(sample_rate)
    if path.is_dir():
        return Folder(path, sample_rate=sample_rate)
    if path.is_file():
        whole = path.resolve()  # follow a link that the user named
        return Folder(whole.parent, whole.name, sample_rate=sample_rate)
    raise ValueError(f"there is no file or folder {str(path)!r}")


def _files(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and _is_text(str(path)):
                yield path.relative_to(root).as_posix()


def _first_readable(root: Path, names: list[str]) -> tuple[str, int]:
    """Find the first file that can be decoded, and its sample rate; others may be broken."""
    faults = []
    for name in names[:_MOST]:
        try:
            rate = audio_info(root / name).sample_rate
            read_audio(root / name, rate, 0, 1)
        except (ValueError, OSError, ImportError) as error:
            faults.append(error)
        else:
            return name, rate
    raise ValueError(f"no file of the folder can be read; the first: {faults[0]}")


def _is_text(name: str) -> bool:
    """Return whether a name can be sent to a browser; file systems allow any bytes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _resample(waveform: Tensor, orig_freq: int, new_freq: int) -> Tensor:
    if orig_freq == new_freq:
        return waveform
    with eager_kernels():
        return resample_rate(waveform[None], orig_freq, new_freq)[0]


def _resampling(orig_freq: int, new_freq: int) -> str:
    if orig_freq == new_freq:
        return ""
    return (
        f"waveform = augspec.functional.resample_rate(waveform[None], {orig_freq}, {new_freq})[0]\n"
    )
