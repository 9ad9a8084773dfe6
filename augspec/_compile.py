"""Kernels that compile themselves on first use and run eagerly where that is impossible.

Set the environment variable ``AUGSPEC_COMPILE=0`` to keep every kernel eager: the results are the
same within rounding, only slower.
"""

import contextlib
import contextvars
import functools
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

import torch
from torch import Tensor
from torch.autograd import forward_ad

from augspec._torch import (
    HAS_TRITON,
    MODULES_ARE_CONSTANTS,
    compile_kernel,
    is_compiling,
    is_exporting,
)

if TYPE_CHECKING:
    from torch._library.custom_ops import CustomOpDef

P = ParamSpec("P")
R = TypeVar("R")

_forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


# The compiler's threads do not survive a fork, and a child process, such as a worker of a
# DataLoader, would wait for them for ever. So forked processes stay eager.
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_note_fork)

_log = logging.getLogger("augspec")
_WORTH_A_LINE = 2.0  # seconds

_eager = contextvars.ContextVar("eager", default=False)


@contextlib.contextmanager
def eager_kernels() -> Iterator[None]:
    """Keep kernels eager inside the block, for work with many shapes that would each compile."""
    token = _eager.set(True)
    try:
        yield
    finally:
        _eager.reset(token)


class _Watch:
    """Log that kernels are compiled, how long it took, and, once, why it failed.

    The level is WARNING, which Python shows by default: a first call that takes a minute without a
    message looks as if it hung.
    """

    def __init__(self) -> None:
        self.graphs = 0
        self.seconds = 0.0
        self.has_failed = False

    def starts(self) -> None:
        """Count a graph that is being compiled."""
        if self.graphs == 0:
            _log.warning(
                "augspec compiles its kernels at their first use; AUGSPEC_COMPILE=0 keeps them "
                "eager, which gives the same results and is slower"
            )
        self.graphs += 1

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time of a kernel's call if anything was compiled in it."""
        graphs, start = self.graphs, time.perf_counter()
        try:
            yield
        finally:
            if self.graphs > graphs:
                self.seconds += time.perf_counter() - start

    def report(self) -> None:
        """Log how long compiling took since the last report, if it was long."""
        seconds, self.seconds = self.seconds, 0.0
        if seconds > _WORTH_A_LINE:
            _log.warning("augspec compiled kernels for %.0f s", seconds)

    def failed(self, name: str, error: Exception) -> None:
        """Log why a kernel stays eager."""
        reason = " ".join(str(error).split())
        if self.has_failed:
            _log.info("%s stays eager: %s", name, reason)
            return
        self.has_failed = True
        _log.warning(
            "augspec cannot compile its kernels and runs them eagerly, which gives the same "
            "results and is slower. Install a C++ compiler such as g++, or set AUGSPEC_COMPILE=0 "
            "if that is meant. %s failed: %.500s",
            name,
            reason,
        )


_watch = _Watch()
_reporting = contextvars.ContextVar("reporting", default=False)


class _Reporting:
    """A block that reports at its end, unless it is inside another one.

    It is a class, because every call of a transform enters one and a generator would take twice as
    long.
    """

    def __enter__(self) -> None:
        self._token = None if _reporting.get() else _reporting.set(True)

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            _reporting.reset(self._token)
            _watch.report()


def reporting_compilation() -> contextlib.AbstractContextManager[None]:
    """Log at the end of the outermost such block how long kernels were compiled in it."""
    return contextlib.nullcontext() if is_compiling() else _Reporting()


def _backend(graph: Any, inputs: list[Tensor]) -> Callable[..., Any]:
    """Compile a graph with torch's compiler."""
    _watch.starts()
    compiled_graph: Callable[..., Any] = torch._dynamo.lookup_backend("inductor")(graph, inputs)
    return compiled_graph


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether a device is out of memory, which is no fault of the kernel."""
    while error is not None and not isinstance(error, torch.OutOfMemoryError):
        error = error.__cause__ or error.__context__
    return error is not None


def constant_in_graphs(function: Callable[P, R]) -> Callable[P, R]:
    """Let ``torch.compile`` call a function of Python numbers while it traces, and keep the result.

    It works like `torch.compiler.assume_constant_result`, which imports the compiler and so takes
    as long as importing torch. Here only its mark is set.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


@constant_in_graphs
def _in_forward_mode() -> bool:
    """Whether a gradient in forward mode is at work: in any thread, or where a graph is traced."""
    return forward_ad._current_level >= 0


