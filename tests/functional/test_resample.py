import math
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from augspec import _chunks, functional
from augspec._torch import GRADIENT_COMPILES
from augspec.functional.resample import (
    _delay,
    _delay_weights,
    resample,
    resample_rate,
    resampled_lengths,
)
from augspec.functional.sinc import interpolation_matrix

KERNELS = [_delay, _delay_weights, interpolation_matrix]
RATIOS = [0.5, 0.61, 0.7937, 0.97, 1.0001, 1.1225, 1.2599, 1.57, 2.0]
TIME = 16_384
EDGE = 128  # output samples at either end that the filters reach over


@pytest.fixture(autouse=True)
def _eager_unless_compiled(request):
    """Keep the kernels eager unless a test is about compiling them: the two agree within 1e-5."""
    if "compile" not in request.node.name:
        request.getfixturevalue("eager_kernels")


def tones(frequency: Tensor, time: int = TIME, ratio: Tensor | float = 1.0) -> Tensor:
    """Complex tones, one a row; frequency in units of the input's Nyquist frequency."""
    position = torch.arange(time, dtype=torch.float64) * torch.as_tensor(ratio)[..., None]
    return torch.exp(1j * math.pi * frequency[..., None] * position)


def resample_complex(signal: Tensor, ratio: Tensor, **kwargs: object) -> Tensor:
    real, imag = (
        resample(part[:, None], ratio, **kwargs)[:, 0] for part in (signal.real, signal.imag)
    )
    return torch.complex(real, imag)


def content(signal: Tensor, ratio: float) -> Tensor:
    return signal[EDGE : int(min(TIME, TIME / ratio)) - EDGE]


def spurious(error: Tensor) -> float:
    """The strongest spectral line in dB re 1 (a Blackman-Harris window leaks below -92 dB)."""
    window = torch.from_numpy(scipy.signal.get_window("blackmanharris", len(error)))
    return 20 * math.log10(float((torch.fft.fft(error * window) / window.sum()).abs().max()))


def lower_nyquist(ratio: Tensor) -> Tensor:
    return 1 / ratio.clamp(min=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("frequency", "limit"), [(0.03, -80), (0.31, -80), (0.7, -80), (0.78, -60), (0.85, -60)]
)
def test_a_tone_comes_out_alone_at_its_new_frequency(frequency, limit, dtype):
    ratio = torch.tensor(RATIOS, dtype=torch.float64)
    f = frequency * lower_nyquist(ratio)
    signal = tones(f).to(torch.complex64 if dtype == torch.float32 else torch.complex128)
    out = resample_complex(signal, ratio).to(torch.complex128)
    expected = tones(f, ratio=ratio)
    for i, r in enumerate(RATIOS):
        y, e = content(out[i], r), content(expected[i], r)
        gain = (y * e.conj()).mean()
        assert abs(20 * math.log10(gain.abs())) < (0.01 if frequency <= 0.7 else 0.2), r
        assert abs(float(gain.angle())) < 1e-4, r
        assert spurious(y - gain * e) < limit, r
        assert 10 * math.log10((y - gain * e).abs().square().mean()) < limit, r


@pytest.mark.parametrize("frequency", [0.02, 0.5, 0.7, 0.8, 0.85, 0.88, 0.9])
def test_the_response_is_flat_within_half_a_decibel_up_to_nine_tenths_of_nyquist(frequency):
    ratio = torch.tensor(RATIOS, dtype=torch.float64)
    f = frequency * lower_nyquist(ratio)
    out, expected = resample_complex(tones(f), ratio), tones(f, ratio=ratio)
    for i, r in enumerate(RATIOS):
        gain = (content(out[i], r) * content(expected[i], r).conj()).mean().abs()
        assert abs(20 * math.log10(gain)) < 0.5, r


@pytest.mark.parametrize(
    ("frequency", "limit"), [(1.15, -60), (1.22, -60), (1.3, -80), (1.45, -80)]
)
def test_tones_above_the_new_nyquist_are_suppressed(frequency, limit):
    ratio = torch.tensor([1.5, 1.57, 1.83, 2.0], dtype=torch.float64)
    out = resample_complex(tones(frequency / ratio), ratio)
    for i, r in enumerate(ratio.tolist()):
        assert spurious(content(out[i], r)) < limit, r


def test_a_band_limited_signal_is_evaluated_at_the_new_positions():
    generator = torch.Generator().manual_seed(0)
    ratio = 0.5 + 1.5 * torch.rand(16, generator=generator, dtype=torch.float64)
    f = 0.7 * torch.rand(12, 1, generator=generator, dtype=torch.float64) * lower_nyquist(ratio)
    phase = torch.exp(
        2j * math.pi * torch.rand(12, 16, 1, generator=generator, dtype=torch.float64)
    )
    signal, expected = (
        tones(f).mul(phase).real.sum(0),
        tones(f, ratio=ratio).mul(phase).real.sum(0),
    )
    out = resample(signal[:, None], ratio)[:, 0]
    for i, r in enumerate(ratio.tolist()):
        y, e = content(out[i], r), content(expected[i], r)
        assert (y - e).square().mean() / e.square().mean() < 10**-7.9


