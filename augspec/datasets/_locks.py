"""Files that only one process at a time may write."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import BinaryIO


def open_locked(path: Path, patience: float = 0.0) -> BinaryIO:
    """Open or create a file for reading and writing, and lock it against other processes.

    The lock is released when the file is closed, or when the process and its forks have ended.

    Raises:
        BlockingIOError: If another process holds it for more than ``patience`` seconds.
    """
    end = time.monotonic() + patience
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        free = _lock(file)
        # The previous owner may have renamed it meanwhile; a finished file must not be changed.
        if free and _is_at(file, path):
            return file
        file.close()
        if not free:
            if time.monotonic() >= end:
                raise BlockingIOError(
                    f"another process is writing {path}; wait until it has finished"
                )
            time.sleep(0.05)


def put_in_place(file: BinaryIO, partial: Path, path: Path) -> None:
    """Rename a file that is still locked."""
    if os.name == "nt":  # Windows cannot rename an open file
        file.close()
    partial.replace(path)


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has no such lock: do not start two writers at once
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
