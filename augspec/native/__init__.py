"""Native kernels for the CPU: plain C functions over raw memory, called with ctypes.

Python computes the constants (windows, filters) and is the reference: a kernel returns the same
values within rounding. A kernel is used if `applies` returns True; other cases, such as gradients,
float64 and graphs, run in torch. To add a kernel:

1. write ``name.cpp`` beside this file. Include ``export.h``, and write a function such as
   ``AUGSPEC_EXPORT void augspec_name(const float* x, int64_t count, float scale, int64_t threads,
   float* out)``; every ``.cpp`` here becomes part of the library;
2. call it where the torch code begins::

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
import numbers
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from augspec._compile import needs_gradient, nobody_watches
from augspec.native import _build

__all__ = [
    "Threads",
    "answers",
    "applies",
    "call",
    "describes",
    "in_torch",
    "instruction_set",
    "outside",
    "threads",
]

_log = logging.getLogger("augspec")

_LARGE = 2**22  # bytes of a result: there are large pages of 2 MB
_READ = (torch.float32, torch.int64)
_READS_DOUBLES = ("augspec_filter",)


_in_torch = contextvars.ContextVar("in_torch", default=False)


class Threads(NamedTuple):
    """How many threads torch uses."""

    openmp: int
    mkl: int


#: What the user has set, inside of `augspec.native.alone.alone`; None outside.
outside: contextvars.ContextVar[Threads | None] = contextvars.ContextVar("outside", default=None)


@contextlib.contextmanager
def in_torch() -> Iterator[None]:
    """Compute in torch inside the block, without kernels, for comparisons of graphs.

    If two values are equal except for rounding, a vocoder chooses one as a peak. So the results for
    noise differ between a kernel and torch, and both are correct.
    """
    token = _in_torch.set(True)
    try:
        yield
    finally:
        _in_torch.reset(token)


def applies(*tensors: Tensor | None) -> bool:
    """Whether a kernel can compute with these tensors: the library exists, and they are plain.

    Plain tensors are strided CPU tensors of float32 or int64 without gradients, outside graphs,
    ``torch.func`` transforms and modes that intercept operations. None is ignored.
    """
    if not nobody_watches():
        return False
    for tensor in tensors:  # a loop takes half as long as `all`, and a call asks several times
        if tensor is not None and not _is_plain(tensor):
            return False
    return _is_there()


def call(
    name: str, *arguments: Tensor | int | float | None, out: Tensor | tuple[Tensor, ...]
) -> None:
    """Call a function of the library and release the GIL.

    Args:
        name: Name of the function.
        arguments: A tensor is passed as a pointer to contiguous numbers, None as a null pointer, an
            int as ``int64_t``, a float as ``float``.
        out: Contiguous tensors that the function writes to, its last arguments.
    """
    library = _library()
    if library is None:
        raise RuntimeError("there are no native kernels: check `applies` first")
    for one in arguments:
        if isinstance(one, Tensor) and one.dtype not in _READ and name not in _READS_DOUBLES:
            raise TypeError(f"{name} reads float32 and int64, got a tensor of {one.dtype}")
    # A copy must live as long as the call.
    given = [one.contiguous() if isinstance(one, Tensor) else one for one in arguments]
    written = (out,) if isinstance(out, Tensor) else out
    for one in written:
        if one.nbytes >= _LARGE:
            library.augspec_large_pages(_as_c(one), ctypes.c_int64(one.nbytes))
    getattr(library, name)(*map(_as_c, (*given, *written)))


def answers(name: str, number: int) -> bool:
    """Call a predicate of the library, such as whether it has a kernel for a size."""
    library = _library() if nobody_watches() else None
    if library is None:
        return False
    function = getattr(library, name)
    function.restype = ctypes.c_int64
    return bool(function(ctypes.c_int64(number)))


def describes(cls: type, step: str, description: str) -> bool:
    """Whether the class that defines a step also describes it for the kernels.

    A subclass that overrides the step without a description cannot use the kernels.
    """
    owner = next(base for base in cls.__mro__ if step in vars(base))
    return description in vars(owner)


def threads() -> int:
    """The number of threads of a kernel: at most that of ``torch.set_num_threads``."""
    numbers = outside.get()
    return torch.get_num_threads() if numbers is None else numbers.openmp


def instruction_set() -> str:
    """Return the instruction set of the kernels in use, or "no"."""
    return "no" if _library() is None else _best_set()


def _is_plain(tensor: Tensor) -> bool:
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.dtype in (torch.float32, torch.int64)
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and not tensor.is_neg()
        and not needs_gradient(tensor)
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
    if type(value) is int:  # most are; the question below takes ten times as long
        return ctypes.c_int64(value)
    if isinstance(value, numbers.Integral):  # NumPy's are no int, and would be read as floats
        return ctypes.c_int64(int(value))
    return ctypes.c_float(float(value))


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
    """Return the library from the user's cache folder; compile it if it is missing."""
    folder = _cache_folder()
    path = folder / _build.library_name(name)
    if path.exists():
        return path
    if _build.compiler() is None:
        raise _build.BuildError("there is no C++ compiler")
    from filelock import FileLock  # comes with torch, which needs it

    failed = path.with_suffix(".failed")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # the first of several processes compiles; the others wait
        if path.exists():
            return path
        if failed.exists():  # do not try again in each process
            raise _build.BuildError(
                f"{failed.read_text(encoding='utf-8')} ({failed} says so: delete it to try again)"
            )
        _log.warning("augspec compiles its native kernels, once for this machine")
        try:
            return _build.build(name, folder)
        except _build.BuildError as error:
            failed.write_text(str(error), encoding="utf-8")
            raise


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "augspec" / "native"