def test_positions_stay_exact_in_float32_late_in_a_long_signal():
    time, ratio = 3_000_000, torch.tensor([1.2599])
    f = torch.tensor([0.5], dtype=torch.float64) / ratio
    out = resample(tones(f, time).real.float()[:, None], ratio)[0, 0]
    late = torch.arange(2_380_000, 2_381_000)
    expected = torch.cos(math.pi * f * late.double() * ratio.double())
    assert (out[late] - expected).abs().max() < 3e-4


def test_a_click_lands_where_the_ratio_says():
    waveform = torch.zeros(3, 1, 4096)
    waveform[..., 2000] = 1
    ratio = torch.tensor([0.8, 1.25, 2.0])
    assert resample(waveform, ratio).argmax(-1).flatten().tolist() == [2500, 1600, 1000]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ratio_one_gives_the_input(dtype):
    waveform = 2 * torch.rand(3, 2, 1003, dtype=dtype) - 1
    torch.testing.assert_close(resample(waveform, torch.ones(3)), waveform, rtol=0, atol=1e-6)


def test_each_example_comes_out_as_if_it_were_alone():
    waveform, ratio = torch.randn(5, 2, 3000), torch.tensor([0.5, 0.93, 1.0, 1.3, 2.0])
    together = resample(waveform, ratio)
    for i in range(5):
        alone = resample(waveform[i : i + 1], ratio[i : i + 1])
        torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=3e-6)


def test_the_chunks_of_a_large_batch_do_not_show(monkeypatch):
    waveform, ratio = torch.randn(7, 1, 2000), torch.linspace(0.5, 2, 7)
    whole = resample(waveform, ratio)
    monkeypatch.setattr(_chunks, "_CPU_VALUES", 30_000)
    torch.testing.assert_close(resample(waveform, ratio), whole, rtol=0, atol=3e-6)


def test_channels_may_have_their_own_ratios():
    waveform, ratio = torch.randn(2, 3, 1500), 0.5 + 1.5 * torch.rand(2, 3)
    out = resample(waveform, ratio)
    for channel in range(3):
        alone = resample(waveform[:, channel : channel + 1], ratio[:, channel])
        torch.testing.assert_close(out[:, channel : channel + 1], alone, rtol=0, atol=3e-6)


def test_max_ratio_changes_the_cost_only():
    waveform, ratio = torch.randn(3, 1, 3000), torch.tensor([0.8, 1.0, 1.19])
    narrow, wide = (resample(waveform, ratio, max_ratio=most) for most in (1.19, 4.0))
    torch.testing.assert_close(narrow, wide, rtol=0, atol=3e-6)


@pytest.mark.parametrize("ratio", [-1.0, 0.0, 2.01, math.nan])
def test_a_ratio_out_of_range_gives_nan_in_its_example_only(ratio):
    out = resample(torch.randn(2, 1, 500), torch.tensor([ratio, 1.5]))
    assert out[0, :, :200].isnan().all()  # its content
    assert out[1].isfinite().all()


@pytest.mark.parametrize("size", [1, 31, 500, 5000])
def test_the_output_ends_in_zeros_after_the_content(size):
    ratio = torch.tensor([0.6, 1.0, 1.7])
    waveform = torch.randn(3, 1, 1000)
    out = resample(waveform, ratio, size=size)
    full = resample(waveform, ratio, size=2000)
    assert out.shape == (3, 1, size)
    lengths = resampled_lengths(torch.full((3,), 1000), ratio, size)
    assert lengths.tolist() == [min(size, math.ceil(1000 / r)) for r in ratio.tolist()]
    for i, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(out[i, 0, :length], full[i, 0, :length], rtol=0, atol=3e-6)
        assert (out[i, 0, length:] == 0).all()


def test_nothing_beyond_the_lengths_is_heard():
    waveform, lengths = torch.randn(4, 1, 2000), torch.tensor([1, 700, 1500, 2000])
    ratio = torch.tensor([0.7, 0.7, 1.0, 1.9])
    out = resample(waveform, ratio, lengths=lengths)
    beyond = torch.arange(2000) >= lengths[:, None, None]
    poisoned = waveform.masked_fill(beyond, math.nan)
    torch.testing.assert_close(resample(poisoned, ratio, lengths=lengths), out, rtol=0, atol=0)
    for i, length in enumerate(lengths.tolist()):
        alone = resample(waveform[i : i + 1, :, :length], ratio[i : i + 1], size=2000)
        torch.testing.assert_close(out[i : i + 1], alone, rtol=0, atol=3e-6)


