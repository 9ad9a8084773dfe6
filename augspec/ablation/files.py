"""Atomic writing: a file is complete or does not exist, also after a crash."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


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
    """Write a text atomically."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    write_whole(path, lambda part: part.write_bytes(content))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
