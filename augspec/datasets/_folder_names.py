"""Labels and splits from where a file lies or what it is called."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from augspec.datasets._labels import split_names

NameFrom: TypeAlias = str | re.Pattern[str] | Callable[[Path], str]
LabelFrom: TypeAlias = str | re.Pattern[str] | Callable[[Path], str | list[str]]


def labeller(
    root: Path, label_from: LabelFrom, separator: str | None = None
) -> Callable[[Path], str | list[str]]:
    """Return the function that names the label of a file, or its labels."""
    namer = _labeller(root, label_from)
    if separator is None:
        return namer

    def several(file: Path) -> list[str]:
        name = namer(file)
        return split_names(name, separator) if isinstance(name, str) else name

    return several


def _labeller(root: Path, label_from: LabelFrom) -> Callable[[Path], str | list[str]]:
    if label_from == "folder":
        return lambda file: _own_folder(root, file)
    return _namer("label_from", label_from, lambda file: file.name, "file name", lists=True)


def splitter(root: Path, split_from: NameFrom) -> Callable[[Path], str]:
    """Return the function that names the split of a file."""
    if split_from == "folder":
        return lambda file: _top_folder(root, file)
    return _namer("split_from", split_from, lambda file: file.relative_to(root).as_posix(), "path")


def _namer(
    argument: str, name_from: Any, text_of: Callable[[Path], str], what: str, lists: bool = False
) -> Callable[[Path], Any]:
    kind = argument.removesuffix("_from")
    if isinstance(name_from, re.Pattern):
        pattern = name_from
        if pattern.groups < 1:
            raise ValueError(
                f"`{argument}` must have a group around the {kind}, got {pattern.pattern!r}"
            )

        def from_pattern(file: Path) -> str:
            match = pattern.search(text_of(file))
            if match is None or match[1] is None:
                raise ValueError(
                    f"`{argument}` must find a {kind} in every {what}, got {pattern.pattern!r}, "
                    f"which finds none in {text_of(file)!r} ({file})"
                )
            return str(match[1])

        return from_pattern
    if not callable(name_from):
        raise TypeError(
            f'`{argument}` must be "folder", a compiled pattern (re.compile) or a function, '
            f"got {name_from!r}"
        )
    function = name_from

    def from_function(file: Path) -> Any:
        name = function(file)
        if lists and isinstance(name, list | tuple) and all(isinstance(one, str) for one in name):
            return list(dict.fromkeys(name))
        if not isinstance(name, str):
            raise TypeError(f"`{argument}` must return a string, got {name!r} for {file}")
        return name

    return from_function


def _own_folder(root: Path, file: Path) -> str:
    if file.parent == root:
        raise ValueError(
            f"{file} lies in `root` itself and has no folder to name its label; move it into one "
            "or use another `label_from`, such as `lambda path: 'all'` for files without labels"
        )
    return file.parent.name


def _top_folder(root: Path, file: Path) -> str:
    if file.parent == root:
        raise ValueError(
            f"{file} lies in `root` itself and has no folder to name its split; move it into one "
            "or use another `split_from`"
        )
    return file.relative_to(root).parts[0]
