"""A turned sound field is the field of the sources at the turned places."""

import itertools
import math

import pytest
import torch

from augspec import functional
from augspec import transforms as T

ORDERS = {"acn": (1, 2, 0), "fuma": (0, 1, 2)}  # which axis each channel after W holds


def vectors(azimuth, elevation):
    azimuth, elevation = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    flat = elevation.cos()
    return torch.stack([azimuth.cos() * flat, azimuth.sin() * flat, elevation.sin()], -1)


def encode(source, direction, order="acn"):
    """Encode plane waves, (batch, time), from unit vectors, (batch, 3), as the books have it."""
    gains = direction[:, list(ORDERS[order])]
    gains = torch.cat([torch.ones_like(gains[:, :1]), gains], dim=1)
    return gains[:, :, None] * source[:, None]


def sources(batch=16, time=50):
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(batch, time, generator=generator, dtype=torch.float64)
    azimuth = 360.0 * torch.rand(batch, generator=generator, dtype=torch.float64) - 180.0
    elevation = 160.0 * torch.rand(batch, generator=generator, dtype=torch.float64) - 80.0
    return source, azimuth, elevation


ANY = {"yaw": (-180.0, 180.0), "pitch": (-180.0, 180.0), "roll": (-180.0, 180.0)}


@pytest.mark.parametrize("order", ["acn", "fuma"])
@pytest.mark.parametrize("mirror", [False, True])
def test_the_turned_field_is_that_of_the_turned_source(order, mirror):
    source, azimuth, elevation = sources()
    turn = T.AmbisonicsRotation(**ANY, channel_order=order, mirror=mirror, p=0.7)
    field = encode(source, vectors(azimuth, elevation), order)
    params = turn.make_params(field)
    labels = {
        "azimuth": azimuth,
        "elevation": elevation,
        "direction": vectors(azimuth, elevation),
        "label": torch.arange(16),
    }
    moved = turn.targets(labels, params)
    expected = encode(source, moved["direction"], order)
    torch.testing.assert_close(turn.transform(field, params), expected, rtol=1e-6, atol=1e-6)
    again = vectors(moved["azimuth"], moved["elevation"])
    torch.testing.assert_close(again, moved["direction"], rtol=1e-6, atol=1e-6)
    kept = ~params["applied"]
    assert kept.any()
    assert torch.equal(moved["azimuth"][kept], azimuth[kept])
    assert torch.equal(moved["label"], labels["label"])


def test_yaw_is_to_the_left_pitch_lifts_the_front_and_roll_the_left_side():
    front, left = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    up = torch.tensor([[0.0, 0.0, 1.0]])
    for angles, direction, there in (
        ((90.0, 0.0, 0.0), front, left),
        ((0.0, 90.0, 0.0), front, up),
        ((0.0, 0.0, 90.0), left, up),
        ((90.0, 90.0, 0.0), front, up),  # pitch before yaw
        ((0.0, 90.0, 90.0), left, -front),  # roll before pitch
    ):
        three = [torch.tensor([angle]) for angle in angles]
        no = torch.tensor([False])
        turned = functional.rotate_directions(direction, *three, no, no)
        torch.testing.assert_close(turned, there, rtol=0.0, atol=1e-6)


def test_steps_and_mirrors_are_the_sixteen_patterns_of_swapped_channels():
    turn = T.AmbisonicsRotation(step=90.0, mirror=True)
    field = torch.randn(1, 4, 20, dtype=torch.float64).expand(3000, -1, -1)
    params = turn.make_params(field)
    w, y, z, x = field[0]
    patterns = {}
    for (a, b), sx, sy, sz in itertools.product([(x, y), (y, x)], (1, -1), (1, -1), (1, -1)):
        patterns[len(patterns)] = torch.stack([w, sy * b, sz * z, sx * a])
    found = torch.stack(
        [
            (turn.transform(field, params) - one).abs().amax((1, 2)) < 1e-6
            for one in patterns.values()
        ]
    )
    assert len(patterns) == 16
    assert (found.sum(0) == 1).all()
    share = found.double().mean(1)
    assert ((share > 0.04) & (share < 0.09)).all()  # each a sixteenth


def test_labels_of_frames_and_events_follow_and_absent_events_stay_absent():
    turn = T.AmbisonicsRotation(30.0)
    params = turn.make_params(torch.zeros(2, 4, 8))
    azimuth = torch.tensor([[[0, 10], [20, 30]], [[-170, 160], [90, 0]]])
    elevation = torch.zeros(2, 2, 2)
    elevation[0, 0, 0] = math.nan
    moved = turn.targets({"azimuth": azimuth, "elevation": elevation}, params)
    expected = torch.tensor([[[30.0, 40.0], [50.0, 60.0]], [[-140.0, -170.0], [120.0, 30.0]]])
    torch.testing.assert_close(moved["azimuth"][1], expected[1], rtol=1e-5, atol=1e-4)
    assert moved["elevation"][0, 0, 0].isnan()
    direction = torch.zeros(2, 5, 3, 3)
    silent = turn.targets({"direction": direction}, params)["direction"]
    assert not silent.any()


def test_a_field_has_four_channels_and_angles_come_in_pairs():
    with pytest.raises(ValueError, match="`waveform` must have 4 channels"):
        T.AmbisonicsRotation()(torch.zeros(1, 2, 8))
    turn = T.AmbisonicsRotation()
    params = turn.make_params(torch.zeros(1, 4, 8))
    with pytest.raises(ValueError, match="must have both `azimuth` and `elevation`"):
        turn.targets({"azimuth": torch.zeros(1)}, params)
    with pytest.raises(ValueError, match="`direction` must be"):
        turn.targets({"direction": torch.zeros(1, 2)}, params)
    with pytest.raises(ValueError, match="`channel_order` must be"):
        T.AmbisonicsRotation(channel_order="wxyz")


def test_a_step_lies_between_a_thousandth_of_a_degree_and_half_a_turn():
    for step in (0.001, 180.0):
        assert T.AmbisonicsRotation(step=step).step == step
    for step in (0.0, 0.00099, 180.1):
        with pytest.raises(ValueError, match=r"`step` must lie in \[0.001, 180\]"):
            T.AmbisonicsRotation(step=step)
