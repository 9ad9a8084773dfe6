"""On a CPU a batch is one region of threads: none of torch's operations is shared among them.

torch and MKL split some operations among the threads of OpenMP, which wait for each other at the
end. Beside other work such a wait takes longer than what is shared. Afterwards the threads wait for
more, without sleeping, on the processors that the kernels need. So each class runs here on a batch,
and the regions of OpenMP are counted. What torch computes on 32,768 numbers or more is listed as
well: it takes one thread, where a kernel would take several.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from public import classes
from torch.profiler import ProfilerActivity, profile

from augspec import features as F
from augspec import native
from augspec import transforms as T
from augspec.native import _build

# Of torch 2.11: there is one cycle.
pytestmark = pytest.mark.filterwarnings("ignore:.*Profiler clears events:UserWarning")
GRAIN = 32_768  # of torch's loops
BATCH, TIME = 64, 64_000

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


def signal_for(module: torch.nn.Module, batch: int = BATCH, time: int = TIME) -> torch.Tensor:
    """Give a batch of the kind that a class takes."""
    sound = torch.randn(batch, getattr(module, "in_channels", 1), time)
    if isinstance(module, T.AmbisonicsRotation):
        sound = torch.randn(batch, 4, time)
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
    assert found == {}


@pytest.mark.skipif(native.instruction_set() == "no", reason="needs the native kernels")
def test_a_chain_of_light_transforms_is_no_operation_of_torch():
    chain = T.Chain([T.Gain(p=0.5), T.PolarityInversion(), T.Shift(p=0.7), T.BitCrush(p=0.2)])
    assert operations(chain, torch.randn(BATCH, 2, TIME)) == {}


@pytest.fixture(scope="module")
def regions(tmp_path_factory) -> dict[str, list[int]]:
    """How many regions of OpenMP a call of each class opens, for two shapes of a batch."""
    libraries = list((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    compiler = _build.compiler()
    if not libraries or compiler is None:
        pytest.skip("needs a torch with GNU's OpenMP, and a compiler")
    library = tmp_path_factory.mktemp("regions") / "regions.so"
    here = Path(__file__).parent
    subprocess.run(
        [
            compiler, "-shared", "-fPIC", f'-DOPENMP="{libraries[0]}"',
            here / "openmp_regions.cpp",
            "-o", library,
        ],
        check=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, here / "count_regions.py"],
        env=os.environ | {"LD_PRELOAD": str(library)},
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(native.instruction_set() == "no", reason="needs the native kernels")
def test_no_class_opens_a_region_of_openmp(regions):
    assert regions.pop("torch")[0] > 0  # an operation of torch's is counted
    assert regions.keys() == {kind.__name__ for kind in classes(T) + classes(F)}
    assert {name: counts for name, counts in regions.items() if any(counts)} == {}
