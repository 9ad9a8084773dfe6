"""Resampling's Triton kernel gives what resampling in torch gives.

The kernel runs here in Triton's interpreter, on tensors of the CPU, and is compiled for GPUs that
are not there.
"""

import pytest
import releases
import torch
from peers import import_or_skip
from torch._subclasses.fake_tensor import FakeTensorMode
from triton_kernels import compiles_and_spills_nothing, interpret, needs_interpreter, needs_triton

from augspec import _compile, functional
from augspec._compile import runs_triton
from augspec.functional.turns import accumulate_turns
from augspec.testing import device_work

INTERPRETED = """
import importlib
import torch
of = importlib.import_module("augspec.functional.resample")
importlib.import_module("augspec.functional.resample_triton")._TILE = 16
for time, most, ratios in [(500, 1.25, [0.8, 1.0, 1.25, torch.nan]), (700, 2.0, [2.0])]:
    rows, step = torch.randn(len(ratios), time), of.fixed_point(torch.tensor(ratios))
    ends = torch.tensor([time, time * 3 // 4, time - 10, time])[: len(rows)]
    heard = torch.where(torch.arange(time) < ends[:, None], rows, 0.0).double()
    expected = of._resample_rows(heard, step, ends, 520, most)
    found = of._by_triton._init_fn(rows, step, ends, 520, most)
    torch.testing.assert_close(found[:3].double(), expected[:3], rtol=0.0, atol=3e-6)
    assert torch.equal(found[step == of.ONE], expected[step == of.ONE].float())
    assert found[3:].isnan().all()
"""


@pytest.mark.slow
@needs_interpreter
def test_the_kernel_in_the_interpreter_resamples_as_torch_does():
    interpret(INTERPRETED)


@needs_triton
@pytest.mark.parametrize("capability", [80, 90])
def test_the_kernel_compiles_for_gpus_and_spills_nothing(capability, tmp_path):
    import_or_skip("triton")
    from augspec.functional.resample_triton import resample_kernel

    constants = {"DELAY": 34, "PHASES": 8, "TAPS": 32, "BETA": 7.5, "ORDERS": 24}
    constants |= {"BLOCK": 32, "TILE": 64, "PART": 16}
    kinds = dict.fromkeys(("source", "table", "out"), "*fp32")
    kinds |= dict.fromkeys(("steps", "ends"), "*i64")
    kinds |= dict.fromkeys(("max_ratio", "peak"), "fp32")
    kinds |= dict.fromkeys(("time", "size", "tiles", "reach", "width"), "i32")
    compiles_and_spills_nothing(resample_kernel, capability, kinds, constants, tmp_path)


@releases.counts_launches
@pytest.mark.usefixtures("eager_kernels")
def test_on_a_gpu_it_is_one_launch_beside_the_steps():
    import_or_skip("triton")
    waveform, ratio = torch.zeros(4, 1, 8_000), torch.ones(4)
    work = device_work(lambda x, r: functional.resample(x, r), waveform, ratio)
    assert work.launches <= 4
    assert work.bytes < 3 * waveform.numel() * 4


@releases.counts_launches
def test_gradients_exports_and_transforms_of_functions_are_left_to_torch(monkeypatch):
    import_or_skip("triton")
    seen = []

    def look(values):
        seen.append(runs_triton(values))
        return accumulate_turns(values, values.to(torch.int64))

    with FakeTensorMode():  # whose backward pass would need a GPU
        values = torch.zeros(2, 3, 5, 7, device="cuda")
        torch.func.vmap(look)(values)
        look(values[0].clone().requires_grad_())
        with torch.no_grad():
            torch.func.vmap(torch.func.vmap(look))(values[None])
        assert seen == [False, False, False]
        with torch.autograd.forward_ad.dual_level():
            assert runs_triton(values[0])  # its gradient is not asked
            dual = torch.autograd.forward_ad.make_dual(values[0], values[0])
            assert not runs_triton(dual)
        with monkeypatch.context() as patch:
            patch.setattr(_compile, "is_exporting", lambda: True)
            assert not runs_triton(values[0])  # an exported program has no operation of augspec
        assert runs_triton(values[0])
        assert not runs_triton(values[0], torch.zeros(1))
