"""Levels and normalisation of spectrograms, each example on its own."""

import pytest
import scipy.stats
import torch

from augspec import features


def specgrams() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 30.0, 0.2], dtype=torch.float64)[:, None, None, None]
    return scale * torch.randn(3, 2, 20, 30, generator=generator, dtype=torch.float64) - 40.0


def test_each_example_has_mean_0_and_deviation_1():
    result = features.Normalize(eps=1e-12)(specgrams()).flatten(1)
    one = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(result.mean(1), 0 * one)
    torch.testing.assert_close(result.std(1, correction=0), one)


def test_normalize_is_scipys_zscore():
    expected = scipy.stats.zscore(specgrams().numpy(), axis=(1, 2, 3))
    result = features.Normalize(eps=1e-30)(specgrams())
    torch.testing.assert_close(result, torch.from_numpy(expected), rtol=1e-10, atol=1e-10)


def test_only_valid_frames_count_and_the_others_become_zero():
    specgram, lengths = specgrams(), torch.tensor([30, 11, 0])
    specgram[1, ..., 11:] = torch.nan
    result, same_lengths = features.Normalize()(specgram, lengths)
    assert same_lengths is lengths
    alone = features.Normalize()(specgram[1:2, ..., :11])
    torch.testing.assert_close(result[1:2, ..., :11], alone)
    torch.testing.assert_close(result[:1], features.Normalize()(specgram[:1]))
    assert not result[1, ..., 11:].any()
    assert not result[2].any()


def test_constant_example_becomes_zero_with_a_finite_gradient():
    specgram = torch.full((1, 1, 4, 5), -100.0, requires_grad=True)
    result = features.Normalize()(specgram)
    assert not result.any()
    result.square().sum().backward()
    assert specgram.grad.isfinite().all()


def test_given_statistics():
    specgram = specgrams()
    result = features.Normalize(mean=-40.0, std=8.0)(specgram)
    torch.testing.assert_close(result, (specgram + 40.0) / 8.0)
    mean, std = specgram.mean((0, 1, 3)), specgram.std((0, 1, 3))
    result = features.Normalize(mean.tolist(), std.tolist())(specgram)
    torch.testing.assert_close(result.mean((0, 1, 3)), torch.zeros(20, dtype=torch.float64))
    torch.testing.assert_close(result.std((0, 1, 3)), torch.ones(20, dtype=torch.float64))


@pytest.mark.parametrize("arguments", [{}, {"mean": -40.0, "std": [8.0] * 20}])
def test_gradient_compile_and_dtype(arguments):
    normalize = features.Normalize(**arguments)
    compiled = torch.compile(normalize, fullgraph=True, backend="aot_eager")
    specgram, lengths = specgrams(), torch.tensor([30, 11, 4])
    torch.testing.assert_close(compiled(specgram), normalize(specgram))
    torch.testing.assert_close(compiled(specgram, lengths), normalize(specgram, lengths))
    leaf = specgram[:, :, :, :4].clone().requires_grad_()
    torch.autograd.gradcheck(lambda x: normalize(x, torch.tensor([4, 2, 1]))[0], leaf)
    half = specgram.half()
    assert torch.equal(normalize(half), normalize(half.float()).half())
    assert not normalize.state_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": 0.0}, "`mean` and `std` must be given together, got 0.0 and None"),
        ({"mean": 0.0, "std": 0.0}, "`std` must be positive, got 0.0"),
        ({"mean": float("nan"), "std": 1.0}, "`mean` must be one finite number"),
        ({"mean": [0.0, 1.0], "std": [1.0] * 3}, "`std` must be as long as `mean`, got 3 and 2"),
        ({"mean": [], "std": 1.0}, "`mean` must be one finite number or one for each bin"),
        ({"eps": 0.0}, "`eps` must be positive, got 0.0"),
    ],
)
def test_bad_normalize(arguments, message):
    with pytest.raises(ValueError, match=message):
        features.Normalize(**arguments)


def test_amplitude_to_db_hides_what_lies_behind_the_length():
    power = features.Spectrogram(n_fft=64)(torch.randn(2, 1, 640))
    lengths = torch.tensor([21, 9])
    for decibel in (features.AmplitudeToDB(), features.AmplitudeToDB(top_db=20.0, ref="max")):
        level, same_lengths = decibel(power, lengths)
        assert same_lengths is lengths
        torch.testing.assert_close(level[1:, ..., :9], decibel(power[1:, ..., :9]))
        assert (level[1:, ..., 9:] == level[1:].min()).all()
        torch.testing.assert_close(level[:1], decibel(power[:1]))


def test_bad_amplitude_to_db():
    with pytest.raises(ValueError, match="`stype` must be 'power' or 'magnitude', got 'energy'"):
        features.AmplitudeToDB("energy")
    with pytest.raises(ValueError, match=r"`specgram` must be \(batch, channel, freq, frame\)"):
        features.AmplitudeToDB()(torch.zeros(4, 8, 8))
