"""Constant tensors: windows, filter banks, matrices of fixed transforms.

Each is made once for its arguments, dtype and device, and shared by all callers; modules hold only
settings. DistributedDataParallel would broadcast buffers at every step, and ``module.half()`` would
round them.
"""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

from augspec._compile import constant_in_graphs, eager_kernels, is_launched
from augspec._torch import is_compiling, is_exporting

__all__ = [
    "Kept",
    "add_scaled",
    "constant",
    "content",
    "count_up",
    "holds_no_numbers",
    "outside_modes",
    "scaled",
    "tensor_of",
    "where_else",
]

_KEPT = 512  # constants in the cache: a model has a few, a search over settings would fill memory


class Kept:
    """Hold a tensor for a function that is constant in graphs.

    A graph names bare tensors by the function that returned them, and two of one function clash.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def content(kept: Kept) -> Tensor:
    """Return the stored tensor."""
    # While torch traces, it computes with constants, and its guards on the results fail.
    return kept.tensor.detach() if torch.compiler.is_dynamo_compiling() else kept.tensor


def constant(
    function: Callable[..., Tensor],
    *arguments: Hashable,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Return ``function(*arguments, dtype=dtype)`` on a device, from the cache if possible.

    All callers get the same tensor, so it must not be edited. In a compiled or exported graph it is
    a constant. Among fake tensors it is a new fake, which is not cached.

    Args:
        function: Makes the tensor on the CPU.
        arguments: Arguments of the function; they must be hashable.
        dtype: dtype of the result.
        device: Device of the result.

    Example:
        >>> window = constant(torch.hann_window, 4, dtype=torch.float64, device=torch.device("cpu"))
        >>> window
        tensor([0.0000, 0.5000, 1.0000, 0.5000], dtype=torch.float64)
    """
    if torch.compiler.is_dynamo_compiling():
        arguments = tuple(map(_settled, arguments))
    return content(_kept(function, arguments, dtype, device))


def _settled(argument: Hashable) -> Hashable:
    """Fix a dynamic integer of a graph, because the constant depends on it.

    A number that has changed between two calls is a symbol in the second graph.
    """
    return operator.index(argument) if type(argument) is int else argument


@constant_in_graphs
def _kept(
    function: Callable[..., Tensor],
    arguments: tuple[Hashable, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> Kept:
    # An export stores the values themselves, although it is traced with fake tensors.
    if not is_exporting() and holds_no_numbers():
        real = _made(function, arguments, dtype, torch.device("cpu")).tensor
        return Kept(torch.empty(real.shape, dtype=dtype, device=device))
    return _made(function, arguments, dtype, device)


def holds_no_numbers() -> bool:
    """Whether new tensors are fake at present: shapes and devices without values."""
    return type(torch.empty(0, device="cpu")) is not Tensor


@functools.lru_cache(maxsize=_KEPT)
def _made(
    function: Callable[..., Tensor],
    arguments: tuple[Hashable, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> Kept:
    def make() -> Tensor:
        # Copy, because an exported program would store the whole storage of a view.
        with eager_kernels():  # compiling for one call takes seconds
            made = function(*arguments, dtype=dtype).clone(memory_format=torch.contiguous_format)
        return made.to(device)  # waits for the copy, so that any stream may use it

    return Kept(outside_modes(make))


def outside_modes(make: Callable[[], Tensor]) -> Tensor:
    """Make a tensor in a separate thread, where none of the caller's modes is active.

    Inference mode, ``torch.func`` transforms, fake tensors, autocast and a default device all
    belong to a thread. A tensor that is made under one of them cannot be used by the next caller.
    """
    made: list[Tensor] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            made.append(make())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return made[0]


def where_else(condition: Tensor, values: Tensor, number: float) -> Tensor:
    """Do as ``torch.where(condition, values, number)``.

    On a GPU torch makes a tensor of the number at each call, which is an extra launch. Here it is
    made once.
    """
    if not is_launched(values):
        return torch.where(condition, values, number)
    other = constant(tensor_of, number, dtype=values.dtype, device=values.device)
    return torch.where(condition, values, other)


def add_scaled(number: float, values: Tensor, scale: float) -> Tensor:
    """Return ``number + scale * values``; on a GPU in one operation, which rounds once."""
    if not is_launched(values):
        return number + scale * values
    first = constant(tensor_of, number, dtype=values.dtype, device=values.device)
    return torch.add(first, values, alpha=scale)


def scaled(whole: Tensor, factor: float) -> Tensor:
    """Return ``factor * whole`` in float32, on a GPU in one operation.

    Integers alone would give the default dtype.
    """
    if not is_launched(whole):
        return whole.float() * factor
    return whole * constant(tensor_of, factor, dtype=torch.float32, device=whole.device)


def count_up(first: int, last: int, device: torch.device) -> Tensor:
    """Count from ``first`` up to ``last``, excluded, in int64.

    In a graph this costs nothing, and the numbers may change between calls.
    """
    if is_compiling():
        return torch.arange(first, last, device=device)
    return constant(_counted, first, last, dtype=torch.int64, device=device)


def _counted(first: int, last: int, *, dtype: torch.dtype) -> Tensor:
    return torch.arange(first, last, dtype=dtype)


def tensor_of(values: Any, *, dtype: torch.dtype) -> Tensor:
    """Make a tensor of numbers, or of tuples of them: a function for `constant`."""
    return torch.tensor(values, dtype=dtype)
