"""What a GPU runs in place of what a CPU runs gives the same: each is tried here on a CPU."""

import importlib

import pytest
import torch

from augspec import transforms as T
from augspec._compile import few_launches
from augspec.functional import coefficients, sosfilt
from augspec.random import Draw, example_keys

pytestmark = pytest.mark.usefixtures("eager_kernels")


@pytest.fixture
def module_of():
    """Give the module behind a function of the same name."""
    return lambda name: importlib.import_module(f"augspec.functional.{name}")


@pytest.mark.parametrize("time", [1, 31, 64, 65, 2049, 40_000])
@pytest.mark.parametrize("largest", [True, False])
def test_the_scan_of_an_envelope_is_its_recursion(module_of, time, largest):
    kernel = module_of("dynamics")
    a = torch.tensor([0.0, 1e-12, 0.3, 0.99, 0.99995]).reshape(5, 1, 1)
    values = 40.0 * torch.rand(5, 2, time)
    exact = torch.zeros(5, 2, dtype=torch.float64)
    expected = []
    for value in values.double().unbind(-1):
        held = a[..., 0].double() * exact
        exact = torch.maximum(value, held) if largest else value + held
        expected.append(exact)
    out = kernel._recur(values, a, largest=largest)
    torch.testing.assert_close(out, torch.stack(expected, -1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("blocks", [16, 128])
def test_more_joined_blocks_filter_alike(module_of, monkeypatch, blocks):
    kernel = module_of("filter")
    waveform = torch.randn(3, 2, 20_000, dtype=torch.float64)
    for sos in (
        coefficients.tilt(torch.tensor([-6.0, 3.0, 9.0])),
        coefficients.butterworth(torch.tensor([30.0, 500.0, 7900.0]), 16_000, 5, low=True),
    ):
        expected = sosfilt(waveform, sos)
        with monkeypatch.context() as patch:
            patch.setattr(kernel, "_JOINED_STATES", blocks)
            torch.testing.assert_close(sosfilt(waveform, sos), expected, rtol=1e-9, atol=1e-9)


def test_the_delay_as_a_convolution_is_the_sum_over_its_taps(module_of):
    kernel = module_of("resample")
    source, weights = torch.randn(3000), torch.randn(50, 34)
    start = torch.randint(0, 2500, (50,))
    by_taps = kernel._delay(source, start, weights, 96)
    with few_launches():
        assert kernel._convolves(source)
        torch.testing.assert_close(kernel._delay(source, start, weights, 96), by_taps)


@pytest.mark.parametrize(
    "transform",
    [T.TimeStretch((0.8, 1.25)), T.PitchShift((-4.0, 4.0)), T.PitchAndTempo(), T.ColoredNoise()],
    ids=lambda transform: type(transform).__name__,
)
@pytest.mark.parametrize("channels", [1, 2])
def test_few_launches_give_what_many_give(transform, channels):
    """In float64: noise leaves some phases to rounding, and silence all of them."""
    waveform = 0.1 * torch.randn(4, channels, 9000, dtype=torch.float64)
    waveform[1, :, :3000] = 0.0
    waveform[2, :, 5000:] = 0.0
    keys, lengths = example_keys(0, 0, range(4)), torch.tensor([9000, 9000, 5000, 700])
    params = transform.make_params(waveform, keys=keys)
    for ends in (None, lengths):
        expected = transform.transform(waveform, params, ends)
        with few_launches():
            found = transform.transform(waveform, params, ends)
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)


def test_draws_of_a_tree_made_at_once_are_those_made_one_by_one():
    tree = T.Chain(
        [
            T.OneOf([T.Gain(p=0.5), T.Chain([T.PitchShift(), T.PolarityInversion(p=0.3)])], p=0.9),
            T.RandAugment([T.Gain(), T.Speed()], magnitude=(0.2, 0.9), p=0.5),
            T.SomeOf([T.Gain(), T.WhiteNoise()], k=(0, 2)),
            T.RandomOrder([T.Gain(), T.TimeStretch()]),
            T.Gain(per_channel=True),
            T.Repeat(T.Shift(), 2),
        ]
    )
    waveform, keys = torch.zeros(50, 2, 64), example_keys(5, 0, range(50))
    expected = tree.make_params(waveform, keys=keys)
    with few_launches():
        found = tree.make_params(waveform, keys=keys)
    # A scaled value is rounded once rather than twice: within an ulp of the bounds of its range.
    torch.testing.assert_close(found, expected, rtol=3e-7, atol=1e-6)


@pytest.mark.parametrize("by_channel", [False, True])
def test_draws_made_together_are_the_draws_made_alone(by_channel):
    draw = Draw(example_keys(3, 1, range(500)), "Chain/Mine#1", 2, by_channel)
    both = draw.together("abcdef")
    for draws in (
        lambda of: of.uniform("a", -3.0, 5.0),
        lambda of: of.normal("b"),
        lambda of: of.integers("c", 0, 77),
        lambda of: of.key("d"),
        lambda of: of.choice("e", [1.0, 2.0]),
        lambda of: of.beta("f", 0.4),
        lambda of: of.uniform("not among them"),
        lambda of: of.child("A#0").uniform("a"),
        lambda of: of.per_channel(not by_channel).uniform("a"),
    ):
        assert torch.equal(draws(both), draws(draw))
