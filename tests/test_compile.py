import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import elsewhere
import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

import augspec
from augspec import _compile, native
from augspec import features as F
from augspec import transforms as T
from augspec._compile import (
    _may_compile,
    compiled,
    constant_in_graphs,
    eager_kernels,
    needs_gradient,
    nobody_watches,
    outside_graphs,
)
from augspec._torch import is_compiling, is_exporting


@compiled
def double_product(left: Tensor, right: Tensor) -> Tensor:
    return 2 * left * right


NUMBERS = itertools.count()


@pytest.fixture
def fresh_kernel():
    """A kernel that no test has compiled: which sizes become dynamic depends on those before."""
    function = double_product.eager
    code = function.__code__.replace(co_name=f"double_product_{next(NUMBERS)}")
    return compiled(types.FunctionType(code, function.__globals__))


def graphs() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def test_a_kernel_compiles_once_for_all_batch_sizes_and_grad_modes(fresh_kernel):
    before = graphs()
    for rows in (5, 3, 8):
        x = torch.randn(rows, 7)
        torch.testing.assert_close(fresh_kernel(x, x), 2 * x * x)
        with torch.no_grad():
            fresh_kernel(x, x)
    assert fresh_kernel.failure is None
    assert graphs() == before + 1


def test_the_environment_variable_keeps_it_eager(monkeypatch):
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")
    before = graphs()
    double_product(torch.randn(4, 11), torch.randn(4, 11))
    assert graphs() == before


def test_kernels_stay_eager_within_a_block(fresh_kernel):
    before = graphs()
    with eager_kernels():
        fresh_kernel(torch.randn(4, 13), torch.randn(4, 13))
    assert graphs() == before
    fresh_kernel(torch.randn(4, 13), torch.randn(4, 13))
    assert graphs() == before + 1


def test_gradients_and_transforms_pass_through():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(double_product, (x, torch.rand(3, 4, dtype=torch.float64)))
    mapped = torch.func.vmap(double_product.__call__)(x.detach(), x.detach())
    torch.testing.assert_close(mapped, 2 * x.detach() ** 2)


def test_a_mistake_of_the_caller_is_raised_and_does_not_end_compilation():
    with pytest.raises(RuntimeError, match="must match the size"):
        double_product(torch.randn(2, 3), torch.randn(2, 4))
    assert double_product.failure is None


def test_an_argument_is_not_marked_by_the_call():
    x = torch.randn(4, 7)
    double_product(x, x)
    assert not hasattr(x, "_dynamo_weak_dynamic_indices")


def compiled_in_this_process(queue):
    before = graphs()
    x = torch.randn(4, 13)
    assert torch.equal(double_product(x, x), 2 * x * x)
    queue.put(graphs() - before)


