"""A graph is told the shapes and dtypes that the operations with Triton kernels really give."""

import pytest
import torch
from peers import import_or_skip
from releases import counts_launches
from torch._subclasses.fake_tensor import FakeTensorMode

from augspec.functional.onset import find_onsets
from augspec.functional.pace import CurvedPace, SteadyPace
from augspec.functional.phase_turn import turn_frames
from augspec.functional.resample import resample
from augspec.functional.turns import accumulate_turns

ONSETS = find_onsets(torch.randn(2, 1, 4_096), 256)


def steady(rate, place, *onsets):
    return SteadyPace.of(rate).place(place, onsets, 256)


def curved(rate, ends, place, *onsets):
    return CurvedPace.over(rate, ends).place(place, onsets, 256)


WORK = {
    "turns": (accumulate_turns, torch.rand(2, 9, 7), torch.zeros(2, 9, 7, dtype=torch.int64)),
    "frames": (
        turn_frames,
        torch.randn(2, 3, 9, 129, dtype=torch.complex64),
        torch.full((2, 8), 64),
        torch.zeros(2, 6, dtype=torch.bool),
    ),
    "rows": (resample, torch.randn(2, 3, 1_000), torch.tensor([0.9, 1.1])),
    "steady": (steady, torch.tensor([0.9, 1.1]), torch.arange(0, 2_048, 64), *ONSETS),
    "curved": (
        curved,
        torch.tensor([[0.9, 1.0, 1.1], [1.2, 1.0, 0.8]]),
        torch.tensor([2_048, 1_024]),
        torch.arange(0, 2_048, 64),
        *ONSETS,
    ),
}


def kinds(results):
    results = results if isinstance(results, tuple) else (results,)
    return [(tuple(one.shape), one.dtype) for one in results]


@counts_launches
@pytest.mark.parametrize("name", WORK)
def test_a_gpus_results_are_announced_as_those_of_the_cpu(name):
    import_or_skip("triton")
    work, *values = WORK[name]
    expected = kinds(work(*values))
    with FakeTensorMode() as mode:
        there = [torch.empty_like(mode.from_tensor(one), device="cuda") for one in values]
        assert kinds(work(*there)) == expected
