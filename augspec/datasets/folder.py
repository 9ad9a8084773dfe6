"""Any folder of audio files, with labels from folders, from file names or from a function."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from augspec.datasets._audio import SUFFIXES, header_sample_rate, read_audio


class AudioFolder(Dataset[dict[str, Any]]):
    """Read every audio file below a folder, labelled by where it lies or what it is called.

    An item is a dictionary: ``waveform`` (float32 tensor, mono or stereo as the file is), ``label``
    (int), ``index`` (int) and ``path`` (str). The files are sorted by their path below ``root``;
    files and folders whose names start with a dot are left out. Any format that soundfile reads
    will do, by suffix: wav, flac, ogg, opus, mp3, aiff, au, caf, w64. The default collate of a
    DataLoader stacks files of one length; files of several lengths need a crop or a collate of
    their own.

    Args:
        root: The folder, searched to any depth.
        label_from: ``"folder"`` takes the name of the folder that the file lies in. A compiled
            pattern is searched for in the file name, and its group 1 is the label (fastai's
            ``label_from_re``). A function gets the file as a ``pathlib.Path`` and returns the
            label.

    Attributes:
        classes: The labels' names, sorted; ``classes[label]`` is the name of a label.
        sample_rate: Sampling rate in Hz, which all files share.
        labels: Label of every file, int64.

    Shape:
        ``waveform`` is ``(channel, time)``.

    Raises:
        FileNotFoundError: If the root is missing.
        TypeError: If ``label_from`` is none of the three, or the function does not return a string.
        ValueError: If there is no audio file, a file gives no label, a header cannot be read, or a
            file has another sampling rate. Reading an item raises it if the file is damaged or cut.

    Example:
        >>> import re
        >>> from augspec.datasets import AudioFolder
        >>> notes = AudioFolder("audio", label_from=re.compile(r"^([a-z]+)_"))  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        label_from: str | re.Pattern[str] | Callable[[Path], str] = "folder",
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(f"`root` must be an existing folder, got {self.root}")
        label_of = _labeller(self.root, label_from)
        files = sorted(_audio_files(self.root))
        if not files:
            raise ValueError(
                f"`root` must hold audio files ({' '.join(sorted(SUFFIXES))}), "
                f"got {self.root} with none"
            )
        names, labels = np.unique([label_of(file) for file in files], return_inverse=True)
        self.classes: list[str] = names.tolist()
        self.labels: NDArray[np.int64] = labels
        self.sample_rate = _common_sample_rate(files)
        # Bytes of one array, not one Path a file: small, and shared with workers that are forked.
        self._paths = np.array([os.fsencode(file.relative_to(self.root)) for file in files])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[index]
        path = self.root / os.fsdecode(self._paths[index])
        return {
            "waveform": read_audio(path, self.sample_rate),
            "label": int(self.labels[index]),
            "index": index,
            "path": str(path),
        }


def _audio_files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(folder, name)


def _common_sample_rate(files: list[Path]) -> int:
    expected = header_sample_rate(files[0])
    for file in files:
        rate = header_sample_rate(file)
        if rate != expected:
            raise ValueError(
                f"{file} has {rate} Hz and {files[0]} has {expected} Hz; all files must share one "
                "sampling rate, so resample them first"
            )
    return expected


def _labeller(
    root: Path, label_from: str | re.Pattern[str] | Callable[[Path], str]
) -> Callable[[Path], str]:
    if label_from == "folder":
        return lambda file: _folder_label(root, file)
    if isinstance(label_from, re.Pattern):
        if label_from.groups < 1:
            raise ValueError(
                f"`label_from` must have a group around the label, got {label_from.pattern!r}"
            )
        return lambda file: _pattern_label(label_from, file)
    if callable(label_from):
        return lambda file: _function_label(label_from, file)
    raise TypeError(
        '`label_from` must be "folder", a compiled pattern (re.compile) or a function, '
        f"got {label_from!r}"
    )


def _folder_label(root: Path, file: Path) -> str:
    if file.parent == root:
        raise ValueError(
            f"{file} lies in `root` itself and has no folder to name its label; move it into one "
            "or use another `label_from`"
        )
    return file.parent.name


def _pattern_label(pattern: re.Pattern[str], file: Path) -> str:
    match = pattern.search(file.name)
    if match is None or match[1] is None:
        raise ValueError(
            f"`label_from` must find a label in every file name, got {pattern.pattern!r}, which "
            f"finds none in {file.name!r} ({file})"
        )
    return str(match[1])


def _function_label(function: Callable[[Path], str], file: Path) -> str:
    label = function(file)
    if not isinstance(label, str):
        raise TypeError(f"`label_from` must return a string, got {label!r} for {file}")
    return label
