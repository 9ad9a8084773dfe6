"""Computing optional figures of a report."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


def optional(
    missing: list[str], what: str, compute: Callable[..., R | None], *arguments: Any
) -> R | None:
    """Compute a figure, or record that it could not be computed.

    A study may have taken days, so an optional figure must not stop the report. A figure that fails
    or is not finite becomes None, an empty cell, and ``missing`` gets the reason.

    Args:
        missing: List that gets the failure in words.
        what: Name of the figure.
        compute: Computes it from the arguments.
        arguments: Arguments of ``compute``.
    """
    try:
        value = compute(*arguments)
        if not isinstance(value, float) or math.isfinite(value):
            return value
        reason = f"it came out as {value}"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    missing.append(f"{what} could not be computed ({reason})")
    return None
