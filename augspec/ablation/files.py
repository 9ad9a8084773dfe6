"""Atomic writing: a file is complete or does not exist, also after a crash."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

_BEGIN_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file next to its final path, sync it to the disk, and then rename it.

    Without the two syncs a power cut may leave the new name without content, because a system may
    write the name before the content.

    Args:
        path: Final path of the file.
        write: Function that writes a file at a given path.
    """
    part = path.with_name(path.name + ".part")
    write(part)
    _sync(part)
    part.replace(path)
    if os.name == "posix":  # Windows cannot open a folder, and writes names in order
        _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text atomically, as UTF-8 and with the line ends that it has."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8", newline=""))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    write_whole(path, lambda part: part.write_bytes(content))


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Format rows as CSV that a spreadsheet opens without computing anything.

    A spreadsheet runs text that begins like a formula, such as the name of a file or of an arm. A
    quote before it makes it text (OWASP, "CSV Injection"). Numbers are not changed.
    """
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_inert(cell) for cell in row] for row in rows)
    return text.getvalue()


def _inert(cell: Any) -> Any:
    if not isinstance(cell, str) or not cell.startswith(_BEGIN_FORMULAS):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
