"""Every class and front end becomes one graph on a GPU, by the compiler's own tracer.

The tensors are fake: the graph is traced, and nothing of it runs.
"""

import copy
import inspect
import sys
from pathlib import Path

import pytest
import releases
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from augspec import _constants, bank
from augspec._compile import constant_in_graphs

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import count_gpu

SUBJECTS = {
    name: module
    for name, module in count_gpu.subjects().items()
    if getattr(module, "compilable", True)
}
READ_A_BANK = [
    name
    for name, module in SUBJECTS.items()
    if any(isinstance(part, bank.Bank) for part in module.modules())
]
QUICK = ["stretch, pitch, crop and gain, fused", "TimeStretch", "Mixup", "BackgroundNoise"]


@pytest.fixture
def mode(monkeypatch):
    """Fake tensors, of which the constants are some too: there is no GPU to copy them to."""
    made = FakeTensorMode(allow_non_fake_inputs=True)

    @constant_in_graphs
    def kept(function, arguments, dtype, device):
        real = _constants._made(function, arguments, dtype, torch.device("cpu")).tensor
        with made:
            return _constants.Kept(torch.empty(real.shape, dtype=dtype, device=device))

    def in_mode(make):
        with made:
            return make()

    monkeypatch.setattr(_constants, "_kept", kept)
    monkeypatch.setattr(bank, "outside_modes", in_mode)
    torch._dynamo.reset()
    yield made
    torch._dynamo.reset()


@pytest.fixture
def shape(name):
    """Ask for the shape of a batch before `mode` makes constants fake."""
    return count_gpu.batch(copy.deepcopy(SUBJECTS[name]), 4, 8_000).shape


def marks(name):
    some = [] if name in QUICK else [pytest.mark.slow]
    return [*some, releases.modules_are_constants] if name in READ_A_BANK else some


@releases.compiles_whole
@pytest.mark.parametrize("name", [pytest.param(n, marks=marks(n)) for n in SUBJECTS])
def test_on_a_gpu_it_is_one_graph(name, shape, mode):
    module = copy.deepcopy(SUBJECTS[name])
    draws = "keys" in inspect.signature(module.forward).parameters
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    @torch.compile(fullgraph=True, backend=backend)
    def call(waveform, keys):
        return module(waveform, keys=keys) if draws else module(waveform)

    with mode:
        waveform = torch.empty(shape, device="cuda")
        out = call(waveform, torch.empty(4, dtype=torch.int64, device="cuda"))
    assert out.device.type == "cuda"
    assert len(graphs) == 1
