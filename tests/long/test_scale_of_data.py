"""What each further clip costs does not grow with their number: `scale.py` in miniature, by counts.

Steps of Python and bytes are counted, and no time is measured.
"""

import gc
import pickle
import sys
import tracemalloc

import numpy as np
import pytest
import scale
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from augspec.datasets import split_by_group
from augspec.datasets._texts import Texts
from augspec.samplers import BalancedSampler, WeightedSampler, class_weights

SIZES = (2_500, 5_000, 10_000)
#: Bytes at most for each further clip, in objects of Python and NumPy.
BYTES = {"table of files": 2_000, "labels": 200, "split by speaker": 80}


def steps(work):
    """Count the instructions of Python that a call needs."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def most(work):
    """Count the bytes that Python and NumPy hold at most in a call."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        del kept
        tracemalloc.stop()


class Made(TorchDispatchMode):
    """Notes the bytes of each tensor that torch makes, and the operation."""

    def __init__(self):
        super().__init__()
        self.bytes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.bytes.append((function.overloadpacket.__name__, out.numel() * out.itemsize))
        return out


def further(costs):
    """Give what each further clip costs between neighbouring sizes."""
    return np.diff(costs) / np.diff(SIZES)


@pytest.mark.parametrize("name", [name for name in scale.PARTS if name != "index of shards"])
def test_a_further_clip_costs_no_more_than_those_before(name, tmp_path):
    part, _ = scale.PARTS[name]
    part(100, 1, tmp_path)  # imports, and what is made once
    before, after = further([steps(lambda n=n: part(n, 1, tmp_path)) for n in SIZES])
    assert after < 1.1 * max(before, 0.0) + 1.0
    bytes_ = further([most(lambda n=n: part(n, 1, tmp_path)) for n in SIZES])
    assert max(bytes_) < BYTES.get(name, 600), bytes_


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_an_index_of_shards_costs_by_the_shard(tmp_path):
    scale.shards(10_000, 2, tmp_path)
    counts = [steps(lambda n=n: scale.shards(100 * n, 64, tmp_path)) for n in SIZES]
    assert counts[2] - counts[1] < 1.1 * 2 * (counts[1] - counts[0])


def test_a_split_costs_by_the_group_and_not_by_group_and_class():
    """Each class went through all groups."""
    groups = [np.arange(n) for n in (200, 400, 800)]
    counts = [steps(lambda g=g: split_by_group(g, g // 2)) for g in groups]
    assert counts[2] - counts[1] < 1.1 * 2 * (counts[1] - counts[0])


def test_one_long_path_does_not_make_all_of_them_long():
    """An array of NumPy had the width of the longest for each."""
    paths = [f"{n:09d}.wav".encode() for n in range(10_000)] + [b"a" * 4_000]
    kept = Texts(paths)
    assert [kept[n] for n in range(len(kept))] == paths
    assert len(pickle.dumps(kept)) < sum(map(len, paths)) + 8 * len(paths) + 1_000


@pytest.mark.parametrize("use", [BalancedSampler, class_weights])
def test_labels_of_many_classes_are_not_copied_as_larger_numbers(use):
    """In float64 they were eight times as large as they are, 40 GB of 10 million clips."""
    labels = torch.zeros(50_000, 100, dtype=torch.bool)
    labels[torch.arange(50_000), torch.arange(50_000) % 100] = True
    with Made() as made:
        use(labels)
    assert max(size for _, size in made.bytes) <= labels.numel()


def test_a_process_looks_up_its_own_part_of_an_order_alone():
    """Each of 64 looked up all of it."""
    sampler = WeightedSampler(np.ones(6_400), num_replicas=64, rank=3)
    with Made() as made:
        assert len(list(sampler)) == 100
    assert max(size for name, size in made.bytes if name == "searchsorted") == 100 * 8
