"""What another thread of the process is in the midst of, while a test goes on."""

import contextlib
import threading

import torch


@contextlib.contextmanager
def another_thread_compiles():
    """A thread is in the midst of `torch.compile`."""
    with _held() as (pause, run):

        def backend(graph, _):
            pause()
            return graph

        run(lambda: _compiled(lambda x: x + 1, backend)(torch.zeros(1)))
        yield


@contextlib.contextmanager
def another_thread_exports():
    """A thread is in the midst of `torch.export`."""
    with _held() as (pause, run):

        class Add(torch.nn.Module):
            def forward(self, x):
                pause()
                return x + 1

        run(lambda: torch.export.export(Add(), (torch.zeros(1),), strict=False))
        yield


@contextlib.contextmanager
def another_thread_runs_compiled_code():
    """A thread is in a compiled function, where Python keeps arguments for longer."""
    with _held() as (pause, run):
        compiled = _compiled(lambda x: pause() or x + 1, "eager")
        run(lambda: compiled(torch.zeros(1)), again=True)
        yield


@contextlib.contextmanager
def another_thread_has_dual_numbers():
    """A thread computes gradients in forward mode."""
    with _held() as (pause, run):

        def differentiate():
            with torch.autograd.forward_ad.dual_level():
                pause()

        run(differentiate)
        yield


def _compiled(function, backend):
    function.__code__ = function.__code__.replace()  # code of its own, never compiled before
    return torch.compile(function, backend=backend)


@contextlib.contextmanager
def _held():
    """Run a function in a thread until it pauses; it goes on when the block ends."""
    inside, leave, threads = threading.Event(), threading.Event(), []

    def pause():
        inside.set()
        leave.wait()

    def run(function, again=False):
        if again:  # a first time without a pause, in which everything is compiled
            leave.set()
            function()
            leave.clear()
            inside.clear()
        threads.append(threading.Thread(target=function))
        threads[0].start()
        if not inside.wait(timeout=300):
            raise RuntimeError("the other thread does not get there")

    try:
        yield pause, run
    finally:
        leave.set()
        for thread in threads:
            thread.join()
