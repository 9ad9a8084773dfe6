import pytest
import torch

from augspec import example_keys
from augspec import transforms as T


def ramp(batch, time):
    return torch.arange(1.0, time + 1).expand(batch, 1, time)


def test_a_crop_is_a_run_of_the_example():
    out = T.RandomCrop(30)(ramp(200, 100))
    assert torch.equal(out.diff(dim=-1), torch.ones(200, 1, 29))


def test_every_place_is_equally_likely_from_first_to_last():
    starts = T.RandomCrop(98)(ramp(9000, 100))[:, 0, 0].long()
    counts = starts.bincount(minlength=4)[1:]
    assert counts.numel() == 3
    assert (counts - 3000).abs().max() < 5 * (9000 * 2 / 9) ** 0.5


def test_a_short_example_is_followed_by_zeros():
    out, lengths = T.RandomCrop(8)(ramp(2, 5), torch.tensor([5, 3]))
    assert out[0, 0].tolist() == [1, 2, 3, 4, 5, 0, 0, 0]
    assert out[1, 0].tolist() == [1, 2, 3, 0, 0, 0, 0, 0]
    assert lengths.tolist() == [5, 3]


def test_crops_lie_on_sound_where_lengths_are_known():
    lengths = torch.full((500,), 40)
    out, new = T.RandomCrop(30)(ramp(500, 100), lengths)
    assert out.max() == 40
    assert (new == 30).all()


def test_a_crop_after_a_stretch_lands_on_sound_without_lengths():
    # At twice the speed only the first half of the tensor sounds.
    chain = T.Chain([T.TimeStretch(2.0), T.RandomCrop(4000)])
    time = torch.arange(16_000) / 16_000
    waveform = torch.sin(2 * torch.pi * 440 * time).expand(64, 1, -1)
    energy = chain(waveform, keys=example_keys(0, 0, range(64))).square().mean(-1)
    assert energy.min() > 0.3


def test_center_crop_takes_the_middle_of_each_example_and_acts_in_eval():
    crop = T.CenterCrop(4).eval()
    out, lengths = crop(ramp(2, 10), torch.tensor([10, 6]))
    assert out[:, 0].tolist() == [[4, 5, 6, 7], [2, 3, 4, 5]]
    assert lengths.tolist() == [4, 4]
    assert crop(ramp(1, 2))[0, 0].tolist() == [1, 2, 0, 0]


def test_random_crop_is_the_identity_in_eval():
    waveform = ramp(2, 10)
    assert torch.equal(T.RandomCrop(4).eval()(waveform), waveform)


def test_gradients_reach_the_samples_that_were_taken():
    waveform = torch.randn(3, 2, 20, dtype=torch.float64, requires_grad=True)
    crop = T.RandomCrop(8)
    params = crop.make_params(waveform)
    assert torch.autograd.gradcheck(lambda x: crop.transform(x, params), waveform)


@pytest.mark.parametrize("crop", [T.RandomCrop, T.CenterCrop])
@pytest.mark.parametrize("size", [0, -1, 2.5, True, None])
def test_size_must_be_a_positive_integer(crop, size):
    with pytest.raises(ValueError, match="`size` must be a positive number of samples"):
        crop(size)
