"""What differs between the releases of torch that augspec supports, from 2.6 to the newest.

The rest of the code asks here and knows no version. Each name means what it means in the newest
torch.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["GRADIENT_COMPILES", "compile_kernel", "graph_break", "is_exporting"]

_RELEASE = tuple(map(int, torch.__version__.split(".")[:2]))

# Before 2.12 compilers clear the gradient of resampling after summing it, within a larger graph.
GRADIENT_COMPILES = _RELEASE >= (2, 12)

# Variants that one kernel may have: dtypes, devices, thread counts, static sizes.
_VARIANTS = 64


def _is_exporting() -> bool:
    """Say what `torch.compiler.is_exporting` does, which came with torch 2.7."""
    if torch.compiler._is_compiling_flag:  # of torch 2.6, which sets it for exports alone
        return True
    tracer = sys.modules.get("torch._dynamo.symbolic_convert")  # not there: nothing is traced
    traces = getattr(tracer and tracer.tls, "current_tx", None)
    return traces is not None and bool(traces.export)


# Traced code calls it while it is traced, and keeps the answer.
_is_exporting._dynamo_marked_constant = True  # type: ignore[attr-defined]
is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", _is_exporting)


def graph_break(reason: str) -> None:
    """End a compiled graph here; torch logs the reason since 2.7."""
    if _RELEASE >= (2, 7):
        torch._dynamo.graph_break(msg=reason)
    else:
        torch._dynamo.graph_break()


def compile_kernel(function: Callable[..., Any], backend: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function as one graph that may have many variants."""
    if "recompile_limit" in inspect.signature(torch.compile).parameters:
        return torch.compile(function, fullgraph=True, backend=backend, recompile_limit=_VARIANTS)
    # Here the limit is a setting of the whole process, of 8: it is set for the call alone.
    graph = torch.compile(function, fullgraph=True, backend=backend)
    name = (
        "recompile_limit"
        if hasattr(torch._dynamo.config, "recompile_limit")
        else "cache_size_limit"
    )

    def call(*arguments: Any, **settings: Any) -> Any:
        with torch._dynamo.config.patch({name: _VARIANTS}):
            return graph(*arguments, **settings)

    return call
