"""The constant-Q transform against librosa, the transform at one rate, and ideal tones."""

import pickle

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

from augspec import Frontend, _chunks, example_keys, features, functional
from augspec import transforms as T

C1 = 32.70319566257483
SMALL = {"hop_length": 64, "f_min": 220.0, "n_bins": 36}


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def librosas(waveform: Tensor, cqt: features.CQT, **arguments: object) -> Tensor:
    spectrum = librosa.cqt(
        waveform.numpy(),
        sr=cqt.sample_rate,
        hop_length=cqt.hop_length,
        fmin=cqt.f_min,
        n_bins=cqt.n_bins,
        bins_per_octave=cqt.bins_per_octave,
        filter_scale=cqt.filter_scale,
        **arguments,
    )
    # Its early halving of the rate rounds the audio's end up, which can give one frame more.
    return torch.from_numpy(np.abs(spectrum))[..., : 1 + waveform.shape[-1] // cqt.hop_length]


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference beside the peak."""
    return float((ours - theirs).abs().max() / theirs.max())


LAYOUTS = pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"hop_length": 256, "sample_rate": 22_050},
        {"hop_length": 160, "f_min": 110.0, "n_bins": 60, "bins_per_octave": 24},
        {"n_bins": 40, "f_min": 55.0, "filter_scale": 0.5},
        {"hop_length": 1024, "n_bins": 36},
        {"hop_length": 101, "n_bins": 24, "f_min": 220.0},
        {"n_bins": 1, "f_min": 440.0},
    ],
    ids=str,
)


@LAYOUTS
def test_cqt_is_librosas(arguments):
    cqt, waveform = features.CQT(**arguments), noise(2, 1, 30_000)
    waveform[..., :1000] = 0.0  # see the next test
    ours = cqt(waveform)
    assert ours.dtype == torch.float64
    assert distance(ours, librosas(waveform, cqt, sparsity=0)) < 1e-4
    assert distance(ours, librosas(waveform, cqt)) < 1e-2


@pytest.mark.parametrize(
    ("arguments", "bound"), [({}, 1e-4), ({"n_bins": 48}, 5e-3), ({"n_bins": 36}, 1e-2)]
)
def test_loud_starts_are_librosas_but_where_it_decimates_by_four_or_more(arguments, bound):
    # There soxr works in stages, of which the first misses the first samples.
    cqt, waveform = features.CQT(**arguments), noise(2, 1, 30_000)
    assert distance(cqt(waveform), librosas(waveform, cqt, sparsity=0)) < bound


def tones(freqs: list[float]) -> Tensor:
    time = torch.arange(30_000, dtype=torch.float64) / 16_000
    freq = 2 * torch.pi * torch.tensor(freqs, dtype=torch.float64)[:, None, None]
    return torch.cat([torch.sin(freq * time), torch.cos(freq * time)])


@pytest.mark.parametrize(
    ("arguments", "bound"),
    [({}, 1e-4), ({"f_min": 65.4, "n_bins": 80}, 1e-4), ({"n_bins": 48}, 2e-3)],
)
def test_tones_of_any_frequency_are_librosas_beside_a_tone_in_the_bin(arguments, bound):
    # Near half the rate, what is left of a tone in bins far below is no measure of the difference.
    cqt = features.CQT(**arguments)
    middle = cqt(tones(cqt.frequencies.tolist()))[: cqt.n_bins, 0, :, 30]
    full = middle.diagonal()[:, None]
    waveform = tones([100.0, 440.0, 1000.0, 2000.0, 4000.0, 6000.0, 7500.0, 7950.0])
    fading = waveform * torch.hann_window(30_000, dtype=torch.float64)
    for audio, most in ((waveform, bound), (fading, 5e-6)):
        apart = (cqt(audio) - librosas(audio, cqt, sparsity=0)).abs() / full
        assert apart.max() < most


def test_cqt_is_librosas_to_more_digits_within_the_audio():
    cqt = features.CQT(hop_length=512, f_min=4 * C1, n_bins=48)
    waveform = noise(1, 1, 30_000)
    theirs = librosas(waveform, cqt, sparsity=0)
    assert distance(cqt(waveform)[..., 8:-8], theirs[..., 8:-8]) < 2e-6


@pytest.mark.parametrize("factor", [2, 8])
def test_decimation_is_soxrs(factor):
    time = torch.arange(16_000, dtype=torch.float64)
    chirp = torch.sin(torch.pi * 0.9 / factor / 32_000 * time**2)  # to 0.9 of the new band
    theirs = librosa.resample(chirp.numpy(), orig_sr=factor, target_sr=1, res_type="soxr_hq")
    ours = functional.constant_q.decimate(chirp, factor)
    assert ours.shape == theirs.shape
    apart = (ours - torch.from_numpy(theirs)).abs()
    assert apart.max() < 2e-2
    assert apart[100:-100].max() < 1e-3


@pytest.mark.parametrize("bin_number", [0, 13, 35])
def test_a_tone_peaks_in_its_bin_with_the_root_of_the_filters_length(bin_number):
    cqt = features.CQT(sample_rate=16_000, **SMALL)
    frequency = float(cqt.frequencies[bin_number])
    time = torch.arange(16_000, dtype=torch.float64) / 16_000
    tone = torch.sin(2 * torch.pi * frequency * time)
    middle = cqt(tone[None, None])[0, 0, :, 120]
    assert middle.argmax() == bin_number
    length = features.constant_q.quality(12) * 16_000 / frequency
    assert middle.max() == pytest.approx(0.5 * length**0.5, rel=2e-3)
    squared = features.CQT(sample_rate=16_000, **SMALL, power=2.0)(tone[None, None])
    torch.testing.assert_close(squared[0, 0, :, 120], middle.square())


def test_each_example_comes_out_as_if_it_were_alone():
    cqt = features.CQT(**SMALL)
    lengths = torch.tensor([3000, 1, 63, 64, 2001, 0])
    waveform = noise(6, 2, 3000)
    behind = torch.arange(3000) >= lengths[:, None, None]
    specgram, counts = cqt(waveform.masked_fill(behind, torch.nan), lengths)
    assert counts.tolist() == [47, 1, 1, 2, 32, 1]
    for i, (length, count) in enumerate(zip(lengths[:5].tolist(), counts.tolist(), strict=False)):
        alone = cqt(waveform[i : i + 1, :, :length])
        assert alone.shape[-1] == count
        # The low-pass filter of the halving is sampled for another length of audio.
        assert distance(specgram[i : i + 1, ..., :count], alone) < 1e-5
        assert not specgram[i, ..., count:].any()


def test_work_in_chunks_is_the_work_in_one(monkeypatch):
    cqt, waveform = features.CQT(**SMALL), noise(4, 1, 1500)
    whole = cqt(waveform)
    monkeypatch.setattr(_chunks, "_CPU_VALUES", 1)
    torch.testing.assert_close(cqt(waveform), whole)


def test_gradient_is_that_of_the_function_and_finite_on_silence():
    cqt = features.CQT(hop_length=64, f_min=500.0, n_bins=24, power=2.0)
    torch.autograd.gradcheck(cqt, noise(1, 1, 200).requires_grad_(), fast_mode=True)
    silence = torch.zeros(1, 1, 2000, requires_grad=True)
    features.CQT(**SMALL)(silence).sum().backward()
    assert silence.grad.isfinite().all()


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_is_eager(backend):
    torch._dynamo.reset()
    cqt, lengths = features.CQT(**SMALL), torch.tensor([2000, 700])
    compiled = torch.compile(cqt, fullgraph=True, backend=backend)
    gradients = []
    for function in (cqt, compiled):
        waveform = noise(2, 1, 2000).requires_grad_()
        specgram, counts = function(waveform, lengths)
        assert counts.tolist() == [32, 11]
        specgram.square().sum().backward()
        gradients.append((specgram, waveform.grad))
    torch.testing.assert_close(*gradients)
    empty = torch.zeros(0, 1, 2000, requires_grad=True)
    assert compiled(empty).shape == (0, 1, 36, 32)


def test_dtypes_state_and_copies():
    cqt, waveform = features.CQT(**SMALL), 0.1 * noise(2, 1, 2000)
    double, single = cqt(waveform), cqt(waveform.float())
    assert distance(single.double(), double) < 1e-6
    half = waveform.half()
    assert torch.equal(cqt(half), cqt(half.float()).half())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(cqt(waveform.float()), single)
    assert not cqt.state_dict()
    assert torch.equal(pickle.loads(pickle.dumps(cqt))(waveform.float()), single)  # noqa: S301
    assert torch.equal(cqt.double()(waveform), double)
    assert cqt(waveform[:0]).shape == (0, *double.shape[1:])


def test_a_front_end_runs_it_behind_the_waveform():
    frontend = Frontend(T.Gain(6.0), features.CQT(**SMALL), T.FrequencyMask(4))
    waveform = noise(2, 1, 4000, dtype=torch.float32)
    assert "Gain: on the waveform" in frontend.plan(waveform)
    assert frontend(waveform).shape == (2, 1, 36, 63)
    torch.testing.assert_close(frontend.eval()(waveform), features.CQT(**SMALL)(waveform))


def test_frame_labels_follow_a_warp_behind_it():
    frontend = Frontend(None, features.CQT(**SMALL), T.TimeWarp(20))
    waveform = torch.zeros(2, 1, 6400)
    waveform[..., 3200] = 1.0
    params = frontend.make_params(waveform, keys=example_keys(0, 0, [0, 1]))
    specgram = frontend.transform(waveform, params)
    frames = torch.arange(101) == 50
    targets = {"waveform": waveform, "frames": frames.float().expand(2, 1, 101)}
    moved = frontend.targets(targets, params)["frames"].argmax(-1).flatten()
    assert (moved - specgram[:, 0, -1].argmax(-1)).abs().max() <= 1
    assert (moved != 50).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_rate": 0}, "`sample_rate` must be a positive number of Hz, got 0"),
        ({"hop_length": 0}, "`hop_length` must be a whole number, 1 or more, got 0"),
        ({"n_bins": 0}, "`n_bins` must be a whole number, 1 or more, got 0"),
        ({"bins_per_octave": 0}, "`bins_per_octave` must be a whole number, 1 or more, got 0"),
        ({"f_min": 0.0}, "`f_min` must be positive, got 0.0"),
        ({"filter_scale": -1.0}, "`filter_scale` must be positive, got -1.0"),
        ({"power": float("inf")}, "`power` must be positive, got inf"),
        ({"n_bins": 96}, "below sample_rate / 2 = 8000 Hz, but that of 96 reaches to 82.. Hz"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        features.CQT(**arguments)


def test_bad_waveform_names_the_argument():
    with pytest.raises(ValueError, match=r"`waveform.unsqueeze\(1\)`"):
        features.CQT()(torch.zeros(4, 16_000))


WINDOWS = ("hamming", "blackman", "rectangular", "bartlett", "cosine", "nuttall")


@pytest.mark.parametrize("window", WINDOWS)
def test_other_windows_are_librosas(window):
    cqt, waveform = features.CQT(**SMALL, window=window), noise(1, 16_000)
    name = {"rectangular": "boxcar"}.get(window, window)
    theirs = librosas(waveform, cqt, sparsity=0, window=name)
    assert distance(cqt(waveform[None])[0], theirs) < 1e-4


def test_an_unknown_window_is_named():
    with pytest.raises(ValueError, match="`window` must be one of hann"):
        features.CQT(window="triangle")