def hides_complex() -> bool:
    """Whether a custom operator must hide complex numbers, which Inductor does not support.

    Such an operator has no rule for forward mode: it would give tangents of 0.
    """
    return is_compiling() and not _in_forward_mode()


@constant_in_graphs
def _nothing_transforms() -> bool:
    """Whether no ``torch.func`` transform is at work."""
    return torch._C._functorch.peek_interpreter_stack() is None


def needs_gradient(*tensors: Tensor) -> bool:
    """Whether a gradient with respect to these tensors is computed, in reverse or forward mode."""
    for tensor in tensors:  # a loop takes half as long as `any`
        if tensor.requires_grad and torch.is_grad_enabled():
            return True
    # That a thread is in forward mode says nothing of these tensors.
    return _in_forward_mode() and any(map(_has_tangent, tensors))


def _has_tangent(tensor: Tensor) -> bool:
    """Whether a tensor has a tangent, outside graphs; graphs have no dual numbers."""
    if is_compiling() or not tensor.is_floating_point():
        return False
    return forward_ad.unpack_dual(tensor).tangent is not None


def _may_compile(args: tuple[object, ...]) -> bool:
    """Whether a kernel may be compiled for these arguments."""
    if _eager.get() or os.environ.get("AUGSPEC_COMPILE", "1") == "0":
        return False
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    if needs_gradient(*tensors):
        return False
    # vmap, grad, fake and other wrapped tensors use eager mode.
    return all(type(t) is Tensor or type(t) is torch.nn.Parameter for t in tensors) and (
        torch._C._functorch.peek_interpreter_stack() is None
    )


_as_on_gpu = contextvars.ContextVar("as_on_gpu", default=False)


@contextlib.contextmanager
def few_launches() -> Iterator[None]:
    """Use the code path of an uncompiled GPU on a CPU, for tests."""
    token = _as_on_gpu.set(True)
    try:
        yield
    finally:
        _as_on_gpu.reset(token)


def is_launched(tensor: Tensor) -> bool:
    """Whether each operation on a tensor costs a launch: on a device, outside of graphs."""
    if is_compiling():  # tested first, because torch 2.6 cannot trace the setting
        return False
    return tensor.device.type != "cpu" or _as_on_gpu.get()


def launches_cost(tensor: Tensor) -> bool:
    """Whether each operation of a kernel costs a launch: on a device, without compilation.

    Kernels then use other code with fewer operations on more values each.
    """
    if not is_launched(tensor):
        return False
    compiles = not (_forked or _watch.has_failed) and _may_compile((tensor,))
    return _as_on_gpu.get() or not compiles


def nobody_watches() -> bool:
    """Whether operations are only executed: nothing traces, transforms or counts them.

    Only then may a value be read or a pointer be passed on; under ``vmap`` there is none.
    """
    return (
        not is_compiling()
        and _nothing_transforms()
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._len_torch_function_stack() == 0
        and torch._C._get_tracing_state() is None
    )


def runs_triton(*tensors: Tensor) -> bool:
    """Whether a Triton kernel may compute with these tensors.

    They must be on an NVIDIA or AMD GPU. A Triton kernel has no gradient and no rule for the
    transforms of ``torch.func``, so that neither may be needed. An exported program runs without
    augspec.
    """
    if not (HAS_TRITON and all(tensor.device.type == "cuda" for tensor in tensors)):
        return False
    return not needs_gradient(*tensors) and _nothing_transforms() and not is_exporting()


def triton_op(name: str, schema: str) -> Callable[[Callable[..., Any]], "CustomOpDef"]:
    """Register a function that launches a Triton kernel as the operation ``augspec::name``.

    A graph takes such an operation as it is. Its ``register_fake`` gives the shapes of the results.

    Args:
        name: Name of the operation.
        schema: Its arguments and results, in the language of ``torch.library``.
    """
    return torch.library.custom_op(
        f"augspec::{name}", mutates_args=(), device_types="cuda", schema=schema
    )


