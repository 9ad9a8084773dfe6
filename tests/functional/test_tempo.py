"""A curve of tempo: sound lands where the integral of the rate says, and keeps its pitch."""

import math

import pytest
import torch
from ideal_tones import SAMPLE_RATE, cents, f0, tone

from augspec import native
from augspec.functional import time_stretch
from augspec.functional.onset import find_onsets
from augspec.functional.pace import CurvedPace, SteadyPace, mean_rate
from augspec.functional.tempo import tempo_curve, tempo_position

CURVES = [[0.7, 1.5], [1.4, 0.7, 1.1], [0.8, 1.25, 0.9, 1.2, 1.0]]


def positions(rate, size):
    """Integrate the curve over ``size`` output samples, in float64."""
    point = torch.linspace(0.0, size, len(rate), dtype=torch.float64)
    rate = torch.tensor(rate, dtype=torch.float64)
    place = torch.arange(size, dtype=torch.float64)
    piece = (torch.searchsorted(point, place, right=True) - 1).clamp(max=len(rate) - 2)
    width, rise = point.diff()[piece], rate.diff()[piece]
    since = place - point[piece]
    pieces = point.diff() * (rate[1:] + rate[:-1]) / 2
    before = torch.cat([torch.zeros(1, dtype=torch.float64), pieces.cumsum(0)])[piece]
    return before + since * rate[piece] + since**2 * rise / (2 * width)


def length(rate, time):
    """The length that a trapezoid's area gives: the mean of the curve divides the time."""
    mean = (sum(rate) - (rate[0] + rate[-1]) / 2) / (len(rate) - 1)
    return math.ceil(time / mean - 1e-6)


@pytest.mark.parametrize("rate", CURVES)
def test_positions_are_the_integral_of_the_curve_and_end_with_the_input(rate):
    time = 64_000
    size = length(rate, time)
    place = torch.arange(size)[None]
    found = tempo_position(place, torch.tensor([rate]), torch.tensor([time]))[0]
    assert (found - positions(rate, size)).abs().max() < 2.0
    assert abs(found[-1] - time) < 3
    assert found.diff().min() >= 0


def test_positions_far_from_the_start_are_as_exact():
    rate, time = CURVES[2], 1_000_000_000
    size = length(rate, time)
    place = torch.arange(size - 1000, size)
    exact = torch.tensor([rate], dtype=torch.float64)
    found = tempo_position(place[None], exact, torch.tensor([time]))[0]
    ideal = time - (size - place).double()  # the rate ends at 1
    assert (found - ideal).abs().max() < 3.0


@pytest.mark.parametrize("rate", CURVES)
@pytest.mark.parametrize("freq", [110.0, 440.0, 3000.0])
def test_a_tone_keeps_its_pitch_all_along(rate, freq):
    sound = tone(freq, seconds=4.0)
    size = length(rate, sound.shape[-1])
    out = tempo_curve(sound, torch.tensor([rate]), size=size)[0, 0]
    for part in out[2000:-2000].chunk(3):
        assert cents(f0(part), freq) < 1.0
    assert out[-200:].abs().max() > 0.7  # it sounds to the end


@pytest.mark.parametrize("rate", CURVES)
def test_clicks_land_where_the_integral_says(rate):
    waveform = torch.zeros(1, 1, 64_000)
    places = torch.arange(2000, 62_000, 4000)
    waveform[..., places] = 0.5
    size = length(rate, 64_000)
    out = tempo_curve(waveform, torch.tensor([rate]), size=size)[0, 0]
    ideal = torch.searchsorted(positions(rate, size), places.double())
    distance = (torch.arange(size) - ideal[:, None]).abs().amin(0)
    energy = out.double().square()
    assert energy[distance <= 0.005 * SAMPLE_RATE].sum() / energy.sum() > 0.9999


def test_an_attack_is_copied_and_the_map_never_goes_back():
    sound = torch.zeros(1, 64_000)
    onsets = [8000, 20_000, 20_700, 47_000]
    for onset in onsets:
        sound[0, onset : onset + 4000] += 0.3 * torch.sin(torch.arange(4000) * 0.2)
    grid = find_onsets(sound, 1024)
    rate = torch.tensor([[0.5, 1.6, 0.7]])
    size = length(rate[0].tolist(), 64_000)
    pace = CurvedPace.over(rate, torch.tensor([size]))
    place = torch.arange(size)
    center = pace.place(place, grid, 1024)[0][0]
    plain = pace.at(place[None])[0][0] / 2.0**32
    assert center.diff().min() >= -1  # by rounding
    for onset in (onsets[0], onsets[3]):
        found = grid[1][0, (onset - 200) // 32]  # where the detector has it
        heard = int((plain - found).abs().argmin())
        around = slice(heard - 400, heard + 400)
        assert (center[around] - place[around] - (found - heard)).abs().max() <= 1
    assert (center - plain)[[0, -1]].abs().max() <= 1.0


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.0, 1.25, 2.0])
def test_a_constant_curve_is_a_time_stretch_bit_for_bit(rate, request):
    if rate != 0.8:  # one of them is compiled, because each size compiles again
        request.getfixturevalue("eager_kernels")
    generator = torch.Generator().manual_seed(0)
    waveform = torch.randn(4, 2, 16_000, generator=generator, dtype=torch.float64)
    waveform[:, :, 5000:5200] *= 20.0
    lengths, same = torch.tensor([16_000, 9000, 3, 0]), torch.full((4,), rate)
    size = int(16_000 / rate)
    expected = time_stretch(waveform, same, size=size, lengths=lengths)
    for points in (2, 5):
        curve = same[:, None].expand(-1, points)
        assert torch.equal(tempo_curve(waveform, curve, size=size, lengths=lengths), expected)
    assert torch.equal(mean_rate(same[:, None].expand(-1, 7)), same)
    natively = time_stretch(waveform.float(), same, size=size, lengths=lengths)
    torch.testing.assert_close(natively, expected.float(), rtol=0.0, atol=1e-3)


