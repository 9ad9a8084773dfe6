"""The common entry of every transform, feature, front end and public function.

Inside, nothing is computed in half precision. Autocast is off, because it would run matrix products
in half precision, where the power of a sound overflows and the sum of squares of a quiet sound
underflows. Half and bfloat16 signals become float32, and only the final result is rounded to their
dtype again: a chain or a front end enters once, and nothing is rounded between its parts. Where the
kernels apply, torch computes on one thread.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import torch
from torch import Tensor

from augspec._compile import constant_in_graphs, reporting_compilation
from augspec.native.alone import alone

__all__ = ["as_entrance", "enter", "without_autocast"]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

_HALVES = (torch.float16, torch.bfloat16)
_SIGNALS = ("waveform", "specgram")  # names of first arguments that are converted to full precision


def enter(
    run: Callable[Concatenate[Tensor, P], tuple[Tensor, R]],
    signal: Tensor,
    *args: P.args,
    **kwargs: P.kwargs,
) -> tuple[Tensor, R]:
    """Call ``run(signal, ...)`` without autocast, in float32 where ``signal`` is narrower.

    Args:
        run: Function that returns the result and a second value, such as lengths.
        signal: A checked waveform or spectrogram.
        args: Other arguments of ``run``.
        kwargs: Keyword arguments of ``run``.

    Returns:
        The values of ``run``, with the result in the dtype of ``signal``.

    Example:
        >>> enter(lambda signal: (signal @ signal.T, None), torch.ones(1, 2).half())
        (tensor([[2.]], dtype=torch.float16), None)
    """
    full = signal.float() if signal.dtype in _HALVES else signal
    with reporting_compilation(), without_autocast(signal.device.type), alone(full):
        out, rest = run(full, *args, **kwargs)
        return (out.to(signal.dtype) if full is not signal else out), rest


def without_autocast(device_type: str) -> AbstractContextManager[object]:
    """Return a context in which autocast is off; it costs nothing if it is already off."""
    if _has_autocast(device_type) and torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()


@constant_in_graphs
def _has_autocast(device_type: str) -> bool:
    return torch.amp.is_autocast_available(device_type)


def as_entrance(function: F) -> F:
    """Wrap a public function so that it enters as a transform does.

    Autocast is off inside. If the first argument is a waveform or a spectrogram in half precision,
    every argument in half precision becomes float32, and results with the rank of the first
    argument are rounded to its dtype.
    """
    first = next(iter(inspect.signature(function).parameters), "")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        signal = args[0] if args else kwargs.get(first)
        if not isinstance(signal, Tensor):
            return function(*args, **kwargs)
        is_half = first in _SIGNALS and signal.dtype in _HALVES
        if is_half:
            args = tuple(map(_widen, args))
            kwargs = {name: _widen(arg) for name, arg in kwargs.items()}
        full = args[0] if args else kwargs[first]
        with reporting_compilation(), without_autocast(signal.device.type), alone(full):
            out = function(*args, **kwargs)
            return _round(out, signal) if is_half else out

    call.__module__ = "augspec.functional"  # needed for unpickling
    return cast(F, call)


def _widen(value: object) -> object:
    return value.float() if isinstance(value, Tensor) and value.dtype in _HALVES else value


def _round(out: object, signal: Tensor) -> object:
    if isinstance(out, Tensor) and out.is_floating_point() and out.ndim == signal.ndim:
        return out.to(signal.dtype)
    return out