class _CompiledKernel(Generic[P, R]):
    """Callable of `compiled`; ``eager`` is the plain function, ``failure`` the reason for it."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.eager = function
        self.failure: Exception | None = None
        self._graph: Callable[..., R] | None = None
        # Torch compiles a variant once for each thread that asks for it before it is there, and at
        # times then finds none of them, which is an error.
        self._lock = threading.Lock()
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if _forked or is_compiling() or not self._can_compile(args):
            return self.eager(*args, **kwargs)
        try:
            return self._run_graph(args, kwargs)
        except Exception as error:
            if _is_out_of_memory(error):
                raise
            # A mistake of the caller raises again here; then compilation is not the cause.
            result = self.eager(*args, **kwargs)
            self._note(error)
            return result

    def _note(self, error: Exception) -> None:
        _watch.failed(self.eager.__qualname__, error)
        self.failure = error

    def _can_compile(self, args: tuple[object, ...]) -> bool:
        return self.failure is None and _may_compile(args)

    def _run_graph(self, args: tuple[object, ...], kwargs: dict[str, Any]) -> R:
        # Use one grad mode, so that training and evaluation share a graph.
        with self._lock, torch.no_grad(), _watch.timed():
            if self._graph is None:
                self._graph = compile_kernel(self.eager, _backend)
            return self._graph(*map(_with_dynamic_batch, args), **kwargs)


def compiled(function: Callable[P, R]) -> _CompiledKernel[P, R]:
    """Compile a real-valued kernel on its first call, with the first dimension dynamic.

    The kernel runs eagerly inside a caller's ``torch.compile`` (which then compiles it), with
    gradients, under ``torch.func`` transforms, with ``AUGSPEC_COMPILE=0``, and always after a
    failed compilation (without a C++ compiler, for example). Every tensor argument is positional.
    Its first dimension may change between calls without a new compilation; a change of another
    dimension, dtype, device or Python number compiles again.

    Args:
        function: A pure function of tensors and Python numbers, without complex arithmetic.
    """
    return _CompiledKernel(function)


class _OneGraph(_CompiledKernel[P, R]):
    """Callable of `one_graph` for one module; its failure does not affect other modules."""

    def _can_compile(self, args: tuple[object, ...]) -> bool:
        owner = args[0]
        if not isinstance(owner, torch.nn.Module) or not super()._can_compile(args):
            return False
        # Graphs run without gradients, which trainable modules need.
        trains = torch.is_grad_enabled() and any(p.requires_grad for p in owner.parameters())
        return not trains

    def _note(self, error: Exception) -> None:
        reason = " ".join(str(error).split())
        _log.warning(
            "augspec compiles a front end in parts, because compiling the whole fails: %s", reason
        )
        self.failure = error


_whole: weakref.WeakKeyDictionary[torch.nn.Module, _OneGraph[..., Any]] = (
    weakref.WeakKeyDictionary()
)


def _runs_whole(tensor: Tensor) -> bool:
    """Whether launches, which a graph saves, cost time on the device."""
    return tensor.device.type == "cuda"


def _any_runs_whole(args: tuple[object, ...]) -> bool:
    return any(_runs_whole(arg) for arg in args if isinstance(arg, Tensor))


def one_graph(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of a module and tensors as one graph, if launches cost time.

    On other devices, and if it cannot be compiled, the function is called directly, and its kernels
    compile themselves. The batch size is dynamic, and so is every size that has changed once.

    Args:
        function: Function of the module and of positional tensors, or None.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if is_compiling() or not _any_runs_whole(args):
            return function(*args, **kwargs)
        owner = cast(torch.nn.Module, args[0])
        graph = _whole.get(owner)
        if graph is None:
            graph = _whole[owner] = _OneGraph(function)
        with reporting_compilation():
            result: R = graph(*args, **kwargs)
        return result

    return call


def outside_graphs(function: Callable[P, R]) -> Callable[P, R]:
    """Keep a function out of compiled graphs, as `torch.compiler.disable` does.

    That function imports the compiler; here it is only used if the compiler is already imported.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if not is_compiling():
            return function(*args, **kwargs)
        disabled: Callable[P, R] = torch.compiler.disable(function)
        return disabled(*args, **kwargs)

    return call


def constant_of_module(function: Callable[P, R]) -> Callable[P, R]:
    """Do what `constant_in_graphs` does, for a function of a module.

    If the compiler does not support it, a graph ends at the call and continues after it.
    """
    return constant_in_graphs(function) if MODULES_ARE_CONSTANTS else outside_graphs(function)


def _with_dynamic_batch(value: object) -> object:
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    alias = value.detach()  # do not mark the caller's tensor
    torch._dynamo.maybe_mark_dynamic(alias, 0)
    return alias


def floor_divide(dividend: Tensor, divisor: Tensor) -> Tensor:
    """Divide integers, rounding down, by positive divisors.

    Divisors below 1 count as 1. They come from values out of range, and, in code compiled by torch
    2.11, from unused lanes of a vector: it divides in those too, and a division by zero ends the
    process.
    """
    return torch.div(dividend, divisor.clamp(min=1), rounding_mode="floor")
