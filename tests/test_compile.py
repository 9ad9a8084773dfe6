import itertools
import multiprocessing
import os
import subprocess
import sys
import types

import pytest
import torch
from torch import Tensor

from augspec import _compile
from augspec._compile import compiled, eager_kernels


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
        "CXX": str(tmp_path / "no-compiler"),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
    }
    subprocess.run([sys.executable, "-c", NO_COMPILER], check=True, env=environment)
