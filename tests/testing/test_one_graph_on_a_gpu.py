"""What torch's compiler makes of a front end, or of a class, for an H100 that is not there.

Each is traced as one graph, draws and all, and lowered to the source of its Triton kernels, for 64
examples of 4 s at 16 kHz. What is counted is what one batch launches. That takes a CPU half a
minute to a minute and a half each, so the long ones are a sample: the fused front end, the classes
that were the largest, and one of each kind of kernel.
"""

import sys
from pathlib import Path

import pytest
import releases
import torch
from peers import import_or_skip

from augspec.testing import _fake

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import count_gpu

triton = import_or_skip("triton")
from augspec.testing import _inductor  # noqa: E402

pytestmark = [
    releases.counts_launches,
    releases.lowers_for_a_gpu_that_is_not_there,
    pytest.mark.usefixtures("eager_kernels"),
    pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex"),
]
SUBJECTS = count_gpu.subjects()
FUSED = "stretch, pitch, crop and gain, fused"


def test_torch_and_triton_have_the_private_parts():
    """If this fails, a new torch or Triton moved what `augspec/testing/_inductor.py` needs."""
    mode = _fake.fake_tensors()
    with mode:
        values = torch.empty(64, 1000, device="cuda")
    plain = _inductor.lower(lambda x: (x.sin() + 1.0) * x.cos(), [values], mode)
    assert (plain.kernels, plain.library_calls, plain.bytes) == (1, 0, 2 * 4 * 64_000)
    product = _inductor.lower(lambda x: torch.fft.rfft(x).abs() @ x[:1, :501].T, [values], mode)
    assert product.library_calls >= 2
    assert not torch.cuda.is_available() or torch.cuda.device_count()


@pytest.mark.parametrize("name", ["plain log-mel", "TimeMask", "Gain"])
def test_short_ones_are_a_few_kernels(name):
    assert count_gpu.lower(SUBJECTS[name], 64, 64_000).launches <= 10


@pytest.mark.slow
def test_the_fused_front_end_is_at_most_40_launches_and_1_4_gigabytes():
    work = count_gpu.lower(SUBJECTS[FUSED], 64, 64_000)
    assert work.launches <= 40
    assert work.bytes <= 1.4e9


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "PitchShift",
        "FormantShift",
        "RoomReverb",
        "TiltEQ",
        "RandomEQ",
        "ColoredNoise",
        "LoudnessNormalize",
    ],
)
def test_a_class_is_at_most_60_launches(name):
    work = count_gpu.lower(SUBJECTS[name], 64, 64_000)
    assert work.launches <= 60
