"""Progress bars, on a terminal and with tqdm."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol


class Bar(Protocol):
    """The part of tqdm's interface that is used."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *error: Any) -> Any: ...

    def update(self, n: int = 1, /) -> Any:
        """Move on."""


class _NoBar(AbstractContextManager["_NoBar"]):
    def __exit__(self, *error: Any) -> None:
        """Show nothing."""

    def update(self, n: int = 1, /) -> None:
        """Show nothing."""


def progress_bar(
    title: str, total: int | None, done: int = 0, shown: bool = True, unit: str = " items"
) -> Bar:
    """Make a bar that starts at ``done`` of ``total``; bytes get a prefix (``unit="B"``)."""
    if not shown:
        return _NoBar()
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _NoBar()
    scale = unit == "B"
    return tqdm(desc=title, total=total, initial=done, unit=unit, unit_scale=scale)
