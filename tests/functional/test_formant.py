"""Formant shift and VTLP state facts about vowels whose harmonics are known in closed form."""

import math
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
import torch
from ideal_tones import mel_error
from torch import Tensor

from augspec.functional import formant
from augspec.functional.formant import formant_shift, vtlp
from augspec.functional.frame_size import choose_n_fft
from augspec.functional.stretch import pitch_shift

SAMPLE_RATE = 16_000
NYQUIST = SAMPLE_RATE / 2
VOWELS = {  # center frequencies and bandwidths of the formants, Hz
    "a": [(700, 80), (1220, 90), (2600, 120), (3500, 150), (4500, 200)],
    "e": [(500, 70), (1800, 90), (2500, 120), (3500, 150), (4500, 200)],
    "i": [(280, 60), (2250, 90), (2900, 120), (3500, 150), (4500, 200)],
    "u": [(310, 60), (870, 90), (2250, 120), (3300, 150), (4500, 200)],
}
KERNELS = [
    formant._magnitude,
    formant._find_peaks,
    formant._rise_again,
    formant._first_peak,
    formant._smooth,
    formant._lifter,
    formant._gain,
    formant._overlap_add,
]


def resonance(freq: Tensor, formants: Sequence[tuple[float | Tensor, float | Tensor]]) -> Tensor:
    """Magnitude of a cascade of two-pole resonators behind a source that falls 6 dB an octave."""
    response = (1 + (freq / 150) ** 2) ** -0.5
    for center, width in formants:
        # Poles at -width / 2 +- j center, all in Hz.
        above, below = 1j * (freq - center) + width / 2, 1j * (freq + center) + width / 2
        response = response * ((width / 2) ** 2 + center**2) / (above * below).abs()
    return response


def harmonics(f0: float) -> Tensor:
    return f0 * torch.arange(1, int(0.98 * NYQUIST / f0) + 1, dtype=torch.float64)


