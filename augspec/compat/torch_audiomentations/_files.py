"""Audio files by path, decoded once for each sample rate."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from augspec.bank import Bank
from augspec.compat.torch_audiomentations._base import EmptyPathException
from augspec.datasets._audio import SUFFIXES
from augspec.datasets._walk import audio_files

__all__ = ["Banks", "Paths"]

Path_: TypeAlias = str | PathLike[str]
Paths: TypeAlias = Path_ | Sequence[Path_]


class Banks:
    """Find audio files, and return a bank of them for a sample rate.

    Args:
        name: Name of the argument.
        paths: A folder, a file, or a list of those.
    """

    def __init__(self, name: str, paths: Paths) -> None:
        given = [paths] if isinstance(paths, str | PathLike) else list(paths)
        self.paths = [file for path in given for file in _find(Path(path))]
        if not self.paths:
            raise EmptyPathException(f"`{name}` must lead to audio files, got {paths!r} with none")
        self._made: dict[int, Bank] = {}

    def at(self, sample_rate: int | None) -> Bank:
        """Return the bank of a sample rate."""
        rate = int(sample_rate or 0)
        if rate not in self._made:
            self._made[rate] = Bank(self.paths, rate)
        return self._made[rate]


def _find(path: Path) -> list[Path]:
    if path.is_dir():
        return audio_files(path, SUFFIXES).files
    return [path] if path.suffix.lower() in SUFFIXES and path.is_file() else []
