"""The number of rows of a batch that are processed at a time.

Each kernel states its number of intermediate values per row; one budget per type of device gives
the number of rows. On a CPU the values of a chunk then stay in the cache from one operation to the
next. Smaller chunks are slightly faster on an idle machine and much slower on a busy one, where
every operation waits for its slowest thread. On other devices the budget bounds the memory: 64
examples of 4 s at 16 kHz fit into one chunk, and a chunk still takes a GPU several times as long as
a launch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import torch
from torch import Tensor

from augspec._torch import is_compiling

__all__ = ["by_examples", "chunks", "in_chunks"]

P = ParamSpec("P")

_CPU_VALUES = 2**21
_DEVICE_VALUES = 2**25
_EXAMPLES_VALUES = 2**26  # for plain operations, whose tensors are not larger than the audio
_ROOM = 3  # extra memory of a part of the batch, as a multiple of the audio


def chunks(count: int, values: int, device: torch.device) -> list[slice]:
    """Split rows into chunks that fit into the budget, each of at least one row.

    A compiled graph takes all rows at once, because the compiler fuses the intermediate values.

    Args:
        count: Number of rows: examples, channels or frames.
        values: Number of intermediate values per row.
        device: Device of the computation.

    Returns:
        Slices that cover all rows in order; at least one.

    Example:
        >>> chunks(20, 4 * 64_000, torch.device("cpu"))
        [slice(0, 8, None), slice(8, 16, None), slice(16, 20, None)]
    """
    if is_compiling():
        return [slice(None)]
    budget = _CPU_VALUES if device.type == "cpu" else _DEVICE_VALUES
    size = max(1, budget // max(1, values))
    return [slice(None)] if count <= size else _parts(count, size)


def _parts(count: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def in_chunks(
    work: Callable[[slice], Tensor], count: int, values: int, device: torch.device, dim: int = 0
) -> Tensor:
    """Join the results of ``work`` for each of `chunks` along ``dim``."""
    parts = [work(some) for some in chunks(count, values, device)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


def by_examples(times: int) -> Callable[[Callable[P, Tensor]], Callable[P, Tensor]]:
    """Let a kernel process a large batch in parts of some examples, except on a CPU.

    A kernel of plain operations makes several tensors of the size of the audio. On a CPU the batch
    is not split, because these tensors are not the limit of memory there.

    Args:
        times: Number of tensors of the size of its first argument that the kernel needs at one
            time. All its tensors have a row for each example.

    Example:
        >>> @by_examples(2)
        ... def square_of_next(waveform):
        ...     return (waveform + 1.0).square()
        >>> square_of_next(torch.ones(2, 1, 1))
        tensor([[[4.]],
        <BLANKLINE>
                [[4.]]])
    """

    def decorate(kernel: Callable[P, Tensor]) -> Callable[P, Tensor]:
        @functools.wraps(kernel)
        def run(*args: P.args, **kwargs: P.kwargs) -> Tensor:
            signal = args[0] if args else None
            parts = _some_examples(signal, times) if isinstance(signal, Tensor) else []
            if len(parts) < 2:
                return kernel(*args, **kwargs)
            count = len(args[0])  # type: ignore[arg-type]

            def take(value: Any, some: slice) -> Any:
                rows = isinstance(value, Tensor) and value.ndim and len(value) == count
                return value[some] if rows else value

            call: Callable[..., Tensor] = kernel
            return torch.cat(
                [
                    call(
                        *(take(value, some) for value in args),
                        **{name: take(value, some) for name, value in kwargs.items()},
                    )
                    for some in parts
                ]
            )

        return run

    return decorate


def _some_examples(signal: Tensor, times: int) -> list[slice]:
    """Split a batch so that ``times`` tensors of a part are as large as a few of the whole."""
    fits = times * signal.numel() <= _EXAMPLES_VALUES
    if fits or is_compiling() or not _is_bounded(signal.device):
        return [slice(None)]
    count = len(signal)
    enough = _DEVICE_VALUES * count // (times * signal.numel())
    return _parts(count, max(1, enough, _ROOM * count // times))


def _is_bounded(device: torch.device) -> bool:
    return device.type != "cpu"
