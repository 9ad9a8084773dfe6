"""TempoCurve draws a rate for each point; lengths and labels of frames follow the curve."""

from itertools import pairwise

import pytest
import torch

import augspec
from augspec import transforms as T

KEYS = augspec.example_keys(seed=0, epoch=0, index=torch.arange(64))


def test_rates_are_drawn_for_each_point_of_each_example_within_the_range():
    params = T.TempoCurve((0.7, 1.4), points=5).make_params(torch.zeros(64, 1, 9), keys=KEYS)
    rate = params["rate"]
    assert rate.shape == (64, 5)
    assert 0.7 <= rate.min() < 0.73
    assert 1.37 < rate.max() <= 1.4
    assert len(rate.unique()) == 320
    alone = T.TempoCurve((0.7, 1.4), points=5).make_params(torch.zeros(1, 1, 9), keys=KEYS[7:8])
    assert torch.equal(alone["rate"][0], rate[7])


def test_lengths_are_divided_by_the_mean_of_the_curve():
    transform = T.TempoCurve((0.5, 2.0), points=3, keep_length=False, n_fft=256)
    waveform, lengths = torch.randn(64, 1, 4000), torch.randint(1, 4001, (64,))
    params = transform.make_params(waveform, keys=KEYS)
    out, ends = transform.transform(waveform, params, lengths)
    assert out.shape[-1] == 8000
    rate = params["rate"].double()
    mean = (rate[:, 0] / 2 + rate[:, 1] + rate[:, 2] / 2) / 2
    assert (ends - lengths / mean).abs().max() < 1.001
    for one, end in zip(out[:, 0], ends.tolist(), strict=True):
        assert not one[end:].any()
        assert one[max(0, end - 8) : end].any()


def test_labels_of_frames_are_where_the_sound_is():
    transform = T.TempoCurve((0.6, 1.6), points=4, keep_length=False, n_fft=256)
    hop, time = 100, 16_000
    waveform = torch.zeros(32, 1, time)
    frames = torch.zeros(32, 1, time // hop)
    for i in range(32):  # a tone at another place in each example, and the label of it
        begin = 20 + 3 * i
        waveform[i, 0, begin * hop : (begin + 30) * hop] = torch.sin(torch.arange(30 * hop) * 0.9)
        frames[i, 0, begin : begin + 30] = 1.0
    params = transform.make_params(waveform, keys=KEYS[:32])
    out = transform.transform(waveform, params)
    moved = transform.targets({"frames": frames}, params, time=time)["frames"]
    size = out.shape[-1]
    level = out.square().reshape(32, -1)
    count = moved.shape[-1]
    edges = [size * k // count for k in range(count + 1)]
    heard = torch.stack([level[:, a:b].mean(1) for a, b in pairwise(edges)], 1)
    clearly = (heard > 0.4) | (heard < 0.05)  # not on an edge
    assert clearly.float().mean() > 0.97
    assert torch.equal((heard > 0.2)[clearly], (moved[:, 0] > 0.5)[clearly])


def test_an_example_that_is_not_picked_stays_bit_for_bit():
    transform = T.TempoCurve((0.6, 0.9), n_fft=256, p=0.5)
    waveform = torch.randn(64, 2, 2000)
    params = transform.make_params(waveform, keys=KEYS)
    out = transform.transform(waveform, params)
    kept = ~params["applied"]
    assert 10 < kept.sum() < 54
    assert torch.equal(out[kept], waveform[kept])
    assert (out[~kept] != waveform[~kept]).flatten(1).any(1).all()


def test_a_chain_cuts_what_the_curve_left_and_a_front_end_runs_it_on_the_waveform():
    chain = T.Chain([T.TempoCurve((0.8, 1.25)), T.RandomCrop(8000)])
    frontend = augspec.Frontend(chain, augspec.features.LogMelSpectrogram(n_mels=40))
    waveform = torch.randn(2, 1, 12_000)
    assert frontend(waveform).shape[:2] == (2, 1)
    plan = frontend.plan(waveform)
    assert "TempoCurve" in plan.split("LogMelSpectrogram")[0]


def test_settings_are_checked():
    for settings, message in (
        ({"rate": 0.2}, r"`rate` must lie in \[0.25, 4\]"),
        ({"points": 1}, "`points` must be an integer from 2 to 64, got 1"),
        ({"points": 65}, "`points` must be an integer from 2 to 64, got 65"),
    ):
        with pytest.raises(ValueError, match=message):
            T.TempoCurve(**settings)
