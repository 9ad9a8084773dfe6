"""Paths, labels and folds from the columns of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from augspec._names import listing
from augspec.datasets._labels import split_names
from augspec.datasets._tables import Column, Table, is_missing, text_of, texts_of


def paths_of(rows: Table, root: Path, path: Column) -> list[Path]:
    """Return the file of every row."""
    if not isinstance(path, str) or "{" not in path:
        rows.check_column("path", path, "; `path` may also be a pattern, '{name}.wav'")
        return [root / text for text in texts_of_column(rows, "path", path)]
    files = []
    for place, row in enumerate(rows.rows):
        texts = {name: "" if is_missing(value) else text_of(value) for name, value in row.items()}
        try:
            files.append(root / path.format_map(texts))
        except (IndexError, KeyError) as error:
            raise ValueError(
                f"`path` must name columns of {rows.name} in braces, got {path!r}; "
                f"{rows.said(place)} has {rows.listed}"
            ) from error
    return files


def texts_of_column(rows: Table, argument: str, column: Column) -> list[str]:
    """Return the text of a column in every row; no cell may be empty."""
    rows.check_column(argument, column)
    return [rows.text(place, argument, column) for place in range(len(rows.rows))]


def rows_of_folds(
    rows: Table, fold: Column | None, folds: Any
) -> tuple[list[int], list[str] | None]:
    """Return the indices of the rows of some folds, and the fold of every row."""
    if fold is None:
        if folds is not None:
            raise ValueError(
                "`fold` must be given with `folds`: the name of the column that holds them"
            )
        return list(range(len(rows.rows))), None
    names = texts_of_column(rows, "fold", fold)
    if folds is None:
        return list(range(len(rows.rows))), names
    wanted = texts_of(folds)
    unknown = sorted(wanted - set(names))
    if unknown or not wanted:
        raise ValueError(f"`folds` must be some of {listing(sorted(set(names)))}, got {folds!r}")
    return [place for place, name in enumerate(names) if name in wanted], names


def label_names(
    rows: Table, label: Column | None, separator: str | None
) -> tuple[list[list[str]], bool]:
    """Return the label names of every row, and whether a row may have several."""
    if label is None:
        if separator is not None:
            raise ValueError("`label` must be given with `separator`, got None")
        return [[] for _ in rows.rows], False
    rows.check_column("label", label, "; give `label=None` for a table without labels")
    values = [rows.value(place, label) for place in range(len(rows.rows))]
    several = separator is not None or any(map(_is_list, values))
    if not several:
        return [[name] for name in texts_of_column(rows, "label", label)], False
    return [_split(value, separator) for value in values], True


def _split(value: Any, separator: str | None) -> list[str]:
    if _is_list(value):
        return list(dict.fromkeys(map(text_of, value)))
    if is_missing(value):
        return []
    return [text_of(value)] if separator is None else split_names(text_of(value), separator)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset | np.ndarray)
