"""What differs between the releases of torch that augspec supports, from 2.6 to the newest.

The rest of the code asks here and knows no version. Each name means what it means in the newest
torch.
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
    "is_exporting",
    "unfold",
    "views_overlap",
]

_RELEASE = tuple(map(int, torch.__version__.split(".")[:2]))

# Compilers before 2.11 cut a graph at loops over modules, among others, and go on after them.
COMPILES_WHOLE = _RELEASE >= (2, 11)

# Before 2.11 fake CUDA tensors ask for a driver, and `augspec.testing.device_work` has none.
COUNTS_LAUNCHES = _RELEASE >= (2, 11)

# Before 2.11 a function that is called while a graph is traced cannot take a module.
MODULES_ARE_CONSTANTS = _RELEASE >= (2, 11)

# Before 2.12 compilers clear the gradient of resampling after summing it, within a larger graph.
GRADIENT_COMPILES = _RELEASE >= (2, 12)

# Torch 2.6 compiles the gradient of frames that overlap wrongly; 2.7 was not tried.
_UNFOLD_COMPILES = _RELEASE >= (2, 8)

# Whether our Triton kernels can run: Triton 3.3, of torch 2.7, is the first with `gather`.
HAS_TRITON = _RELEASE >= (2, 7) and importlib.util.find_spec("triton") is not None

# Variants that one kernel may have: dtypes, devices, thread counts, static sizes.
_VARIANTS = 64


def _is_exporting() -> bool:
    """Say whether something is exported, as the newest `torch.compiler.is_exporting` does."""
    # That came with torch 2.7. Torch 2.6 sets the other flag, for exports alone.
    flag = "_is_exporting_flag" if hasattr(torch.compiler, "is_exporting") else "_is_compiling_flag"
    if getattr(torch.compiler, flag):
        return True
    tracer = sys.modules.get("torch._dynamo.symbolic_convert")  # not there: nothing is traced
    traces = getattr(tracer and tracer.tls, "current_tx", None)
    return traces is not None and bool(traces.export)


# Traced code calls it while it is traced, and keeps the answer. In the graphs of torch 2.8 torch's
# own says that all that is compiled is exported.
_is_exporting._dynamo_marked_constant = True  # type: ignore[attr-defined]
is_exporting: Callable[[], bool] = (
    torch.compiler.is_exporting if _RELEASE >= (2, 11) else _is_exporting
)


def graph_break(reason: str) -> None:
    """End a compiled graph here; torch logs the reason since 2.7."""
    if _RELEASE >= (2, 7):
        torch._dynamo.graph_break(msg=reason)
    else:
        torch._dynamo.graph_break()


def views_overlap(tensor: Tensor) -> bool:
    """Whether the gradient of a view whose parts overlap is right, be it compiled or not."""
    return _UNFOLD_COMPILES or not (torch.compiler.is_compiling() and tensor.requires_grad)


def unfold(tensor: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Do what `Tensor.unfold` does, with the right gradient in the graphs of any release."""
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
    # Here the limit is a setting of the whole process, of 8: it is set for the call alone.
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
