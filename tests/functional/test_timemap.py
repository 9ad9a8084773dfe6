"""The time map is the formula of its docstring, and copies attacks to their right places."""

import pytest
import torch
from torch import Tensor

from augspec.functional.onset import find_onsets
from augspec.functional.sinc import ONE
from augspec.functional.timemap import map_time, take_frames

N_FFT = 1024
ONSETS = [4000, 9000, 9700, 16_000]  # input samples; two of them less than a frame apart


def grid(onsets: list[int], size: int = 20_000) -> tuple[Tensor, Tensor]:
    """What `find_onsets` would give if it found these."""
    block = torch.arange(size // 32) * 32
    places = torch.tensor(onsets)
    last = [max((o for o in onsets if o <= b), default=-(1 << 28)) for b in block.tolist()]
    first = [min((o for o in onsets if o > b), default=1 << 28) for b in block.tolist()]
    assert places.diff().min() > 0
    return torch.tensor(last)[None], torch.tensor(first)[None]


def centers(rate: float) -> tuple[Tensor, Tensor]:
    output = torch.arange(int(18_000 / rate))
    step = torch.tensor([int(rate * ONE)])
    found, _ = map_time(output[None] * step, step, grid(ONSETS), N_FFT)
    return output.double(), found[0].double()


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.97, 1.25, 2.0])
def test_the_map_is_its_formula(rate):
    output, found = centers(rate)
    places = torch.tensor([-1e6, *ONSETS, 1e6], dtype=torch.float64) / rate
    after = torch.searchsorted(places, output, right=True)
    since, until = output - places[after - 1], places[after] - output
    d, gap, reach = torch.minimum(since, until), since + until, N_FFT / 2
    side = torch.where(since < until, 1.0, -1.0)
    slope = min(2.0, 0.5 * rate / abs(1 - rate))
    excess = torch.minimum(torch.minimum(d, reach - slope * (d - reach)), slope * (gap / 2 - d))
    expected = rate * output + side * (1 - rate) * excess.clamp(min=0.0)
    near_a_border = (since - until).abs() < 4 * max(1, rate)
    assert (found - expected)[~near_a_border].abs().max() < 4.0 * max(1.0, rate)


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
def test_an_attack_is_copied_to_its_right_place(rate):
    output, found = centers(rate)
    for onset in (ONSETS[0], ONSETS[3]):
        place = round(onset / rate)
        around = slice(place - N_FFT // 2, place + N_FFT // 2)
        torch.testing.assert_close(
            found[around] - output[around], found[place] - output[place].expand(N_FFT)
        )
        assert abs(found[place] - onset) <= 1


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.8, 1.25, 2.0, 3.0])
def test_the_map_never_goes_back(rate):
    _, found = centers(rate)
    assert found.diff().min() > -2.0  # by rounding


def test_without_attacks_it_is_the_plain_stretch():
    steady = torch.sin(torch.arange(40_000) * 0.2)[None]
    step, output = torch.tensor([int(0.8 * ONE)]), torch.arange(10_000, 40_000)
    found, _ = map_time(output[None] * step, step, find_onsets(steady, N_FFT), N_FFT)
    assert (found[0] - 0.8 * output).abs().max() <= 0.6


def test_frames_go_on_as_the_mirror_image_beyond_an_end():
    rows = torch.arange(1.0, 11.0).expand(2, -1).clone()
    rows[1, 6:] = 0.0
    start = torch.tensor([[2, 8], [2, 4]])
    frames = take_frames(rows, start, 8, ends=torch.tensor([10, 6]))
    assert frames[0].tolist() == [[3, 4, 5, 6, 7, 8, 9, 10], [9, 10, 10, 9, 8, 7, 6, 5]]
    assert frames[1].tolist() == [[3, 4, 5, 6, 6, 5, 4, 3], [5, 6, 6, 5, 4, 3, 2, 1]]
    assert take_frames(rows, start, 8)[0, 1].tolist() == [9, 10, 0, 0, 0, 0, 0, 0]
