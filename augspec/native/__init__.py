"""Native kernels for the CPU: plain C functions over raw memory, called with ctypes.

Python computes the constants (windows, filters) and is the reference: a kernel gives the same
values within rounding. It takes part where `applies` says so, and everything else, such as
gradients, float64 and graphs, goes on in torch. To add a kernel:

1. write ``name.cpp`` beside this file, with a function such as ``extern "C"
   __attribute__((visibility("default"))) void augspec_name(const float* x, int64_t count, float
   scale, int64_t threads, float* out)``; every ``.cpp`` here becomes part of the library;
2. call it where today's path begins::

       if native.applies(x):
           out = torch.empty(...)
           native.call("augspec_name", x, x.numel(), 0.5, native.threads(), out=out)

The library was compiled when augspec was installed, or is compiled at first use, which takes
seconds and happens once for a machine. ``AUGSPEC_NATIVE=0`` keeps everything in torch.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import functools
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from augspec._compile import nobody_watches
from augspec.native import _build

__all__ = ["answers", "applies", "call", "describes", "in_torch", "instruction_set", "threads"]

_log = logging.getLogger("augspec")


_in_torch = contextvars.ContextVar("in_torch", default=False)


@contextlib.contextmanager
def in_torch() -> Iterator[None]:
    """Compute in torch within, whatever kernels there are: what a comparison of graphs needs.

    Where two values are equal but for rounding, a vocoder takes one for a peak: noise then comes
    out another way in a kernel than in torch, and neither is wrong.
    """
    token = _in_torch.set(True)
    try:
        yield
    finally:
        _in_torch.reset(token)


def applies(*tensors: Tensor | None) -> bool:
    """Whether a kernel may compute with these tensors: the library is there, and they are plain.

    Plain are strided CPU tensors of float32 or int64 of which no gradient is wanted, outside of
    graphs, ``torch.func`` transforms and modes that see operations. None is left out.
    """
    given = (tensor for tensor in tensors if tensor is not None)
    return nobody_watches() and all(map(_is_plain, given)) and _is_there()


def call(
    name: str, *arguments: Tensor | int | float | None, out: Tensor | tuple[Tensor, ...]
) -> None:
    """Call a function of the library; other Python threads run meanwhile.

    Args:
        name: Name of the function.
        arguments: A tensor is passed as a pointer to contiguous numbers, None as a null pointer, an
            int as ``int64_t``, a float as ``float``.
        out: Contiguous tensors that the function writes to, its last arguments.
    """
    library = _library()
    if library is None:
        raise RuntimeError("there are no native kernels: ask `applies` first")
    # A copy must live as long as the call.
    given = [one.contiguous() if isinstance(one, Tensor) else one for one in arguments]
    written = (out,) if isinstance(out, Tensor) else out
    library[name](*map(_as_c, (*given, *written)))


def answers(name: str, number: int) -> bool:
    """Ask a function of the library about a number, such as whether it has a kernel for a size."""
    library = _library() if nobody_watches() else None
    if library is None:
        return False
    function = library[name]
    function.restype = ctypes.c_int64
    return bool(function(ctypes.c_int64(number)))


def describes(cls: type, step: str, description: str) -> bool:
    """Whether the class that says how a step is done describes it for the kernels too.

    A subclass that does the step in another way, and says nothing, is not for them.
    """
    owner = next(base for base in cls.__mro__ if step in vars(base))
    return description in vars(owner)


def threads() -> int:
    """How many threads a kernel may use: what ``torch.set_num_threads`` was told."""
    return torch.get_num_threads()


def instruction_set() -> str:
    """Name the instruction set of the kernels in use, or say "no"."""
    return "no" if _library() is None else _best_set()


def _is_plain(tensor: Tensor) -> bool:
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.dtype in (torch.float32, torch.int64)
        and tensor.device.type == "cpu"
        and tensor.layout is torch.strided
        and not tensor.is_neg()
        and not (tensor.requires_grad and torch.is_grad_enabled())
    )


def _is_there() -> bool:
    return _library() is not None


def _as_c(value: Tensor | int | float | None) -> object:
    if isinstance(value, Tensor):
        if not value.is_contiguous():
            raise ValueError("a kernel writes to contiguous tensors")
        return ctypes.c_void_p(value.data_ptr())
    if value is None:
        return ctypes.c_void_p(None)
    return ctypes.c_int64(value) if isinstance(value, int) else ctypes.c_float(value)


def _library() -> ctypes.CDLL | None:
    is_off = _in_torch.get() or os.environ.get("AUGSPEC_NATIVE", "1") == "0"
    return None if is_off else _load()


@functools.cache
def _load() -> ctypes.CDLL | None:
    try:
        name = _best_set()
        path = _build.FOLDER / "lib" / _build.library_name(name)
        return ctypes.CDLL(str(path if path.exists() else _cached(name)))
    except (OSError, _build.BuildError) as error:
        _log.info("augspec runs without native kernels: %s", error)
        return None


@functools.cache
def _best_set() -> str:
    wanted = torch.backends.cpu.get_cpu_capability().lower()
    return wanted if wanted in _build.SETS else _build.default_set()


def _cached(name: str) -> Path:
    """Give the library from the cache folder of the user, which compiles it if it is not there."""
    folder = _cache_folder()
    path = folder / _build.library_name(name)
    if path.exists():
        return path
    if _build.compiler() is None:
        raise _build.BuildError("there is no C++ compiler")
    from filelock import FileLock  # torch itself needs it

    failed = path.with_suffix(".failed")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # the first of several processes compiles, others wait for it
        if path.exists():
            return path
        if failed.exists():  # not once more in each process
            raise _build.BuildError(
                f"{failed.read_text()} ({failed} says so: delete it to try again)"
            )
        _log.warning("augspec compiles its native kernels, once for this machine")
        try:
            return _build.build(name, folder)
        except _build.BuildError as error:
            failed.write_text(str(error))
            raise


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "augspec" / "native"
