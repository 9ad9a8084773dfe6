"""Kernels that compile themselves on first use and run eagerly where that is impossible.

Set the environment variable ``AUGSPEC_COMPILE=0`` to keep every kernel eager: the results are the
same within rounding, only slower.
"""

import contextlib
import contextvars
import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

# Variants of one kernel: dtypes, devices, thread counts, static sizes. Older releases have 8.
_LIMIT: dict[str, Any] = {"recompile_limit": 64}
if not _LIMIT.keys() <= inspect.signature(torch.compile).parameters.keys():
    _LIMIT = {}

_forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


# The compiler's threads do not survive a fork, and a child that waits for them hangs: a worker of a
# DataLoader for example. What is forked stays eager.
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_note_fork)

_log = logging.getLogger(__name__)
_eager = contextvars.ContextVar("eager", default=False)


@contextlib.contextmanager
def eager_kernels() -> Iterator[None]:
    """Keep kernels eager within: for work of many shapes, each of which would compile again."""
    token = _eager.set(True)
    try:
        yield
    finally:
        _eager.reset(token)


class _CompiledKernel(Generic[P, R]):
    """Callable of `compiled`; ``eager`` is the plain function, ``failure`` why it stays eager."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.eager = function
        self.failure: Exception | None = None
        self._graph: Callable[..., R] | None = None
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if _forked or torch.compiler.is_compiling() or not self._can_compile(args):
            return self.eager(*args, **kwargs)
        try:
            return self._run_graph(args, kwargs)
        except Exception as error:
            # A mistake of the caller raises here once more, and then compilation is not to blame.
            result = self.eager(*args, **kwargs)
            _log.info("%s stays eager: %s", self.eager.__qualname__, error)
            self.failure = error
            return result

    def _can_compile(self, args: tuple[object, ...]) -> bool:
        if (
            self.failure is not None
            or _eager.get()
            or os.environ.get("AUGSPEC_COMPILE", "1") == "0"
        ):
            return False
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return False
        # vmap, grad, fake and other wrapped tensors are left to eager mode.
        return all(type(t) is Tensor or type(t) is torch.nn.Parameter for t in tensors) and (
            torch._C._functorch.peek_interpreter_stack() is None
        )

    def _run_graph(self, args: tuple[object, ...], kwargs: dict[str, Any]) -> R:
        if self._graph is None:
            self._graph = torch.compile(self.eager, fullgraph=True, **_LIMIT)
        # One grad mode, so that training and evaluation share a graph.
        with torch.no_grad():
            return self._graph(*map(_with_dynamic_batch, args), **kwargs)


def compiled(function: Callable[P, R]) -> _CompiledKernel[P, R]:
    """Compile a real-valued kernel on its first call, with the first dimension dynamic.

    The kernel runs eagerly inside a caller's ``torch.compile`` (which then compiles it), when a
    gradient is asked for, under ``torch.func`` transforms, with ``AUGSPEC_COMPILE=0``, and for good
    once compilation has failed (no C++ compiler, for example). Every tensor argument is positional;
    its first dimension may change from call to call without a new compilation, any other dimension,
    dtype, device or Python number compiles again.

    Args:
        function: A pure function of tensors and Python numbers, without complex arithmetic.
    """
    return _CompiledKernel(function)


def _with_dynamic_batch(value: object) -> object:
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    alias = value.detach()  # the mark stays off the caller's tensor
    torch._dynamo.maybe_mark_dynamic(alias, 0)
    return alias


def floor_divide(dividend: Tensor, divisor: Tensor) -> Tensor:
    """Divide integers, rounding down, by divisors that are meant to be positive.

    Divisors below 1 count as 1. Values out of range do, and, compiled by torch 2.11, the lanes of a
    vector that hold nothing: it divides in those too, and a division by zero ends the process.
    """
    return torch.div(dividend, divisor.clamp(min=1), rounding_mode="floor")
