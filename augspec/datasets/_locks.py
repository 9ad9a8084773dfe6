"""Files that only one process at a time may write."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout  # comes with torch, which needs it


@contextlib.contextmanager
def only_writer(path: Path, patience: float = 0.0) -> Iterator[None]:
    """Keep other processes from writing a file within the block.

    The lock is ``path.lock``. It is released when the block or the process ends, and removed when
    the block ends.

    Raises:
        FileNotFoundError: If its folder does not exist.
        BlockingIOError: If another process holds it for more than ``patience`` seconds.
    """
    if not path.parent.is_dir():  # the lock would make it
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise BlockingIOError(
            f"another process is writing {path}; wait until it has finished"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes it when it is released
            Path(lock.lock_file).unlink()
        lock.release()