def synthesise(freqs: Tensor, levels: Tensor, noise_db: float = -100.0) -> Tensor:
    """A second of harmonics with random phases over a little noise, (1, 1, time)."""
    draw = torch.Generator().manual_seed(len(freqs))
    time = torch.arange(SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    phases = 2 * math.pi * torch.rand(len(freqs), 1, generator=draw, dtype=torch.float64)
    tones = (levels[:, None] * torch.cos(2 * math.pi * freqs[:, None] * time + phases)).sum(0)
    floor = torch.randn(SAMPLE_RATE, generator=draw, dtype=torch.float64)
    waveform = tones + tones.std() * 10 ** (noise_db / 20) * floor
    return waveform.float()[None, None]


def measure(waveform: Tensor, freqs: Tensor) -> Tensor:
    """Levels of tones of known frequencies, by projection on each."""
    middle = waveform.flatten().double()[2000:-2000]
    window = torch.hann_window(len(middle), dtype=torch.float64)
    time = torch.arange(len(middle), dtype=torch.float64) / SAMPLE_RATE
    turns = torch.exp(-2j * math.pi * freqs[:, None] * time)
    return 2 * ((middle * window) * turns).sum(-1).abs() / window.sum()


def f0_of(waveform: Tensor, near: float) -> float:
    """Frequency of the line nearest to ``near`` Hz, within 0.01 cent."""
    middle = waveform.flatten().double()[2000:-2000]
    middle = middle * torch.hann_window(middle.numel(), dtype=torch.float64)
    n_fft = 2**20
    power = torch.log(torch.fft.rfft(middle, n=n_fft).abs())
    low, high = (round(near * factor / SAMPLE_RATE * n_fft) for factor in (0.9, 1.1))
    peak = low + int(power[low:high].argmax())
    left, top, right = power[peak - 1 : peak + 2].tolist()
    return (peak + 0.5 * (left - right) / (left - 2 * top + right)) / n_fft * SAMPLE_RATE


def cents(freq: float, target: float) -> float:
    return abs(1200 * math.log2(freq / target))


def rms_db(have: Tensor, want: Tensor) -> float:
    """RMS of the difference in dB of the harmonics within 50 dB of the strongest."""
    loud = want > want.max() * 10 ** (-50 / 20)
    return float((20 * torch.log10(have / want))[loud].square().mean().sqrt())


def rms(values: list[float]) -> float:
    return math.sqrt(sum(value**2 for value in values) / len(values))


# The second figure is the error of an oracle that knows the levels of the harmonics and draws lines
# in dB between them: what a formant does between two harmonics nobody can hear.
@pytest.mark.parametrize(
    ("f0", "bar"),
    [(80.3, 0.8), (110.4, 1.2), (150.7, 1.4), (220.8, 2.3), (320.9, 3.2), (450.6, 4.3), (702, 6.0)],
)  # oracle: 0.5, 0.9, 1.1, 2.0, 2.8, 3.8, 5.6
def test_harmonics_follow_the_shifted_envelope(f0, bar):
    freqs, semitones = harmonics(f0), torch.tensor([-4.0, -2.0, 2.0, 4.0])
    ours, untouched = [], []
    for formants in VOWELS.values():
        levels = resonance(freqs, formants)
        vowel = synthesise(freqs, levels)
        scale = measure(vowel, freqs)[0] / levels[0]
        shifted = formant_shift(vowel.expand(4, 1, -1), semitones)
        for one, ratio in zip(shifted, torch.exp2(semitones / 12).tolist(), strict=True):
            known = freqs < 0.95 * NYQUIST * min(ratio, 1.0)
            want = scale * resonance(freqs[known] / ratio, formants)
            ours.append(rms_db(measure(one, freqs[known]), want))
            untouched.append(rms_db(scale * levels[known], want))
    assert rms(ours) < bar
    assert rms(ours) < 0.55 * rms(untouched)  # about 9 to 11 dB


@pytest.mark.parametrize("f0", [80.3, 130.9, 220.8, 450.6, 702.0])
@pytest.mark.parametrize("semitones", [-6.0, 3.0])
def test_formant_shift_keeps_f0(f0, semitones):
    freqs = harmonics(f0)
    vowel = synthesise(freqs, resonance(freqs, VOWELS["a"]))
    shifted = formant_shift(vowel, torch.tensor([semitones]))
    assert cents(f0_of(shifted, f0), f0) < 0.1


@pytest.mark.parametrize("f0", [65.7, 82.4, 164.8, 329.6, 659.3, 1046.5, 1318.5])
@pytest.mark.parametrize(("noise_db", "top"), [(-100.0, 100), (-30.0, 12)])
def test_a_sawtooth_gains_the_ratio_at_any_pitch(f0, noise_db, top):
    # Its envelope is 1 / f, so that a shift by r is a gain of r; below f0 there is no envelope.
    freqs = harmonics(f0)
    shifted = formant_shift(synthesise(freqs, f0 / freqs, noise_db), torch.tensor([4.0]))
    gain_db = 20 * torch.log10(measure(shifted, freqs) * freqs / f0)
    heard = (freqs > 1.5 * f0) & (freqs < NYQUIST - 1.5 * f0) & (freqs < top * f0)
    error = (gain_db - 20 / 12 * 4 * math.log10(2))[heard].abs()
    assert error.median() < 0.6
    assert error.max() < 2.0


@pytest.mark.parametrize("semitones", [-4.0, 4.0])
def test_white_noise_keeps_its_level(semitones):
    waveform = torch.randn(4, 1, SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    shifted = formant_shift(waveform, torch.full((4,), semitones))
    assert abs(10 * math.log10(shifted.square().mean() / waveform.square().mean())) < 0.5


@pytest.mark.parametrize("loud", [slice(0, 2000), slice(2000, None)])
def test_the_gain_is_at_most_30_db(loud):
    # Noise with a cliff of 60 dB at 2 kHz, whose lower side comes to 3 to 7 kHz.
    white = torch.randn(1, SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    spectrum = 1e-3 * torch.fft.rfft(white.double())
    spectrum[:, loud] *= 1e3
    waveform = torch.fft.irfft(spectrum)[None]
    shifted = formant_shift(waveform, torch.tensor([24.0]))
    window = torch.hann_window(SAMPLE_RATE, dtype=torch.float64)
    power = [torch.fft.rfft(x.flatten() * window).abs().square() for x in (waveform, shifted)]
    gain_db = 10 * torch.log10(power[1][3000:6500].mean() / power[0][3000:6500].mean())
    assert 29.0 < gain_db.abs() < 31.0


@pytest.mark.parametrize("semitones", [-4.0, -2.0, 2.0, 4.0])
def test_preserve_formants_moves_f0_and_keeps_the_envelope(semitones):
    ratio = 2 ** (semitones / 12)
    kept, moved = [], []
    for f0 in (110.4, 150.7, 220.8):
        freqs = harmonics(f0)
        new = freqs[freqs < 0.95 * NYQUIST * min(1.0, 1 / ratio)] * ratio
        for formants in VOWELS.values():
            vowel = synthesise(freqs, resonance(freqs, formants))
            scale = measure(vowel, freqs)[0] / resonance(freqs, formants)[0]
            want = scale * resonance(new, formants)
            for preserve, errors in ((True, kept), (False, moved)):
                shifted = pitch_shift(vowel, torch.tensor([semitones]), preserve_formants=preserve)
                assert cents(f0_of(shifted, f0 * ratio), f0 * ratio) < 0.2
                errors.append(rms_db(measure(shifted, new), want))
    assert rms(kept) < 2.0
    assert rms(kept) < 0.3 * rms(moved)


def speak(vowels: str, f0: float, ratio: float = 1.0) -> Tensor:
    """Speak vowels one after the other for a second, the pitch moving by a fifth up and down.

    The formants do not follow the ``ratio`` of the pitch. Returns (1, 1, time).
    """
    draw = torch.Generator().manual_seed(len(vowels))
    time = torch.arange(SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    contour = f0 * ratio * (1 + 0.2 * torch.sin(2 * math.pi * 3 * time))
    cycles = contour.cumsum(0) / SAMPLE_RATE
    place = (len(vowels) - 1) * time / time[-1]
    low = place.long().clamp(max=len(vowels) - 2)
    known = torch.tensor([VOWELS[vowel] for vowel in vowels], dtype=torch.float64)
    formants = torch.lerp(known[low], known[low + 1], (place - low)[:, None, None]).unbind(1)
    sound = torch.zeros_like(time)
    for k in range(1, int(NYQUIST / (0.8 * f0 * ratio))):
        freq = k * contour
        phase = k * cycles + torch.rand(1, generator=draw, dtype=torch.float64)
        level = resonance(freq, [(one[:, 0], one[:, 1]) for one in formants])
        sound += level * (freq < 0.95 * NYQUIST) * torch.cos(2 * math.pi * phase)
    return (0.05 * sound / sound.std()).float()[None, None]


# Formants of speech lie as evenly as harmonics; their spacing was once taken for the pitch.
@pytest.mark.parametrize("f0", [90.0, 110.0])
@pytest.mark.parametrize(("semitones", "bar"), [(-3.0, 1.4), (3.0, 1.9)])  # moved along: 6 to 9
def test_a_voice_whose_pitch_moves_keeps_its_formants(f0, semitones, bar):
    ideal = speak("aeiu", f0, 2 ** (semitones / 12))[0, 0].double()
    kept = pitch_shift(speak("aeiu", f0), torch.tensor([semitones]), preserve_formants=True)
    assert mel_error(kept[0, 0], ideal) < bar


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("f0", [90.0, 210.0])
def test_the_period_of_a_moving_voice_is_found_at_every_rate(f0, sample_rate):
    time = torch.arange(sample_rate, dtype=torch.float64) / sample_rate
    cycles = f0 * (time + 0.1 / (2 * math.pi * 2) * (1 - torch.cos(2 * math.pi * 2 * time)))
    sound = torch.zeros_like(time)
    for k in range(1, int(0.45 * sample_rate / f0)):
        level = resonance(torch.tensor(k * f0), VOWELS["i"])
        sound += level * torch.cos(2 * math.pi * k * cycles + k * k)
    n_fft = choose_n_fft(None, sample_rate)
    frames = sound.float().unfold(0, n_fft, n_fft // 4) * torch.hann_window(n_fft)
    magnitude = torch.fft.rfft(frames)[None].abs()
    period = formant._period(torch.fft.irfft(formant._weigh(magnitude), n=n_fft)).flatten()
    middle = torch.arange(len(period)) * (n_fft // 4) + n_fft // 2
    right = f0 * (1 + 0.1 * torch.sin(2 * math.pi * 2 * middle / sample_rate))
    assert ((sample_rate / period / right - 1).abs() < 0.1).double().mean() > 0.95


def paper(freq: float, alpha: float, f_hi: float) -> float:
    """The map of Jaitly and Hinton (2013), equation 1, in Hz."""
    bend = f_hi * min(alpha, 1.0)
    if freq <= bend / alpha:
        return freq * alpha
    return NYQUIST - (NYQUIST - bend) / (NYQUIST - bend / alpha) * (NYQUIST - freq)


@pytest.mark.parametrize("alpha", [0.85, 0.9, 1.1, 1.2])
@pytest.mark.parametrize("center", [1000.0, 3000.0, 6000.0])
@pytest.mark.parametrize("f_hi", [4800.0, 3200.0])
def test_vtlp_moves_a_formant_to_the_frequency_of_the_paper(alpha, center, f_hi):
    freqs = harmonics(80.3)
    width = 400.0
    waveform = synthesise(freqs, 0.1 + torch.exp(-0.5 * ((freqs - center) / width) ** 2))
    warped = vtlp(waveform, torch.tensor([alpha]), f_hi=f_hi / NYQUIST)
    # A bell in levels is a parabola in dB.
    top = (freqs - paper(center, alpha, f_hi)).abs() < 250.0
    x = (freqs[top] - center) / width
    design = torch.stack([torch.ones_like(x), x, x**2], dim=-1)
    _, slope, bend = torch.linalg.lstsq(design, torch.log(measure(warped, freqs[top]))).solution
    found = center - 0.5 * float(slope / bend) * width
    assert abs(found - paper(center, alpha, f_hi)) < 20.0
    assert abs(found - center) > 60.0


@pytest.mark.parametrize("alpha", [0.85, 1.2])
def test_vtlp_keeps_f0(alpha):
    freqs = harmonics(150.7)
    vowel = synthesise(freqs, resonance(freqs, VOWELS["e"]))
    assert cents(f0_of(vtlp(vowel, torch.tensor([alpha])), 150.7), 150.7) < 0.1


def test_below_the_bend_vtlp_is_a_formant_shift():
    freqs = harmonics(110.4)
    vowel = synthesise(freqs, resonance(freqs, VOWELS["u"]))
    warped = vtlp(vowel, torch.tensor([1.1]), f_hi=0.6)
    shifted = formant_shift(vowel, torch.tensor([12 * math.log2(1.1)]))
    low = freqs < 4500
    torch.testing.assert_close(measure(warped, freqs[low]), measure(shifted, freqs[low]))


# What every kernel keeps.

FUNCTIONS = {
    "formant_shift": (formant_shift, [-3.0, 0.5, 2.0]),
    "vtlp": (vtlp, [0.85, 1.02, 1.2]),
}
each = pytest.mark.parametrize(("function", "values"), FUNCTIONS.values(), ids=FUNCTIONS)


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize(("function", "neutral"), [(formant_shift, 0.0), (vtlp, 1.0)])
@pytest.mark.parametrize("time", [1, 100, 1023, 5000])
def test_no_shift_gives_the_input(function, neutral, time):
    waveform = noise(2, 2, time)
    out = function(waveform, torch.full((2,), neutral))
    torch.testing.assert_close(out, waveform, rtol=0, atol=3e-6)
    exact = function(waveform.double(), torch.full((2,), neutral, dtype=torch.float64))
    torch.testing.assert_close(exact, waveform.double(), rtol=0, atol=1e-13)


@each
def test_each_example_comes_out_as_if_it_were_alone_whatever_its_padding(function, values):
    waveform, lengths = noise(3, 2, 3000), torch.tensor([3000, 1, 1300])
    out = function(waveform, torch.tensor(values), lengths=lengths)
    for i, end in enumerate(lengths.tolist()):
        alone = function(waveform[i : i + 1, :, :end], torch.tensor(values[i : i + 1]))
        torch.testing.assert_close(out[i, :, :end], alone[0], rtol=0, atol=2e-6)
        assert not out[i, :, end:].any()


def test_more_rows_than_a_chunk_come_out_the_same():
    waveform, semitones = noise(11, 1, 2000), torch.linspace(-4, 4, 11)
    alone = [formant_shift(waveform[i : i + 1], semitones[i : i + 1]) for i in range(11)]
    together = formant_shift(waveform, semitones)
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=2e-6)


@each
def test_channels_may_differ(function, values):
    waveform = noise(1, 1, 2000).expand(2, 3, -1)
    out = function(waveform, torch.tensor([values, values[::-1]]))
    expected = function(waveform[0].unsqueeze(1), torch.tensor(values))
    torch.testing.assert_close(out[0], expected[:, 0], rtol=0, atol=2e-6)
    torch.testing.assert_close(out[1], expected.flip(0)[:, 0], rtol=0, atol=2e-6)


@each
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(function, values, dtype):
    waveform = noise(3, 1, 1500).to(dtype)
    out = function(waveform, torch.tensor(values))
    assert torch.equal(out, function(waveform.float(), torch.tensor(values)).to(dtype))


@each
def test_double_precision_agrees(function, values):
    wide = function(noise(3, 1, 1500).double(), torch.tensor(values, dtype=torch.float64))
    assert wide.dtype == torch.float64
    narrow = function(noise(3, 1, 1500), torch.tensor(values))
    torch.testing.assert_close(narrow.double(), wide, rtol=0, atol=5e-5)


@each
def test_gradients_are_right(function, values):
    waveform = noise(3, 1, 90, dtype=torch.float64).requires_grad_()
    # The envelope is read along lines: no value may lie on a corner.
    parameter = torch.tensor(values, dtype=torch.float64) + 1e-3
    parameter.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, p: function(x, p, n_fft=64), (waveform, parameter))


@each
def test_silence_stays_and_has_finite_gradients(function, values):
    waveform = noise(3, 1, 4000)
    waveform[0] = 0.0
    waveform[1, :, 1000:] = 0.0
    waveform.requires_grad_()
    out = function(waveform, torch.tensor(values))
    assert not out[0].any()
    (gradient,) = torch.autograd.grad(out.square().sum() + out.sum(), waveform)
    assert gradient.isfinite().all()


@each
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_stays_in_its_example(function, values, bad):
    waveform = noise(3, 1, 3000)
    clean = function(waveform, torch.tensor(values))
    waveform[1, 0, 1500] = bad
    out = function(waveform, torch.tensor(values))
    torch.testing.assert_close(out[::2], clean[::2])
    assert out[1].isnan().any()
    values = [values[0], math.nan, values[2]]
    out = function(noise(3, 1, 3000), torch.tensor(values))
    torch.testing.assert_close(out[::2], clean[::2])
    assert out[1].isnan().all()


@each
def test_an_empty_batch_and_an_untouched_input(function, values):
    empty = function(torch.zeros(0, 2, 100), torch.zeros(0))
    assert empty.shape == (0, 2, 100)
    waveform, parameter = noise(3, 1, 900), torch.tensor(values)
    before = waveform.clone(), parameter.clone()
    function(waveform, parameter, lengths=torch.tensor([900, 5, 400]))
    assert torch.equal(waveform, before[0])
    assert torch.equal(parameter, before[1])


def test_level_does_not_matter():
    waveform, semitones = noise(1, 1, 4000), torch.tensor([3.0])
    quiet = formant_shift(1e-4 * waveform, semitones)
    torch.testing.assert_close(1e4 * quiet, formant_shift(waveform, semitones), rtol=0, atol=1e-4)


@each
def test_it_is_part_of_a_compiled_graph(function, values):
    compiled = torch.compile(
        lambda x, p, n: function(x, p, lengths=n), fullgraph=True, backend="aot_eager"
    )
    arguments = noise(3, 2, 2000), torch.tensor(values), torch.tensor([2000, 7, 1500])
    expected = function(*arguments[:2], lengths=arguments[2])
    torch.testing.assert_close(compiled(*arguments), expected, rtol=0, atol=1e-5)


def test_the_kernels_compile_and_agree_with_eager(monkeypatch):
    waveform, semitones = noise(3, 1, 4000), torch.tensor([-3.0, 0.5, 4.0])
    compiled = formant_shift(waveform, semitones)
    assert [kernel.failure for kernel in KERNELS] == [None] * len(KERNELS)
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")
    torch.testing.assert_close(formant_shift(waveform, semitones), compiled, rtol=0, atol=2e-5)


MEMORY = """
import resource, sys, torch
from augspec.functional import formant_shift, pitch_shift
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
torch.set_num_threads(2)
call = {
    "formant_shift": formant_shift,
    "pitch_shift": lambda x, s: pitch_shift(x, s, preserve_formants=True),
}[sys.argv[1]]
waveform = torch.randn(64, 1, 64_000)
call(waveform[:1], torch.zeros(1))
before = peak()
call(waveform, torch.linspace(-12, 12, 64))
print((peak() - before) / waveform.nbytes)
"""


@pytest.mark.slow
@pytest.mark.parametrize("compile_kernels", ["0", "1"])
@pytest.mark.parametrize("name", ["formant_shift", "pitch_shift"])
def test_extra_memory_is_at_most_forty_times_the_input(name, compile_kernels):
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, name],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"AUGSPEC_COMPILE": compile_kernels},
    )
    assert float(run.stdout) < 40


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: formant_shift(x[0], torch.ones(2)), ValueError, r"waveform.unsqueeze\(1\)"),
        (lambda x: formant_shift(x, torch.ones(3)), ValueError, r"`semitones` must be \(batch,\)"),
        (lambda x: formant_shift(x, torch.ones(2).long()), TypeError, "`semitones` must be of a f"),
        (lambda x: vtlp(x, torch.ones(2, 3)), ValueError, r"`alpha` must be \(batch,\) = \(2,\)"),
        (lambda x: vtlp(x, torch.ones(2), f_hi=1.0), ValueError, r"`f_hi` must be in \(0, 1\)"),
        (lambda x: vtlp(x, torch.ones(2), n_fft=100), ValueError, "`n_fft` must be a positive"),
        (
            lambda x: vtlp(x, torch.ones(2), lengths=torch.ones(2)),
            TypeError,
            "`lengths` must be int64",
        ),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.zeros(2, 1, 9))
