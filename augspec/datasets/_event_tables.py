"""Tables of sound events: file, onset, offset and label."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from augspec.datasets._tables import Table, is_missing, read_table

_DESED = ("filename", "onset", "offset", "event_label")
_RAVEN = ("Begin Time (s)", "End Time (s)")
_RAVEN_LABELS = ("Annotation", "Species", "Label", "Class", "Tags")


class Event(NamedTuple):
    """A sound event in a file.

    Args:
        file: The file, or the end of its path, with or without a suffix.
        onset: Seconds from the beginning of the file.
        offset: End in seconds from the beginning of the file.
        label: Class of the sound.
    """

    file: str
    onset: float
    offset: float
    label: str


def read_events(
    tables: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], label: str | None = None
) -> list[Event]:
    """Read tables of events in the formats of DESED or Raven.

    DESED's columns are ``filename onset offset event_label``; a row without an onset marks a file
    without events. Raven's selection tables have ``Begin Time (s)``, ``End Time (s)`` and a column
    of labels with a name that the user chose. The file is given by ``Begin File``; without that
    column, by the first part of the table's name, such as ``rec.Table.1.selections.txt``. If a
    table covers several files, ``File Offset (s)`` is the onset within the file. A selection that
    is listed for several views counts once.

    Args:
        tables: A table or several.
        label: Column with the label; by default ``event_label``, and of Raven's tables the first of
            ``Annotation``, ``Species``, ``Label``, ``Class`` and ``Tags`` that is there.

    Raises:
        FileNotFoundError: If a table is missing.
        ValueError: If a table is of neither kind, or a row has no label, a time that is not a
            number, or an end before its beginning; the message names the line.
    """
    paths = [tables] if isinstance(tables, str | os.PathLike) else list(tables)
    events: dict[Event, None] = {}
    for path in paths:
        events.update(dict.fromkeys(_read(Path(path), label)))
    return list(events)


def _read(path: Path, label: str | None) -> list[Event]:
    rows = read_table(path)
    if all(name in rows.columns for name in _DESED[:3]):
        return _desed(rows, _DESED[3] if label is None else label)
    if all(name in rows.columns for name in _RAVEN):
        there = [name for name in _RAVEN_LABELS if name in rows.columns]
        if label is None and not there:
            raise ValueError(
                f"`label` must be given: {path} has none of the columns {', '.join(_RAVEN_LABELS)}"
                f", but {rows.listed}"
            )
        return _raven(rows, path, there[0] if label is None else label)
    raise ValueError(
        f"{path} must have the columns of DESED ({', '.join(_DESED)}) or of Raven "
        f"({', '.join(_RAVEN)}), got {rows.listed}; of another table give "
        "augspec.datasets.Events a list of tuples (file, onset, offset, label)"
    )


def _desed(rows: Table, label: str) -> list[Event]:
    rows.check_column("label", label)
    return [
        _event(rows, place, rows.text(place, "file", "filename"), "onset", "offset", label)
        for place, row in enumerate(rows.rows)
        if not is_missing(row["onset"])
    ]


def _raven(rows: Table, path: Path, label: str) -> list[Event]:
    rows.check_column("label", label)
    events = []
    for place, row in enumerate(rows.rows):
        file = row.get("Begin File") or path.name.split(".Table.")[0]
        event = _event(rows, place, file, *_RAVEN, label)
        if not is_missing(row.get("File Offset (s)")):
            onset = _seconds(rows, place, "File Offset (s)")
            event = event._replace(onset=onset, offset=onset + event.offset - event.onset)
        events.append(event)
    return events


def _event(rows: Table, place: int, file: str, onset: str, offset: str, label: str) -> Event:
    times = _seconds(rows, place, onset), _seconds(rows, place, offset)
    return checked(Event(file, *times, rows.text(place, "label", label)), rows.said(place))


def _seconds(rows: Table, place: int, column: str) -> float:
    text = rows.text(place, column, column)
    try:
        return float(text)
    except ValueError as error:
        message = f"{rows.said(place)} must have seconds in `{column}`, got {text!r}"
        raise ValueError(message) from error


def checked(event: Event, said: str) -> Event:
    """Raise unless an event has a place in time."""
    if not 0.0 <= event.onset <= event.offset < math.inf:
        raise ValueError(
            f"{said} must have an onset of 0 or more and an offset that is not before it, got "
            f"{event.onset} and {event.offset}"
        )
    return event
