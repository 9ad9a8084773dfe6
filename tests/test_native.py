"""The native kernels give what torch gives, and step aside where they have to."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

import augspec
from augspec import features as F
from augspec import functional, native
from augspec import transforms as T
from augspec.features import presets
from augspec.functional.onset import find_onsets
from augspec.functional.pace import CurvedPace, mean_rate
from augspec.functional.resample import resampled_lengths
from augspec.native import _build

HAS_COMPILER = _build.compiler() is not None
KEYS = augspec.example_keys(0, 0, torch.arange(5))
LENGTHS = torch.tensor([8000, 5000, 2000, 4000, 1200])
MEL = {"sample_rate": 16_000, "n_fft": 512, "hop_length": 128, "n_mels": 32}


@pytest.fixture
def waveform() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(5, 1, 8000, generator=generator)
    return 0.1 * torch.cat([shared, torch.randn(5, 1, 8000, generator=generator)], dim=1)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Tensor]], list[Tensor]]:
    """Give what a function gives with the kernels, and without them and without a compiler."""

    def run(function: Callable[[], Tensor]) -> list[Tensor]:
        ours = function()
        with monkeypatch.context() as patch:
            patch.setenv("AUGSPEC_NATIVE", "0")
            patch.setenv("AUGSPEC_COMPILE", "0")
            return [ours, function()]

    return run


def assert_same_level(ours: Tensor, reference: Tensor) -> None:
    """Differences of rounding: in single bins of nearly no power they are the largest."""
    assert ours.shape == reference.shape
    torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-3, equal_nan=True)
    if ours.numel():
        errors = (ours - reference).abs() / reference.abs().clamp(min=1.0)
        assert errors.nan_to_num().mean() < 3e-6


def test_there_are_kernels_wherever_there_is_a_compiler() -> None:
    assert (native.instruction_set() in _build.SETS) == (HAS_COMPILER or _is_installed())


def _is_installed() -> bool:
    return any((_build.FOLDER / "lib").glob("*.so"))


@pytest.mark.parametrize("n_fft", [32, 256, 400, 480, 882, 1000, 1024, 2048, 104, 401, 34, 2])
@pytest.mark.parametrize("feature", [F.Spectrogram, F.MelSpectrogram, F.LogMelSpectrogram])
@pytest.mark.filterwarnings("ignore:.*mel filters lie between")
def test_sizes(waveform, both, feature, n_fft) -> None:
    scale = {"n_mels": 8} if feature is not F.Spectrogram else {}
    made = feature(n_fft=n_fft, hop_length=max(1, n_fft // 3), **scale)
    assert_same_level(*both(lambda: made(waveform)))


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("pad_mode", ["reflect", "constant", "replicate"])
@pytest.mark.parametrize("power", [1.0, 2.0, 1.5])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_options(waveform, both, center, pad_mode, power, lengths) -> None:
    options = {"center": center, "pad_mode": pad_mode, "power": power, "window": "hamming"}
    log_mel = F.LogMelSpectrogram(**MEL, **options, win_length=400, ref=0.5)

    def run() -> Tensor:
        made = log_mel(waveform, lengths)
        return made if lengths is None else made[0]

    assert_same_level(*both(run))


@pytest.mark.parametrize(
    "feature",
    [
        F.LogMelSpectrogram(**MEL, ref="max", top_db=80.0),
        F.LogMelSpectrogram(**MEL, norm="slaney", mel_scale="slaney", f_min=50.0, f_max=7000.0),
        F.MFCC.example(),
        F.PCEN.example(),
        F.Fbank(),
        presets.PaSSTMel(),
    ],
    ids=lambda feature: type(feature).__name__,
)
def test_features_that_go_on_from_the_bins(waveform, both, feature) -> None:
    assert_same_level(*both(lambda: feature.eval()(waveform)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 2.0**15, "window": "hann", "n_mels": 40},
        {"snip_edges": False},
        {"snip_edges": False, "frame_shift": 60.0},
        {"preemphasis": 0.0, "round_to_power_of_two": False, "power": 1.0},
        {"remove_dc_offset": False, "preemphasis": 1.0},
        {"use_energy": True},
    ],
)
@pytest.mark.parametrize("time", [3, 150, 250, 8000])
@pytest.mark.parametrize("known", [False, True])
def test_kaldis_filter_banks(waveform, both, options, time, known) -> None:
    fbank = F.Fbank(**{"sample_rate": 8000, "n_mels": 16} | options)
    sound = waveform[..., :time] + 0.5  # with an offset to remove
    sound[1] = 0.0

    def run() -> Tensor:
        return fbank(sound, LENGTHS.clamp(max=time))[0] if known else fbank(sound)

    assert_same_level(*both(run))


def test_vggish_has_its_own_logarithm(waveform, both) -> None:
    assert_same_level(*both(lambda: presets.VGGishMel(16_000, 64, power=1.0)(waveform)))


@pytest.mark.parametrize("time", [1, 2, 100, 256, 257, 511, 1500])
@pytest.mark.parametrize("pad_mode", ["reflect", "constant", "replicate"])
def test_short_audio(waveform, both, time, pad_mode) -> None:
    log_mel = F.LogMelSpectrogram(**MEL, pad_mode=pad_mode)
    assert_same_level(*both(lambda: log_mel(waveform[..., :time])))


@pytest.mark.parametrize("batch", [0, 1, 2, 33])
def test_batches(both, batch) -> None:
    log_mel = F.LogMelSpectrogram(**MEL)
    assert_same_level(*both(lambda: log_mel(torch.ones(batch, 1, 3000))))


def test_audio_that_is_not_contiguous(waveform, both) -> None:
    log_mel = F.LogMelSpectrogram(**MEL)
    assert_same_level(*both(lambda: log_mel(waveform.flip(-1)[..., ::2])))
    assert_same_level(*both(lambda: log_mel(waveform[:, :1].expand(-1, 3, -1))))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e-42, 1e15, 0.0])
@pytest.mark.parametrize("feature", [F.MelSpectrogram, F.LogMelSpectrogram])
def test_values_that_are_no_sound(waveform, both, feature, value) -> None:
    waveform[1] *= value
    waveform[2, :, 4000] = value
    ours, reference = both(lambda: feature(**MEL)(waveform))
    assert torch.equal(ours.isnan(), reference.isnan())
    torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-3, equal_nan=True)


CHAINS = {
    "gain": [T.Gain()],
    "crop": [T.RandomCrop(5000), T.Gain(per_channel=True)],
    "long crop": [T.RandomCrop(9000), T.PolarityInversion()],
    "pad": [T.PadTo(9000)],
    "stretch": [T.TimeStretch()],
    "longer": [T.TimeStretch(keep_length=False)],
    "pitch": [T.PitchShift(p=0.7)],
    "pitch of channels": [T.PitchShift(per_channel=True)],
    "speed": [T.Speed()],
    "speed, then crop": [T.Speed(), T.RandomCrop(5000)],
    "stretch of some": [T.TimeStretch(p=0.5), T.Speed(p=0.5)],
    "crop, then stretch": [T.RandomCrop(5000), T.TimeStretch()],
    "four": [T.TimeStretch(), T.PitchShift(), T.RandomCrop(5000), T.Gain()],
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(
    "framing", [{}, {"center": False}, {"pad_mode": "replicate"}, {"n_fft": 400, "hop_length": 160}]
)
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_front_ends(waveform, both, chain, framing, lengths) -> None:
    frontend = augspec.Frontend(T.Chain(CHAINS[chain]), F.LogMelSpectrogram(**MEL | framing))

    def run() -> Tensor:
        made = frontend(waveform, lengths, keys=KEYS)
        return made if lengths is None else made[0]

    assert_same_level(*both(run))


@pytest.mark.parametrize("ratio", [0.51, 0.8, 1.0, 1.001, 1.26, 1.99])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_resampling(waveform, both, ratio, lengths) -> None:
    ratios = torch.full((5,), ratio)
    run = both(lambda: functional.resample(waveform, ratios, size=9001, lengths=lengths))
    torch.testing.assert_close(*run, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize(
    "rates",
    [
        (44_100, 16_000),
        (16_000, 44_100),
        (48_000, 16_000),
        (16_000, 48_000),
        (22_050, 16_000),
        (8, 9),
    ],
)
@pytest.mark.parametrize("time", [1, 17, 8000, 70_001])
def test_resampling_between_two_rates(both, rates, time) -> None:
    sound = torch.randn(3, 2, time, generator=torch.Generator().manual_seed(0))
    ours, reference = both(lambda: functional.resample_rate(sound, *rates))
    torch.testing.assert_close(ours, reference, rtol=0.0, atol=5e-6)


@pytest.mark.parametrize("sections", [1, 3, 9])
@pytest.mark.parametrize("time", [1, 31, 128, 5001])
@pytest.mark.parametrize("of", ["all", "example", "channel"])
def test_filters(both, sections, time, of) -> None:
    sound = torch.randn(3, 2, time, generator=torch.Generator().manual_seed(0))
    count = {"all": 1, "example": 3, "channel": 6}[of]
    corners = np.random.default_rng(0).uniform(0.002, 0.9, (count, sections))
    made = [[scipy.signal.butter(2, one, output="sos")[0] for one in row] for row in corners]
    shape = {"all": (), "example": (3,), "channel": (3, 2)}[of]
    sos = torch.tensor(np.array(made)).reshape(*shape, sections, 6)
    ours, reference = both(lambda: functional.sosfilt(sound, sos))
    rows = sos.expand(3, sections, 6) if of == "all" else sos
    rows = rows[:, None].expand(3, 2, sections, 6) if of != "channel" else rows
    exact = [
        scipy.signal.sosfilt(one.numpy(), row.double().numpy())
        for one, row in zip(rows.flatten(0, 1), sound.flatten(0, 1), strict=True)
    ]
    exact = torch.tensor(np.array(exact)).reshape(sound.shape)
    for one in (ours, reference):
        assert (one - exact).norm() < 1e-6 * exact.norm()


def settings(per_channel: bool, low: float, high: float) -> Tensor:
    made = torch.linspace(low, high, 10 if per_channel else 5)
    return made.reshape(5, 2) if per_channel else made


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_dynamics(waveform, both, per_channel, relative, lengths) -> None:
    given = [settings(per_channel, -50, -10), settings(per_channel, 0, 0.05)]
    given += [settings(per_channel, 0.1, 0)]
    options = {"sample_rate": 16_000, "relative": relative, "lengths": lengths}
    ratio = settings(per_channel, 1, 20)
    run = both(lambda: functional.compressor(waveform, given[0], ratio, *given[1:], **options))
    torch.testing.assert_close(*run, rtol=1e-4, atol=1e-6)
    run = both(lambda: functional.limiter(waveform, *given, **options))
    torch.testing.assert_close(*run, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_samples_held(waveform, both, per_channel, lengths) -> None:
    rate = settings(per_channel, 100.3, 16_000)
    run = both(lambda: functional.aliasing(waveform, rate, sample_rate=16_000, lengths=lengths))
    assert torch.equal(*run)


@pytest.mark.parametrize("depth", [0.0, 0.001, 0.02])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_positions_that_swing(waveform, both, depth, lengths) -> None:
    """The kernel is as near to float64 as torch is, whose cosines are rounded as well."""
    swings = [torch.full((5,), value) for value in (depth, 0.7, 0.1, depth / 5, 9.0, 0.6)]
    ours, reference = both(lambda: functional.wow_flutter(waveform, *swings, 16_000, lengths))
    wide = [one.double() for one in swings]
    exact = functional.wow_flutter(waveform.double(), *wide, 16_000, lengths)
    error = (reference - exact).norm()
    assert (ours - exact).norm() < 2 * error + 1e-6 * exact.norm()


def test_noise(both) -> None:
    keys = torch.stack([KEYS, KEYS + 1], 1)
    for time, start in ((1, 0), (2, 2), (999, -4096), (40_001, 0)):
        ours, reference = both(lambda t=time, s=start: functional.white_noise(keys, 2, t, start=s))
        torch.testing.assert_close(ours, reference, rtol=0.0, atol=5e-6)


@pytest.mark.parametrize("n_fft", [64, 256, 480, 1024])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("time", [1, 100, 8000])
def test_envelopes_moved(both, n_fft, per_channel, time) -> None:
    """Voices: in noise two lags may be equally high, and rounding chooses the period."""
    f0 = torch.linspace(90, 400, 10).reshape(5, 2, 1)
    place = torch.arange(time) / 16_000
    sound = sum(0.1 / k * torch.sin(2 * torch.pi * k * f0 * place + k) for k in range(1, 12))
    semitones = settings(per_channel, -4, 4)
    for function, values in (
        (functional.formant_shift, semitones),
        (functional.vtlp, torch.exp2(semitones / 24)),
    ):
        ours, reference = both(lambda f=function, v=values: f(sound, v, n_fft=n_fft))
        assert (ours - reference).norm() < 5e-5 * reference.norm()  # torch has 1e-5 of float64


@pytest.mark.parametrize("points", [2, 3, 40, 9000])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_places_along_a_curve_of_tempo(both, points, lengths) -> None:
    generator = torch.Generator().manual_seed(0)
    rate = 0.5 + 1.5 * torch.rand(5, points, generator=generator)
    rate[3] = 1.0
    strikes = torch.exp(-(torch.arange(8000) % 1900) / 300)
    sound = torch.randn(5, 2, 8000, generator=generator) * strikes
    pace = CurvedPace.over(
        rate,
        resampled_lengths(torch.full((5,), 8000) if lengths is None else lengths, mean_rate(rate)),
    )
    onsets = find_onsets(sound, 256)
    places = torch.arange(-128, 9000, 64)
    ours, reference = both(lambda: torch.stack(pace.place(places, onsets, 256)))
    assert torch.equal(ours, reference)


@pytest.mark.parametrize("taps", [1, 50, 600, 5000, 40_000])
@pytest.mark.parametrize("of", ["all", "example", "channel"])
def test_convolution(both, taps, of) -> None:
    """Also a long row in several pieces, and a delay in the middle of a block."""
    generator = torch.Generator().manual_seed(0)
    sound = torch.randn(2, 2, 70_001 if taps == 600 else 3001, generator=generator)
    shape = {"all": (), "example": (2,), "channel": (2, 2)}[of]
    response = torch.randn(*shape, taps, generator=generator)
    delay = torch.full(shape, taps // 3)
    delay += torch.arange(delay.numel()).reshape(shape).clamp(max=taps - 1 - taps // 3)
    lengths = torch.tensor([sound.shape[-1], 2000])
    ours, reference = both(
        lambda: functional.convolve(sound, response, delay=delay, lengths=lengths)
    )
    heard = torch.where(torch.arange(sound.shape[-1]) < lengths[:, None, None], sound, 0.0)
    rows = response[:, None] if of == "example" else response
    delays = delay[:, None] if of == "example" else delay
    time = sound.shape[-1]
    exact = torch.zeros_like(sound, dtype=torch.float64)
    for i in range(2):
        for j in range(2):
            own = rows.expand(2, 2, taps)[i, j].double().numpy()
            whole = scipy.signal.fftconvolve(heard[i, j].double().numpy(), own)
            first = int(delays.expand(2, 2)[i, j])
            made = torch.tensor(whole[first : first + min(time, int(lengths[i]))])
            exact[i, j, : len(made)] = made
        exact[i, :, lengths[i] :] = 0.0
    for one in (ours, reference):
        assert (one - exact).norm() < 1e-6 * exact.norm()


def test_what_is_not_finite_stays_in_its_row() -> None:
    sound, response = torch.randn(3, 2, 4000), torch.randn(3, 300)
    expected = functional.convolve(sound, response)
    sound[1, 0, 100] = torch.nan
    sound[2, 1, 3999] = torch.inf
    made = functional.convolve(sound, response)
    assert torch.equal(made[0], expected[0])
    assert torch.equal(made[1, 1], expected[1, 1])
    assert torch.equal(made[2, 0], expected[2, 0])
    assert made[1, 0].isnan().any()


def test_a_slow_filter_is_as_exact_as_a_fast_one(both) -> None:
    """A low-pass filter of 1 Hz at 48 kHz remembers 5 s; its state is kept in doubles."""
    sound = torch.randn(2, 1, 480_000, generator=torch.Generator().manual_seed(0)) + 0.5
    sos = torch.tensor(scipy.signal.butter(4, 1.0, output="sos", fs=48_000))
    ours, _ = both(lambda: functional.sosfilt(sound, sos))
    exact = torch.tensor(scipy.signal.sosfilt(sos.numpy(), sound.double().numpy()))
    assert (ours - exact).norm() < 2e-6 * exact.norm()


def test_a_filter_has_gradients_for_its_coefficients(waveform) -> None:
    sos = torch.tensor([[0.2, 0.1, 0.0, 1.0, -0.5, 0.1]], requires_grad=True)
    functional.sosfilt(waveform, sos).sum().backward()
    assert sos.grad is not None
    assert sos.grad.abs().sum() > 0


def test_a_ratio_out_of_range_gives_nan(waveform, both) -> None:
    ratios = torch.tensor([0.0, -1.0, 2.5, torch.nan, 1.0])
    ours, reference = both(lambda: functional.resample(waveform, ratios))
    assert ours[:4].isnan().all()
    assert torch.equal(ours[4], reference[4])


def test_onsets(both) -> None:
    time = torch.arange(32_000)
    strikes = torch.stack([torch.exp(-((time - start) % 9000) / 2000) for start in (0, 700, 4000)])
    sound = (torch.sin(time / 3) * strikes).unsqueeze(1).repeat(1, 2, 1)
    ours, reference = both(lambda: torch.stack(find_onsets(sound, 1024)))
    assert (ours.abs() < 1 << 20).any()
    assert torch.equal(ours, reference)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_number_of_threads_changes_no_bit(waveform, rows) -> None:
    frontend = augspec.Frontend(T.Chain(CHAINS["four"]), F.LogMelSpectrogram(**MEL))
    before, made = torch.get_num_threads(), []
    try:
        for count in (1, 2, 7):
            torch.set_num_threads(count)
            made.append(frontend(waveform[:rows], keys=KEYS[:rows]))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


def test_several_python_threads_at_once(waveform) -> None:
    log_mel, wrong = F.LogMelSpectrogram(**MEL), []
    expected = log_mel(waveform)

    def run() -> None:
        wrong.extend(1 for _ in range(50) if not torch.equal(log_mel(waveform), expected))

    others = [threading.Thread(target=run) for _ in range(4)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert not wrong


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    program = """
import os, signal, torch
from augspec import features as F
torch.set_num_threads(3)
log_mel, waveform = F.LogMelSpectrogram(n_mels=16), torch.randn(16, 1, 16_000)
expected = log_mel(waveform)
for _ in range(5):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if torch.equal(log_mel(waveform), expected) else 3)
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=300)


