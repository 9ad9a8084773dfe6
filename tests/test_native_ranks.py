"""Distortions find quantiles natively as torch does by sorting.

Clipping at them is so bit for bit; a tangent of its own rounds in its own way.
"""

import math

import pytest
import torch

from augspec import functional, native

KERNELS = {
    "clipping": lambda waveform, amount, lengths: functional.clipping_distortion(
        waveform, 100.0 * amount, lengths
    ),
    "tanh": functional.tanh_distortion,
}


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


SIGNALS = {
    "noise": noise(5, 2, 3001),
    "loud and quiet": noise(5, 2, 3001)
    * torch.tensor([1e-38, 1e-44, 0.0, 1e15, 1.0])[:, None, None],
    "few values": (noise(5, 2, 3001) * 2).round(),
    "one value": torch.full((5, 2, 300), -0.25),
    "one sample": noise(5, 2, 1),
    "infinite": noise(5, 2, 400).masked_fill(noise(5, 2, 400) > 1.0, -math.inf),
    "no number": noise(5, 2, 400).masked_fill(noise(5, 2, 400) > 1.0, math.nan),
}


@pytest.mark.skipif(native.instruction_set() == "no", reason="needs native kernels")
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_quantiles_are_those_of_sorting(kernel, signal, by_channel, known, threads):
    waveform = SIGNALS[signal]
    amount = torch.tensor([0.0, 0.1, 0.5, 0.97, 1.0])
    amount = torch.stack([amount, amount.flip(0)], dim=1) if by_channel else amount
    time = waveform.shape[-1]
    lengths = torch.tensor([time, time - 1, time // 2, 1, 0]) if known else None
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = KERNELS[kernel](waveform, amount, lengths)
    finally:
        torch.set_num_threads(before)
    with native.in_torch():
        expected = KERNELS[kernel](waveform, amount, lengths)
    assert torch.equal(found.isnan(), expected.isnan())
    found, expected = found.nan_to_num(), expected.nan_to_num()
    if kernel == "clipping":
        assert torch.equal(found, expected)
    else:
        torch.testing.assert_close(found, expected, rtol=5e-6, atol=1e-44)


@pytest.mark.skipif(native.instruction_set() == "no", reason="needs native kernels")
def test_the_kernel_is_used_for_float32_without_a_gradient(monkeypatch):
    called = []
    monkeypatch.setattr(native, "call", lambda name, *_, **__: called.append(name))
    waveform, amount = noise(2, 1, 50), torch.tensor([0.1, 0.2])
    functional.tanh_distortion(waveform, amount)
    functional.tanh_distortion(waveform.double(), amount)
    functional.tanh_distortion(waveform.clone().requires_grad_(), amount)
    assert called.count("augspec_rank") == 1


def test_an_amount_that_is_no_number_spoils_its_example_alone():
    waveform = noise(2, 1, 50)
    found = functional.clipping_distortion(waveform, torch.tensor([math.nan, 10.0]))
    alone = functional.clipping_distortion(waveform[1:], torch.tensor([10.0]))
    assert torch.equal(found[1:], alone)
