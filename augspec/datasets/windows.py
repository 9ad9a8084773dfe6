"""Windows of one length over long recordings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from augspec._described import Described
from augspec.datasets._items import attribute_of, fingerprint_of
from augspec.datasets._parts import can_give_parts, labels_of, lengths_of, part_of
from augspec.functional.checks import check_positive
from augspec.functional.shapes import fit


class Windows(Described, Dataset[dict[str, Any]]):
    """Cut long recordings into windows of one length; each window is an item.

    A recording of ``length`` seconds has ``1 + ceil((length - seconds) / hop)`` windows, at least
    one, so that every sample is in some window. The last one is padded with zeros, unless it fits;
    ``lengths`` says how many samples of it are sound, and transforms and features respect it. Only
    a window's own samples are read from the file.

    An item has the keys of the recording, with the window as its ``waveform`` and the number of the
    window as ``index``. It also has ``recording`` (int, the index of the recording in ``dataset``),
    ``start`` (seconds from the beginning of the recording) and ``lengths`` (int, samples).

    Args:
        dataset: `AudioFolder`, `AudioTable`, `Packed`, `NSynth`, `GMNotes` or a ``Subset`` of one,
            without ``segment``. Also any data set with ``sample_rate``, ``lengths`` (the samples of
            every item) and ``part(index, start, size)``, which returns an item with some of its
            samples.
        seconds: Length of a window.
        hop: Seconds from the beginning of a window to that of the next; ``seconds`` by default.

    Attributes:
        size: Samples of a window.
        hop_size: Samples between the beginnings of windows.
        recordings: Index in ``dataset`` of the recording of every window, int64.
        starts: First sample of every window in its recording, int64.
        labels: Label of every window, that of its recording, or ``None``.
        sample_rate: Sampling rate in Hz.
        classes: Those of ``dataset``.

    Shape:
        ``waveform`` is ``(channel, size)``.

    Raises:
        TypeError: If ``dataset`` cannot return parts of its items.
        ValueError: If ``seconds`` or ``hop`` is not positive, ``hop`` is longer than ``seconds``,
            which would leave sound out, or ``dataset`` reads segments itself.

    Example:
        >>> from augspec.datasets import GMNotes, Windows
        >>> windows = Windows(GMNotes("valid"), seconds=1.5, hop=1.0)
        >>> len(windows) == 4 * 240, windows[3]["start"], windows[3]["lengths"]
        (True, 3.0, 16000)
    """

    def __init__(
        self, dataset: Dataset[dict[str, Any]], seconds: float, hop: float | None = None
    ) -> None:
        seconds = check_positive("seconds", float(seconds))  # it may be one of NumPy's
        hop = None if hop is None else check_positive("hop", float(hop))
        if hop is not None and hop > seconds:
            raise ValueError(f"`hop` must be at most `seconds`, {seconds}, got {hop}")
        if not can_give_parts(dataset):
            raise TypeError(
                "`dataset` must be able to return parts of its items (AudioFolder, AudioTable, "
                "Packed, NSynth, GMNotes, or a data set with `lengths` and `part(index, start, "
                f"size)`), got {type(dataset).__name__}"
            )
        if attribute_of(dataset, "segment") is not None:
            raise ValueError(
                "`dataset` must return whole recordings, got one with `segment`: open "
                "it without `segment`"
            )
        self.dataset = dataset
        self.sample_rate = int(attribute_of(dataset, "sample_rate"))
        self.classes: list[str] | None = attribute_of(dataset, "classes")
        self.size = max(1, round(seconds * self.sample_rate))
        self.hop_size = self.size if hop is None else max(1, round(hop * self.sample_rate))
        over = np.maximum(lengths_of(dataset) - self.size, 0)
        self._ends = np.cumsum(1 - (-over // self.hop_size))

    @property
    def recordings(self) -> NDArray[np.int64]:
        """Index in ``dataset`` of the recording of every window."""
        return np.repeat(np.arange(len(self._ends)), np.diff(self._ends, prepend=0))

    @property
    def starts(self) -> NDArray[np.int64]:
        """First sample of every window in its recording."""
        firsts = np.concatenate([[0], self._ends[:-1]])
        starts: NDArray[np.int64] = (np.arange(len(self)) - firsts[self.recordings]) * self.hop_size
        return starts

    @property
    def labels(self) -> NDArray[Any] | None:
        """Label of every window."""
        labels = labels_of(self.dataset)
        return None if labels is None else labels[self.recordings]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[index]
        recording, start = self._place(index)
        item = part_of(self.dataset, recording, start, self.size)
        waveform = item["waveform"]
        return {
            **item,
            "waveform": fit(waveform, self.size),
            "index": index,
            "recording": recording,
            "start": start / self.sample_rate,
            "lengths": waveform.shape[-1],
        }

    def fingerprint(self, index: int) -> str | None:
        """Identify a window without decoding it, if ``dataset`` can."""
        recording, start = self._place(index)
        own = fingerprint_of(self.dataset, recording)
        return None if own is None else f"{own} {start} {self.size}"

    def _place(self, index: int) -> tuple[int, int]:
        """Return the recording of a window and the window's first sample in it."""
        recording = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[recording - 1]) if recording else 0
        return recording, (index - before) * self.hop_size
