"""Any folder of audio files, with labels from folders, from file names or from a function."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from augspec.datasets._audio import (
    SUFFIXES,
    TORCHCODEC_SUFFIXES,
    AudioInfo,
    audio_info,
    check_whole,
    read_audio,
)
from augspec.datasets._folder_names import NameFrom, labeller, splitter
from augspec.functional import resample_rate
from augspec.random import example_keys, uniform

_SUFFIXES = SUFFIXES | TORCHCODEC_SUFFIXES


class Skipped(NamedTuple):
    """A file that was left out, and why."""

    path: str
    reason: str


class AudioFolder(Dataset[dict[str, Any]]):
    """Read every audio file below a folder, labelled by where it lies or what it is called.

    An item is a dictionary: ``waveform`` (float32 tensor), ``label`` (int), ``index`` (int) and
    ``path`` (str), and with ``segment`` also ``start`` (seconds). The files are sorted by their
    path below ``root``; files and folders whose names start with a dot are left out. Any format
    that soundfile reads will do, by suffix: wav, flac, ogg, opus, mp3, aiff, au, caf, w64; with
    torchcodec and FFmpeg installed also m4a, aac, ac3, mka, webm, wma and wv. The default collate
    of a DataLoader stacks files of one length; files of several lengths need ``segment``, a crop or
    a collate of their own.

    A segment is read from the file without decoding the rest. Its place depends on ``seed``, the
    epoch (`set_epoch`) and ``index`` alone, not on the order or the number of workers.

    Args:
        root: The folder, searched to any depth.
        label_from: ``"folder"`` takes the name of the folder that the file lies in. A compiled
            pattern is searched for in the file name, and its group 1 is the label (fastai's
            ``label_from_re``). A function gets the file as a ``pathlib.Path`` and returns the
            label.
        split_from: ``"folder"`` takes the name of the topmost folder below ``root`` (fastai's
            ``split_by_folder``). A compiled pattern is searched for in the path below ``root``,
            with ``/`` between folders, and its group 1 is the split. A function gets the file and
            returns the name of the split.
        split: Keep only the files of this split. ``classes`` are those of all splits, so that
            labels mean the same in each.
        sample_rate: Resample what has another rate to this one, in Hz, while loading. By default
            nothing is resampled and all files must share one rate: ``T.Resample`` in the front end
            then resamples whole batches on the device.
        mono: Average the channels into one; otherwise they are kept.
        segment: Seconds to read of each file. A shorter file is read whole.
        segment_from: ``"random"``, ``"start"`` or ``"center"``.
        seed: Seed of the places of random segments.
        on_error: ``"raise"`` or ``"skip"``. To skip leaves out files with an unreadable header or
            cut short when the folder is opened. A file that proves damaged only when it is read is
            replaced by the next one that is not. ``skipped`` lists both.

    Attributes:
        classes: The labels' names, sorted; ``classes[label]`` is the name of a label.
        sample_rate: Sampling rate of the items in Hz.
        labels: Label of every file, int64.
        durations: Seconds of every file, as its header says.
        skipped: Path and reason of each file that was left out, in this process.

    Shape:
        ``waveform`` is ``(channel, time)``.

    Raises:
        FileNotFoundError: If the root is missing.
        TypeError: If ``label_from`` or ``split_from`` is none of the three, or the function does
            not return a string.
        ImportError: If a file needs torchcodec.
        ValueError: If an argument is not one of those above, there is no audio file, a file gives
            no label, a header cannot be read, or a file has another sampling rate. Reading an item
            raises it if the file is damaged or cut.

    Example:
        >>> import re
        >>> from augspec.datasets import AudioFolder
        >>> notes = AudioFolder("audio", label_from=re.compile(r"^([a-z]+)_"))  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        label_from: NameFrom = "folder",
        split_from: NameFrom | None = None,
        split: str | None = None,
        *,
        sample_rate: int | None = None,
        mono: bool = False,
        segment: float | None = None,
        segment_from: str = "random",
        seed: int = 0,
        on_error: str = "raise",
    ) -> None:
        _check_choice("segment_from", segment_from, ("random", "start", "center"))
        _check_choice("on_error", on_error, ("raise", "skip"))
        for name, value in (("sample_rate", sample_rate), ("segment", segment)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be positive, got {value}")
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(f"`root` must be an existing folder, got {self.root}")
        self.mono, self.segment, self.segment_from = mono, segment, segment_from
        self.seed, self.on_error = seed, on_error
        self.skipped: list[Skipped] = []
        self._epoch = torch.zeros((), dtype=torch.int64)
        if segment is not None and segment_from == "random":
            self._epoch.share_memory_()  # so that workers that live on are told of a new epoch

        label_of = labeller(self.root, label_from)
        files = sorted(_audio_files(self.root))
        if not files:
            raise ValueError(
                f"`root` must hold audio files ({' '.join(sorted(SUFFIXES))}), "
                f"got {self.root} with none"
            )
        names, labels = np.unique([label_of(file) for file in files], return_inverse=True)
        self.classes: list[str] = names.tolist()
        kept = _of_split(self.root, files, split_from, split)
        infos = self._read_headers([files[i] for i in kept])
        kept = [i for i, info in zip(kept, infos, strict=True) if info is not None]
        self._set([files[i] for i in kept], [info for info in infos if info], sample_rate)
        self.labels: NDArray[np.int64] = labels[kept]

    def _read_headers(self, files: list[Path]) -> list[AudioInfo | None]:
        infos: list[AudioInfo | None] = []
        for file in files:
            try:
                info = audio_info(file)
                if self.on_error == "skip":
                    check_whole(file)
                infos.append(info)
            except ValueError as error:
                if self.on_error == "raise":
                    raise
                self.skipped.append(Skipped(str(file), str(error)))
                infos.append(None)
        return infos

    def _set(self, files: list[Path], infos: list[AudioInfo], sample_rate: int | None) -> None:
        if not files:
            raise ValueError(
                f"`root` must hold a readable audio file, got {self.root} with "
                f"{len(self.skipped)} that are not, such as {self.skipped[0]}"
            )
        if sample_rate is None:
            sample_rate = _common_sample_rate(files, infos)
        self.sample_rate = sample_rate
        self._rates = np.array([info.sample_rate for info in infos], np.int32)
        self._frames = np.array([info.frames for info in infos], np.int64)
        self.durations: NDArray[np.float64] = self._frames / self._rates
        # Bytes of one array, not one Path a file: small, and shared with workers that are forked.
        self._paths = np.array([os.fsencode(file.relative_to(self.root)) for file in files])

    @property
    def paths(self) -> list[str]:
        """Path of every file, as the items have it."""
        return [str(self._path(index)) for index in range(len(self))]

    def set_epoch(self, epoch: int) -> None:
        """Move random segments to where they are in an epoch, in workers that live on too."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[index]
        if self.on_error == "raise":
            return self._read(index)
        for place in range(index, index + len(self)):
            try:
                return self._read(place % len(self))
            except (ValueError, FileNotFoundError) as error:
                skipped = Skipped(str(self._path(place % len(self))), str(error))
                if skipped not in self.skipped:
                    self.skipped.append(skipped)
        raise ValueError(f"none of the {len(self)} files can be read, see `skipped`")

    def _read(self, index: int) -> dict[str, Any]:
        path, rate = self._path(index), int(self._rates[index])
        item: dict[str, Any] = {
            "label": int(self.labels[index]),
            "index": index,
            "path": str(path),
        }
        if self.segment is None:
            waveform = self._convert(read_audio(path, rate), rate)
        else:
            size = max(1, round(self.segment * self.sample_rate))
            frames = math.ceil(size * rate / self.sample_rate)
            start = self._start(index, int(self._frames[index]) - frames)
            waveform = self._convert(read_audio(path, rate, start, frames), rate)[:, :size]
            item["start"] = start / rate
        return {"waveform": waveform, **item}

    def _start(self, index: int, room: int) -> int:
        """Return the first sample to read, of ``room`` samples that the segment can move by."""
        if room <= 0 or self.segment_from == "start":
            return 0
        if self.segment_from == "center":
            return room // 2
        keys = example_keys(self.seed, int(self._epoch), [index])
        return int(float(uniform(keys, "AudioFolder", "start")) * (room + 1))

    def _convert(self, waveform: Tensor, rate: int) -> Tensor:
        if self.mono:
            waveform = waveform.mean(0, keepdim=True)
        if rate != self.sample_rate:
            waveform = resample_rate(waveform[None], rate, self.sample_rate)[0]
        return waveform

    def _path(self, index: int) -> Path:
        return self.root / os.fsdecode(self._paths[index])


def _check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"`{argument}` must be one of {', '.join(choices)}, got {value!r}")


def _audio_files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if Path(name).suffix.lower() in _SUFFIXES and not name.startswith("."):
                yield Path(folder, name)


def _of_split(
    root: Path, files: list[Path], split_from: NameFrom | None, split: str | None
) -> list[int]:
    """Return the places of the files of a split, of all if none is named."""
    if split_from is None or split is None:
        if split_from is not None or split is not None:
            raise ValueError("`split_from` and `split` must be given together or not at all")
        return list(range(len(files)))
    split_of = splitter(root, split_from)
    names = [split_of(file) for file in files]
    if split not in names:
        raise ValueError(f"`split` must be one of {', '.join(sorted(set(names)))}, got {split!r}")
    return [i for i, name in enumerate(names) if name == split]


def _common_sample_rate(files: list[Path], infos: list[AudioInfo]) -> int:
    for file, info in zip(files, infos, strict=True):
        if info.sample_rate != infos[0].sample_rate:
            raise ValueError(
                f"{file} has {info.sample_rate} Hz and {files[0]} has {infos[0].sample_rate} Hz; "
                "all files must share one sampling rate, or give `sample_rate` to resample them"
            )
    return infos[0].sample_rate