def test_gradients_and_float64_stay_in_torch(waveform) -> None:
    log_mel = F.LogMelSpectrogram(**MEL)
    leaf = waveform.clone().requires_grad_()
    log_mel(leaf).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() > 0
    assert log_mel(waveform.double()).dtype == torch.float64
    assert not native.applies(leaf)
    assert not native.applies(waveform.double())
    assert not torch.func.vmap(lambda row: torch.tensor(native.applies(row)))(waveform).any()
    with torch.no_grad():
        assert native.applies(leaf) == native.applies(waveform)


class _Doubled(F.LogMelSpectrogram):
    def _finish(self, specgram: Tensor) -> Tensor:
        return 2.0 * specgram


class _Lowest(F.MelSpectrogram):
    def _project(self, spectrum: Tensor) -> Tensor:
        return super()._project(spectrum)[..., :1]


def test_a_subclass_that_computes_otherwise_is_asked(waveform) -> None:
    mel = F.MelSpectrogram(**MEL)(waveform)
    torch.testing.assert_close(_Doubled(**MEL)(waveform), 2.0 * mel)
    torch.testing.assert_close(_Lowest(**MEL)(waveform), mel[..., :1, :])


def test_the_kernels_can_be_turned_off(waveform, monkeypatch) -> None:
    monkeypatch.setenv("AUGSPEC_NATIVE", "0")
    assert native.instruction_set() == "no"
    assert not native.applies(waveform)
    assert "no, AUGSPEC_NATIVE=0" in augspec.show_versions()


