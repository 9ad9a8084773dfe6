"""On a CPU a batch is one region of threads: none of torch's operations is shared among them.

torch splits an operation on 32,768 numbers or more among its threads, which wait for each other at
its end. Beside other work such a wait takes longer than what is shared. So each class runs here on
a batch, and what torch computed on so many numbers is listed.
"""

import math

import pytest
import torch
from public import classes
from torch.profiler import ProfilerActivity, profile

from augspec import features as F
from augspec import native
from augspec import transforms as T

GRAIN = 32_768  # of torch's loops
BATCH, TIME = 8, 64_000

# They make a view, or memory that is not written to.
_VIEWS = """
alias as_strided as_strided_ chunk detach diagonal empty empty_like empty_strided expand expand_as
flatten narrow new_empty new_ones new_zeros ones_like permute reshape resize_ resolve_conj
resolve_neg select slice split split_with_sizes squeeze t to _to_copy transpose unbind unflatten
unfold unsqueeze view view_as _reshape_alias _unsafe_view clone contiguous full new_full zeros
zeros_like full_like
"""
# They compute as many numbers as there are indices, here a few for each example.
_INDEXED = "gather index index_put_ _index_put_impl_ scatter_ embedding index_select"
FREE = frozenset(f"aten::{name}" for name in f"{_VIEWS} {_INDEXED}".split())

#: Classes that torch computes in part, and what of it.
IN_TORCH = {
    "Codec": "it copies the sound into a program's memory",
    "ImpulseResponse": "the responses' delays; their sizes are those of the responses",
    "PacketLoss": "packets that are lost",
    "RoomReverb": "the responses, made of noise; their sizes are those of the responses",
    "Telephone": "the choice of a law",
    "ToMultiple": "padding",
}


def operations(module: torch.nn.Module, signal: torch.Tensor) -> dict[str, int]:
    """Count what torch computes on many numbers, by name; compiled kernels too."""
    with torch.no_grad():
        module(signal)
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen:
            module(signal)
    found: dict[str, int] = {}
    for event in seen.events():
        sizes = [math.prod(s) for s in event.input_shapes if all(isinstance(n, int) for n in s)]
        is_large = max(sizes, default=0) >= GRAIN and event.name not in FREE
        if (event.name.startswith("aten::") and is_large) or "Compiled" in event.name:
            found[event.name] = found.get(event.name, 0) + 1
    return found


def test_an_operation_of_torch_is_noticed():
    gain = T.Gain()
    with native.in_torch():
        assert "aten::mul" in operations(gain, torch.randn(BATCH, 1, TIME))
    assert operations(gain, torch.randn(BATCH, 1, TIME)) == {}


def signal_for(module: torch.nn.Module) -> torch.Tensor:
    """Give a batch of the kind that a class takes."""
    sound = torch.randn(BATCH, getattr(module, "in_channels", 1), TIME)
    if isinstance(module, T.AmbisonicsRotation):
        sound = torch.randn(BATCH, 4, TIME)
    if isinstance(module, T.WaveformTransform) or hasattr(module, "n_fft"):
        return sound
    try:
        module(sound[:1, :, :4000])
    except (TypeError, ValueError):
        return F.LogMelSpectrogram(sample_rate=16_000, n_mels=64)(sound)
    return sound


@pytest.mark.skipif(native.instruction_set() == "no", reason="needs the native kernels")
@pytest.mark.parametrize("kind", classes(T) + classes(F), ids=lambda kind: kind.__name__)
def test_no_operation_is_shared_among_threads(kind):
    torch.manual_seed(0)
    module = kind.example()
    found = operations(module, signal_for(module))
    assert bool(found) == (kind.__name__ in IN_TORCH), found


def test_what_torch_computes_in_part_is_known():
    assert IN_TORCH.keys() <= {kind.__name__ for kind in classes(T) + classes(F)}


@pytest.mark.skipif(native.instruction_set() == "no", reason="needs the native kernels")
def test_a_chain_of_light_transforms_is_no_operation_of_torch():
    chain = T.Chain([T.Gain(p=0.5), T.PolarityInversion(), T.Shift(p=0.7), T.BitCrush(p=0.2)])
    assert operations(chain, torch.randn(BATCH, 2, TIME)) == {}
