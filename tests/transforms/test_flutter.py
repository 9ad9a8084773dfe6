"""Varying speed: a sine becomes the sine whose phase is modulated, and labels follow."""

import math

import pytest
import torch

from augspec import transforms as T

RATE = 16_000


def drawn(batch=1, **values):
    names = {"wow": 0.0, "wow_freq": 1.0, "wow_phase": 0.0}
    names |= {"flutter": 0.0, "flutter_freq": 10.0, "flutter_phase": 0.0} | values
    params = {name: torch.full((batch,), value) for name, value in names.items()}
    return {"applied": torch.ones(batch, dtype=torch.bool), **params}


def positions(time, params, end=None):
    """Integrate the speed in closed form, less its mean over the example."""
    end = time if end is None else end
    place = torch.arange(time, dtype=torch.float64)

    def integral(at):
        total = 0.0
        for name in ("wow", "flutter"):
            depth, freq, phase = (
                float(params[key][0]) for key in (name, f"{name}_freq", f"{name}_phase")
            )
            turn = 2.0 * math.pi * freq / RATE
            start = 2.0 * math.pi * phase
            total = total + depth / turn * (math.cos(start) - torch.cos(start + turn * at))
        return total

    return place + integral(place) - place / end * integral(torch.tensor(float(end)).double())


@pytest.mark.parametrize("freq", [440.0, 3000.0, 6000.0])
@pytest.mark.parametrize(
    "swing",
    [
        {"wow": 0.03, "wow_freq": 0.75, "wow_phase": 0.3},
        {"flutter": 0.005, "flutter_freq": 23.0, "flutter_phase": 0.6},
        {"wow": 0.1, "wow_freq": 5.0, "flutter": 0.01, "flutter_freq": 90.0},
    ],
)
def test_a_sine_comes_out_with_its_phase_modulated(freq, swing):
    place, params = torch.arange(16_000, dtype=torch.float64), drawn(**swing)
    tone = torch.sin(2.0 * math.pi * freq * place / RATE)
    made = T.WowFlutter(sample_rate=RATE).transform(tone[None, None], params)[0, 0]
    ideal = torch.sin(2.0 * math.pi * freq * positions(16_000, params) / RATE)
    inside = slice(100, -100)  # the filter reaches over the ends elsewhere
    error = (made - ideal)[inside].square().mean() / ideal[inside].square().mean()
    assert 10.0 * math.log10(error) < -75.0


def test_pitch_swings_by_the_depth_and_the_whole_lasts_as_long():
    params = drawn(wow=0.02, wow_freq=2.0, wow_phase=0.1)
    speed = positions(32_000, params).diff()
    assert abs(float(speed.max()) - 1.02) < 1e-3
    assert abs(float(speed.min()) - 0.98) < 1e-3
    assert abs(float(speed.mean()) - 1.0) < 1e-4


def test_an_example_ends_where_it_did_and_swings_as_if_alone():
    transform = T.WowFlutter(0.1, 0.6, sample_rate=RATE)
    click = torch.zeros(2, 1, 16_000, dtype=torch.float64)
    lengths = torch.tensor([16_000, 9_000])
    click[0, 0, 15_999] = click[1, 0, 8_999] = 1.0
    made, ends = transform(click, lengths)
    assert torch.equal(ends, lengths)
    assert made[0, 0].abs().argmax() == 15_999
    assert made[1, 0].abs().argmax() == 8_999
    assert not made[1, 0, 9_000:].any()


def test_clicks_land_where_the_integral_of_the_speed_says_and_frames_follow():
    transform = T.WowFlutter(0.1, 0.8, sample_rate=RATE)
    params = drawn(wow=0.1, wow_freq=0.8, wow_phase=0.2)
    place = positions(16_000, params)
    for at in (1000, 5000, 9000, 14_000):
        click = torch.zeros(1, 1, 16_000)
        click[0, 0, at] = 1.0
        heard = int(transform.transform(click, params)[0, 0].abs().argmax())
        assert abs(float(place[heard]) - at) < 1.0
    number = torch.arange(1.0, 101.0).reshape(1, 1, 100)  # each frame of labels by its number
    frames = transform.targets({"frames": number}, params, time=16_000)["frames"][0, 0]
    middle = torch.arange(100) * 160 + 80
    source = torch.div(place[middle].floor(), 160.0, rounding_mode="floor") + 1.0
    assert torch.equal(frames, source.float())
    assert (frames != number[0, 0]).any()


def test_a_second_far_from_the_start_is_as_exact_as_the_first():
    params = drawn(flutter=0.05, flutter_freq=90.0)
    place = torch.arange(2_000_000)
    from augspec.functional.flutter import swing_offset

    made = swing_offset(place[None], torch.tensor([2_000_000]), params, RATE)[0]
    ideal = positions(2_000_000, params) - place
    assert float((made - ideal)[-20_000:].abs().max()) < 1e-3


def test_no_swing_leaves_the_sound():
    sound = torch.randn(3, 2, 500, dtype=torch.float64)
    made = T.WowFlutter(0.0, flutter=0.0, sample_rate=RATE)(sound)
    torch.testing.assert_close(made, sound, rtol=0.0, atol=1e-5)


def test_ranges_are_checked():
    for settings in ({"wow": 0.2}, {"flutter": (-0.01, 0.0)}, {"wow_freq": 0.0}):
        with pytest.raises(ValueError, match=f"`{next(iter(settings))}` must lie"):
            T.WowFlutter(**settings, sample_rate=RATE)