def test_without_a_compiler_everything_runs_in_torch(
    waveform, monkeypatch, tmp_path, caplog
) -> None:
    expected = F.LogMelSpectrogram(**MEL)(waveform)
    monkeypatch.setattr(_build, "compiler", lambda: None)
    monkeypatch.setattr(_build, "FOLDER", _copy_of_sources(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native._load.cache_clear()
    try:
        with caplog.at_level("INFO", logger="augspec"):
            assert_same_level(F.LogMelSpectrogram(**MEL)(waveform), expected)
    finally:
        native._load.cache_clear()
    assert "there is no C++ compiler" in caplog.text


def _copy_of_sources(folder: Path) -> Path:
    for path in _build.sources():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_library_that_is_out_of_date_is_not_used(monkeypatch, tmp_path) -> None:
    name = _build.library_name(_build.default_set())
    monkeypatch.setattr(_build, "FOLDER", _copy_of_sources(tmp_path))
    assert _build.library_name(_build.default_set()) == name
    with (tmp_path / "fft.h").open("a") as file:
        file.write("// another line\n")
    assert _build.library_name(_build.default_set()) != name


def test_a_compiler_that_fails_is_asked_once(monkeypatch, tmp_path) -> None:
    if not HAS_COMPILER:
        return
    folder = _copy_of_sources(tmp_path)
    (folder / "broken.cpp").write_text("#error on purpose\n")
    monkeypatch.setattr(_build, "FOLDER", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(_build.BuildError, match="on purpose"):
        native._cached(_build.default_set())
    monkeypatch.setattr(_build, "build", None)
    with pytest.raises(_build.BuildError, match="delete it to try again"):
        native._cached(_build.default_set())


COMPARE = """
import os, torch, augspec
from augspec import features as F, transforms as T, native
assert native.instruction_set() == {name!r}, native.instruction_set()
waveform = 0.1 * torch.randn(3, 1, 8000)
chain = T.Chain([T.TimeStretch(), T.PitchShift(), T.Gain()])
keys = augspec.example_keys(0, 0, torch.arange(3))
for n_fft in (400, 512, 882):
    frontend = augspec.Frontend(chain, F.LogMelSpectrogram(n_fft=n_fft, n_mels=20))
    os.environ["AUGSPEC_NATIVE"] = "1"
    ours, shifted = frontend(waveform, keys=keys), T.PitchShift(3.0)(waveform, keys=keys)
    os.environ["AUGSPEC_NATIVE"] = "0"
    torch.testing.assert_close(ours, frontend(waveform, keys=keys), rtol=1e-5, atol=1e-3)
"""
CAPABILITIES = {"sse2": "default", "avx2": "avx2", "avx512": "avx512"}


@pytest.mark.slow
@pytest.mark.parametrize("name", _build.SETS)
def test_each_instruction_set(name) -> None:
    wanted = {"ATEN_CPU_CAPABILITY": CAPABILITIES.get(name, "default"), "AUGSPEC_COMPILE": "0"}
    best = torch.backends.cpu.get_cpu_capability().lower()
    runs = list(_build.SETS).index(name) >= list(_build.SETS).index(
        best if best in _build.SETS else _build.default_set()
    )
    if HAS_COMPILER and runs:
        program = COMPARE.format(name=name)
        subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | wanted)


FIRST_BATCH = """
import torch, augspec
from augspec import features as F, transforms as T
torch.compile = None
for n_fft in (400, 1024):
    chain = T.Chain([T.TimeStretch(), T.PitchShift(), T.RandomCrop(8000), T.Gain()])
    augspec.Frontend(chain, F.LogMelSpectrogram(n_fft=n_fft, n_mels=32))(torch.randn(8, 1, 9000))
assert augspec._compile._watch.graphs == 0
assert not augspec._compile._watch.has_failed
"""


def test_a_front_end_needs_no_compiler_of_torch() -> None:
    if native.instruction_set() != "no":
        subprocess.run([sys.executable, "-c", FIRST_BATCH], check=True)


@pytest.mark.slow
def test_processes_that_compile_at_the_same_time(tmp_path) -> None:
    if not HAS_COMPILER or _is_installed():
        return
    program = "from augspec import native; assert native.instruction_set() != 'no'"
    environ = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    others = [subprocess.Popen([sys.executable, "-c", program], env=environ) for _ in range(3)]
    assert [other.wait() for other in others] == [0, 0, 0]
    made = list((tmp_path / "augspec" / "native").glob("*.so"))
    assert len(made) == 1


def test_what_a_kernel_reads_may_lie_anyhow_in_memory() -> None:
    """A ratio that was expanded, a transposed batch: in one place, whoever calls a kernel."""
    waveform = torch.randn(3000, 4).T[:, None]
    ratio = torch.tensor([1.1]).expand(4)
    apart = functional.resample(waveform.contiguous(), ratio.contiguous())
    assert torch.equal(functional.resample(waveform, ratio), apart)
    with pytest.raises(ValueError, match="writes to contiguous tensors"):
        native.call("augspec_move", waveform, out=torch.empty(4, 4).T)


def test_whole_numbers_of_numpy_are_no_floats() -> None:
    assert native._as_c(np.int64(1 << 40)).value == 1 << 40
    assert native._as_c(np.int32(7)).value == native._as_c(7).value == 7
    assert native._as_c(np.float32(0.5)).value == native._as_c(0.5).value == 0.5


@pytest.mark.skipif(native.instruction_set() == "no", reason="needs the native kernels")
def test_a_large_result_has_large_pages():
    """New memory of small pages takes longer than most kernels."""
    made = T.Gain()(torch.randn(64, 1, 64_000))
    assert _flags_of(made) >= {"hg"} or not Path("/sys/kernel/mm/transparent_hugepage").exists()


def _flags_of(tensor):
    """The flags that the system keeps of the memory of a tensor's middle."""
    address, inside = tensor.data_ptr() + tensor.nbytes // 2, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            first, last = (int(number, 16) for number in found.groups())
            inside = first <= address < last
        if inside and line.startswith("VmFlags:"):
            return set(line.split()[1:])
    return set()
