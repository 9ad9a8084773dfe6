"""Normalisation of each bin over time, and over a window of frames."""

import pytest
import scipy.stats
import torch

from augspec import features as F


def specgrams(frames=40):
    generator = torch.Generator().manual_seed(0)
    return 5 * torch.randn(3, 2, 6, frames, generator=generator, dtype=torch.float64) - 40.0


def test_each_bin_has_mean_0_and_deviation_1_over_time():
    specgram = specgrams()
    ours = F.Normalize(per_bin=True, eps=1e-30)(specgram)
    wanted = scipy.stats.zscore(specgram.numpy(), axis=-1)
    torch.testing.assert_close(ours, torch.from_numpy(wanted))


@pytest.mark.parametrize(("per_bin", "over"), [(True, (-1,)), (False, (1, 2, 3))])
def test_the_mean_alone_can_be_taken_away(per_bin, over):
    specgram = specgrams()
    ours = F.Normalize(per_bin=per_bin, mean_only=True)(specgram)
    torch.testing.assert_close(ours, specgram - specgram.mean(over, keepdim=True))


@pytest.mark.parametrize(
    ("window", "mean_only"),
    # Of one frame there is no deviation.
    [
        (1, True),
        *((window, mean_only) for window in (7, 10, 40, 99) for mean_only in (False, True)),
    ],
)
def test_a_sliding_window_is_torchaudios(window, mean_only, torchaudio):
    specgram = specgrams()
    theirs = torchaudio.transforms.SlidingWindowCmn(window, center=True, norm_vars=not mean_only)
    ours = F.Normalize(window=window, mean_only=mean_only, eps=1e-12)(specgram)
    torch.testing.assert_close(ours, theirs(specgram.mT).mT, atol=1e-6, rtol=1e-6)


SETTINGS = [
    {"per_bin": True},
    {"per_bin": True, "mean_only": True},
    {"window": 9},
    {"window": 30, "mean_only": True},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_only_valid_frames_count(settings):
    normalize, specgram = F.Normalize(**settings), specgrams()
    lengths = torch.tensor([40, 13, 0])
    behind = torch.arange(40) >= lengths[:, None, None, None]
    made, _ = normalize(specgram.masked_fill(behind, torch.nan), lengths)
    torch.testing.assert_close(made[:1], normalize(specgram[:1]))
    torch.testing.assert_close(made[1:2, ..., :13], normalize(specgram[1:2, ..., :13]))
    assert not made[1, ..., 13:].any()
    assert not made[2].any()


@pytest.mark.parametrize("settings", SETTINGS)
def test_gradients_are_finite_and_half_is_computed_in_float32(settings):
    normalize = F.Normalize(**settings)
    flat = torch.full((1, 1, 2, 9), -100.0, requires_grad=True)
    normalize(flat).sum().backward()
    assert flat.grad.isfinite().all()
    half = specgrams().half()
    assert torch.equal(normalize(half), normalize(half.float()).half())


def test_a_window_of_long_float32_audio_keeps_its_digits():
    specgram = specgrams(6000)
    single = F.Normalize(window=300)(specgram.float()).double()
    torch.testing.assert_close(single, F.Normalize(window=300)(specgram), atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("settings", [{"per_bin": True}, {"mean_only": True}, {"window": 5}])
def test_given_statistics_leave_no_choice(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"`{name}` computes statistics of each example"):
        F.Normalize(0.0, 1.0, **settings)


def test_a_window_has_a_frame():
    with pytest.raises(ValueError, match="`window`"):
        F.Normalize(window=0)
