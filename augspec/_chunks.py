"""How many rows of a batch are worked on at a time.

Each kernel says how many intermediate values it makes for a row; one budget a kind of device says
how many rows that allows. On a CPU what a chunk makes then stays in the cache from one operation to
the next. Smaller chunks win a little on an idle machine and lose much on a busy one, where every
operation waits for its slowest thread. Elsewhere the budget only bounds the memory.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["chunks", "in_chunks"]

_CPU_VALUES = 2**21
_DEVICE_VALUES = 2**27


def chunks(count: int, values: int, device: torch.device) -> list[slice]:
    """Split rows into chunks that fit into the budget, each of one row at least.

    A graph that is compiled takes all rows at once: the compiler fuses what would fill the cache.

    Args:
        count: Number of rows: examples, channels or frames.
        values: Intermediate values that the work on one row makes.
        device: Where the work is done.

    Returns:
        Slices that cover all rows in order; at least one.

    Example:
        >>> chunks(20, 4 * 64_000, torch.device("cpu"))
        [slice(0, 8, None), slice(8, 16, None), slice(16, 20, None)]
    """
    if torch.compiler.is_compiling():
        return [slice(None)]
    budget = _CPU_VALUES if device.type == "cpu" else _DEVICE_VALUES
    size = max(1, budget // max(1, values))
    if count <= size:
        return [slice(None)]
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def in_chunks(
    work: Callable[[slice], Tensor], count: int, values: int, device: torch.device, dim: int = 0
) -> Tensor:
    """Join what ``work`` gives for each of `chunks` along ``dim``."""
    parts = [work(some) for some in chunks(count, values, device)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)
