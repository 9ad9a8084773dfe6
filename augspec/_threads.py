"""Threads that each compute some examples of a batch from start to end.

torch splits every operation among its threads, which wait for each other after each one. If another
process holds up one of them, all wait, many times a batch. Here a thread takes some examples and
computes all operations on them, each with one thread of torch, in its own cache. The threads meet
once a batch. Handing work over costs some tenths of a millisecond, so that small kernels do not
gain; those are native.
"""

from __future__ import annotations

import contextvars
import itertools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from augspec._compile import eager_kernels, nobody_watches

__all__ = ["join", "may_spread"]

_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}


def _forget() -> None:
    """Begin anew in a forked process, which has none of its parent's threads."""
    global _lock
    _lock = threading.Lock()
    _pools.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget)


def may_spread(*values: Any) -> bool:
    """Whether other threads may compute with these values: tensors, or anything else.

    torch has several threads, tensors are plain and on the CPU, no gradient is needed, and no mode
    of the caller, such as autocast or ``torch.func``, changes what operations do.
    """
    return (
        torch.get_num_threads() > 1
        and nobody_watches()
        and not torch.is_autocast_enabled("cpu")
        and all(_is_plain(value) for value in values if isinstance(value, Tensor))
    )


def _is_plain(tensor: Tensor) -> bool:
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.layout is torch.strided
        and not (tensor.requires_grad and torch.is_grad_enabled())
    )


def join(work: Callable[[slice], Tensor], parts: list[slice]) -> Tensor:
    """Join the results of ``work`` for parts of a batch, computed by threads.

    Parts are claimed one at a time: a thread that other processes hold up holds up one of them, and
    one that wakes late is not waited for. If a part fails, no further part begins, and its error is
    raised.
    """
    run = _Run(work, parts)
    threads = torch.get_num_threads()
    pool = _pool(threads)
    futures = [
        # Settings of the caller, such as `native.in_torch`, hold in each thread.
        pool.submit(contextvars.copy_context().run, run.claim)
        for _ in range(min(threads, len(parts)))
    ]
    try:
        run.done.wait()
    finally:
        run.stop()
        for future in futures:
            future.cancel()
    if run.error is not None:
        raise run.error
    return run.out


class _Run:
    """One batch: what is to be done, and what was."""

    out: Tensor

    def __init__(self, work: Callable[[slice], Tensor], parts: list[slice]) -> None:
        self.work, self.parts = work, parts
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._numbers = itertools.count()
        self._left = len(parts)
        self._lock = threading.Lock()
        self._is_made = False
        self._inference = torch.is_inference_mode_enabled()

    def claim(self) -> None:
        """Compute parts until none is left."""
        with torch.inference_mode(self._inference), torch.no_grad(), eager_kernels():
            while (number := next(self._numbers)) < len(self.parts):
                try:
                    self._compute(self.parts[number])
                except BaseException as error:
                    self.error = error
                    self.stop()
                with self._lock:
                    self._left -= 1
                    is_last = self._left == 0
                if is_last or self.error is not None:
                    self.done.set()

    def stop(self) -> None:
        """Begin no further part."""
        self._numbers = itertools.count(len(self.parts))

    def _compute(self, part: slice) -> None:
        made = self.work(part)
        with self._lock:
            if not self._is_made:
                self.out = made.new_empty(self.parts[-1].stop, *made.shape[1:])
                self._is_made = True
        self.out[part] = made


def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the pool of so many threads, each of which has one thread of torch."""
    with _lock:
        if threads not in _pools:
            pool = ThreadPoolExecutor(threads, "augspec")
            ready = threading.Barrier(threads + 1)
            for _ in range(threads):
                pool.submit(_use_one_thread, ready)
            ready.wait()
            # A thread's own number and the one for threads to come are set by one call.
            torch.set_num_threads(threads)
            _pools[threads] = pool
        return _pools[threads]


def _use_one_thread(ready: threading.Barrier) -> None:
    torch.get_num_threads()  # a thread takes the number of the others at its first use
    torch.set_num_threads(1)
    ready.wait()
