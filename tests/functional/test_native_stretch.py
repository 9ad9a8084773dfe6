"""The native vocoder computes what torch computes, in float64 as in the eager kernels."""

import math
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from augspec import native
from augspec.functional import pitch_and_tempo, pitch_shift, stretch, time_stretch

pytestmark = pytest.mark.skipif(
    native.instruction_set() == "no", reason="there is no C++ compiler here"
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def struck_noise(count: int, channels: int, time: int) -> Tensor:
    """Noise that is struck in its middle.

    Without 0 Hz and the highest frequency: where a spectrum is real, a phase of half a turn is one
    of minus half a turn too, and float64 takes the one where float32 takes the other.
    """
    level = torch.where(torch.arange(time) < time // 2, 0.05, 1.0)
    white = noise(count, channels, time + 2)
    return level * (white[..., 2:] - white[..., :-2])


def in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGSPEC_NATIVE", "0")
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")


def errors(out: Tensor, expected: Tensor) -> Tensor:
    """Largest error of each example, as a fraction of its peak."""
    peak = expected.abs().amax((1, 2)).clamp(min=1e-9)
    return (out.double() - expected).abs().amax((1, 2)) / peak


def check(monkeypatch: pytest.MonkeyPatch, function, waveform: Tensor, *values: Tensor, **settings):
    """The native result is that of torch in float64 within 1e-5 of the peak.

    Where two bins are as loud as each other to the last digit, rounding decides which of them is a
    peak, in torch's float32 as here. That happens in some examples, so it is the median that
    counts; and a peak more or less is a small part of a sound.
    """
    out = function(waveform, *values, **settings)
    in_torch(monkeypatch)
    expected = function(waveform.double(), *values, **settings)
    assert out.shape == expected.shape
    assert errors(out, expected).median() <= 1e-5
    difference = (out - expected).square().sum((1, 2)) / expected.square().sum((1, 2))
    assert difference.max() < 0.05


@pytest.mark.parametrize(
    ("sample_rate", "n_fft"), [(8000, 512), (16_000, 1024), (22_050, 1440), (96_000, 6144)]
)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_rates_are_those_of_torch(sample_rate, n_fft, channels, monkeypatch):
    waveform = struck_noise(9, channels, 4 * n_fft)
    rate = torch.tensor([0.5, 0.7, 0.8, 0.9, 0.99, 1.01, 1.25, 1.5, 2.0])
    check(monkeypatch, time_stretch, waveform, rate, sample_rate=sample_rate)


@pytest.mark.parametrize(("sample_rate", "n_fft"), [(8000, 512), (16_000, 1024), (44_100, 2880)])
@pytest.mark.parametrize("channels", [1, 2])
def test_intervals_are_those_of_torch(sample_rate, n_fft, channels, monkeypatch):
    waveform = struck_noise(9, channels, 4 * n_fft)
    semitones = torch.tensor([-12.0, -7.0, -3.0, -0.3, 0.1, 2.0, 4.0, 7.0, 12.0])
    check(monkeypatch, pitch_shift, waveform, semitones, sample_rate=sample_rate)


def test_pitch_and_tempo_to_another_size_with_lengths(monkeypatch):
    waveform, semitones = struck_noise(9, 2, 5000), torch.linspace(-5, 5, 9)
    lengths = torch.linspace(500, 5000, 9).long()
    settings = {"size": 7001, "lengths": lengths, "min_semitones": -5.0, "max_semitones": 5.0}
    rate = torch.linspace(0.6, 1.6, 9)
    check(monkeypatch, pitch_and_tempo, waveform, semitones, rate, **settings)


def test_rates_of_channels_take_them_apart_as_in_torch(monkeypatch):
    rate = torch.linspace(0.7, 1.3, 18).view(9, 2)
    check(monkeypatch, time_stretch, struck_noise(9, 2, 4000), rate)


@pytest.mark.parametrize("n_fft", [32, 64, 96, 480, 1056, 2048])
def test_every_size_of_frame_is_that_of_torch(n_fft, monkeypatch):
    rate = torch.linspace(0.7, 1.4, 9)
    check(monkeypatch, time_stretch, struck_noise(9, 1, 4 * n_fft), rate, n_fft=n_fft)


@pytest.mark.parametrize("time", [1, 2, 31, 300])
@pytest.mark.parametrize("size", [1, 40, 1500])
def test_short_audio_is_as_in_torch(time, size, monkeypatch):
    waveform, rate = noise(4, 2, time), torch.tensor([0.5, 0.9, 1.0, 2.0])
    out = time_stretch(waveform, rate, size=size)
    shifted = pitch_shift(waveform, torch.tensor([-12.0, 0.0, 1.0, 12.0]))
    in_torch(monkeypatch)
    torch.testing.assert_close(out, time_stretch(waveform, rate, size=size), rtol=0, atol=1e-4)
    expected = pitch_shift(waveform, torch.tensor([-12.0, 0.0, 1.0, 12.0]))
    torch.testing.assert_close(shifted, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_goes_where_it_goes_in_torch(bad, monkeypatch):
    waveform = noise(4, 2, 6000)
    waveform[0, 0, 3000], waveform[1] = bad, 0.0
    rate = torch.tensor([0.8, 1.2, bad, -1.0])
    calls = [lambda: time_stretch(waveform, rate), lambda: pitch_shift(waveform, 10 * (rate - 1))]
    calls.append(lambda: time_stretch(waveform[:, :1], rate))
    made = [call().isfinite() for call in calls]
    in_torch(monkeypatch)
    for finite, call in zip(made, calls, strict=True):
        assert torch.equal(finite, call().isfinite())


def test_an_interval_beyond_what_was_said_is_nan_as_in_torch(monkeypatch):
    waveform, semitones = noise(3, 1, 4000), torch.tensor([1.0, 5.0, 2.0])
    out = pitch_shift(waveform, semitones, max_semitones=2.0)
    in_torch(monkeypatch)
    expected = pitch_shift(waveform, semitones, max_semitones=2.0)
    assert torch.equal(out.isnan(), expected.isnan())
    assert out[1].isnan().all()


def test_silence_stays_silent():
    assert (time_stretch(torch.zeros(2, 2, 5000), torch.tensor([0.8, 1.3])) == 0).all()


def test_lengths_beyond_the_audio_are_its_end():
    waveform, rate, long = noise(1, 1, 3000), torch.tensor([0.9]), torch.tensor([9000])
    out = time_stretch(waveform, rate, lengths=long)
    torch.testing.assert_close(out, time_stretch(waveform, rate), rtol=0, atol=0)


def test_two_threads_give_the_same_as_one():
    waveform, rate = noise(13, 2, 6000), torch.linspace(0.7, 1.4, 13)
    before = torch.get_num_threads()
    outs = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        outs.append(time_stretch(waveform, rate))
    torch.set_num_threads(before)
    assert torch.equal(outs[0], outs[1])
    assert torch.equal(outs[0], outs[2])


def test_views_are_read_as_what_they_show():
    whole = noise(3, 4, 6000)
    view, rate = whole[:, ::2, 1000:5000], torch.tensor([0.8, 1.1, 1.3])
    expected = time_stretch(view.contiguous(), rate)
    assert torch.equal(time_stretch(view, rate), expected)
    assert torch.equal(time_stretch(view, rate.repeat_interleave(2)[::2]), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_process_has_threads_of_its_own(threads):
    """Run apart: the child of a process with a debugger's or a test runner's threads may hang."""
    code = (
        "import os, torch\n"
        "from augspec.functional import time_stretch\n"
        f"torch.set_num_threads({threads})\n"
        "waveform, rate = torch.randn(6, 1, 5000), torch.linspace(0.8, 1.2, 6)\n"
        "expected = time_stretch(waveform, rate)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(not torch.equal(time_stretch(waveform, rate), expected))\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


def test_the_first_call_compiles_nothing():
    code = (
        "import sys, torch\n"
        "from augspec.functional import pitch_shift, time_stretch\n"
        "time_stretch(torch.randn(2, 1, 5000), torch.tensor([0.8, 1.2]))\n"
        "pitch_shift(torch.randn(2, 1, 5000), torch.tensor([-2.0, 1.0]))\n"
        "raise SystemExit('torch._dynamo' in sys.modules)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "AUGSPEC_COMPILE"}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_torch_does_what_the_kernel_does_not(monkeypatch):
    in_torch_for = []

    def count(*arguments):
        in_torch_for.append(arguments)
        return stretch_examples(*arguments)

    stretch_examples = stretch.stretch_examples
    monkeypatch.setattr(stretch, "stretch_examples", count)
    waveform, rate = noise(1, 1, 3000), torch.tensor([0.9])
    expected = time_stretch(waveform, rate)
    time_stretch(waveform.half(), rate)
    with torch.no_grad():
        time_stretch(waveform.clone().requires_grad_(), rate)
    assert not in_torch_for
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")
    for other in (waveform.clone().requires_grad_(), waveform.double()):
        assert (time_stretch(other, rate) - expected).abs().max() < 1e-4
    time_stretch(waveform, rate.double())
    time_stretch(waveform, rate, n_fft=32 * 17)  # there is no transform of this size
    assert len(in_torch_for) == 4
