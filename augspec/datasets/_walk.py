"""Finding the audio files of a folder; links never make a folder be read twice."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import NamedTuple, TypeVar

AnyPath = TypeVar("AnyPath", bound=PurePath)


class Skipped(NamedTuple):
    """A file or a folder that was skipped, and the reason."""

    path: str
    reason: str


class Found(NamedTuple):
    """The result of a walk: files sorted by path, and links that were not followed."""

    files: list[Path]
    skipped: list[Skipped]


def audio_files(root: Path, suffixes: frozenset[str], on_error: str = "raise") -> Found:
    """List the files below ``root`` with certain suffixes, without hidden ones.

    A link to a folder elsewhere is followed, with two exceptions. A link to a folder that was
    already read would give a file two names and maybe two labels. A link to a folder that contains
    the link or ``root`` would add files beside ``root``, such as the validation set beside the
    training set.

    Args:
        root: The folder.
        suffixes: Of audio files, with their dots, in lower case.
        on_error: ``"skip"`` leaves out a folder without permission to read; ``"raise"`` raises.

    Raises:
        OSError: If a folder cannot be read, unless it is left out.
    """
    walk = _Walk(root, suffixes, on_error)
    walk.enter(root, _real(root))
    while walk.links:
        walk.follow(walk.links.pop(min(range(len(walk.links)), key=walk.links.__getitem__)))
    return Found(in_order(walk.files), walk.skipped)


def in_order(files: Iterable[AnyPath]) -> list[AnyPath]:
    """Sort paths by the text of their parts, on every system alike.

    Windows compares paths without regard to case. The index of an item, and with it its draws,
    would then depend on the system.
    """
    return sorted(files, key=lambda file: file.parts)


class _Walk:
    def __init__(self, root: Path, suffixes: frozenset[str], on_error: str) -> None:
        self.root = _real(root)
        self.on_error = on_error
        self.suffixes = suffixes
        self.files: list[Path] = []
        self.skipped: list[Skipped] = []
        self.links: list[tuple[Path, Path]] = []  # path of a link, and the folder that holds it
        self.seen: dict[Path, Path] = {}  # a folder, and the path by which it was read

    def enter(self, path: Path, real: Path) -> None:
        """Read a folder and the folders in it; links are stored and followed at the end.

        So a file below ``root`` gets its own path, and not that of a link to its folder.
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
        """Read the target folder of a link, unless it is excluded."""
        path, holder = link
        target = _real(path)
        if target in (holder, *holder.parents, self.root, *self.root.parents):
            reason = f"is a link to a folder that contains it, {target}"
        elif target in self.seen:
            reason = f"is a link to a folder that was already read, {self.seen[target]}"
        else:
            self.enter(path, target)
            return
        self.skipped.append(Skipped(str(path), f"{path} {reason}"))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
