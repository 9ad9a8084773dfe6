"""Native lines and lost packets give what torch gives."""

import pytest
import torch
from beside_torch import batch_of, both, needs_kernels

import augspec
from augspec import functional
from augspec.functional.telephone import lost_packets

pytestmark = needs_kernels

SHAPES = [(6, 1, 4000), (4, 2, 777), (2, 3, 5), (1, 1, 1), (0, 2, 30), (2, 2, 70_001)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("concealment", ["zero", "repeat"])
@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize(("rate", "duration"), [(8000, 0.02), (16_000, 0.001), (44_100, 0.0101)])
def test_lost_packets(shape, concealment, by_channel, rate, duration):
    """The same packets are lost, and those that are kept stay bit for bit."""
    waveform, lengths, generator = batch_of(shape)
    drawn = shape[:2] if by_channel else shape[:1]
    loss, burst = torch.rand(2, *drawn, generator=generator)
    burst = 1.0 + 5.0 * burst
    keys = torch.randint(-(2**60), 2**60, drawn, generator=generator)
    for ends in (None, lengths):
        ours, expected = both(
            lambda ends=ends: functional.packet_loss(
                waveform, loss, burst, keys, sample_rate=rate, packet_duration=duration,
                concealment=concealment, lengths=ends,
            )
        )  # fmt: skip
        assert torch.equal(ours == waveform, expected == waveform)
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)
        assert concealment == "repeat" or torch.equal(ours, expected)


@pytest.mark.parametrize("loss", [0.0, 1e-30, 1.0 - 2.0**-24, 1.0, torch.nan])
@pytest.mark.parametrize("burst", [0.0, 1.0, 1e30])
def test_packets_at_the_ends_of_the_ranges(loss, burst):
    waveform, _, _ = batch_of((5, 2, 3000))
    keys = augspec.example_keys(3, 0, range(5))
    numbers = torch.full((5,), loss), torch.full((5,), burst), keys
    ours, expected = both(
        lambda: functional.packet_loss(waveform, *numbers, sample_rate=8000, packet_duration=0.002)
    )
    assert torch.equal(ours, expected)
    lost = lost_packets(*numbers, 188)
    assert torch.equal((ours[:, 0, ::16] == 0.0), lost)


def test_what_is_behind_an_end_is_not_repeated():
    waveform, lengths = torch.ones(2, 1, 500), torch.tensor([100, 0])
    waveform[0, :, 100:], waveform[1] = torch.nan, torch.inf
    numbers = torch.full((2,), 0.5), torch.full((2,), 2.0), torch.tensor([1, 2])
    out = functional.packet_loss(
        waveform, *numbers, sample_rate=800, concealment="repeat", lengths=lengths
    )
    assert out.isfinite().all()
    assert not out[0, :, 100:].any()
    assert not out[1].any()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("rate", [8000, 16_000, 22_050])
def test_lines(shape, by_channel, rate):
    waveform, lengths, generator = batch_of(shape)
    drawn = shape[:2] if by_channel else shape[:1]
    low, high = torch.rand(2, *drawn, generator=generator)
    low, high = 200.0 + 200.0 * low, 3000.0 + 600.0 * high
    law = torch.randint(-1, 2, drawn, generator=generator)
    for ends in (None, lengths):
        ours, expected = both(
            lambda ends=ends: functional.telephone(
                0.3 * waveform, low, high, law, sample_rate=rate, lengths=ends
            )
        )
        # A value next to the edge of a step may fall to either side: a step of 1/32 of a sample.
        near = (ours - expected).abs() < 1e-5
        assert near.float().mean() > 0.99 if near.numel() else ours.shape == shape
        assert (ours - expected).norm() <= 2e-3 * expected.norm() + 1e-6
        silent = torch.full_like(law, 3)
        torch.testing.assert_close(
            *both(
                lambda ends=ends, none=silent: functional.telephone(
                    0.3 * waveform, low, high, none, sample_rate=rate, lengths=ends
                )
            ),
            rtol=1e-5, atol=1e-5,
        )  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("by_channel", [False, True])
def test_mu_law(shape, by_channel):
    waveform, _, generator = batch_of(shape)
    drawn = shape[:2] if by_channel else shape[:1]
    count = torch.tensor([2, 3, 16, 255, 256, 65_536])
    count = count[torch.randint(0, 6, drawn, generator=generator)]
    ours, expected = both(lambda: functional.mu_law(0.4 * waveform, count))
    near = torch.isclose(ours, expected, rtol=1e-5, atol=1e-7)  # or the next step
    assert near.float().mean() > 0.995 if near.numel() else ours.shape == shape


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1e-40, 1e30])
@pytest.mark.parametrize("count", [2, 3, 255, 256])
def test_mu_law_of_hard_numbers(value, count):
    waveform = torch.full((1, 1, 40), value)
    ours, expected = both(lambda: functional.mu_law(waveform, torch.tensor([count])))
    torch.testing.assert_close(ours, expected, equal_nan=True, rtol=1e-5, atol=1e-7)
    assert torch.equal(ours.signbit(), expected.signbit()) or waveform.isnan().all()
