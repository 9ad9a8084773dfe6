"""What the library gives a GPU to do stays within bounds, counted without one."""

import contextlib
import sys
from pathlib import Path

import elsewhere
import pytest
import releases
import torch

from augspec import _chunks
from augspec.testing.devices import max_launches
from augspec.transforms.compose import Composite

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import count_gpu

pytestmark = [releases.counts_launches, pytest.mark.usefixtures("eager_kernels")]

SUBJECTS = count_gpu.subjects()
# Launches of the front ends: docs/gpu.md says what is still to be won.
LAUNCHES = {
    "plain log-mel": 20,
    "TimeStretch": 120,
    "TempoCurve": 160,
    "ColoredNoise": 200,
    "Telephone": 200,
    "ShortNoises": 200,
    "PitchShift": 150,
    "PitchAndTempo": 150,
    "stretch, pitch, crop and gain, fused": 200,
    "the same with two masks": 240,
    "the same four, not fused": 300,
}
# Their results are joined by one copy more, which is much beside what they read and write;
# an octave of a CQT is many launches of little work. docs/gpu.md says so.
DEARER_IN_PARTS = {
    "ALaw": 1.06,
    "CQT": 1.14,
    "PacketLoss": 1.20,
    "Resample": 1.15,
    "Spectrogram": 1.13,
    "Speed": 1.06,
    "Telephone": 1.10,
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_launches_and_copies(name):
    work = count_gpu.count(SUBJECTS[name], 64, 64_000)
    assert work.host_copies == 0, work.copied_at
    assert work.launches <= LAUNCHES.get(name, max_launches(SUBJECTS[name]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "beside",
    [
        contextlib.nullcontext,
        elsewhere.another_thread_compiles,
        elsewhere.another_thread_runs_compiled_code,
    ],
)
@pytest.mark.parametrize("name", SUBJECTS)
def test_memory_is_at_most_six_times_the_audio(name, beside):
    """256 examples of 10 s at 44.1 kHz."""
    module = SUBJECTS[name]
    with beside():
        work = count_gpu.count(module, 256, 441_000)
    audio = 4 * count_gpu.batch(module, 256, 441_000).numel()
    assert work.peak_bytes <= 6.05 * audio


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_parts_of_a_batch_cost_at_most_five_percent(name, monkeypatch):
    """By the estimate of docs/gpu.md, beside the same batch as a whole, which may need more."""

    def estimate():
        work = count_gpu.count(SUBJECTS[name], 256, 441_000)
        return max(work.launches * count_gpu.LAUNCH, work.bytes / count_gpu.BANDWIDTH)

    in_parts = estimate()
    for budget in ("_DEVICE_VALUES", "_EXAMPLES_VALUES"):
        monkeypatch.setattr(_chunks, budget, 2**60)
    assert in_parts <= DEARER_IN_PARTS.get(name, 1.05) * estimate()


def test_budgets_of_what_is_made_of_others_are_those_of_its_parts():
    gains = [SUBJECTS["Gain"] for _ in range(4)]
    chain = type(SUBJECTS["Chain"])(gains)
    assert isinstance(chain, Composite)
    assert max_launches(chain) == 800
    chain.max_launches = 5
    assert max_launches(chain) == 5
    assert max_launches(torch.nn.Identity()) == 200


def test_budgets_of_classes_are_few():
    own = {name: max_launches(SUBJECTS[name]) for name, _ in count_gpu.classes()}
    above = {name: most for name, most in own.items() if most > 200}
    composites = {name for name in above if isinstance(SUBJECTS[name], Composite)}
    assert {name: above[name] for name in above.keys() - composites} == {
        "ColoredNoise": 220,
        "PitchShift": 340,
        "Telephone": 270,
        "ShortNoises": 210,
    }


@pytest.mark.parametrize("name", ["RandomOrder", "RandAugment", "OneOf", "SomeOf", "Repeat"])
def test_what_is_made_of_others_launches_at_most_300(name):
    assert count_gpu.count(SUBJECTS[name], 64, 64_000).launches <= 300
