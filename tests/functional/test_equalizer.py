"""The named filters against scipy.signal, the cookbook's facts and closed forms."""

import functools
import math

import numpy as np
import pytest
import torch
from scipy import signal

from augspec import functional

SAMPLE_RATE = 48_000
TIME = 1 << 15
BINS = np.unique(np.geomspace(7, TIME // 2 - 1, 400).astype(int))
FREQ = BINS * SAMPLE_RATE / TIME


def values(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def responses(apply, freq=None, rows=1):
    """Measure what ``apply`` does to an impulse, in dB, at ``freq`` or else FREQ: (row, freq)."""
    impulse = torch.zeros(rows, 1, TIME, dtype=torch.float64)
    impulse[..., 0] = 1.0
    out = apply(impulse)[:, 0].numpy()
    if freq is None:
        spectrum = np.fft.rfft(out)[:, BINS]
    else:
        spectrum = out @ np.exp(-2j * np.pi / SAMPLE_RATE * np.outer(np.arange(TIME), freq))
    return 20 * np.log10(np.abs(spectrum) + 1e-30)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("kind", ["low", "high"])
def test_pass_filters_are_scipys_butterworth(order, kind):
    function = {"low": functional.low_pass, "high": functional.high_pass}[kind]
    waveform = torch.randn(3, 2, 2000, dtype=torch.float64)
    cutoff_freq = values(30.0, 1234.5, 23_000.0)
    out = function(waveform, cutoff_freq, sample_rate=SAMPLE_RATE, order=order)
    for i, freq in enumerate(cutoff_freq.tolist()):
        sos = signal.butter(order, freq, kind, output="sos", fs=SAMPLE_RATE)
        expected = torch.from_numpy(signal.sosfilt(sos, waveform[i].numpy(), axis=-1))
        assert (out[i] - expected).abs().max() < 1e-9 * expected.abs().max()


ROOT_HALF = math.sqrt(0.5)
OF_TORCHAUDIO = {  # its biquads: the same cookbook, one filter at a time
    "low_pass": ("lowpass_biquad", {"cutoff_freq": 1800.0}, (1800.0, ROOT_HALF)),
    "high_pass": ("highpass_biquad", {"cutoff_freq": 700.0}, (700.0, ROOT_HALF)),
    "band_pass": ("bandpass_biquad", {"center_freq": 1200.0, "q": 3.0}, (1200.0, 3.0)),
    "band_stop": ("bandreject_biquad", {"center_freq": 1200.0, "q": 0.6}, (1200.0, 0.6)),
    "low_shelf": (
        "bass_biquad",
        {"cutoff_freq": 300.0, "gain_db": 9.0, "q": 0.9},
        (9.0, 300.0, 0.9),
    ),
    "high_shelf": (
        "treble_biquad",
        {"cutoff_freq": 5000.0, "gain_db": -7.0, "q": 0.5},
        (-7.0, 5000.0, 0.5),
    ),
    "peaking_eq": (
        "equalizer_biquad",
        {"center_freq": 900.0, "gain_db": -11.0, "q": 2.0},
        (900.0, -11.0, 2.0),
    ),
}


@pytest.mark.parametrize("name", OF_TORCHAUDIO)
def test_filters_are_torchaudios(name, torchaudio):
    theirs, ours, arguments = OF_TORCHAUDIO[name]
    waveform = 0.01 * torch.randn(1, 2, 3000, dtype=torch.float64)  # it clips at full scale
    expected = getattr(torchaudio.functional, theirs)(waveform, SAMPLE_RATE, *arguments)
    parameters = {key: values(value) for key, value in ours.items()}
    out = getattr(functional, name)(waveform, **parameters, sample_rate=SAMPLE_RATE)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("function", [functional.low_pass, functional.high_pass])
def test_the_level_at_the_cutoff_is_minus_three_decibels(function):
    cutoff_freq = values(40.0, 1000.0, 20_000.0)
    level = responses(
        lambda x: function(x, cutoff_freq, sample_rate=SAMPLE_RATE, order=4),
        freq=cutoff_freq.numpy(),
        rows=3,
    )
    np.testing.assert_allclose(np.diag(level), 10 * math.log10(0.5), atol=1e-6)


def test_float32_keeps_the_cutoff_of_a_low_pass_at_20_hz():
    impulse = torch.zeros(1, 1, 1 << 17)
    impulse[..., 0] = 1.0
    out = functional.low_pass(impulse, torch.tensor([20.0]), sample_rate=SAMPLE_RATE, order=4)
    freq = np.linspace(19.0, 21.0, 21)
    wave = np.exp(-2j * np.pi / SAMPLE_RATE * np.outer(np.arange(1 << 17), freq))
    level = np.abs(out[0, 0].double().numpy() @ wave)
    assert np.interp(-math.sqrt(0.5), -level, freq) == pytest.approx(20.0, rel=1e-3)


@pytest.mark.parametrize("q", [0.3, 1.0, 10.0])
def test_band_pass_is_iirpeak_and_band_stop_iirnotch(q):
    # scipy's sections have the -3 dB bandwidth after the bilinear transform, the cookbook's before.
    center = 3000.0
    angle = 2 * math.pi * center / SAMPLE_RATE
    narrowed = 2 * math.atan(math.sin(angle) / (2 * q))
    for function, design in (
        (functional.band_pass, signal.iirpeak),
        (functional.band_stop, signal.iirnotch),
    ):
        b, a = design(center, angle / narrowed, fs=SAMPLE_RATE)
        _, expected = signal.freqz(b, a, worN=FREQ, fs=SAMPLE_RATE)
        level = responses(
            lambda x, f=function: f(x, values(center), values(q), sample_rate=SAMPLE_RATE)
        )
        np.testing.assert_allclose(level[0], 20 * np.log10(np.abs(expected)), atol=1e-4)


@pytest.mark.parametrize("q", [0.5, 2.0, 12.0])
@pytest.mark.parametrize("function", [functional.band_pass, functional.band_stop])
def test_the_minus_three_decibel_points_are_a_bandwidth_apart(function, q):
    center, middle = 500.0, math.sqrt(1 + 1 / (4 * q * q))
    edges = [center * (middle - 1 / (2 * q)), center * (middle + 1 / (2 * q))]
    freq = np.geomspace(180.0, 1400.0, 601)
    level = responses(
        lambda x: function(x, values(center), values(q), sample_rate=SAMPLE_RATE), freq=freq
    )[0]
    crossing = np.flatnonzero(np.diff(np.sign(level - 10 * math.log10(0.5))))
    np.testing.assert_allclose(freq[crossing], edges, rtol=0.01)


@pytest.mark.parametrize("gain_db", [-15.0, 0.0, 6.0, 12.0])
def test_a_peak_has_its_gain_at_the_centre_and_none_far_off(gain_db):
    level = responses(
        lambda x: functional.peaking_eq(
            x, values(1000.0), values(gain_db), values(2.0), sample_rate=SAMPLE_RATE
        ),
        freq=np.array([1.0, 1000.0, 23_999.0]),
    )[0]
    np.testing.assert_allclose(level, [0.0, gain_db, 0.0], atol=1e-3)


def test_half_of_a_peaks_gain_lies_where_q_says():
    center, q, gain_db = 500.0, 3.0, 12.0
    middle = math.sqrt(1 + 1 / (4 * q * q))
    edges = np.array([center * (middle - 1 / (2 * q)), center * (middle + 1 / (2 * q))])
    level = responses(
        lambda x: functional.peaking_eq(
            x, values(center), values(gain_db), values(q), sample_rate=SAMPLE_RATE
        ),
        freq=edges,
    )[0]
    np.testing.assert_allclose(level, gain_db / 2, atol=0.02)  # the bilinear transform's warping


@pytest.mark.parametrize("gain_db", [-12.0, 0.0, 9.0])
@pytest.mark.parametrize("q", [0.4, math.sqrt(0.5), 1.2])
@pytest.mark.parametrize("kind", ["low", "high"])
def test_shelves_are_the_bilinear_transform_of_their_prototype(kind, q, gain_db):
    # The cookbook's analogue prototype, put through scipy's bilinear transform.
    cutoff, root = 2000.0, 10 ** (gain_db / 40)
    turn = math.sqrt(root) / q
    upper, lower = [1.0, turn, root], [root, turn, 1.0]
    b, a = (upper, lower) if kind == "low" else (lower, upper)
    warped = 1 / math.tan(math.pi * cutoff / SAMPLE_RATE)
    b, a = signal.bilinear(root * np.array(b), a, fs=warped / 2)
    _, expected = signal.freqz(b, a, worN=FREQ, fs=SAMPLE_RATE)
    function = {"low": functional.low_shelf, "high": functional.high_shelf}[kind]
    level = responses(
        lambda x: function(x, values(cutoff), values(gain_db), values(q), sample_rate=SAMPLE_RATE)
    )[0]
    np.testing.assert_allclose(level, 20 * np.log10(np.abs(expected)), atol=1e-5)


@pytest.mark.parametrize("kind", ["low", "high"])
def test_a_shelf_has_its_gain_on_its_side_and_half_of_it_at_the_cutoff(kind):
    function = {"low": functional.low_shelf, "high": functional.high_shelf}[kind]
    level = responses(
        lambda x: function(
            x, values(1000.0), values(10.0), values(math.sqrt(0.5)), sample_rate=SAMPLE_RATE
        ),
        freq=np.array([5.0, 1000.0, 23_990.0]),
    )[0]
    expected = [10.0, 5.0, 0.0] if kind == "low" else [0.0, 5.0, 10.0]
    np.testing.assert_allclose(level, expected, atol=1e-3)


def test_several_bands_are_several_peaks():
    waveform = torch.randn(2, 2, 1000, dtype=torch.float64)
    center_freq, gain_db, q = (
        torch.rand(2, 5, dtype=torch.float64) * scale + offset
        for scale, offset in ((9000.0, 100.0), (24.0, -12.0), (3.0, 0.5))
    )
    expected = waveform
    for i in range(5):
        expected = functional.peaking_eq(
            expected, center_freq[:, i], gain_db[:, i], q[:, i], sample_rate=SAMPLE_RATE
        )
    out = functional.parametric_eq(waveform, center_freq, gain_db, q, sample_rate=SAMPLE_RATE)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-11)
    by_channel = [torch.stack([a, a], 1) for a in (center_freq, gain_db, q)]
    out = functional.parametric_eq(waveform, *by_channel, sample_rate=SAMPLE_RATE)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("slope_db", [-12.0, -6.0, -3.0, 1.5, 6.0])
def test_a_tilt_is_a_straight_line_through_zero_at_the_centre(slope_db):
    freq = np.geomspace(SAMPLE_RATE / 1024, SAMPLE_RATE / 2.0001, 200)
    level = responses(
        lambda x: functional.tilt_eq(x, values(slope_db), values(1000.0), sample_rate=SAMPLE_RATE),
        freq=np.append(freq, 1000.0),
    )[0]
    assert level[-1] == pytest.approx(0.0, abs=2e-3)  # the impulse response ends here
    error = level[:-1] - slope_db * np.log2(freq / 1000.0)
    assert error.max() - error.min() < 0.13 * max(1.0, abs(slope_db) / 6.02)
    octave = np.log2(freq)
    for start in np.arange(octave[0], octave[-1] - 1, 0.5):
        inside = (octave >= start) & (octave <= start + 1)
        slope = np.polyfit(octave[inside], level[:-1][inside], 1)[0]
        assert slope == pytest.approx(slope_db, abs=0.1 * max(1.0, abs(slope_db) / 6.02))


def test_no_gain_and_no_tilt_are_the_identity():
    waveform = torch.randn(2, 1, 1000, dtype=torch.float64)
    zero, freq, q = values(0.0, 0.0), values(100.0, 9000.0), values(0.7, 4.0)
    for out in (
        functional.peaking_eq(waveform, freq, zero, q, sample_rate=SAMPLE_RATE),
        functional.low_shelf(waveform, freq, zero, q, sample_rate=SAMPLE_RATE),
        functional.high_shelf(waveform, freq, zero, q, sample_rate=SAMPLE_RATE),
        functional.tilt_eq(waveform, zero, freq, sample_rate=SAMPLE_RATE),
    ):
        torch.testing.assert_close(out, waveform, rtol=0, atol=1e-12)


PARAMETERS = {
    "low_pass": ("cutoff_freq",),
    "high_pass": ("cutoff_freq",),
    "band_pass": ("center_freq", "q"),
    "band_stop": ("center_freq", "q"),
    "low_shelf": ("cutoff_freq", "gain_db", "q"),
    "high_shelf": ("cutoff_freq", "gain_db", "q"),
    "peaking_eq": ("center_freq", "gain_db", "q"),
    "tilt_eq": ("slope_db", "center_freq"),
}
TYPICAL = {
    "cutoff_freq": values(10.0, 20.0),
    "center_freq": values(10.0, 20.0),
    "gain_db": values(3.0, -4.0),
    "q": values(0.7, 2.0),
    "slope_db": values(-1.5, 3.0),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_gradients_reach_audio_and_parameters(name):
    inputs = [torch.randn(2, 1, 40, dtype=torch.float64)]
    inputs += [TYPICAL[parameter].clone() for parameter in PARAMETERS[name]]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    function = functools.partial(getattr(functional, name), sample_rate=100)
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


def test_bad_parameters_are_named():
    waveform = torch.zeros(2, 1, 10)
    with pytest.raises(ValueError, match=r"`cutoff_freq` must be \(batch,\)"):
        functional.low_pass(waveform, torch.ones(3), sample_rate=100)
    with pytest.raises(ValueError, match="`order` must be a positive integer, got 0"):
        functional.low_pass(waveform, torch.ones(2), sample_rate=100, order=0)
    with pytest.raises(ValueError, match=r"`q` must be \(batch,\)"):
        functional.band_pass(waveform, torch.ones(2), torch.ones(1), sample_rate=100)
