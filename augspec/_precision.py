"""The devices that lack float64; on other devices coefficients are computed in it."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import torch

from augspec._compile import constant_in_graphs

__all__ = ["lacks_float64", "widest", "without_float64"]

_lacking: contextvars.ContextVar[frozenset[str]] = contextvars.ContextVar(
    "lacking", default=frozenset({"mps"})
)


@contextlib.contextmanager
def without_float64(device_type: str) -> Iterator[None]:
    """Treat a type of device as one without float64, for tests."""
    token = _lacking.set(_lacking.get() | {device_type})
    try:
        yield
    finally:
        _lacking.reset(token)


@constant_in_graphs  # copy of the setting, because not every compiler can read a context variable
def lacks_float64(device: torch.device) -> bool:
    """Whether a tensor of float64 cannot be on a device."""
    return device.type in _lacking.get()


def widest(device: torch.device) -> torch.dtype:
    """Return float64, or float32 for a device that lacks it."""
    return torch.float32 if lacks_float64(device) else torch.float64
