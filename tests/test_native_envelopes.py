"""Native envelopes are those of torch within rounding, and copy what they do not change."""

import pytest
import torch

from augspec import functional, native

pytestmark = pytest.mark.skipif(
    native.instruction_set() == "no", reason="there is no C++ compiler here"
)

GENERATOR = torch.Generator().manual_seed(0)


def uniform(shape, low, high):
    return low + (high - low) * torch.rand(shape, generator=GENERATOR)


def whole(shape, low, high):
    return torch.randint(low, high, shape, generator=GENERATOR)


def of(kernel, *args):
    """Compute natively, and in torch with float64."""
    with native.in_torch():
        wide = [x.double() if torch.is_floating_point(x) else x for x in args]
        expected = kernel(*wide)
    return kernel(*args), expected


@pytest.mark.parametrize("time", [1, 2, 7, 1000])
@pytest.mark.parametrize("shape", [(6,), (6, 3)])
def test_mute(time, shape):
    waveform = torch.randn(6, 3, time, generator=GENERATOR)
    start, width = whole(shape, -5, time + 5), whole(shape, 0, time + 9)
    found, expected = of(functional.mute, waveform, start, width, whole(shape, 0, time))
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(found == waveform, expected == waveform)
    assert torch.equal(found == 0.0, expected == 0.0)


@pytest.mark.parametrize("time", [1, 2, 7, 1000])
@pytest.mark.parametrize("shape", [(6,), (6, 3)])
@pytest.mark.parametrize("known", [False, True])
def test_gain_transition(time, shape, known):
    waveform = torch.randn(6, 3, time, generator=GENERATOR)
    gains = [uniform(shape, -24.0, 6.0) for _ in range(2)]
    fade = uniform(shape, -0.5, 1.5), uniform(shape, 0.01, 1.0)
    lengths = (whole((6,), 0, time + 1),) if known else ()
    found, expected = of(functional.gain_transition, waveform, *gains, *fade, *lengths)
    # In float32 a place within the fade has a rounding, which the slope of the fade makes larger.
    assert torch.allclose(found.double(), expected, rtol=2e-4, atol=0)


def test_both_kernels_are_used_for_float32_without_a_gradient(monkeypatch):
    called = []
    monkeypatch.setattr(native, "call", lambda name, *_, **__: called.append(name))
    waveform, number = torch.ones(2, 1, 50), torch.tensor([1, 2])
    for one in (waveform, waveform.double(), waveform.clone().requires_grad_()):
        functional.mute(one, number, number, number)
        functional.gain_transition(one, *[number.float()] * 4)
    assert called == ["augspec_mute", "augspec_gain_transition"]