def test_lengths_count_the_longest_channel():
    ratio = torch.tensor([[0.5, 2.0]])
    assert resampled_lengths(torch.tensor([100]), ratio).tolist() == [200]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    waveform, ratio = torch.randn(2, 1, 2000).to(dtype), torch.tensor([0.9, 1.2])
    out = resample(waveform, ratio)
    assert out.dtype == dtype
    torch.testing.assert_close(out, resample(waveform.float(), ratio).to(dtype), rtol=0, atol=0)


def test_autocast_does_not_lower_the_precision():
    waveform, ratio = torch.randn(2, 1, 2000), torch.tensor([0.9, 1.2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = functional.resample(waveform, ratio)
    torch.testing.assert_close(out, resample(waveform, ratio), rtol=0, atol=0)


def test_gradients_reach_the_waveform():
    waveform = torch.randn(2, 1, 70, dtype=torch.float64, requires_grad=True)
    ratio, lengths = torch.tensor([0.8, 1.3]), torch.tensor([70, 50])
    assert torch.autograd.gradcheck(lambda x: resample(x, ratio, lengths=lengths), (waveform,))


def test_the_gradient_is_the_same_in_chunks(monkeypatch):
    ratio = torch.linspace(0.6, 1.9, 5)
    weight = torch.randn(5, 1, 900)
    gradients = []
    for values in (1 << 30, 10_000):
        monkeypatch.setattr(_chunks, "_CPU_VALUES", values)
        waveform = torch.linspace(-1, 1, 4500).reshape(5, 1, 900).requires_grad_()
        (resample(waveform, ratio) * weight).sum().backward()
        gradients.append(waveform.grad)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-5)


def test_an_empty_batch_gives_an_empty_result():
    assert resample(torch.empty(0, 2, 100), torch.empty(0), size=70).shape == (0, 2, 70)


@pytest.mark.parametrize(("orig", "new"), [(44_100, 16_000), (16_000, 44_100), (48_000, 16_000)])
def test_fixed_rates_agree_with_an_ideal_tone(orig, new):
    time = orig // 4
    t = torch.arange(time, dtype=torch.float64) / orig
    f = 0.35 * min(orig, new) * torch.tensor([0.1, 0.5, 0.9, 1.0], dtype=torch.float64)
    out = resample_rate(torch.cos(2 * math.pi * f[:, None] * t)[:, None], orig, new)[:, 0]
    assert out.shape[-1] == math.ceil(time * new / orig)
    t = torch.arange(out.shape[-1], dtype=torch.float64) / new
    error = (out - torch.cos(2 * math.pi * f[:, None] * t))[:, EDGE:-EDGE]
    assert 10 * math.log10(2 * error.square().mean(1).max()) < -78  # with the passband's ripple


@pytest.mark.parametrize(("orig", "new"), [(44_100, 16_000), (16_000, 22_050)])
def test_fixed_rates_agree_with_scipy(orig, new):
    noise = np.random.default_rng(0).standard_normal(orig // 4)
    band = scipy.signal.firwin(801, 0.6 * min(orig, new) / orig)
    x = np.convolve(noise, band, "same")
    up, down = new // math.gcd(orig, new), orig // math.gcd(orig, new)
    sharp = scipy.signal.firwin(128 * max(up, down) + 1, 1 / max(up, down), window=("kaiser", 12.0))
    expected = scipy.signal.resample_poly(x, up, down, window=sharp)
    out = resample_rate(torch.from_numpy(x)[None, None], orig, new)[0, 0].numpy()
    error = (out - expected)[EDGE:-EDGE]
    assert np.sqrt(np.mean(error**2) / np.mean(expected**2)) < 1e-3


def test_equal_rates_give_the_input():
    waveform = torch.randn(1, 1, 50)
    assert torch.equal(resample_rate(waveform, 16_000, 16_000), waveform)


def test_fixed_rates_respect_lengths():
    waveform, lengths = torch.randn(2, 1, 3000), torch.tensor([1200, 3000])
    out = resample_rate(waveform, 3, 2, lengths=lengths)
    alone = resample_rate(waveform[:1, :, :1200], 3, 2)
    torch.testing.assert_close(out[:1, :, :800], alone, rtol=0, atol=3e-6)
    assert (out[0, :, 800:] == 0).all()


def test_the_kernels_compile_and_agree_with_eager(monkeypatch):
    monkeypatch.setenv("AUGSPEC_NATIVE", "0")
    waveform, ratio = torch.randn(6, 1, 4000), torch.linspace(0.5, 2, 6)
    compiled = resample(waveform, ratio)
    assert [kernel.failure for kernel in KERNELS] == [None] * 3
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")
    torch.testing.assert_close(resample(waveform, ratio), compiled, rtol=0, atol=1e-5)


def test_the_kernels_compile_for_filters_of_any_width(monkeypatch):
    monkeypatch.setenv("AUGSPEC_NATIVE", "0")
    for max_ratio in (1.5, 2.0, 2.7, 4.0):
        resample(torch.randn(6, 1, 4000), torch.linspace(0.5, max_ratio, 6), max_ratio=max_ratio)
    assert [kernel.failure for kernel in KERNELS] == [None] * 3


def test_new_batch_sizes_do_not_compile_again():
    def graphs() -> int:
        return torch._dynamo.utils.counters["stats"]["unique_graphs"]

    for batch, time in [(4, 3000), (3, 3000), (5, 2000)]:
        resample(torch.randn(batch, 1, time), torch.ones(batch))
    before = graphs()
    for batch, time in [(9, 3000), (2, 5000), (1, 777)]:
        resample(torch.randn(batch, 1, time), torch.ones(batch))
        with torch.no_grad():
            resample(torch.randn(batch, 1, time), torch.ones(batch))
    assert graphs() <= before + 1  # one example: its single ratio is a shape of its own


def test_a_ratio_may_exceed_the_largest_by_rounding():
    most = 2 ** (4 / 12)
    ratio = torch.nextafter(torch.tensor([most]), torch.tensor(3.0))
    assert resample(torch.randn(1, 1, 500), ratio, max_ratio=most).isfinite().all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # of torch 2.11's compiler
@pytest.mark.parametrize("gradient", [False, True])
def test_it_is_part_of_a_compiled_graph(gradient):
    def function(waveform: Tensor, ratio: Tensor) -> Tensor:
        return 2 * resample(waveform, ratio, max_ratio=1.3)

    waveform, ratio = torch.randn(3, 1, 1000), torch.tensor([0.8, 1.0, 1.25])
    outputs = []
    whole = not gradient or GRADIENT_COMPILES
    for call in (function, torch.compile(function, fullgraph=whole)):
        x = waveform.clone().requires_grad_(gradient)
        out = call(x, ratio)
        outputs.append(torch.autograd.grad(out.square().sum(), x)[0] if gradient else out)
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-5)


def test_the_input_is_left_as_it_was():
    waveform, ratio = torch.randn(2, 1, 640), torch.tensor([0.8, 1.0])
    before = waveform.clone()
    resample(waveform, ratio, lengths=torch.tensor([300, 640]))
    assert torch.equal(waveform, before)


MEMORY = """
import resource, sys, torch
from augspec.functional.resample import resample
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
torch.set_num_threads(2)
ratio = float(sys.argv[1])
waveform = torch.randn(64, 1, 64_000)
resample(waveform[:1], torch.tensor([ratio]))
before = peak()
resample(waveform, torch.full((64,), ratio))
print((peak() - before) / waveform.nbytes)
"""


@pytest.mark.slow
@pytest.mark.parametrize("compile_kernels", ["0", "1"])
@pytest.mark.parametrize("ratio", ["0.5", "0.97", "1.0001", "2"])
def test_extra_memory_is_at_most_five_times_the_input(ratio, compile_kernels):
    environment = os.environ | {"AUGSPEC_COMPILE": compile_kernels}
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, ratio],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert float(run.stdout) < 5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.zeros(2, 50), torch.ones(2)), ValueError, r"`waveform` must be .*unsqueeze\(1\)"),
        ((torch.zeros(2, 1, 0), torch.ones(2)), ValueError, "one sample"),
        ((torch.zeros(2, 1, 9).long(), torch.ones(2)), TypeError, "`waveform` must be float32"),
        ((torch.zeros(2, 1, 9), torch.ones(3)), ValueError, r"`ratio` must be \(batch,\)"),
        ((torch.zeros(2, 1, 9), torch.ones(2).long()), TypeError, "`ratio` must be of a float"),
    ],
)
def test_errors_name_the_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        resample(*arguments)


def test_errors_name_the_option():
    waveform, ratio = torch.zeros(2, 1, 9), torch.ones(2)
    with pytest.raises(ValueError, match="`size` must be at least 1, got 0"):
        resample(waveform, ratio, size=0)
    with pytest.raises(ValueError, match="`max_ratio` must be positive, got 0"):
        resample(waveform, ratio, max_ratio=0)
    with pytest.raises(ValueError, match=r"`lengths` must be \(batch,\)"):
        resample(waveform, ratio, lengths=torch.ones(3, dtype=torch.int64))
    with pytest.raises(TypeError, match="`lengths` must be int64"):
        resample(waveform, ratio, lengths=torch.ones(2))
    with pytest.raises(ValueError, match="`new_freq` must be a positive number of Hz, got 0"):
        resample_rate(waveform, 16_000, 0)
