"""The private parts of torch and Triton that counting a compiled graph needs.

Inductor, the compiler of torch, can write code for a GPU that is not present if it is told which
one. If a release of torch or Triton moves any of this, only this module must change.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import torch
import torch._dynamo.device_interface as interfaces
import torch.utils._triton
import triton
from torch import Tensor
from torch._guards import CompileContext, compile_context
from torch._inductor.codegen.common import init_backend_registration
from torch._inductor.debug import DebugContext
from torch._inductor.decomposition import select_decomp_table
from torch._inductor.graph import GraphLowering
from torch._inductor.virtualized import V
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from triton.backends.compiler import GPUTarget

__all__ = ["Lowered", "lower", "trace"]

_CAPABILITY = (9, 0)
_H100 = SimpleNamespace(
    name="H100",
    major=_CAPABILITY[0],
    minor=_CAPABILITY[1],
    multi_processor_count=132,
    total_memory=80 << 30,
    max_threads_per_multi_processor=2048,
    regs_per_multiprocessor=65536,
    warp_size=32,
    shared_memory_per_block=48 << 10,
    shared_memory_per_block_optin=227 << 10,
    shared_memory_per_multiprocessor=228 << 10,
    L2_cache_size=50 << 20,
    gcnArchName="",
)


_CudaInterface: Any = interfaces.CudaInterface


class _Interface(_CudaInterface):  # type: ignore[misc]
    """The device interface of the simulated GPU."""

    get_device_properties = staticmethod(lambda _=None: _H100)
    get_compute_capability = staticmethod(lambda _=None: 10 * _CAPABILITY[0] + _CAPABILITY[1])
    current_device = staticmethod(lambda: 0)
    device_count = staticmethod(lambda: 1)
    is_available = staticmethod(lambda: True)
    is_triton_capable = staticmethod(lambda _=None: True)
    raise_if_triton_unavailable = staticmethod(lambda _=None: None)


class _Driver:
    """Its driver, for Triton."""

    def get_current_target(self) -> Any:
        return GPUTarget("cuda", 10 * _CAPABILITY[0] + _CAPABILITY[1], _H100.warp_size)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, _: int = 0) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cuda", 0)


class Lowered(NamedTuple):
    """A function compiled for a GPU.

    Args:
        kernels: Triton kernels that are launched.
        library_calls: Calls of libraries: FFTs, matrix products, operations that are not fused.
        bytes: Bytes that the kernels and calls read and write, by inductor's count.
        source: The Python code that inductor wrote.
    """

    kernels: int
    library_calls: int
    bytes: int
    source: str

    @property
    def launches(self) -> int:
        """Kernels and calls together."""
        return self.kernels + self.library_calls


def _forget_what_triton_can() -> None:
    """Clear torch's cached answer, which depends on the present GPU."""
    for function in vars(torch.utils._triton).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


@contextlib.contextmanager
def _pretend() -> Iterator[None]:
    interfaces.init_device_reg()
    known = dict(interfaces.device_interfaces)
    driver = triton.runtime.driver
    active = getattr(driver, "_active", None)
    patches = {
        "torch.cuda.get_device_properties": lambda _=None: _H100,
        "torch.cuda.get_device_capability": lambda _=None: _CAPABILITY,
        "torch.cuda.current_device": lambda: 0,
        "torch.cuda._lazy_init": lambda: None,
        "torch.cuda.is_available": lambda: True,
    }
    with contextlib.ExitStack() as stack:
        for name, value in patches.items():
            stack.enter_context(mock.patch(name, value))
        try:
            interfaces.device_interfaces.update({"cuda": _Interface, "cuda:0": _Interface})
            driver.set_active(_Driver())
            init_backend_registration()
            _forget_what_triton_can()
            yield
        finally:
            _forget_what_triton_can()
            interfaces.device_interfaces.clear()
            interfaces.device_interfaces.update(known)
            driver._active = active


def trace(function: Callable[..., Any], tensors: list[Tensor]) -> torch.fx.GraphModule:
    """Trace a function of tensors as the compiler does, along the paths of compiled code.

    Args:
        function: Takes the tensors.
        tensors: Fake tensors on the device.
    """
    with compile_context(CompileContext(None)), torch.no_grad():
        graph = make_fx(function)(*tensors)
        # The compiler lowers only operations that change no tensor. This is a separate step,
        # because constants are made during the first one.
        pure = torch.func.functionalize(graph)
        made: torch.fx.GraphModule = make_fx(pure, decomposition_table=select_decomp_table())(
            *tensors
        )
    return made


def lower(function: Callable[..., Any], tensors: list[Tensor], mode: FakeTensorMode) -> Lowered:
    """Compile a function of tensors for an H100, up to the source of its kernels.

    Args:
        function: Takes the tensors and returns tensors.
        tensors: Fake CUDA tensors.
        mode: The mode that made them.
    """
    with mode:
        graph = trace(function, tensors)
        lowering = GraphLowering(graph, example_inputs=tensors, is_inference=True)
        handlers = V.set_graph_handler(lowering), V.set_fake_mode(mode)
        with handlers[0], handlers[1], DebugContext(), _pretend():
            lowering.run(*tensors)
            source = lowering.codegen()[0].value
            read_and_written = lowering.count_bytes()[0]
    body = source[source.index("def call(") :]
    calls = re.findall(r"extern_kernels\.\w+\(|torch\.ops\.(?!aten\.set_)[\w.]+\(", body)
    return Lowered(len(re.findall(r"\.run\(", body)), len(calls), read_and_written, source)
