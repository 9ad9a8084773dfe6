"""The private parts of torch that `augspec.testing.device_work` needs.

Fake tensors have a shape, a dtype and a device, but no values: operations on them give the shapes
of results without a GPU. If a release of torch moves any of this, only this module must change.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["OperatorMode", "edits", "fake_tensors", "has_number", "name_of", "needs_values"]

#: The base of a mode that intercepts every operation below autograd.
OperatorMode = TorchDispatchMode

_NEED_VALUES = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)


def fake_tensors() -> AbstractContextManager[Any]:
    """Make every tensor inside the block a fake; tensors from outside may be used directly."""
    return FakeTensorMode(allow_non_fake_inputs=True)


def name_of(operation: Any) -> str:
    """Return the name of an operation without namespace and overload, such as ``"add"``."""
    name: str = operation._schema.name.rpartition("::")[2]
    return name


def edits(operation: Any) -> bool:
    """Whether an operation writes into one of its arguments."""
    return bool(operation._schema.is_mutable)


def needs_values(operation: Any) -> bool:
    """Whether the result, or its shape, depends on values on the device."""
    return any(tag in operation.tags for tag in _NEED_VALUES)


def has_number(tensor: torch.Tensor) -> bool:
    """Whether a fake scalar tensor on the CPU stores its value."""
    return getattr(tensor, "constant", None) is not None
