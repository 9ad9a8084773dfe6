import pytest
import torch

from augspec import transforms as T


def masked_frames(specgram, out):
    return (specgram != out).any(-2).squeeze(1)


def test_time_mask_covers_one_run_of_frames_in_every_bin():
    specgram = torch.randn(500, 1, 8, 50)
    out = T.TimeMask(10, mask_value=9.0)(specgram)
    masked = masked_frames(specgram, out)
    assert masked.sum(-1).max() == 10
    assert masked.sum(-1).min() == 0
    assert (masked.int().diff(dim=-1) == 1).sum(-1).max() <= 1
    assert torch.equal((out == 9.0).all(-2).squeeze(1), masked)


def test_widths_are_uniform_from_zero_to_the_largest():
    specgram = torch.randn(11_000, 1, 1, 50)
    widths = masked_frames(specgram, T.TimeMask(10, mask_value=9.0)(specgram)).sum(-1)
    counts = widths.bincount(minlength=11)
    assert (counts - 1000).abs().max() < 5 * 1000**0.5


def test_masks_never_land_in_padding():
    specgram = torch.randn(400, 1, 8, 50)
    lengths = torch.randint(1, 51, (400,))
    for transform in (T.TimeMask(50, mask_value=9.0), T.FrequencyMask(8, mask_value=9.0)):
        out, new = transform(specgram, lengths)
        assert torch.equal(new, lengths)
        padding = torch.arange(50) >= lengths[:, None]
        assert not (masked_frames(specgram, out) & padding).any()


def test_frequency_mask_covers_a_band_in_every_frame():
    specgram = torch.randn(200, 1, 30, 7)
    out = T.FrequencyMask(6, mask_value=9.0)(specgram)
    band = (out == 9.0).all(-1).squeeze(1)
    assert torch.equal((out == 9.0).any(-1).squeeze(1), band)
    assert band.sum(-1).max() == 6


def test_the_fill_is_each_examples_own_mean_or_minimum_over_valid_frames():
    specgram = torch.randn(2, 1, 4, 10, dtype=torch.float64)
    lengths = torch.tensor([10, 5])
    for name, expected in (
        ("mean", [specgram[0].mean(), specgram[1, ..., :5].mean()]),
        ("min", [specgram[0].min(), specgram[1, ..., :5].min()]),
    ):
        mask = T.TimeMask(10, mask_value=name)
        params = {
            "applied": torch.ones(2, dtype=torch.bool),
            "width": torch.full((2,), 0.99),
            "start": torch.zeros(2),
        }
        out, _ = mask.transform(specgram, params, lengths)
        assert torch.allclose(out[0], expected[0], rtol=1e-12)
        assert torch.allclose(out[1, ..., :5], expected[1], rtol=1e-12)


def test_per_channel_masks_differ():
    out = T.TimeMask(10, mask_value=9.0, per_channel=True)(torch.zeros(50, 2, 4, 60))
    assert (out[:, 0] != out[:, 1]).any()


@pytest.mark.parametrize("mask", [T.TimeMask, T.FrequencyMask])
def test_bad_settings_are_named(mask):
    with pytest.raises(ValueError, match="`max_width` must be a whole number"):
        mask(-1)
    with pytest.raises(ValueError, match="`mask_value` must be"):
        mask(3, mask_value="median")
    with pytest.raises(ValueError, match="`mask_value` must be a finite number"):
        mask(3, mask_value=float("nan"))


def test_a_waveform_is_refused_with_the_shape_that_is_wanted():
    with pytest.raises(ValueError, match=r"`specgram` must be \(batch, channel, freq, frame\)"):
        T.TimeMask(3)(torch.zeros(2, 1, 100))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [T.TimeMask, T.FrequencyMask])
def test_zeros_are_zeros_and_every_other_bit_stays(kind, dtype):
    """Whatever was there: NaN and infinity are blanked, a negative zero outside stays one."""
    specgram = torch.randn(50, 2, 20, 30, dtype=dtype).transpose(-1, -2)
    specgram[::2], specgram[1::4] = torch.nan, -0.0
    params = kind(10).make_params(specgram)
    marked = kind(10, mask_value=7.0).transform(torch.zeros_like(specgram), params) == 7.0
    out = kind(10, mask_value=0.0).transform(specgram, params)
    assert marked.any()
    assert not out[marked].any()
    bits = torch.int32 if dtype == torch.float32 else torch.int64
    outside, before = out[~marked], specgram[~marked]
    assert torch.equal(outside.view(bits), before.view(bits))


def test_gradients_of_zeros_are_zero():
    specgram = torch.randn(8, 1, 20, 30, requires_grad=True)
    out = T.TimeMask(10, mask_value=0.0)(specgram)
    (gradient,) = torch.autograd.grad(out.sum(), specgram)
    assert torch.equal(gradient == 0.0, out == 0.0)
