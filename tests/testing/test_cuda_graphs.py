"""What a GPU runs can be captured as a CUDA graph: it does the same whatever the values are.

A graph that is replayed repeats its operations on the addresses of the first time. So a call must
make the same operations on tensors of the same shapes for other values and keys, and what it reads
beside its arguments must stay where it is. Both are looked at on a CPU, which takes the ways of a
GPU for it.
"""

import sys
from pathlib import Path

import pytest
import torch

import augspec
from augspec import _compile
from augspec import transforms as T
from augspec.testing import _fake

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import count_gpu

pytestmark = pytest.mark.usefixtures("eager_kernels")

SUBJECTS = count_gpu.subjects()


class Recorder(_fake.OperatorMode):
    """Note every operation with its shapes, and where memory is that was there before."""

    def __init__(self, arguments):
        super().__init__()
        self.operations = []
        self.outside = set()
        self.kept = []  # alive, so that no address comes twice
        self.known = {tensor.untyped_storage().data_ptr() for tensor in arguments}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        given, made = tensors((args, kwargs)), tensors(out)
        for tensor in given:
            address = tensor.untyped_storage().data_ptr()
            if tensor.numel() and address not in self.known:
                self.outside.add((address, tensor.untyped_storage().nbytes()))
        self.kept += made
        self.known |= {tensor.untyped_storage().data_ptr() for tensor in made}
        shapes = [(tensor.shape, tensor.stride(), tensor.dtype) for tensor in (*given, *made)]
        self.operations.append((str(operation), shapes))
        return out


def tensors(value):
    return [leaf for leaf in torch.utils._pytree.tree_leaves(value) if type(leaf) is torch.Tensor]


def record(module, seed):
    shape = count_gpu.batch(module, 3, 12_000).shape
    waveform = 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    keys = augspec.example_keys(seed, 0, range(3))
    draws = isinstance(module, T.RandomTransform | augspec.Frontend) and module.acts()
    recorder = Recorder([waveform, keys])
    with _compile.few_launches(), torch.no_grad(), recorder:
        module(waveform, **({"keys": keys} if draws else {}))
    return recorder


@pytest.mark.parametrize("name", SUBJECTS)
def test_other_values_make_the_same_operations_on_the_same_addresses(name):
    module = SUBJECTS[name]
    record(module, 0)  # constants are made
    first, second = record(module, 1), record(module, 2)
    assert first.operations == second.operations
    assert first.outside == second.outside


class Sifts(T.Gain):
    """A mistake: how much memory it takes depends on what it hears."""

    def _transform(self, signal, params, _):
        return signal * params["gain_db"][:, None, None] + signal[signal > 0.1].sum()


class Restless(T.Gain):
    """A mistake: what it reads is another tensor at each call."""

    def _transform(self, signal, params, _):
        with torch.utils._python_dispatch._disable_current_modes():
            scale = torch.full((1,), 2.0)
        self.old = [*getattr(self, "old", []), scale]
        return signal * scale * params["gain_db"][:, None, None]


def test_mistakes_are_found():
    first, second = record(Sifts(), 1), record(Sifts(), 2)
    assert first.operations != second.operations
    restless = Restless()
    assert record(restless, 1).outside != record(restless, 2).outside
