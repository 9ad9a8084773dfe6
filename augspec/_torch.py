"""Differences between the supported releases of torch, from 2.6 to the newest.

Other modules use these names and test no version. Each name works as in the newest torch.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "COMPILES_WHOLE",
    "COUNTS_LAUNCHES",
    "GRADIENT_COMPILES",
    "HAS_TRITON",
    "MODULES_ARE_CONSTANTS",
    "compile_kernel",
    "graph_break",
    "is_compiling",
    "is_exporting",
    "unfold",
    "views_overlap",
]

_RELEASE = tuple(map(int, torch.__version__.split(".")[:2]))

# Compilers before 2.11 break a graph at loops over modules, among others.
COMPILES_WHOLE = _RELEASE >= (2, 11)

# Before 2.11 fake CUDA tensors need a driver, so `augspec.testing.device_work` does not work.
COUNTS_LAUNCHES = _RELEASE >= (2, 11)

# Up to 2.11 a function that is called while a graph is traced cannot take a module; 2.14 can, and
# those between were not tried.
MODULES_ARE_CONSTANTS = _RELEASE >= (2, 14)

# Before 2.12 compilers clear the gradient of resampling after summing it, inside a larger graph.
GRADIENT_COMPILES = _RELEASE >= (2, 12)

# Torch 2.6 compiles the gradient of overlapping frames incorrectly; 2.7 was not tested.
_UNFOLD_COMPILES = _RELEASE >= (2, 8)

# Torch 2.6 keeps no state of a thread that exports, but its flag and fake tensors; 2.7 to 2.10 were
# not all tested.
_EXPORTS_WITHOUT_STATE = _RELEASE < (2, 11)

# Whether our Triton kernels can run: Triton 3.3, of torch 2.7, is the first with `gather`.
HAS_TRITON = _RELEASE >= (2, 7) and importlib.util.find_spec("triton") is not None

# Largest number of variants of one kernel: dtypes, devices, thread counts, static sizes.
_VARIANTS = 64


def is_compiling() -> bool:
    """Return whether this thread compiles or exports the code that calls it.

    Torch's own flag is one for the process: since 2.14 it is set while any thread compiles, and two
    that compile can leave it set. Here the thread's own state of tracing is asked.
    """
    # The first is true in traced code alone; the rest is not traced.
    return torch.compiler.is_dynamo_compiling() or _is_traced()


def _is_traced() -> bool:
    compiles, traces = torch._guards.CompileContext, torch._guards.TracingContext
    if compiles.try_get() is not None or traces.try_get() is not None:
        return True
    return _EXPORTS_WITHOUT_STATE and (
        torch.compiler._is_compiling_flag and torch._C._len_torch_dispatch_stack() > 0
    )


def is_exporting() -> bool:
    """Return whether this thread exports the code that calls it.

    It is not torch's own function, which returns True for every graph of torch 2.8 and 2.11.
    """
    # The function is new in torch 2.7. Torch 2.6 sets the other flag only for exports.
    flag = "_is_exporting_flag" if hasattr(torch.compiler, "is_exporting") else "_is_compiling_flag"
    if getattr(torch.compiler, flag) and _is_traced():
        return True
    tracer = sys.modules.get("torch._dynamo.symbolic_convert")  # missing: nothing is traced
    traces = getattr(tracer and tracer.tls, "current_tx", None)
    return traces is not None and bool(traces.export)


# Traced code calls it during tracing and stores the result.
is_exporting._dynamo_marked_constant = True  # type: ignore[attr-defined]


def graph_break(reason: str) -> None:
    """End a compiled graph here; torch logs the reason since 2.7."""
    if _RELEASE >= (2, 7):
        torch._dynamo.graph_break(msg=reason)
    else:
        torch._dynamo.graph_break()


def views_overlap(tensor: Tensor) -> bool:
    """Whether the gradient of an overlapping view is correct, compiled or not."""
    return _UNFOLD_COMPILES or not (is_compiling() and tensor.requires_grad)


def unfold(tensor: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Do as `Tensor.unfold`, with the correct gradient in the graphs of any release."""
    if views_overlap(tensor):
        return tensor.unfold(dimension, size, step)
    dimension %= tensor.dim()
    first = torch.arange(0, tensor.shape[dimension] - size + 1, step, device=tensor.device)
    within = torch.arange(size, device=tensor.device)
    frames = tensor.movedim(dimension, -1)[..., first[:, None] + within]
    return frames.movedim(-2, dimension)


def compile_kernel(function: Callable[..., Any], backend: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function as one graph that may have many variants."""
    limit: dict[str, Any] = {"recompile_limit": _VARIANTS}
    if limit.keys() <= inspect.signature(torch.compile).parameters.keys():
        graph: Callable[..., Any] = torch.compile(
            function, fullgraph=True, backend=backend, **limit
        )
        return graph
    # In this release the limit, 8, is a setting of the whole process; change it only for the call.
    shared = torch.compile(function, fullgraph=True, backend=backend)
    name = (
        "recompile_limit"
        if hasattr(torch._dynamo.config, "recompile_limit")
        else "cache_size_limit"
    )

    def call(*arguments: Any, **settings: Any) -> Any:
        with torch._dynamo.config.patch({name: _VARIANTS}):
            return shared(*arguments, **settings)

    return call
