"""What torch-audiomentations' own tests say and no other test of ours shows; see FACTS.md."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch

from augspec import functional
from augspec.compat import torch_audiomentations as compat

RATE = 16_000
FACTS = Path(__file__).with_name("FACTS.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.usefixtures("eager_kernels")


def parts():
    return [compat.Gain(-6.0, -2.0, p=1.0), compat.PolarityInversion(p=1.0), compat.Identity(p=1.0)]


def test_a_range_that_is_changed_afterwards_is_the_one_that_is_drawn_from():
    torch.manual_seed(0)
    augment = compat.Gain(-6.0, 6.0, p=0.5)
    augment.min_gain_in_db, augment.max_gain_in_db = -18.0, 3.0
    factors = augment(torch.ones(5000, 1, 1), RATE).flatten()
    drawn = 20.0 * factors[factors != 1.0].log10()
    assert -18.001 <= drawn.min() < -17.5 < 2.5 < drawn.max() <= 3.001
    assert abs(float(drawn.mean()) + 7.5) < 0.5


def test_a_range_that_is_reversed_afterwards_is_refused_by_the_call():
    augment = compat.Gain(-6.0, -3.0, p=1.0)
    augment.min_gain_in_db, augment.max_gain_in_db = 18.0, 3.0
    with pytest.raises(ValueError, match="`min_gain_in_db` must not be greater"):
        augment(torch.ones(1, 1, 4), RATE)


def test_a_choice_says_which_parts_it_took_and_none_before():
    samples = torch.randn(1, 1, 100)
    for augment, count in (
        (compat.SomeOf(2, parts()), 2),
        (compat.SomeOf((1, None), parts()), None),
        (compat.SomeOf(2, parts(), p=0.0), 0),
        (compat.OneOf(parts()), 1),
    ):
        assert len(augment.transform_indexes) == 0
        augment(samples, RATE)
        taken = len(augment.transform_indexes)
        assert taken == count if count is not None else taken >= 1


def test_files_behind_a_link_to_a_folder_are_found(tmp_path):
    real, linked = tmp_path / "real", tmp_path / "linked"
    real.mkdir()
    linked.mkdir()
    soundfile.write(real / "NOISE.WAV", np.random.default_rng(0).normal(0, 0.1, 400), RATE)
    with pytest.raises(compat.EmptyPathException):
        compat.AddBackgroundNoise(linked)
    (linked / "deeper").symlink_to(real, target_is_directory=True)
    (real / "back").symlink_to(linked, target_is_directory=True)  # round and round
    augment = compat.AddBackgroundNoise(linked, 0.0, 0.0, p=1.0)
    samples = torch.randn(1, 1, 400)
    assert not torch.equal(augment(samples, RATE), samples)


def test_a_response_is_convolved_as_scipy_does(tmp_path):
    response = np.random.default_rng(1).normal(0, 0.1, 300).astype(np.float32)
    soundfile.write(tmp_path / "ir.wav", response, RATE, subtype="FLOAT")
    samples = torch.randn(1, 1, 2000)
    made = compat.ApplyImpulseResponse(tmp_path, p=1.0, sample_rate=RATE)(samples)
    expected = scipy.signal.convolve(samples[0, 0].numpy(), response)[:2000]
    np.testing.assert_allclose(made[0, 0].numpy(), expected, atol=1e-5)


def test_mel_is_that_of_the_htk_formula():
    freq = torch.tensor([0.0, 1.0, 40.0, 400.0, 2000.0, 20_000.0, 50_000.0])
    mel = functional.hz_to_mel(freq)
    known = torch.tensor([0.0, 1.6089, 62.627, 509.38, 1521.4, 3816.9, 4826.5])
    torch.testing.assert_close(mel, known, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(functional.mel_to_hz(mel), freq, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("mode", ["per_batch", "per_example", "per_channel"])
def test_a_transform_may_be_drawn_and_applied_by_hand(mode):
    samples = torch.rand(4, 2, 4000) - 0.5
    augment = compat.PitchShift(sample_rate=RATE, p=1, mode=mode, output_type="dict")
    augment.randomize_parameters(samples)
    assert augment.apply_transform(samples).samples.shape == samples.shape


@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("make", [compat.AddBackgroundNoise, compat.ApplyImpulseResponse])
def test_an_empty_batch_passes_through_what_reads_files(make, p, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(100), RATE)
    with pytest.warns(UserWarning, match="empty"):
        made = make(tmp_path, p=p, output_type="dict")(torch.empty(0, 1, 400), RATE).samples
    assert made.shape == (0, 1, 400)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: compat.AddBackgroundNoise(path, 20, p=1.0),
        lambda path: compat.ApplyImpulseResponse(path, p=1.0),
        lambda _: compat.Compose([compat.Gain(-15.0, 5.0, p=1.0), compat.PolarityInversion(p=1.0)]),
        lambda _: compat.Shift(p=1.0),
        lambda _: compat.HighPassFilter(p=1.0),
        lambda _: compat.LowPassFilter(p=1.0),
        lambda _: compat.PeakNormalization(p=1.0),
    ],
)
def test_audio_can_be_trained_through_it(make, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 900), RATE)
    augment = make(tmp_path)
    start = torch.tensor([[[0.8, 0.5, -0.25, -0.125, 0.0]]], dtype=torch.float64)
    samples = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.SGD([samples], lr=1.0)
    for _ in range(10):
        optimizer.zero_grad()
        (samples - augment(samples, sample_rate=RATE)).abs().mean().backward()
        optimizer.step()
    assert samples.isfinite().all()
    assert not torch.equal(samples, start)


def test_every_fact_of_the_list_names_a_test_that_exists_or_says_why_not():
    tests = "".join(
        path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")
    )
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", FACTS, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, len(rows) + 1))
    for _, fact, shown in rows:
        for name in re.findall(r"`(test_\w+)`", shown):
            assert f"def {name}(" in tests, (fact, name)
        assert "`test_" in shown or shown.startswith("differs: "), fact
