"""Items that are audio files: opening, reading, cutting segments, skipping bad files."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from augspec._described import Described
from augspec.datasets._audio import (
    AudioInfo,
    audio_info,
    check_samples,
    count_frames,
    read_audio,
)
from augspec.datasets._texts import Texts
from augspec.datasets._walk import Skipped
from augspec.functional import resample_rate
from augspec.random import example_keys, uniform

# Extra input samples around a part that is resampled, per step of the resampler. They are longer
# than the resampling filter, so that a part equals the same part of the whole file resampled.
_CONTEXT = 64


class AudioFiles(Described, Dataset[dict[str, Any]]):
    """Base of the data sets whose items are files; a subclass defines the files and labels.

    A subclass sets ``root`` and ``_stream``, the name under which its random places are drawn,
    calls `_open`, and returns from `_about` the keys of an item other than the audio.
    """

    _stream: str
    root: Path

    def __init__(
        self,
        *,
        sample_rate: int | None,
        mono: bool,
        segment: float | None,
        segment_from: str,
        seed: int,
        on_error: str,
    ) -> None:
        _check_choice("segment_from", segment_from, ("random", "start", "center"))
        _check_choice("on_error", on_error, ("raise", "skip"))
        for name, value in (("sample_rate", sample_rate), ("segment", segment)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be positive, got {value}")
        self.mono, self.segment, self.segment_from = mono, segment, segment_from
        self.seed, self.on_error = int(seed), on_error
        self.skipped: list[Skipped] = []
        self._wanted_rate = sample_rate
        self._epoch = torch.zeros((), dtype=torch.int64)
        if segment is not None and segment_from == "random":
            self._epoch.share_memory_()  # shared memory, so that persistent workers see a new epoch

    def _about(self, index: int) -> dict[str, Any]:
        """Return the keys of an item other than its audio, index and path."""
        raise NotImplementedError

    def _open(self, files: list[Path], said: Callable[[int], str] = lambda _: "") -> list[int]:
        """Read the headers of files and keep those that can be read.

        Args:
            files: The files.
            said: Prefix of an error about a file, by its index in the list.

        Returns:
            The indices of the files that are kept.
        """
        infos: list[AudioInfo] = []
        kept: list[int] = []
        for place, file in enumerate(files):
            try:
                infos.append(self._check(file))
                kept.append(place)
            except (ValueError, ImportError, OSError) as error:
                reason = said(place) + str(error)
                if self.on_error == "raise":
                    kind = ImportError if isinstance(error, ImportError) else ValueError
                    rest = "" if kind is ImportError else '; on_error="skip" leaves such files out'
                    raise kind(reason + rest) from error
                self.skipped.append(Skipped(str(file), reason))
        if not kept:
            raise ValueError(
                f"`root` must hold a readable audio file, got {self.root} with {len(self.skipped)} "
                f"that cannot be read, such as: {self.skipped[0].reason}"
            )
        self._set([files[place] for place in kept], infos)
        return kept

    def _check(self, file: Path) -> AudioInfo:
        info = audio_info(file)
        if info.frames == 0:
            raise ValueError(f"{file} holds no audio; remove it")
        if self.on_error == "skip":  # otherwise reading the item raises it
            check_samples(file, info)
        return info

    def _set(self, files: list[Path], infos: list[AudioInfo]) -> None:
        rate = self._wanted_rate
        self.sample_rate = _common_sample_rate(files, infos) if rate is None else int(rate)
        self._rates = np.array([info.sample_rate for info in infos], np.int32)
        self._frames = np.array([info.frames for info in infos], np.int64)
        self._is_exact = np.array([info.is_exact for info in infos])
        self.durations: NDArray[np.float64] = self._frames / self._rates
        self._paths = Texts(os.fsencode(self._below_root(file)) for file in files)

    @property
    def paths(self) -> list[str]:
        """Path of every file, as in the items."""
        return [str(self._path(index)) for index in range(len(self))]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples per channel of every whole file at ``sample_rate``.

        The headers of m4a, aac, ac3, mka, webm and wma only estimate them: such files are decoded
        once, at the first call.
        """
        return np.array([self._length(index) for index in range(len(self))], np.int64)

    def set_epoch(self, epoch: int) -> None:
        """Draw the random segments of an epoch, also in persistent workers."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[index]
        if self.on_error == "raise":
            return self._read(index)
        for place in range(index, index + len(self)):
            try:
                return self._read(place % len(self))
            except (ValueError, OSError) as error:
                skipped = Skipped(str(self._path(place % len(self))), str(error))
                if skipped not in self.skipped:
                    self.skipped.append(skipped)
        raise ValueError(f"none of the {len(self)} files can be read, see `skipped`")

    def part(self, index: int, start: int, size: int) -> dict[str, Any]:
        """Return an item with some of its samples; only these are read.

        Args:
            index: Index of the item.
            start: First sample, at ``sample_rate``.
            size: Samples to read; there are fewer where the file ends.
        """
        index = range(len(self))[index]
        return {"waveform": self._samples(index, int(start), int(size)), **self._record(index)}

    def fingerprint(self, index: int) -> str:
        """Identify an item without decoding it: by its file's size and time, and settings.

        `pack` compares it when it resumes after a kill.
        """
        stat = self._path(index).stat()
        settings = (self.sample_rate, self.mono, self.segment, self.segment_from, self.seed)
        text = repr((settings, int(self._epoch), stat.st_size, stat.st_mtime_ns))
        record = {name: np.asarray(value).tolist() for name, value in self._record(index).items()}
        return hashlib.blake2b(f"{text}{record}".encode("utf-8", "surrogateescape")).hexdigest()[
            :32
        ]

    def _read(self, index: int) -> dict[str, Any]:
        if self.segment is None:
            waveform = self._convert(self._decode(index), int(self._rates[index]))
            return {"waveform": waveform, **self._record(index)}
        size = max(1, round(self.segment * self.sample_rate))
        start = self._start(index, self._length(index) - size)
        item = self.part(index, start, size)
        item["start"] = start / self.sample_rate
        return item

    def _record(self, index: int) -> dict[str, Any]:
        return {**self._about(index), "index": index, "path": str(self._path(index))}

    def _length(self, index: int) -> int:
        """Count the samples of a file at ``sample_rate``."""
        if not self._is_exact[index]:
            self._frames[index] = count_frames(self._path(index))
            self._is_exact[index] = True
        return -(-int(self._frames[index]) * self.sample_rate // int(self._rates[index]))

    def _start(self, index: int, room: int) -> int:
        """Return the first sample to read; the segment can move by ``room`` samples."""
        if room <= 0 or self.segment_from == "start":
            return 0
        if self.segment_from == "center":
            return room // 2
        keys = example_keys(self.seed, int(self._epoch), [index])
        return int(float(uniform(keys, self._stream, "start")) * (room + 1))

    def _samples(self, index: int, start: int, size: int) -> Tensor:
        """Read a part of a file, equal to that part of the whole converted file."""
        rate = int(self._rates[index])
        if rate == self.sample_rate:
            return self._convert(self._decode(index, start, size), rate)
        common = math.gcd(rate, self.sample_rate)
        period, new_period = rate // common, self.sample_rate // common
        context = _CONTEXT * max(1, -(-period // new_period))
        # Begin at a whole number of periods, where an input sample coincides with an output sample.
        skipped = max(0, start * period // new_period - context) // period
        first = skipped * period
        end = -(-(start + size) * period // new_period) + context
        waveform = self._convert(self._decode(index, first, end - first), rate)
        offset = start - skipped * new_period
        return waveform[:, offset : offset + size]

    def _decode(self, index: int, start: int = 0, frames: int | None = None) -> Tensor:
        return read_audio(self._path(index), int(self._rates[index]), start, frames)

    def _convert(self, waveform: Tensor, rate: int) -> Tensor:
        if self.mono:
            waveform = waveform.mean(0, keepdim=True)
        if rate != self.sample_rate:
            waveform = resample_rate(waveform[None], rate, self.sample_rate)[0]
        return waveform

    def _below_root(self, file: Path) -> Path:
        return file.relative_to(self.root) if file.is_relative_to(self.root) else file

    def _path(self, index: int) -> Path:
        return self.root / os.fsdecode(self._paths[index])


def _check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"`{argument}` must be one of {', '.join(choices)}, got {value!r}")


def _common_sample_rate(files: list[Path], infos: list[AudioInfo]) -> int:
    for file, info in zip(files, infos, strict=True):
        if info.sample_rate != infos[0].sample_rate:
            raise ValueError(
                f"{file} has {info.sample_rate} Hz and {files[0]} has {infos[0].sample_rate} Hz; "
                "all files must have the same sampling rate; pass `sample_rate` to resample them"
            )
    return infos[0].sample_rate
