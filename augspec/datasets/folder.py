"""Any folder of audio files, with labels from folders, from file names or from a function."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from augspec._names import listing
from augspec.datasets._audio import ALL_SUFFIXES, SUFFIXES
from augspec.datasets._files import AudioFiles
from augspec.datasets._folder_names import LabelFrom, NameFrom, labeller, splitter
from augspec.datasets._labels import Labels, number_labels
from augspec.datasets._walk import audio_files


class AudioFolder(AudioFiles):
    """Read every audio file below a folder, with labels from its folder or its name.

    An item is a dictionary: ``waveform`` (float32 tensor), ``label`` (int, or a multi-hot float32
    tensor ``(classes,)`` if files may have several labels), ``index`` (int) and ``path`` (str), and
    with ``segment`` also ``start`` (seconds). The files are sorted by their path below ``root``;
    files and folders whose names start with a dot are left out. Links to folders are followed, but
    no folder is read twice, and none that holds ``root``. Files are found by suffix: wav, flac,
    ogg, opus, mp3, aiff, au, caf and w64, and with torchcodec and FFmpeg installed also m4a, aac,
    ac3, mka, webm, wma and wv. The first bytes of a file determine its format: an m4a that is
    called .mp3 is read as an m4a. The default collate of a DataLoader stacks files of one length;
    files of several lengths need ``segment``, a crop or ``collate_fn=augspec.collate``.

    A segment is read without decoding the rest of the file, and equals that part of the whole file,
    also after resampling. (Formats that need torchcodec are decoded from the start of the file,
    because their time stamps are not exact.) Its place depends only on ``seed``, the epoch
    (`set_epoch`) and ``index``, not on the order or the number of workers.

    Args:
        root: The folder, searched to any depth.
        label_from: ``"folder"`` takes the name of the folder that the file lies in. A compiled
            pattern is searched for in the file name, and its group 1 is the label (fastai's
            ``label_from_re``). A function gets the file as a ``pathlib.Path`` and returns the
            label, or a list of labels.
        split_from: ``"folder"`` takes the name of the topmost folder below ``root`` (fastai's
            ``split_by_folder``). A compiled pattern is searched for in the path below ``root``,
            with ``/`` between folders, and its group 1 is the split. A function gets the file and
            returns the name of the split.
        split: Keep only the files of this split. ``classes`` are those of all splits, so that label
            numbers are the same in each.
        classes: Names of the labels in the order of their numbers. By default the names that are
            found, sorted as text: "10" comes before "2". Pass ``classes=train.classes`` to a
            validation set in another folder: if it lacks a class, its labels would get other
            numbers.
        separator: Separator of several labels in one name, such as ``"+"`` for the folder
            ``dog+rain``. With it, or where a function returns lists, labels are multi-hot; a file
            may then have none.
        sample_rate: Rate in Hz to which files of other rates are resampled while loading. By
            default nothing is resampled and all files must have the same rate: ``T.Resample`` in
            the front end then resamples whole batches on the device.
        mono: Average the channels into one; otherwise they are kept.
        segment: Seconds to read of each file. A shorter file is read whole.
        segment_from: ``"random"``, ``"start"`` or ``"center"``.
        seed: Seed of the places of random segments.
        on_error: ``"raise"`` or ``"skip"``. With ``"skip"``, opening the folder leaves out files
            that cannot be read, are cut, hold no samples or hold a NaN (files of floats are read
            completely for this check). If a file turns out to be damaged when an item is read, the
            next good item is returned instead, with its own label, path and index. ``skipped``
            lists both.

    Attributes:
        classes: The labels' names; ``classes[label]`` is the name of a label.
        sample_rate: Sampling rate of the items in Hz.
        labels: Label of every file, int64, or float32 ``(files, classes)``.
        durations: Seconds of every file, as its header says.
        lengths: Samples per channel of every whole file, at ``sample_rate``.
        skipped: Path and reason of each file that was left out, in this process, and of each link
            that was not followed.

    Shape:
        ``waveform`` is ``(channel, time)``.

    Raises:
        FileNotFoundError: If the root is missing.
        TypeError: If ``label_from`` or ``split_from`` is none of the three, or the function does
            not return a string (for ``label_from``, a string or a list of strings).
        ImportError: If a file needs torchcodec.
        ValueError: If an argument has a value that is not allowed, there is no audio file, a file
            gives no label or one that is not in ``classes``, a header cannot be read, or a file has
            another sampling rate. Reading an item raises it if the file is damaged, cut or holds a
            value that is not finite.

    Example:
        >>> import re
        >>> from augspec.datasets import AudioFolder
        >>> notes = AudioFolder("audio", label_from=re.compile(r"^([a-z]+)_"))  # doctest: +SKIP
    """

    _stream = "AudioFolder"

    def __init__(
        self,
        root: str | os.PathLike[str],
        label_from: LabelFrom = "folder",
        split_from: NameFrom | None = None,
        split: str | None = None,
        *,
        classes: Sequence[str] | None = None,
        separator: str | None = None,
        sample_rate: int | None = None,
        mono: bool = False,
        segment: float | None = None,
        segment_from: str = "random",
        seed: int = 0,
        on_error: str = "raise",
    ) -> None:
        super().__init__(
            sample_rate=sample_rate,
            mono=mono,
            segment=segment,
            segment_from=segment_from,
            seed=seed,
            on_error=on_error,
        )
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(f"`root` must be an existing folder, got {self.root}")
        label_of = labeller(self.root, label_from, separator)
        files, self.skipped = audio_files(self.root, ALL_SUFFIXES, on_error)
        if not files:
            raise ValueError(
                f"`root` must hold audio files ({' '.join(sorted(SUFFIXES))}), "
                f"got {self.root} with none"
            )
        names = [label_of(file) for file in files]
        is_multi_hot = any(not isinstance(name, str) for name in names)
        self.classes, numbers = number_labels(
            [[name] if isinstance(name, str) else name for name in names],
            classes,
            lambda place: str(files[place]),
        )
        chosen = _of_split(self.root, files, split_from, split)
        kept = self._open([files[place] for place in chosen])
        mine = [numbers[chosen[place]] for place in kept]
        self._labels = Labels(mine, len(self.classes), is_multi_hot)

    @property
    def labels(self) -> NDArray[Any]:
        """Label of every file, int64, or float32 ``(files, classes)``."""
        return self._labels.array()

    def _about(self, index: int) -> dict[str, Any]:
        return {"label": self._labels.of(index)}


def _of_split(
    root: Path, files: list[Path], split_from: NameFrom | None, split: str | None
) -> list[int]:
    """Return the indices of the files of a split, or of all files without ``split``."""
    if split_from is None or split is None:
        if split_from is not None or split is not None:
            raise ValueError("`split_from` and `split` must be given together: one is missing")
        return list(range(len(files)))
    split_of = splitter(root, split_from)
    names = [split_of(file) for file in files]
    if split not in names:
        raise ValueError(f"`split` must be one of {listing(sorted(set(names)))}, got {split!r}")
    return [i for i, name in enumerate(names) if name == split]
