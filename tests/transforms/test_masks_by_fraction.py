"""Masks whose width, number and sum follow the length of an example."""

import pytest
import torch

from augspec import transforms as T


def hidden(transform, lengths, frames=200, keys=None):
    """Count the masked frames of each example."""
    specgram = torch.ones(len(lengths), 1, 5, frames)
    keys = torch.arange(len(lengths)) * 7919 if keys is None else keys
    made, _ = transform(specgram, torch.as_tensor(lengths), keys=keys)
    assert (made[..., 0, :] == made[..., 1, :]).all()
    return (made[:, 0, 0] == -9.0).sum(-1)


def test_a_short_clip_is_never_hidden_whole():
    lengths = [20] * 2000
    plain = hidden(T.TimeMask(40, mask_value=-9.0), lengths)
    assert 0.4 < (plain == 20).float().mean() < 0.6  # the fault
    part = hidden(T.TimeMask(40, mask_value=-9.0, max_fraction=0.25), lengths)
    counts = torch.bincount(part)
    assert len(counts) == 6
    assert (counts > 0.7 * 2000 / 6).all()


def test_the_smaller_limit_holds_for_each_example():
    made = hidden(T.TimeMask(10, mask_value=-9.0, max_fraction=0.1), [200, 50, 9, 0] * 300)
    assert made.reshape(300, 4).amax(0).tolist() == [10, 5, 0, 0]


def test_bins_have_a_fraction_too():
    specgram = torch.ones(500, 1, 40, 3)
    made = T.FrequencyMask(40, mask_value=-9.0, max_fraction=0.2)(specgram)
    assert int((made[:, 0, :, 0] == -9.0).sum(-1).max()) == 8


@pytest.mark.parametrize("fraction", [-0.1, 1.1, "half"])
def test_a_fraction_is_in_0_to_1(fraction):
    with pytest.raises(ValueError, match="`max_fraction`"):
        T.TimeMask(10, max_fraction=fraction)
    with pytest.raises(ValueError, match="`max_masked`"):
        T.SpecAugment(max_masked=fraction)


def spans(**settings):
    return T.SpecAugment(None, mask_value=-9.0, **settings)


def test_adaptive_widths_are_uniform_up_to_a_part_of_the_example():
    augment = spans(n_time_masks=1, adaptive_width=0.1)
    made = hidden(augment, [200, 100, 9] * 500).reshape(500, 3)
    assert made.amax(0).tolist() == [20, 10, 0]
    assert abs(float(made[:, 0].float().mean()) - 10) < 1


def test_adaptive_counts_grow_with_the_example_up_to_the_number():
    augment = spans(n_time_masks=6, adaptive_width=0.02, adaptive_count=0.04)
    params = augment.make_params(torch.ones(3, 1, 5, 200))
    params["time_width"][:] = 0.999
    widths = augment._time_widths(params["time_width"], torch.tensor([200, 100, 20]))
    assert (widths > 0).sum(1).tolist() == [6, 4, 0]
    assert hidden(augment, [20] * 50).max() == 0


def test_all_spans_together_keep_within_their_part():
    lengths = [20, 60, 200] * 200
    plain = hidden(T.SpecAugment("LD", max_warp=0, n_freq_masks=0, mask_value=-9.0), lengths)
    assert (plain.reshape(200, 3)[:, 0] == 20).float().mean() > 0.9  # the fault
    capped = T.SpecAugment("LD", max_warp=0, n_freq_masks=0, mask_value=-9.0, max_masked=0.4)
    made = hidden(capped, lengths).reshape(200, 3)
    assert made.amax(0).tolist() == [8, 24, 80]


def test_the_policies_are_as_they_were():
    specgram, keys = torch.randn(4, 1, 40, 90), torch.arange(4)
    same = T.SpecAugment("SS", max_masked=1.0)(specgram, keys=keys)
    assert torch.equal(same, T.SpecAugment("SS")(specgram, keys=keys))
