"""The one place where figures are computed that a report can do without."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


def optional(
    missing: list[str], what: str, compute: Callable[..., R | None], *arguments: Any
) -> R | None:
    """Compute a figure, or say in words that it cannot be computed.

    A study may have taken days: no figure beside its result may cost the report. What fails, or is
    no finite number, is None, an empty cell, and ``missing`` is told why.

    Args:
        missing: Where a failure is written down.
        what: Name of the figure.
        compute: Computes it from the arguments.
        arguments: Of ``compute``.
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
