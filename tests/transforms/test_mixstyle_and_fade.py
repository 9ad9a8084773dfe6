"""Styles that are mixed, and levels that fade."""

import pytest
import torch

from augspec import functional
from augspec import transforms as T


def specgrams(batch=5):
    generator = torch.Generator().manual_seed(0)
    colour = 20 * torch.randn(batch, 1, 8, 1, generator=generator, dtype=torch.float64)
    scale = 1 + torch.rand(batch, 1, 8, 1, generator=generator, dtype=torch.float64)
    return colour + scale * torch.randn(batch, 2, 8, 300, generator=generator, dtype=torch.float64)


def published(specgram, partner, lam):
    """Follow the formula of the paper, over channels and frames of whole examples."""
    mean = specgram.mean((1, 3), keepdim=True)
    deviation = (specgram.var((1, 3), keepdim=True, correction=0) + 1e-6).sqrt()
    lam = lam[:, None, None, None]
    new_mean = mean * lam + mean[partner] * (1 - lam)
    return (specgram - mean) / deviation * (
        deviation * lam + deviation[partner] * (1 - lam)
    ) + new_mean


def test_statistics_are_mixed_as_published():
    specgram, partner = specgrams(), torch.tensor([1, 2, 3, 4, 0])
    lam = torch.linspace(0, 1, 5).double()
    made = functional.freq_mix_style(specgram, partner, lam)
    torch.testing.assert_close(made, published(specgram, partner, lam))
    torch.testing.assert_close(made[0].mean((0, 2)), specgram[1].mean((0, 2)))
    torch.testing.assert_close(made[-1], specgram[-1])


def test_only_valid_frames_have_a_say():
    specgram, lengths = specgrams(3), torch.tensor([300, 120, 0])
    behind = torch.arange(300) >= lengths[:, None, None, None]
    partner, lam = torch.tensor([1, 2, 0]), torch.full((3,), 0.3).double()
    given = specgram.masked_fill(behind, 1e6)
    made = functional.freq_mix_style(given, partner, lam, lengths)
    assert torch.equal(made[behind.expand_as(made)], given[behind.expand_as(made)])
    # The second's partner has no frames: it stays.
    torch.testing.assert_close(made[1], given[1])
    mean = 0.3 * specgram[0].mean((0, 2)) + 0.7 * specgram[1, ..., :120].mean((0, 2))
    torch.testing.assert_close(made[0].mean((0, 2)), mean)


def test_a_device_is_no_longer_known_by_its_response():
    # Two devices, each a constant in dB for every bin; content is the same noise.
    content = torch.randn(64, 1, 16, 200)
    device = torch.arange(64) % 2
    responses = 10 * torch.randn(2, 1, 16, 1)
    specgram = content + responses[device]

    def apart(specgram):
        mean = specgram.mean((1, 3))
        first, second = mean[device == 0], mean[device == 1]
        return (first.mean(0) - second.mean(0)).norm() / torch.cat([first, second]).std(0).norm()

    made = T.FreqMixStyle(1.0)(specgram, keys=torch.arange(64))
    assert apart(made) < 0.8 * apart(specgram)


def test_who_is_not_picked_stays_also_beside_nan():
    specgram = specgrams(4)
    specgram[2] = torch.nan
    mix = T.FreqMixStyle()
    params = mix.make_params(specgram, keys=torch.arange(4))
    params["applied"] = torch.tensor([False, False, False, False])
    made = mix.transform(specgram, params)
    assert torch.equal(made[[0, 1, 3]], specgram[[0, 1, 3]])


def test_labels_stay():
    mix, specgram = T.FreqMixStyle(), specgrams(4)
    label = torch.eye(4)
    assert mix.targets({"label": label}, mix.make_params(specgram))["label"] is label


def test_a_fade_is_a_line_from_the_first_frame_to_the_last():
    specgram = torch.zeros(2, 1, 3, 11, dtype=torch.float64)
    start, end = torch.tensor([0.0, -6.0]), torch.tensor([10.0, 6.0])
    made = functional.linear_fade(specgram, start, end, lengths=torch.tensor([11, 5]))
    torch.testing.assert_close(made[0, 0, 0], torch.linspace(0, 10, 11).double())
    torch.testing.assert_close(made[1, 0, 2, :5], torch.linspace(-6, 6, 5).double())
    assert not made[1, ..., 5:].any()


@pytest.mark.parametrize(("stype", "factor"), [("power", 10.0), ("magnitude", 10.0**0.5)])
def test_power_and_magnitude_are_multiplied(stype, factor):
    specgram = torch.rand(1, 1, 3, 7).double()
    made = functional.linear_fade(specgram, torch.tensor([0.0]), torch.tensor([10.0]), stype)
    torch.testing.assert_close(made[..., 0], specgram[..., 0])
    torch.testing.assert_close(made[..., -1], factor * specgram[..., -1])


def test_the_fade_is_that_of_byol_a():
    # Its fader adds a line between two uniform draws of +-gain.
    fade = T.LinearFade((-1.0, 1.0), (-1.0, 1.0))
    specgram = torch.randn(500, 1, 4, 20)
    line = (fade(specgram) - specgram)[:, 0, 0]
    ends = line[:, [0, -1]]
    assert ends.abs().max() <= 1.0 + 1e-5
    assert abs(float(torch.corrcoef(ends.T)[0, 1])) < 0.15
    torch.testing.assert_close(line[:, 10], torch.lerp(ends[:, 0], ends[:, 1], 10 / 19),
                               atol=1e-5, rtol=1e-4)  # fmt: skip


def test_one_frame_has_the_first_gain():
    made = functional.linear_fade(torch.zeros(1, 1, 2, 1), torch.tensor([3.0]), torch.tensor([9.0]))
    assert made.flatten().tolist() == [3.0, 3.0]
