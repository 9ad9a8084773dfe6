"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place, make sure that it is on the disk, and then put it there.

    Without the two syncs a power cut may leave the new name with nothing behind it: a system may
    write the name before the content.

    Args:
        path: Where the file is to be.
        write: Writes a file at the path that it is given.
    """
    part = path.with_name(path.name + ".part")
    write(part)
    _sync(part)
    part.replace(path)
    if os.name == "posix":  # elsewhere a folder cannot be opened, and names are written in order
        _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes whole or not at all."""
    write_whole(path, lambda part: part.write_bytes(content))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
