"""Finding the audio files of a folder, each folder once, whatever links there are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Skipped(NamedTuple):
    """A file or a folder that was left out, and why."""

    path: str
    reason: str


class Found(NamedTuple):
    """What a walk found: files sorted by their path, and links that it did not follow."""

    files: list[Path]
    skipped: list[Skipped]


def audio_files(root: Path, suffixes: frozenset[str], on_error: str = "raise") -> Found:
    """List the files below ``root`` that have one of some suffixes, hidden ones left out.

    A link to a folder elsewhere is followed. It is not when it leads to a folder that is read
    already, which would give one file two names and maybe two labels, or to one that holds the link
    or ``root``: that would take in what lies beside ``root``, such as the validation set beside
    the training set.

    Args:
        root: The folder.
        suffixes: Of audio files, with their dots, in lower case.
        on_error: ``"skip"`` leaves out a folder that must not be read; ``"raise"`` does not.

    Raises:
        OSError: If a folder cannot be read, unless it is left out.
    """
    walk = _Walk(root, suffixes, on_error)
    walk.enter(root, _real(root))
    while walk.links:
        walk.follow(walk.links.pop(min(range(len(walk.links)), key=walk.links.__getitem__)))
    return Found(sorted(walk.files), walk.skipped)


class _Walk:
    def __init__(self, root: Path, suffixes: frozenset[str], on_error: str) -> None:
        self.root = _real(root)
        self.on_error = on_error
        self.suffixes = suffixes
        self.files: list[Path] = []
        self.skipped: list[Skipped] = []
        self.links: list[tuple[Path, Path]] = []  # where a link is, and the folder that holds it
        self.seen: dict[Path, Path] = {}  # a folder, and the path by which it was read

    def enter(self, path: Path, real: Path) -> None:
        """Read a folder and the folders in it; links are noted, to be followed after all others.

        A file below ``root`` so gets its own path, and not that of a link to its folder.
        """
        self.seen[real] = path
        try:
            names = sorted(entry.name for entry in os.scandir(path))
        except OSError as error:
            if self.on_error == "raise":
                raise
            self.skipped.append(Skipped(str(path), str(error)))
            return
        for name in names:
            below = path / name
            if name.startswith("."):
                continue
            if not below.is_dir():
                if below.suffix.lower() in self.suffixes:
                    self.files.append(below)
            elif _real(below) == real / name:
                self.enter(below, real / name)
            else:
                self.links.append((below, real))

    def follow(self, link: tuple[Path, Path]) -> None:
        """Read the folder that a link leads to, if it is not left out."""
        path, holder = link
        target = _real(path)
        if target in (holder, *holder.parents, self.root, *self.root.parents):
            reason = f"is a link back to a folder that holds it, {target}"
        elif target in self.seen:
            reason = f"is a link to a folder that is read already, {self.seen[target]}"
        else:
            self.enter(path, target)
            return
        self.skipped.append(Skipped(str(path), f"{path} {reason}"))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
