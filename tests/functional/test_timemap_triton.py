"""The time map's Triton kernels give what the time map in torch gives, bit for bit.

The kernels run here in Triton's interpreter, on tensors of the CPU, and are compiled for GPUs that
are not there.
"""

import pytest
import releases
import torch
from peers import import_or_skip
from triton_kernels import compiles_and_spills_nothing, interpret, needs_interpreter, needs_triton

from augspec.functional import timemap
from augspec.functional.pace import CurvedPace
from augspec.testing import device_work

# Onsets at any places, also far outside; rates of halves give positions halfway between samples.
INTERPRETED = """
import torch
from augspec.functional import pace, timemap
from augspec.functional.onset import _FAR, _neighbours
from augspec.functional.sinc import ONE

rates = torch.tensor([0.25, 0.5, 0.73, 1.0, 1.0001, 1.5, 2.0, 4.0, torch.nan])
marked = torch.rand(len(rates), 2500) < 0.02
marked[3] = False
grid = _neighbours(marked, 16)
places = torch.arange(-256, 40_000, 113)
steady = pace.SteadyPace.of(rates)
step = (steady.rate * ONE).to(torch.int64).clamp(min=1)
for offset in (0, 12_345 * ONE + 98_765):
    position = places * step[:, None] + offset
    expected = timemap.map_time(position, step, grid, 512)
    found = timemap._by_triton._init_fn(position, step, *grid, 512)
    assert all(map(torch.equal, found, expected))
for points in (2, 5):
    curve = 0.25 + 3.75 * torch.rand(len(rates), points)
    curve[1], curve[2], curve[3, 0] = 1.0, 0.5, torch.nan
    ends = torch.randint(1, 40_000, (len(rates),))
    ends[4] = 2  # pieces without a sample
    curved = pace.CurvedPace.over(curve, ends)
    expected = curved.place(places, grid, 512)
    found = pace._by_triton._init_fn(places, curved.pieces, *grid, 512)
    assert all(map(torch.equal, found, expected))
"""


@needs_interpreter
def test_the_kernels_in_the_interpreter_place_frames_as_torch_does():
    interpret(INTERPRETED)


@needs_triton
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", ["steady_kernel", "curved_kernel"])
def test_the_kernels_compile_for_gpus_and_spill_nothing(name, capability, tmp_path):
    import_or_skip("triton")
    from augspec.functional import timemap_triton

    pointers = ("positions", "steps", "places", "pieces", "last", "first", "centers", "untils")
    kinds = dict.fromkeys(pointers, "*i64")
    kinds |= dict.fromkeys(("frames", "blocks", "n_fft", "count"), "i32")
    kernel = getattr(timemap_triton, name)
    compiles_and_spills_nothing(kernel, capability, kinds, {"BLOCK": 128}, tmp_path)


@releases.counts_launches
@pytest.mark.usefixtures("eager_kernels")
def test_on_a_gpu_a_map_is_one_launch():
    import_or_skip("triton")
    place, onset = torch.zeros(300, dtype=torch.int64), torch.zeros(4, 99, dtype=torch.int64)
    step = torch.zeros(4, dtype=torch.int64)
    work = device_work(timemap.map_time, place.expand(4, -1), step, (onset, onset), 512)
    assert work.launches == 1

    def curve(pieces, valid, place, onset):
        return CurvedPace(pieces, valid).place(place, (onset, onset), 512)

    pieces, valid = torch.zeros(4, 5, 3, dtype=torch.int64), torch.ones(4, dtype=torch.bool)
    assert device_work(curve, pieces, valid, place, onset).launches == 1
