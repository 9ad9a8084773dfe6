"""The Triton kernels of phase locking give what phase locking in torch gives.

The kernels run here in Triton's interpreter, on tensors of the CPU, and are compiled for GPUs that
are not there.
"""

import pytest
import releases
import torch
from peers import import_or_skip
from triton_kernels import compiles_and_spills_nothing, interpret, needs_interpreter, needs_triton

from augspec.functional import phase_turn
from augspec.testing import device_work

# Noise and tones; silence, equal bins, an attack, one channel that is not finite beside another.
INTERPRETED = """
import math
import torch
from augspec.functional import phase_lock, phase_lock_triton, phase_turn
from augspec.functional.turns import accumulate_turns

N_FFT, FRAMES = 64, 9
phase_lock_triton._SLOTS, phase_lock_triton._BINS = 16, 32
time = torch.arange(N_FFT + 40 * FRAMES)
def frames_of(sound):
    window = torch.hann_window(N_FFT)
    return torch.fft.rfft(sound.unfold(-1, N_FFT, 40)[..., :FRAMES, :] * window)

def sounds(channels):
    tone = torch.sin(2 * math.pi * 0.07 * time) + 0.3 * torch.sin(2 * math.pi * 0.21 * time)
    noise = torch.randn(channels, len(time))
    silence = torch.where(time < 180, 0.0, noise)
    click = torch.where(time == 250, 1.0, 0.001 * noise)
    spread = 1.0 + torch.arange(channels)[:, None]
    return torch.stack([tone * spread, noise, silence, click])

def near(found, expected, tolerance):
    torch.testing.assert_close(found, expected, rtol=0.0, atol=tolerance, equal_nan=True)

for channels in (1, 2):
    specgram = frames_of(sounds(channels))
    if channels == 2:
        specgram[1, 1, 5:7] = torch.nan
    advance = torch.randint(-3, 90, (4, FRAMES - 1))
    attacks = torch.rand(4, FRAMES - 3) < 0.6
    uphill, hill, (gains, kept, origins) = phase_lock._find_links(specgram, advance, attacks)
    gain, origin = phase_turn._link._init_fn(specgram, advance, attacks)
    assert torch.equal(origin, torch.where(kept > 0, origins, -1).int()) and (origin < 0).any()
    near(gain, gains, 1e-5)
    turns = accumulate_turns(gain, origin.long())
    turned = phase_turn._turn._init_fn(specgram, turns)
    heard = specgram[:, :, phase_lock.HEARD]
    phasor = torch.polar(torch.ones(()).double(), 2 * math.pi * turns.gather(-1, hill).double())
    near(turned, (phasor.gather(-1, uphill)[:, None] * heard).to(heard.dtype), 1e-5)
    near(turned, phase_turn.turn_frames(specgram, advance, attacks), 1e-3)
"""


@pytest.mark.slow
@needs_interpreter
def test_the_kernels_in_the_interpreter_turn_frames_as_torch_does():
    interpret(INTERPRETED)


@needs_triton
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", ["link_kernel", "turn_kernel"])
def test_the_kernels_compile_for_gpus_and_spill_nothing(name, capability, tmp_path):
    import_or_skip("triton")
    from augspec.functional import phase_lock_triton

    kinds = dict.fromkeys(("specgram", "gains", "turns", "out"), "*fp32")
    kinds |= {"advances": "*i64", "attacks": "*i1", "origins": "*i32"}
    kinds |= dict.fromkeys(("frames", "bins", "slots", "channels"), "i32")
    kinds |= dict.fromkeys(("ratio", "unit"), "fp32")
    kernel = getattr(phase_lock_triton, name)
    block = {"link_kernel": 64, "turn_kernel": 256}[name]
    compiles_and_spills_nothing(kernel, capability, kinds, {"BLOCK": block}, tmp_path)


@releases.counts_launches
@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_on_a_gpu_it_is_three_launches_in_float32(dtype):
    import_or_skip("triton")
    specgram = torch.zeros(2, 1, 40, 65, dtype=dtype)
    advance, attacks = torch.zeros(2, 39, dtype=torch.int64), torch.zeros(2, 37, dtype=torch.bool)
    launches = device_work(phase_turn.turn_frames, specgram, advance, attacks).launches
    assert launches == 3 if dtype == torch.complex64 else launches > 20
