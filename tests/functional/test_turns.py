"""Phases are added up from frame to frame alike in every way: one after the other, doubling, scan.

The Triton kernel runs here in Triton's interpreter, on tensors of the CPU, and is compiled for
GPUs that are not there.
"""

import pytest
import releases
import torch
from peers import import_or_skip
from triton_kernels import compiles_and_spills_nothing, interpret, needs_interpreter, needs_triton

from augspec._torch import HAS_TRITON
from augspec.functional import phase_lock, turns
from augspec.testing import device_work


def links(examples, frames, slots, seed=0):
    generator = torch.Generator().manual_seed(seed)
    gain = torch.rand(examples, frames, slots, generator=generator) - 0.5
    origin = torch.randint(-2, slots, gain.shape, generator=generator)
    return gain, origin.clamp(min=-1)


def by_definition(gain, origin):
    out = torch.zeros(len(gain), gain.shape[1] + 1, gain.shape[2])
    for example in range(len(gain)):
        for frame in range(gain.shape[1]):
            for slot in range(gain.shape[2]):
                source = origin[example, frame, slot]
                before = out[example, frame, source] if source >= 0 else 0.0
                out[example, frame + 1, slot] = before + gain[example, frame, slot]
    return out


def check(found, expected, tolerance=1e-5):
    """Compare turns, of which only the part within half a turn of 0 counts, and is there."""
    assert found.abs().max() <= 0.5
    apart = found - expected
    assert (apart - apart.round()).abs().max() <= tolerance


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 2, 5), (2, 37, 171)])
def test_doubling_and_the_loop_are_the_recurrence(size):
    gain, origin = links(*size)
    expected = by_definition(gain, origin)
    kept = origin >= 0
    loop = phase_lock._accumulate(gain, kept.float(), origin.clamp(min=0))
    check(loop, expected)
    check(turns.accumulate_turns(gain, origin), expected)
    check(phase_lock._accumulate(gain, None, origin), expected)


def test_turns_of_ten_minutes_are_as_exact_as_those_of_a_second():
    """So many turns have no fractions left in float32."""
    gain = torch.tensor([0.3, -0.41, 0.2503]).expand(1, 150_000, 3)
    origin = torch.arange(3).expand(gain.shape)
    frame = torch.arange(gain.shape[1] + 1, dtype=torch.float64)[None, :, None]
    expected = frame * gain[:, :1].double()
    check(phase_lock._accumulate(gain, torch.ones_like(gain), origin), expected, 5e-3)
    check(turns.accumulate_turns(gain, origin), expected, 5e-3)


def test_doubling_has_the_gradient_of_the_loop():
    gain, origin = links(2, 9, 7)
    gain = gain.requires_grad_()
    weight = torch.rand(2, 10, 7)
    loop = phase_lock._accumulate(gain, (origin >= 0).float(), origin.clamp(min=0))
    (expected,) = torch.autograd.grad((loop * weight).sum(), gain)
    (found,) = torch.autograd.grad((turns.accumulate_turns(gain, origin) * weight).sum(), gain)
    torch.testing.assert_close(found, expected)


INTERPRETED = """
import torch
from augspec.functional.phase_scan import scan
from augspec.functional.turns import _by_doubling
for dtype in (torch.float32, torch.float64):
    for size in [(1, 1, 1), (3, 2, 5), (2, 37, 171), (2, 64, 16), (1, 65, 40)]:
        gain = torch.rand(size, dtype=dtype) - 0.5
        origin = torch.randint(-2, size[-1], size).clamp(min=-1)
        apart = scan(gain, origin) - _by_doubling(gain, origin)
        assert scan(gain, origin).abs().max() <= 0.5
        assert (apart - apart.round()).abs().max() < 1e-5
long = torch.full((1, 30_000, 1), 0.3)
expected = torch.arange(30_001)[None, :, None] * long[0, 0, 0].double()
apart = scan(long, torch.zeros(long.shape, dtype=torch.int64)) - expected
assert (apart - apart.round()).abs().max() < 1e-3
"""


@needs_interpreter
def test_the_kernel_in_the_interpreter_is_the_recurrence():
    interpret(INTERPRETED)


def test_triton_is_used_where_it_has_what_the_kernel_needs():
    triton = import_or_skip("triton")
    assert hasattr(triton.language, "gather") == HAS_TRITON


@needs_triton
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("block", [256, 2048])
def test_the_kernel_compiles_for_gpus_and_spills_nothing(capability, block, tmp_path):
    import_or_skip("triton")
    from augspec.functional.phase_scan import scan_kernel

    kinds = {"gain": "*fp32", "origin": "*i64", "turns": "*fp32", "frames": "i32", "slots": "i32"}
    constants = {"BLOCK": block}
    compiles_and_spills_nothing(scan_kernel, capability, kinds, constants, tmp_path)


@releases.counts_launches
@pytest.mark.usefixtures("eager_kernels")
def test_on_a_gpu_it_is_one_launch():
    import_or_skip("triton")
    gain, origin = links(2, 300, 171)
    assert device_work(turns.accumulate_turns, gain, origin).launches == 1
