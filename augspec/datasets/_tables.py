"""Tables of any kind as rows: CSV and TSV files, lists of dictionaries, DataFrames."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from augspec._names import listing

#: A spreadsheet has no more. A file that has is none of sounds and labels, and would fill the
#: memory with cells.
_MOST_COLUMNS = 16_384

Row: TypeAlias = Mapping[str, Any]
Column: TypeAlias = str | Callable[[Row], Any]


class Table(NamedTuple):
    """The rows of a table, and their names in errors."""

    name: str
    columns: list[str]
    rows: list[dict[str, Any]]
    lines: list[int]  # lines of the file, or indices of the rows
    folder: Path | None  # folder of the file

    def said(self, place: int) -> str:
        """Return the name of a row in errors, by its index."""
        return f"{self.kind} {self.lines[place]} of {self.name}"

    @property
    def kind(self) -> str:
        """What a row is called in errors."""
        return "row" if self.folder is None else "line"

    @property
    def listed(self) -> str:
        """The names of the columns for an error."""
        return listing([str(name) for name in self.columns])

    def check_column(self, argument: str, column: object, hint: str = "") -> None:
        """Raise unless ``column`` is a function or the name of a column."""
        if not callable(column) and column not in self.columns:
            raise ValueError(
                f"`{argument}` must be a column of {self.name}, got {column!r}; it has "
                f"{self.listed}{hint}"
            )

    def value(self, place: int, column: Column) -> Any:
        """Return a row's cell in a column, or a function's result for the row."""
        row = self.rows[place]
        return column(row) if callable(column) else row.get(column)

    def text(self, place: int, argument: str, column: Column) -> str:
        """Return a row's cell in a column as text.

        Raises:
            ValueError: If the cell is empty; the message names the row.
        """
        value = self.value(place, column)
        if is_missing(value):
            raise ValueError(
                f"{self.said(place)} has an empty cell for `{argument}` ({column!r}); fill it or "
                f"leave the {self.kind} out"
            )
        return text_of(value)


def read_table(table: Any) -> Table:
    """Read a CSV or TSV file, a list of dictionaries or a DataFrame.

    Raises:
        FileNotFoundError: If the file is missing.
        TypeError: If ``table`` has another type.
        ValueError: If the file is not UTF-8, has no header, no row or too many columns, or a row
            has more cells than the header.
    """
    if isinstance(table, str | os.PathLike):
        read = _read_file(Path(table))
    elif hasattr(table, "to_dict") and hasattr(table, "columns"):  # without importing pandas
        rows = table.to_dict("records")
        columns = [str(name) for name in table.columns]
        read = Table("`table`", columns, rows, list(range(len(rows))), None)
    else:
        try:
            rows = [dict(row) for row in table]
        except (TypeError, ValueError) as error:
            raise TypeError(
                "`table` must be a CSV or TSV file, a list of dictionaries or a DataFrame, got "
                f"{type(table).__name__}"
            ) from error
        columns = list(dict.fromkeys(name for row in rows for name in row))
        read = Table("`table`", columns, rows, list(range(len(rows))), None)
    if not read.rows:
        raise ValueError(f"{read.name} must have at least one row, got none")
    return read


def _read_file(path: Path) -> Table:
    if not path.is_file():
        raise FileNotFoundError(f"`table` must be an existing file, got {path}")
    rows, lines = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel writes a BOM first
            header = file.readline()
            file.seek(0)
            delimiter = max("\t,;", key=header.count)
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            columns = list(reader.fieldnames or [])
            if len(columns) > _MOST_COLUMNS:
                raise ValueError(
                    f"{path} must have at most {_MOST_COLUMNS:,} columns, got {len(columns):,}"
                )
            for row in reader:
                if None in row:
                    raise ValueError(
                        f"line {reader.line_num} of {path} has more cells than the header; put "
                        f"quotes around cells that contain the delimiter"
                    )
                rows.append(row)
                lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8 ({error}); save it in that encoding") from error
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} of {path} cannot be read ({error})") from error
    return Table(str(path), columns, rows, lines, path.parent)


def is_missing(value: Any) -> bool:
    """Return whether a cell is empty; pandas has NaN or NA there."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    if type(value).__name__ == "NAType":  # NA cannot be compared, and pandas may not be installed
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)


def text_of(value: Any) -> str:
    """Return a cell as text; pandas converts a column of integers with an empty cell to floats."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


def texts_of(value: Any) -> set[str]:
    """Return one or several values as a set of texts."""
    several = isinstance(value, Iterable) and not isinstance(value, str)
    return {text_of(one) for one in (value if several else [value])}
