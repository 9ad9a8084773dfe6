"""SpecAugment and Cutout: which cells are masked, and how many at most."""

import numpy as np
import pytest
import torch

from augspec import from_config, to_config
from augspec import transforms as T

# W, m_F, F, m_T, T, p of table 1 of the paper.
POLICIES = {
    "LB": (80, 1, 27, 1, 100, 1.0),
    "LD": (80, 2, 27, 2, 100, 1.0),
    "SM": (40, 2, 15, 2, 70, 0.2),
    "SS": (40, 2, 27, 2, 70, 0.2),
}
SETTINGS = (
    "max_warp",
    "n_freq_masks",
    "max_freq_width",
    "n_time_masks",
    "max_time_width",
    "max_time_fraction",
)


def runs(mask):
    """Count the runs of true values in the last dimension."""
    before = torch.nn.functional.pad(mask, (1, 0))[..., :-1]
    return (mask & ~before).sum(-1)


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_are_those_of_the_paper(policy):
    transform = T.SpecAugment(policy)
    assert transform.settings == dict(zip(SETTINGS, POLICIES[policy], strict=True))
    params = transform.make_params(torch.zeros(3, 1, 80, 300))
    assert params["freq_width"].shape == (3, POLICIES[policy][1])
    assert params["time_width"].shape == (3, POLICIES[policy][3])


def test_given_settings_take_the_place_of_the_policys():
    settings = T.SpecAugment("SS", n_freq_masks=5, max_warp=0).settings
    assert settings == dict(zip(SETTINGS, (0, 5, 27, 2, 70, 0.2), strict=True))


def test_a_config_names_the_policy_and_what_was_given():
    config = to_config(T.SpecAugment("SS", n_freq_masks=5))
    given = {name: value for name, value in config["SpecAugment"].items() if value is not None}
    assert (given["policy"], given["n_freq_masks"]) == ("SS", 5)
    assert "n_time_masks" not in given  # of the policy, not of the config
    assert from_config(config).settings == T.SpecAugment("SS", n_freq_masks=5).settings


def test_masks_are_whole_bands_and_spans_of_at_most_their_number_and_width():
    specgram, lengths = torch.rand(300, 1, 40, 60), torch.randint(1, 61, (300,))
    settings = {"n_freq_masks": 2, "max_freq_width": 7, "n_time_masks": 3, "max_time_width": 9}
    transform = T.SpecAugment(None, **settings, max_time_fraction=0.25, mask_value=9.0)
    params = transform.make_params(specgram)
    out, new = transform.transform(specgram, params, lengths)
    assert torch.equal(new, lengths)
    valid = torch.arange(60) < lengths[:, None]
    masked = (out == 9.0).squeeze(1)
    assert torch.equal((masked & ~valid[:, None]).any(), torch.tensor(False))
    spans = (masked | ~valid[:, None]).all(1) & valid
    bands = (masked | ~valid[:, None]).all(2)
    whole = spans.all(1) | bands.all(1)
    assert torch.equal(masked, (spans[:, None] | bands[:, :, None]) & valid[:, None])
    spans, bands = spans[~whole & (lengths > 20)], bands[~whole & (lengths > 20)]
    assert runs(spans).max() == 3
    assert runs(bands).max() == 2
    assert 14 < spans.sum(-1).max() <= 27
    assert 9 < bands.sum(-1).max() <= 14
    short = (lengths < 8) & ~whole
    assert ((out == 9.0).squeeze(1).all(1) & valid)[short].sum(-1).max() <= 3


def test_masks_without_a_warp_leave_the_rest_bit_for_bit():
    specgram = torch.rand(50, 2, 40, 60)
    out = T.SpecAugment("LD", max_warp=0, max_freq_width=9, max_time_width=20, mask_value=9.0)(
        specgram
    )
    kept = out != 9.0
    assert torch.equal(out[kept], specgram[kept])
    assert not kept.all()


def test_the_warp_is_that_of_time_warp_and_comes_first():
    specgram = torch.rand(4, 1, 20, 60)
    transform = T.SpecAugment(None, max_warp=10, n_freq_masks=1, max_freq_width=5)
    params = transform.make_params(specgram)
    warped = T.TimeWarp(10).transform(specgram, params)
    out = transform.transform(specgram, params)
    band = (out != warped).any(-1).squeeze(1)
    assert band.any()
    mean = warped.mean((-2, -1), keepdim=True).expand_as(warped)
    expected = torch.where(band[:, None, :, None], mean, warped)
    torch.testing.assert_close(out, expected)


def test_cutout_is_a_rectangle_placed_by_its_params():
    specgram = torch.rand(200, 1, 24, 50)
    lengths = torch.randint(5, 51, (200,))
    transform = T.Cutout(6, 10, mask_value=-1.0)
    params = transform.make_params(specgram)
    out, _ = transform.transform(specgram, params, lengths)
    for i, end in enumerate(lengths.tolist()):
        fractions = {k: float(v[i, 0]) for k, v in params.items() if k != "applied"}
        height = int(fractions["freq_width"] * 7)
        width = min(int(fractions["time_width"] * 11), end)
        bottom = int(fractions["freq_start"] * (24 - height + 1))
        left = int(fractions["time_start"] * (end - width + 1))
        expected = specgram[i, 0].clone()
        expected[bottom : bottom + height, left : left + width] = -1.0
        assert torch.equal(out[i, 0], expected)


def test_several_cutouts_are_their_union():
    specgram = torch.rand(20, 1, 24, 50)
    several = T.Cutout(6, 10, n_masks=3, mask_value=-1.0)
    params = several.make_params(specgram)
    out, one = specgram, T.Cutout(6, 10, mask_value=-1.0)
    for i in range(3):
        own = {k: v if k == "applied" else v[:, i : i + 1] for k, v in params.items()}
        out = one.transform(out, own)
    assert torch.equal(several.transform(specgram, params), out)


def test_no_cutouts_and_no_masks_are_the_identity():
    specgram = torch.rand(4, 1, 24, 50)
    assert torch.equal(T.Cutout(n_masks=0)(specgram), specgram)
    assert torch.equal(T.SpecAugment(None)(specgram), specgram)


def test_cells_are_masked_equally_often():
    specgram = torch.zeros(4000, 1, 6, 6)
    masked = (T.Cutout(6, 6, mask_value=1.0)(specgram) == 1.0).float().mean((0, 1))
    # Uniform sizes and places: symmetric, most in the middle, least in the corners.
    assert np.allclose(masked, masked.flip(0), atol=0.05)
    assert np.allclose(masked, masked.T, atol=0.05)
    assert masked[2, 2] > masked[0, 2] > masked[0, 0] > 0.02


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.SpecAugment("XL"), "`policy` must be 'LB', 'LD', 'SM', 'SS' or None, got 'XL'"),
        (lambda: T.SpecAugment(n_freq_masks=-1), "`n_freq_masks` must be a whole number"),
        (lambda: T.SpecAugment(max_time_fraction=1.5), r"`max_time_fraction` must lie in \[0, 1\]"),
        (lambda: T.SpecAugment(mask_value="max"), "`mask_value` must be"),
        (lambda: T.Cutout(-1), "`max_freq_width` must be a whole number, 0 or more, got -1"),
        (lambda: T.Cutout(n_masks=1.5), "`n_masks` must be a whole number, 0 or more, got 1.5"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
