"""Channels: permutations are permutations, and the middle of a stereo image stays."""

import pytest
import torch

from augspec import functional


def test_channels_come_out_in_the_order_of_their_numbers():
    waveform = torch.randn(2, 3, 10)
    order = torch.tensor([[0.2, 0.9, 0.1], [0.9, 0.5, 0.1]])
    out = functional.channel_shuffle(waveform, order)
    assert torch.equal(out[0], waveform[0, [2, 0, 1]])
    assert torch.equal(out[1], waveform[1, [2, 1, 0]])


def test_an_order_that_changes_nothing_turns_the_channels_round():
    waveform = torch.randn(1, 3, 10)
    out = functional.channel_shuffle(waveform, torch.tensor([[0.1, 0.2, 0.3]]))
    assert torch.equal(out[0], waveform[0, [2, 0, 1]])
    mono = waveform[:, :1]
    assert torch.equal(functional.channel_shuffle(mono, torch.tensor([[0.1]])), mono)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_so_many_channels_are_silenced_but_never_all(count):
    waveform, order = torch.randn(50, 3, 10), torch.rand(50, 3)
    out = functional.channel_drop(waveform, order, torch.full((50,), count))
    silent = (out == 0).all(-1)
    assert (silent.sum(-1) == min(count, 2)).all()
    assert torch.equal(out[~silent], waveform[~silent])
    mono = waveform[:, :1]
    assert torch.equal(functional.channel_drop(mono, order[:, :1], torch.full((50,), count)), mono)


def test_mono_is_the_mean_and_one_channel_stays():
    waveform = torch.randn(4, 3, 10, dtype=torch.float64)
    assert torch.allclose(functional.to_mono(waveform)[:, 0], sum(waveform.unbind(1)) / 3)
    assert torch.equal(functional.to_mono(waveform[:, :1]), waveform[:, :1])


@pytest.mark.parametrize("width", [0.0, 0.5, 1.0, 2.0])
def test_width_scales_the_side_and_leaves_the_middle(width):
    waveform = torch.randn(2, 2, 50, dtype=torch.float64)
    out = functional.stereo_width(waveform, torch.full((2,), width))
    assert torch.allclose(out.sum(1), waveform.sum(1))
    assert torch.allclose(out[:, 0] - out[:, 1], width * (waveform[:, 0] - waveform[:, 1]))
    mono = waveform[:, :1]
    assert torch.equal(functional.stereo_width(mono, torch.full((2,), width)), mono)
    with pytest.raises(ValueError, match="`waveform` must have one or two channels, got 3"):
        functional.stereo_width(torch.zeros(2, 3, 5), torch.full((2,), width))
