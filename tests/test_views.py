"""Views for contrastive training: draws of their own, whatever the batch and their number."""

import numpy as np
import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T


def make_frontend():
    gain = T.Chain([T.Gain((-20.0, 20.0)), T.RandomCrop(800)])
    return augspec.Frontend(gain, F.Spectrogram(n_fft=128), T.TimeMask(3))


def test_views_are_those_of_example_keys():
    frontend, waveform, index = make_frontend(), torch.randn(4, 1, 1000), torch.arange(4)
    keys = augspec.example_keys(5, 2, index)
    made = augspec.views(frontend, waveform, np.int64(3), keys=keys)
    assert torch.equal(made[0], frontend(waveform, keys=keys))
    for view, own in enumerate(made):
        expected = frontend(waveform, keys=augspec.example_keys(5, 2, index, view))
        assert torch.equal(own, expected)
    assert len({round(float(own[0].sum()), 3) for own in made}) == 3


def test_views_do_not_depend_on_their_number_or_the_batch():
    frontend, waveform = make_frontend(), torch.randn(4, 1, 1000)
    keys = augspec.example_keys(0, 0, torch.arange(4))
    two, four = (augspec.views(frontend, waveform, n, keys=keys) for n in (2, 4))
    assert all(torch.equal(a, b) for a, b in zip(two, four, strict=False))
    alone = augspec.views(frontend, waveform[2:3], 2, keys=keys[2:3])
    torch.testing.assert_close(alone[1], two[1][2:3], rtol=1e-4, atol=1e-4)


def test_lengths_come_with_each_view_and_eval_is_plain():
    frontend, waveform = make_frontend(), torch.randn(2, 1, 1000)
    keys = augspec.example_keys(0, 0, torch.arange(2))
    for _, lengths in augspec.views(frontend, waveform, 2, torch.tensor([900, 300]), keys=keys):
        assert lengths.tolist() == [1 + 800 // 64, 1 + 300 // 64]
    first, second = augspec.views(frontend.eval(), waveform, 2, keys=keys)
    assert torch.equal(first, second)


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (1.5, TypeError)])
def test_the_number_is_checked(n, error):
    with pytest.raises(error, match="`n` must be"):
        augspec.views(make_frontend(), torch.randn(1, 1, 1000), n, keys=torch.zeros(1).long())
