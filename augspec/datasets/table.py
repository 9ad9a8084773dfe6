"""Audio files that a table lists, with their labels, folds and groups."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augspec.datasets._files import AudioFiles
from augspec.datasets._labels import Labels, number_labels
from augspec.datasets._table_columns import label_names, paths_of, rows_of_folds, texts_of_column
from augspec.datasets._tables import Column, read_table


class AudioTable(AudioFiles):
    """Read the audio files that a table lists: CSV, TSV, dictionaries or a DataFrame.

    An item is a dictionary: ``waveform`` (float32 tensor), ``index`` (int), ``path`` (str), and
    ``label`` unless the table has none: an int, or a multi-hot float32 tensor ``(classes,)`` if
    rows may have several labels. With ``group``, ``fold`` and ``segment`` it also has ``group`` and
    ``fold`` (str) and ``start`` (seconds). Items are in the order of the table. Formats and
    segments are those of `AudioFolder`.

    Args:
        table: A CSV or TSV file with a header (UTF-8; cells end at commas, tabs or semicolons,
            whichever the header has most of), a list of dictionaries, or a pandas ``DataFrame``.
        root: Folder to which paths in the table are relative; by default the folder of the table's
            file.
        path: Column with the path of the file. With braces it is a pattern of columns,
            ``"fold{fold}/{slice_file_name}"`` or ``"{fname}.wav"``. It can also be a function that
            gets the row as a dictionary and returns the path.
        label: Column with the label or the labels, or a function that gets the row and returns a
            label or a list of them. ``None`` if there are no labels.
        separator: Separator of the labels of a row, such as ``","``. With it, or where cells hold
            lists, labels are multi-hot; a row may then have none.
        fold: Column with the fold, the split or the part of the data that a row belongs to.
        folds: Keep only the rows of this fold, or of these folds. ``classes`` are those of all
            rows, so that label numbers are the same in each fold.
        group: Column of the group that must stay in one part of a split, such as the speaker; pass
            ``groups`` to `split_by_group` and `folds_by_group`.
        classes: Names of the labels in the order of their numbers. By default the names of the
            table, sorted as text, or by value if all are whole numbers.
        sample_rate: As in `AudioFolder`, like the following arguments.
        mono: Average the channels into one.
        segment: Seconds to read of each file.
        segment_from: ``"random"``, ``"start"`` or ``"center"``.
        seed: Seed of the places of random segments.
        on_error: ``"raise"`` or ``"skip"``, which also leaves out missing files.

    Attributes:
        classes: The labels' names; ``classes[label]`` is the name of a label. Empty without labels.
        sample_rate: Sampling rate of the items in Hz.
        labels: Label of every item, int64, or float32 ``(items, classes)``, or ``None``.
        groups: Group of every item, as text, or ``None``.
        folds: Fold of every item, as text, or ``None``.
        durations: Seconds of every file, as its header says.
        lengths: Samples per channel of every whole file, at ``sample_rate``.
        skipped: Path and reason of each file that was left out, in this process.

    Shape:
        ``waveform`` is ``(channel, time)``.

    Raises:
        FileNotFoundError: If the table is missing.
        TypeError: If the table is none of those above.
        ValueError: If the table cannot be read, lacks a column, has an empty cell in a needed
            column, names a file that is missing or cannot be read, or a label that is not in
            ``classes``; the message names the row. Also for the reasons given in `AudioFolder`.

    Example:
        >>> from augspec.datasets import AudioTable
        >>> train = AudioTable(
        ...     "ESC-50/meta/esc50.csv", "ESC-50/audio", path="filename", label="category",
        ...     fold="fold", folds=[1, 2, 3, 4],
        ... )  # doctest: +SKIP
    """

    _stream = "AudioTable"

    def __init__(
        self,
        table: Any,
        root: str | os.PathLike[str] | None = None,
        *,
        path: Column = "path",
        label: Column | None = "label",
        separator: str | None = None,
        fold: Column | None = None,
        folds: Any = None,
        group: Column | None = None,
        classes: Sequence[str] | None = None,
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
        rows = read_table(table)
        self.root = Path(root) if root is not None else rows.folder or Path()
        files = paths_of(rows, self.root, path)
        chosen, fold_names = rows_of_folds(rows, fold, folds)
        group_names = None if group is None else texts_of_column(rows, "group", group)
        names, is_multi_hot = label_names(rows, label, separator)
        self._is_labelled = label is not None
        self.classes, numbers = number_labels(names, _order(names, classes), rows.said)
        kept = self._open([files[row] for row in chosen], lambda at: f"{rows.said(chosen[at])}: ")
        places = [chosen[place] for place in kept]
        self.folds = None if fold_names is None else np.array(fold_names)[places]
        self.groups = None if group_names is None else np.array(group_names)[places]
        mine = [numbers[place] for place in places]
        self._labels = Labels(mine, len(self.classes), is_multi_hot)

    @property
    def labels(self) -> NDArray[Any] | None:
        """Label of every item, int64, or float32 ``(items, classes)``, or ``None``."""
        return self._labels.array() if self._is_labelled else None

    def _about(self, index: int) -> dict[str, Any]:
        about: dict[str, Any] = {}
        if self._is_labelled:
            about["label"] = self._labels.of(index)
        if self.groups is not None:
            about["group"] = str(self.groups[index])
        if self.folds is not None:
            about["fold"] = str(self.folds[index])
        return about


def _order(names: list[list[str]], classes: Sequence[str] | None) -> Sequence[str] | None:
    """Return the classes in the order of their numbers: by value if all are whole numbers."""
    found = {name for own in names for name in own}
    if classes is not None or not found:
        return classes
    whole = all(name.isdecimal() for name in found)
    return sorted(found, key=lambda name: (int(name) if whole else 0, name))