def test_a_forked_process_stays_eager_after_its_parent_has_compiled():
    # A child that compiles waits for threads that only the parent has.
    double_product(torch.randn(4, 7), torch.randn(4, 7))
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=compiled_in_this_process, args=(queue,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert queue.get() == 0
    assert not _compile._forked


def test_constants_of_graphs_carry_the_mark_of_torch():
    """`torch.compiler.assume_constant_result` sets it too, but imports the compiler."""
    ours = constant_in_graphs(lambda number: number + 1)
    theirs = torch.compiler.assume_constant_result(lambda number: number + 1)
    assert vars(ours) == vars(theirs) != {}

    calls = []

    @constant_in_graphs
    def made(number):
        calls.append(number)
        return torch.arange(number).flip(0)

    compiled_whole = torch.compile(lambda x: x + made(3), fullgraph=True, backend="eager")
    for _ in range(2):
        assert torch.equal(compiled_whole(torch.ones(3)), torch.tensor([3.0, 2.0, 1.0]))
    assert calls == [3]


def test_what_stays_outside_breaks_the_graph_and_runs_as_it_is():
    traced = []

    @outside_graphs
    def outside(x):
        traced.append(is_compiling())
        return x + 1

    assert torch.equal(outside(torch.ones(3)), torch.full((3,), 2.0))
    function = torch.compile(lambda x: outside(2 * x) * 3, backend="eager")
    assert torch.equal(function(torch.ones(3)), torch.full((3,), 9.0))
    assert traced == [False, False]
    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(lambda x: outside(2 * x) * 3, backend="eager", fullgraph=True)(torch.ones(3))


@pytest.fixture
def watch(monkeypatch):
    """The watch of a process that has compiled nothing."""
    fresh = _compile._Watch()
    monkeypatch.setattr(_compile, "_watch", fresh)
    return fresh


def lines(caplog, level="WARNING"):
    """What augspec said; torch and its compiler have loggers of their own."""
    ours = [record for record in caplog.records if record.name == "augspec"]
    return [record.getMessage() for record in ours if record.levelname == level]


def test_one_line_says_that_kernels_are_compiled(fresh_kernel, watch, caplog):
    for size in (3, 4):
        fresh_kernel(torch.randn(5, size), torch.randn(5, size))
    assert watch.graphs == 2
    (line,) = lines(caplog)
    assert "compiles its kernels at their first use" in line


@pytest.mark.usefixtures("watch")
def test_one_line_says_for_how_long(fresh_kernel, caplog, monkeypatch):
    def report():
        caplog.clear()
        with _compile.reporting_compilation(), _compile.reporting_compilation():
            fresh_kernel(torch.randn(5, 6), torch.randn(5, 6))
            assert not any("compiled kernels for" in line for line in lines(caplog))
        return [line for line in lines(caplog) if "compiled kernels for" in line]

    monkeypatch.setattr(_compile, "_WORTH_A_LINE", 0.0)
    assert len(report()) == 1
    assert report() == []  # nothing is compiled any more


@pytest.mark.usefixtures("watch")
@pytest.mark.kernels_fail
def test_a_failure_is_said_once_with_its_reason_and_what_to_do(caplog, monkeypatch):
    def fail(*_):
        raise RuntimeError("No working C++ compiler found in search path")

    monkeypatch.setattr(_compile, "_backend", fail)
    x = torch.randn(4, 5)
    for name in ("first", "second"):
        code = double_product.eager.__code__.replace(co_name=f"{name}_{next(NUMBERS)}")
        kernel = compiled(types.FunctionType(code, double_product.eager.__globals__))
        for _ in range(2):
            assert torch.equal(kernel(x, x), 2 * x * x)
        assert kernel.failure is not None
    (line,) = lines(caplog)
    for words in ("No working C++ compiler", "Install a C++ compiler", "AUGSPEC_COMPILE=0"):
        assert words in line


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_device_is_no_reason_to_stay_eager(fresh_kernel, watch, wrapped):
    x, calls = torch.randn(4, 5), []

    def fill(*args):
        calls.append(args)
        error = torch.OutOfMemoryError("CUDA out of memory")
        if wrapped:
            raise RuntimeError("backend failed") from error
        raise error

    fresh_kernel._graph = fill
    with pytest.raises(RuntimeError if wrapped else torch.OutOfMemoryError):
        fresh_kernel(x, x)
    assert fresh_kernel.failure is None
    assert not watch.has_failed
    fresh_kernel._graph = None
    assert torch.equal(fresh_kernel(x, x), 2 * x * x)
    assert watch.graphs == 1


NO_COMPILER = """
import torch
from augspec import functional
from augspec.functional.resample import _delay
waveform, ratio = torch.randn(2, 1, 500), torch.tensor([0.8, 1.2])
out = [functional.resample(waveform, ratio) for _ in range(2)]
assert _delay.failure is not None
assert torch.equal(*out) and out[0].isfinite().all()
"""


@pytest.mark.slow
def test_it_stays_eager_where_no_compiler_is(tmp_path):
    environment = os.environ | {
        "AUGSPEC_NATIVE": "0",
        "CXX": str(tmp_path / "no-compiler"),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", NO_COMPILER], check=True, env=environment, stderr=subprocess.PIPE
    )
    assert done.stderr.count(b"augspec cannot compile its kernels") == 1


def test_threads_that_begin_together_compile_once(fresh_kernel):
    together = threading.Barrier(4)

    def call(_):
        together.wait()
        return fresh_kernel(torch.ones(3, 4), torch.ones(3, 4))

    before = graphs()
    with ThreadPoolExecutor(4) as pool:
        for out in pool.map(call, range(4)):
            assert torch.equal(out, torch.full((3, 4), 2.0))
    assert graphs() == before + 1
    assert fresh_kernel.failure is None


ELSEWHERE = [
    elsewhere.another_thread_compiles,
    elsewhere.another_thread_exports,
    elsewhere.another_thread_runs_compiled_code,
    elsewhere.another_thread_has_dual_numbers,
]


@pytest.mark.parametrize("beside", ELSEWHERE)
def test_what_another_thread_does_is_not_ours(beside):
    with beside():
        assert not is_compiling()
        assert not is_exporting()
        assert nobody_watches()
        assert not needs_gradient(torch.zeros(1))
        assert _may_compile((torch.zeros(1),))


def test_a_compiling_thread_knows_it():
    seen = []

    def look(x):
        seen.append((is_compiling(), is_exporting()))
        return x + 1

    # Within a compiler's backend the code is not traced.
    function = torch.compile(lambda x: x + 1, backend=lambda graph, _: look(0) and graph)
    function(torch.ones(1))
    assert seen == [(True, False)]
    assert not is_compiling()


def test_a_flag_that_two_threads_left_set_is_ignored(monkeypatch):
    for flag in ("_is_compiling_flag", "_is_exporting_flag"):
        monkeypatch.setattr(torch.compiler, flag, True, raising=False)
    assert not is_compiling()
    assert not is_exporting()
    assert nobody_watches()


def test_gradients_of_both_modes_are_noticed():
    leaf, plain, whole = torch.ones(2, requires_grad=True), torch.ones(2), torch.arange(2)
    assert needs_gradient(plain, leaf)
    assert not needs_gradient(plain, whole)
    with torch.no_grad():
        assert not needs_gradient(leaf)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(plain, plain)
        assert needs_gradient(whole, dual)
        assert not needs_gradient(plain, whole)
        assert not native.applies(dual)
        assert not _may_compile((dual,))
    seen = []
    torch.func.jvp(lambda x: seen.append(needs_gradient(x)) or x, (plain,), (plain,))
    torch.func.jacfwd(lambda x: seen.append(needs_gradient(x)) or x)(plain)
    assert seen == [True, True]


@pytest.mark.parametrize(
    "module",
    [T.Speed(), F.LogMelSpectrogram(16_000, n_fft=256, n_mels=16), F.CQT(16_000, n_bins=24)],
    ids=lambda module: type(module).__name__,
)
def test_a_graph_of_a_gradient_in_forward_mode(module):
    keys = {"keys": augspec.example_keys(1, 0, torch.arange(2))} if hasattr(module, "p") else {}
    batch, direction = torch.randn(2, 1, 4000), torch.randn(2, 1, 4000)

    def push(x, along):
        return torch.func.jvp(lambda x: module(x, **keys), (x,), (along,))

    graph = torch.compile(push, backend="aot_eager")
    for ours, eager in zip(graph(batch, direction), push(batch, direction), strict=True):
        torch.testing.assert_close(ours, eager)
        assert ours.any()


class Exported(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + (1 if is_exporting() else 2)


def test_a_compiled_graph_is_no_export():
    """Exports have code for any size, which is slower and rounds otherwise."""
    ones = torch.ones(2)
    for fullgraph in (False, True):
        graph = torch.compile(Exported(), fullgraph=fullgraph, backend="eager")
        assert torch.equal(graph(ones), 3 * ones)
    for strict in (False, True):
        exported = torch.export.export(Exported(), (ones,), strict=strict)
        assert torch.equal(exported.module()(ones), 2 * ones)