@pytest.mark.usefixtures("eager_kernels")
def test_the_native_kernel_gives_what_torch_does(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    place = torch.arange(20_000)
    waveform = 0.1 * torch.sin(place * torch.rand(5, 2, 1, generator=generator))
    waveform[:, :, 7000:7100] += torch.randn(5, 2, 100, generator=generator)
    rate = torch.empty(5, 4).uniform_(0.6, 1.6, generator=generator)
    rate[3], rate[4, 2] = 1.0, -1.0
    lengths = torch.tensor([20_000, 12_345, 100, 20_000, 20_000])
    called = []
    call = native.call
    monkeypatch.setattr(
        native, "call", lambda name, *a, **k: (called.append(name), call(name, *a, **k))
    )
    natively = tempo_curve(waveform, rate, size=24_000, lengths=lengths)
    assert "augspec_stretch" in called or not native.applies(waveform)
    monkeypatch.setenv("AUGSPEC_NATIVE", "0")
    in_torch = tempo_curve(waveform, rate, size=24_000, lengths=lengths)
    assert torch.equal(natively[3], torch.nn.functional.pad(waveform[3], (0, 4000)))
    torch.testing.assert_close(natively, in_torch, rtol=0.0, atol=1e-3, equal_nan=True)


def test_a_constant_curve_places_frames_as_one_rate_does_at_half_samples_too():
    places = torch.arange(0, 30_000, 7)
    sound = torch.zeros(1, 64_000)
    sound[0, 1001::4003] = 1.0
    grid = find_onsets(sound, 512)
    for rate in (0.25, 0.5, 1.5, 2.0, 4.0):
        rates = torch.tensor([rate])
        steady = SteadyPace(rates).place(places, grid, 512)
        curved = CurvedPace.over(rates[:, None].expand(-1, 3), torch.tensor([64_000 / rate]).long())
        assert torch.equal(curved.place(places, grid, 512)[0], steady[0])


@pytest.mark.usefixtures("eager_kernels")
def test_an_example_comes_out_as_if_it_were_alone():
    waveform = torch.randn(3, 1, 8000, dtype=torch.float64)
    rate = torch.tensor([[0.8, 1.2, 0.9], [1.0, 1.0, 1.0], [1.3, 0.7, 0.7]])
    lengths = torch.tensor([8000, 5000, 300])
    together = tempo_curve(waveform, rate, lengths=lengths, n_fft=256)
    assert torch.equal(together[1, :, :5000], waveform[1, :, :5000])
    for i, end in enumerate(lengths.tolist()):
        alone = tempo_curve(waveform[i : i + 1, :, :end], rate[i : i + 1], n_fft=256, size=8000)
        torch.testing.assert_close(alone[0], together[i], rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_is_no_positive_number_gives_nan_for_its_example_alone(wrong):
    waveform = torch.randn(2, 1, 4000)
    rate = torch.tensor([[1.0, wrong, 1.0], [0.9, 1.1, 1.0]])
    out = tempo_curve(waveform, rate, n_fft=256)
    assert out[0].isnan().all()
    torch.testing.assert_close(out[1:], tempo_curve(waveform[1:], rate[1:], n_fft=256))


def test_arguments_are_checked():
    waveform = torch.randn(2, 1, 400)
    for rate, message in (
        (torch.ones(2), r"`rate` must be \(batch, point\)"),
        (torch.ones(3, 4), r"`rate` must be \(batch, point\) = \(2, point\), got \(3, 4\)"),
        (torch.ones(2, 1), "`rate` must have at least two points, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            tempo_curve(waveform, rate)
    with pytest.raises(ValueError, match="`size` must be at least 1, got 0"):
        tempo_curve(waveform, torch.ones(2, 3), size=0)
    with pytest.raises(TypeError, match="`rate` must be of a floating-point type"):
        tempo_curve(waveform, torch.ones(2, 3, dtype=torch.int64))
    assert tempo_curve(waveform[:0], torch.ones(0, 3)).shape == (0, 1, 400)
