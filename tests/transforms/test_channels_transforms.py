"""Channel transforms: their draws, and what follows a change of their number."""

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T


def distinct(batch, channels):
    """Channels that tell their number."""
    return torch.arange(1.0, channels + 1).reshape(1, -1, 1).expand(batch, -1, 4)


def test_every_order_but_the_old_one_occurs_and_each_is_a_permutation():
    out = T.ChannelShuffle()(distinct(6000, 3))[..., 0]
    assert torch.equal(out.sort(dim=-1).values, distinct(6000, 3)[..., 0])
    orders, counts = out.unique(dim=0, return_counts=True)
    shares = {tuple(o): c / 6000 for o, c in zip(orders.int().tolist(), counts, strict=True)}
    # The rotation stands in for no change: it is twice as likely.
    expected = {(1, 3, 2): 1, (2, 1, 3): 1, (2, 3, 1): 1, (3, 2, 1): 1, (3, 1, 2): 2}
    assert shares.keys() == expected.keys()
    assert all(abs(shares[key] - n / 6) < 0.03 for key, n in expected.items())


def test_two_channels_are_swapped_for_each_picked_example():
    shuffle, waveform = T.ChannelShuffle(p=0.5), distinct(200, 2)
    params = shuffle.make_params(waveform)
    out = shuffle.transform(waveform, params)
    assert torch.equal(out[..., 0, 0] == 2, params["applied"])


def test_each_channel_is_dropped_as_often():
    out = T.ChannelDrop((0, 2))(distinct(9000, 3))[..., 0]
    silent = (out == 0).float()
    counts = silent.sum(-1).int().bincount()
    assert len(counts) == 3
    assert (counts - 3000).abs().max() < 250
    assert (silent.mean(0) - 1 / 3).abs().max() < 0.03


def test_what_follows_to_mono_draws_for_one_channel():
    chain = T.Chain([T.ToMono(), T.Gain((-6.0, 6.0), per_channel=True)])
    waveform = torch.randn(3, 2, 50)
    params = chain.make_params(waveform)
    assert params[1]["gain_db"].shape == (3, 1)
    expected = waveform.mean(1, keepdim=True) * 10 ** (params[1]["gain_db"][..., None] / 20)
    torch.testing.assert_close(chain.transform(waveform, params), expected)
    assert T.Chain([chain, T.Gain(per_channel=True)])(waveform).shape == (3, 1, 50)


def test_a_front_end_behind_to_mono_masks_one_channel():
    frontend = augspec.Frontend(
        T.Chain([T.ToMono()]),
        F.Spectrogram(n_fft=64),
        T.Chain([T.TimeMask(4, per_channel=True)]),
    )
    waveform = torch.randn(3, 2, 640)
    assert frontend(waveform).shape == frontend.eval()(waveform).shape == (3, 1, 33, 21)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.ChannelDrop(-1), r"`count` must lie in \[0, 1000\]"),
        (lambda: T.ChannelDrop(0.5), "`count` must be an integer"),
        (lambda: T.StereoWidth((-1.0, 1.0)), r"`width` must lie in \[0, 10\]"),
        (lambda: T.StereoWidth()(torch.zeros(1, 3, 9)), "`waveform` must have one or two channels"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
