"""torch on one thread while the kernels compute."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from augspec import native
from augspec._torch import is_compiling

__all__ = ["alone", "as_set", "is_foreign"]

_ONE = native.Threads(openmp=1, mkl=1)


class _Setters(NamedTuple):
    openmp: Callable[[int], None]
    mkl: Callable[[int], int]  # returns what was set before


def alone(*tensors: Tensor) -> AbstractContextManager[object]:
    """Return a block in which torch computes on one thread, if the kernels apply to ``tensors``.

    The kernels have threads of their own, which share whole examples. What is left to torch is
    short, but OpenMP's threads would share some of it, even square roots of 100 numbers. After that
    they wait for milliseconds without sleeping, on the processors that the kernels' threads need;
    and beside other work each such operation waits for them.

    The setting is that of the calling thread, and returns at the end of the block. `native.threads`
    keeps its value.
    """
    if not native.applies(*tensors) or torch.get_num_threads() == 1 or native.outside.get():
        return nullcontext()
    setters = _setters()
    return nullcontext() if setters is None else _Setting(setters, _ONE, inside=True)


def is_foreign(code: object) -> bool:
    """Whether a function, or the class of a module, is not augspec's, or calls what is not."""
    name = code.__module__ or ""
    return not name.startswith("augspec.") or name.startswith("augspec.interop.")


def as_set() -> AbstractContextManager[object]:
    """Return a block in `alone` in which torch has its threads back, for long work of torch's."""
    numbers = None if is_compiling() else native.outside.get()
    setters = None if numbers is None else _setters()
    if numbers is None or setters is None:
        return nullcontext()
    return _Setting(setters, numbers, inside=False)


class _Setting:
    """A class, because every call of a transform enters one and a generator takes longer."""

    def __init__(self, setters: _Setters, numbers: native.Threads, *, inside: bool) -> None:
        self._setters, self._numbers, self._inside = setters, numbers, inside

    def __enter__(self) -> None:
        openmp, mkl = self._setters
        self._before = native.Threads(torch.get_num_threads(), mkl(self._numbers.mkl))
        self._token = native.outside.set(self._before if self._inside else None)
        try:
            openmp(self._numbers.openmp)
        except BaseException:  # an interrupt
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        try:
            self._setters.openmp(self._before.openmp)
        finally:
            self._setters.mkl(self._before.mkl)
            native.outside.reset(self._token)


@functools.cache
def _setters() -> _Setters | None:
    """Return the functions of the libraries that torch uses; None if it uses others."""
    if not torch.backends.openmp.is_available():
        return None
    try:
        # A name is also looked up in the libraries that this one was linked with.
        library = ctypes.PyDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        openmp = library.omp_set_num_threads
        openmp.argtypes, openmp.restype = [ctypes.c_int], None
        if not torch.backends.mkl.is_available():
            return _Setters(openmp, lambda threads: threads)
        mkl = library.MKL_Set_Num_Threads_Local
        mkl.argtypes, mkl.restype = [ctypes.c_int], ctypes.c_int
    except (OSError, AttributeError):
        return None
    return _Setters(openmp, mkl)
