"""Readers of settings: each checks a value from a command line or a YAML file.

A command line gives text, and so does YAML for a number such as ``1e-3``; a reader returns the same
value for ``1e-3``, ``"1e-3"`` and ``0.001``. For a wrong value it raises a `ValueError` that says
what it must be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from augspec.conditions import parse_names

Reader = Callable[[Any], Any]


def count(at_least: int = 1) -> Reader:
    """Make a reader of whole numbers."""

    def read(value: Any) -> int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
            value, whole = int(value), True
        if not whole:
            raise ValueError(f"must be a whole number, {at_least} or more, got {value!r}")
        if value < at_least:
            raise ValueError(f"must be {at_least} or more, got {value}")
        return int(value)

    return read


def number(low: float, high: float = math.inf, *, above: bool = False) -> Reader:
    """Make a reader of numbers from ``low`` (or ``above`` it) to ``high``."""

    def read(value: Any) -> float:
        try:
            found = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            found = math.nan
        right = low < found <= high if above else low <= found <= high
        if not right or math.isinf(found):
            least = f"above {low:g}" if above else f"{low:g} or more"
            most = "" if math.isinf(high) else f", at most {high:g}"
            raise ValueError(f"must be a number {least}{most}, got {value!r}")
        return found

    return read


def one_of(*names: str) -> Reader:
    """Make a reader of a choice."""

    def read(value: Any) -> str:
        if value not in names:
            raise ValueError(f"must be among {', '.join(names)}, got {value!r}")
        return str(value)

    return read


def text(value: Any) -> str:
    """Read text."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be text, got {value!r}")
    return value


def path(value: Any) -> Path:
    """Read a path."""
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError(f"must be a path, got {value!r}")
    return Path(value)


def flag(value: Any) -> bool:
    """Read yes or no."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {value!r}")
    return value


def names(value: Any) -> tuple[str, ...]:
    """Read names: a list, or comma-separated text."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError(f"must be names with commas between, got {value!r}")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def mapping(what: str) -> Reader:
    """Make a reader of mappings from names to ``what``."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            kind = "a list" if isinstance(value, list | tuple) else f"{value!r:.60}"
            raise ValueError(f"must be a mapping of names to {what}, got {kind}")
        return dict(value)

    return read


def checkpoint(value: Any) -> dict[str, Any]:
    """Read a value of the axis `checkpoint`: a name, a network, its weights and its features."""
    known = {"name": text, "backbone": text, "pretrained": text, "features": mapping("settings")}
    if not isinstance(value, Mapping) or not {"name", "backbone"} <= value.keys() <= known.keys():
        raise ValueError(
            "must be a mapping of name, backbone, and perhaps pretrained (a file; weights are "
            f"random without one) and features, got {value!r:.80}"
        )
    return {name: known[name](own) for name, own in value.items()}


def average(value: Any) -> str:
    """Read how weights are averaged: ``ema``, or ``last-K``, the last K epochs."""
    kind, _, count = str(value).partition("-")
    if value != "ema" and not (kind == "last" and count.isdecimal() and int(count) >= 2):
        raise ValueError(f"must be ema, or last-K such as last-3, got {value!r}")
    return str(value)


def fold(value: Any) -> tuple[int, int]:
    """Read ``K/N``: the K-th of N folds."""
    one, _, total = str(value).partition("/")
    if not (one.isdecimal() and total.isdecimal() and 1 <= int(one) <= int(total) > 1):
        raise ValueError(f"must be K/N such as 1/4, got {value!r}")
    return int(one), int(total)


def conditions(value: Any) -> tuple[tuple[str, int], ...]:
    """Read conditions: comma-separated names, a list, or pairs of name and severity."""
    if isinstance(value, tuple) and all(isinstance(one, tuple) for one in value):
        value = [f"{name}-{severity}" for name, severity in value]
    if not isinstance(value, str | list):
        raise ValueError(f"must be names with commas between, got {value!r}")
    try:
        return tuple(parse_names(value))
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"cannot be read: {error}") from error
