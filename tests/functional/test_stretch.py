"""Time stretch and pitch shift state facts about tones, attacks, places and silence."""

import math

import librosa
import numpy as np
import pytest
import torch
from ideal_tones import SAMPLE_RATE, cases, cents, f0, harmonic_ratio, harmonics, mel_error, tone

from augspec import functional
from augspec.functional import onset, phase_lock, resampled_lengths, timemap, vocoder
from augspec.functional.stretch import (
    pitch_and_tempo,
    pitch_shift,
    time_stretch,
)
from augspec.functional.turns import accumulate_turns


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.8, 1.25, 2.0, 3.0])
def test_time_stretch_keeps_f0(rate):
    stretched = time_stretch(tone(440.0), torch.tensor([rate]), size=int(32_000 / rate))
    assert cents(f0(stretched), 440.0) < 0.05


@pytest.mark.parametrize("semitones", [-12.0, -7.0, -0.3, 0.3, 4.0, 12.0])
def test_pitch_shift_moves_f0_by_the_interval(semitones):
    freqs = [
        freq for freq in (55.0, 110.0, 440.0, 1000.0, 4000.0) if freq * 2 ** (semitones / 12) < 7500
    ]
    shifted = pitch_shift(
        torch.cat([tone(freq) for freq in freqs]), torch.full((len(freqs),), semitones)
    )
    for freq, one in zip(freqs, shifted, strict=True):
        assert cents(f0(one), freq * 2 ** (semitones / 12)) < 0.05


@pytest.mark.parametrize("freq", [82.0, 110.0, 220.0, 440.0, 880.0])
def test_pitch_shift_leaves_nothing_between_the_harmonics(freq):
    ratio = 2 ** (3.86 / 12)
    shifted = pitch_shift(harmonics(freq, ratio), torch.tensor([3.86]))
    assert harmonic_ratio(shifted, freq * ratio) > 50.0


@pytest.mark.parametrize("rate", [0.8, 1.25])
@pytest.mark.parametrize("period", [2000, 4000])
def test_clicks_land_where_they_belong(rate, period):
    waveform = torch.zeros(1, 1, 64_000)
    places = torch.arange(2000, 62_000, period)
    waveform[..., places] = 0.5
    stretched = time_stretch(waveform, torch.tensor([rate]), size=int(64_000 / rate)).flatten()
    distance = (torch.arange(stretched.numel()) - places[:, None] / rate).abs().amin(0)
    energy = stretched.double().square()
    # Signalsmith's share is 0.9976 to 0.9992.
    assert energy[distance <= 0.005 * SAMPLE_RATE].sum() / energy.sum() > 0.9999


# Bars of the task, and below them what Signalsmith (audiomentations 0.43.1) gets on the same notes.
BARS = {
    ("pitch", "clean"): (0.20, 0.60),  # 0.471, 0.819
    ("pitch", "noise"): (0.65, 0.964),  # 0.767, 0.964
    ("pitch", "overlap"): (1.17, 2.989),  # 1.196, 2.989
    ("stretch", "clean"): (0.20, 0.45),  # 0.292, 0.740
    ("stretch", "noise"): (0.62, 0.78),  # 0.640, 0.808
    ("stretch", "overlap"): (1.40, 1.85),  # 1.455, 1.896
}


@pytest.mark.slow
@pytest.mark.parametrize(("task", "variant"), BARS)
def test_ideal_notes(task, variant):
    notes = cases(task, variant)
    waveform = torch.stack([note.source for note in notes]).unsqueeze(1)
    size = max(len(note.ideal) for note in notes)
    if task == "pitch":
        out = pitch_shift(waveform, torch.tensor([note.semitones for note in notes]))
    else:
        out = time_stretch(waveform, torch.tensor([note.rate for note in notes]), size=size)
    errors = torch.tensor(
        [
            mel_error(one[0, : len(note.ideal)], note.ideal, note.clean)
            for one, note in zip(out, notes, strict=True)
        ]
    )
    median, worst = BARS[task, variant]
    assert errors.quantile(0.5) <= median
    assert errors.max() <= worst


def test_noise_keeps_its_level():
    stretched = time_stretch(noise(4, 1, 32_000), torch.tensor([0.8, 0.9, 1.1, 1.25]))
    level_db = 20 * torch.log10(stretched[..., 2000:24_000].std(-1))
    assert level_db.abs().max() < 1.2  # a vocoder without memory of its peaks loses 2 to 3 dB


def test_onsets_are_found_on_the_sample_block():
    notes = cases("pitch", "overlap")
    waveform = torch.stack([note.source for note in notes])
    last, _ = onset.find_onsets(waveform, 1024)
    for start in (0.3, 0.71, 1.13):
        block = int((start + 0.02) * SAMPLE_RATE) // 32
        found = (last[:, block] - start * SAMPLE_RATE).abs() <= 64
        assert found.float().mean() > 0.85


@pytest.mark.parametrize("freq", [41.2, 82.4, 440.0])
def test_pulses_and_tremolo_are_no_onsets(freq):
    time = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    pulses = torch.stack([torch.cos(2 * torch.pi * k * freq * time) for k in range(1, 18)]).sum(0)
    tremolo = torch.sin(2 * torch.pi * freq * time) * (1 + 0.5 * torch.sin(2 * torch.pi * 6 * time))
    last, _ = onset.find_onsets(torch.stack([pulses, tremolo, noise(2 * SAMPLE_RATE)]), 1024)
    assert (last[:, -40] < 0.1 * SAMPLE_RATE).all()  # the beginning of the sound is one


def test_neutral_values_give_the_input():
    waveform = noise(2, 2, 20_000)
    assert (time_stretch(waveform, torch.ones(2)) - waveform).abs().max() < 5e-6
    assert (pitch_shift(waveform, torch.zeros(2)) - waveform).abs().max() < 5e-6


def test_pitch_and_tempo_is_both():
    waveform, semitones, rate = tone(440.0), torch.tensor([3.0]), torch.tensor([0.8])
    both = pitch_and_tempo(waveform, semitones, rate, size=40_000)
    assert cents(f0(both), 440.0 * 2 ** (3 / 12)) < 0.05
    assert resampled_lengths(torch.tensor([32_000]), rate, 40_000).item() == 40_000
    torch.testing.assert_close(
        pitch_and_tempo(waveform, semitones, torch.ones(1)), pitch_shift(waveform, semitones)
    )


def test_output_position_holds_input_position_times_rate():
    envelope = torch.zeros(1, 1, 40_000)
    envelope[..., 10_000:14_000] = 1.0
    waveform = tone(440.0, 2.5) * envelope
    for rate in (0.8, 1.25):
        out = time_stretch(waveform, torch.tensor([rate]), size=50_000).flatten()
        inside = torch.arange(50_000) * rate
        sound = (inside > 10_000) & (inside < 14_000)
        assert out[sound].square().mean() == pytest.approx(0.5, rel=0.1)
        assert out[(inside < 9800) | (inside > 14_600)].abs().max() < 0.02


def test_example_alone_equals_example_in_batch():
    waveform, rate = noise(11, 2, 9000), torch.linspace(0.7, 1.4, 11)
    batched = time_stretch(waveform, rate)
    for i in (0, 5, 10):
        torch.testing.assert_close(
            batched[i : i + 1],
            time_stretch(waveform[i : i + 1], rate[i : i + 1]),
            rtol=0,
            atol=1e-6,
        )
    per_channel = time_stretch(waveform[:1], torch.tensor([[0.8, 1.2]]))
    alone = time_stretch(waveform[:1, 1:], torch.tensor([1.2]))
    torch.testing.assert_close(per_channel[:, 1:], alone, rtol=0, atol=1e-6)


def test_padding_is_never_heard():
    waveform, rate = noise(3, 1, 12_000), torch.tensor([0.8, 1.0, 1.3])
    lengths = torch.tensor([6000, 12_000, 9000])
    semitones = torch.tensor([3.0, 0.0, -3.0])
    for function, values in ((time_stretch, rate), (pitch_shift, semitones)):
        out = function(waveform, values, lengths=lengths)
        spoilt = waveform.clone()
        spoilt[0, :, 6000:] = math.nan
        torch.testing.assert_close(function(spoilt, values, lengths=lengths), out, rtol=0, atol=0)
        ends = resampled_lengths(lengths, rate, 12_000) if function is time_stretch else lengths
        for one, end in zip(out, ends.tolist(), strict=True):
            assert (one[:, end:] == 0).all()
            assert (one[:, :end] != 0).float().mean() > 0.99


def test_lengths_are_the_ends_of_the_content():
    lengths = resampled_lengths(torch.tensor([1000, 1000]), torch.tensor([0.8, 1.25]), 1200)
    assert lengths.tolist() == [1200, 800]


def test_silence_stays_silent_with_finite_gradients():
    waveform = torch.zeros(2, 1, 6000, requires_grad=True)
    out = time_stretch(waveform, torch.tensor([0.8, 1.2])) + pitch_shift(
        waveform, torch.tensor([2.0, -2.0])
    )
    assert (out == 0).all()
    out.sum().backward()
    assert waveform.grad.isfinite().all()


def test_nan_stays_in_its_example_and_channel():
    waveform, rate = noise(3, 2, 8000), torch.tensor([0.8, 1.0, 1.3])
    spoilt = waveform.clone()
    spoilt[0, 0, 4000] = math.nan
    out = time_stretch(spoilt, rate)
    assert out[0, 0].isnan().any()
    torch.testing.assert_close(out[1:], time_stretch(waveform, rate)[1:], rtol=0, atol=0)
    assert out[0, 1].isfinite().all()


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan])
def test_a_bad_rate_gives_nan_in_its_example_alone(bad):
    out = time_stretch(noise(2, 1, 4000), torch.tensor([bad, 1.1]))
    assert out[0].isnan().all()
    assert out[1].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_is_computed_in_float32(dtype):
    waveform, rate = noise(1, 1, 8000).to(dtype), torch.tensor([0.9])
    out = time_stretch(waveform, rate)
    assert out.dtype == dtype
    torch.testing.assert_close(out, time_stretch(waveform.float(), rate).to(dtype), rtol=0, atol=0)
    assert pitch_shift(waveform, rate).dtype == dtype


def test_float64_agrees_with_float32():
    waveform, rate = tone(440.0, 0.5), torch.tensor([0.9])
    precise = time_stretch(waveform.double(), rate)
    assert precise.dtype == torch.float64
    assert (precise - time_stretch(waveform, rate)).abs().max() < 1e-3


def test_empty_batch_and_short_audio():
    assert time_stretch(torch.zeros(0, 1, 100), torch.zeros(0)).shape == (0, 1, 100)
    assert pitch_shift(torch.zeros(0, 1, 100), torch.zeros(0)).shape == (0, 1, 100)
    assert time_stretch(torch.ones(1, 1, 1), torch.tensor([0.5]), size=3).isfinite().all()
    assert pitch_shift(torch.ones(1, 1, 50), torch.tensor([4.0])).shape == (1, 1, 50)


@pytest.mark.parametrize("function", [time_stretch, pitch_shift])
def test_gradcheck(function):
    waveform = noise(1, 1, 400).double().requires_grad_()
    value = torch.tensor([0.83], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda w: function(w, value, n_fft=64), waveform)


@pytest.mark.parametrize("function", [time_stretch, pitch_shift])
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore")
def test_compiles_whole(function, backend):
    torch._dynamo.reset()
    waveform, value = noise(2, 1, 12_000), torch.tensor([0.8, 1.3])
    compiled = torch.compile(function, fullgraph=True, backend=backend)
    expected = function(waveform, value)
    assert (compiled(waveform, value) - expected).abs().max() < 2e-3 * expected.abs().max()


def test_kernels_agree_with_their_eager_selves():
    parts = noise(3, 1, 12, 65, 2)
    values = [noise(3, 1, 8, 22, seed=i) for i in range(4)]
    code = torch.arange(3 * 8 * 22).reshape(3, 8, 22) % 44
    struck = torch.zeros(3, 9, dtype=torch.bool)
    struck[1, 4] = True
    slot = torch.arange(-2.0, 68.0).div(3).floor()
    power = phase_lock._padded_power.eager(parts)
    for kernel, arguments in (
        (phase_lock._gains, (*values, code.float(), torch.full((3, 8), 28), 128)),
        (phase_lock._padded_power, (parts,)),
        (phase_lock._climb, (power, slot, struck)),
        (timemap._take, (torch.arange(5) * 3, noise(200), noise(32))),
        (onset._slope_energy, (noise(2, 97), 32)),
    ):
        torch.testing.assert_close(
            kernel(*arguments), kernel.eager(*arguments), rtol=1e-4, atol=1e-5
        )


def test_accumulation_by_doubling_is_the_plain_one():
    slots, draw = 34, torch.Generator().manual_seed(1)
    gain = 0.3 * noise(2, 23, slots)
    kept = (torch.rand(gain.shape, generator=draw) > 0.1).float()
    gain = gain * kept
    step = torch.randint(-3, 4, gain.shape, generator=draw)
    path = (torch.arange(slots) + step).clamp(0, slots - 1)
    apart = accumulate_turns(gain, torch.where(kept > 0, path, -1))
    apart = apart - phase_lock._accumulate(gain, kept, path)
    assert (apart - apart.round()).abs().max() < 1e-5


def test_arctangent_is_good_to_a_millionth_of_a_turn():
    y, x = noise(2, 10_000)
    expected = torch.atan2(y.double(), x.double()) / (2 * torch.pi)
    assert (phase_lock._turns(y, x) - expected).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.zeros(2, 100), torch.ones(2)), ValueError, "unsqueeze"),
        ((torch.zeros(2, 1, 100), torch.ones(3)), ValueError, "`rate` must be"),
        ((torch.zeros(2, 1, 100), torch.ones(2).long()), TypeError, "`rate` must be"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        time_stretch(*arguments)


def test_wrong_settings_are_named():
    waveform, ones = torch.zeros(1, 1, 100), torch.ones(1)
    with pytest.raises(ValueError, match="`n_fft` must be a positive multiple of 32, got 100"):
        time_stretch(waveform, ones, n_fft=100)
    with pytest.raises(ValueError, match="`size` must be at least 1, got 0"):
        time_stretch(waveform, ones, size=0)
    with pytest.raises(ValueError, match="`max_semitones` must be at least"):
        pitch_shift(waveform, ones, min_semitones=2.0, max_semitones=1.0)


def test_speed_is_resampling_and_names_its_own_argument():
    waveform = torch.randn(2, 1, 4000)
    factor = torch.tensor([0.8, 1.25])
    assert torch.equal(functional.speed(waveform, factor), functional.resample(waveform, factor))
    with pytest.raises(ValueError, match="`factor` must be"):
        functional.speed(waveform, torch.ones(3))
    with pytest.raises(ValueError, match="`max_factor` must be positive, got 0"):
        functional.speed(waveform, factor, max_factor=0.0)


@pytest.mark.parametrize("n_fft", [32, 64, 96, 512, 1056, 2048])
@pytest.mark.parametrize("compile_", [False, True])
def test_every_size_of_frame_keeps_a_tone(n_fft, compile_, monkeypatch):
    """Numbers of bins that 3 divides and others; a tone of 8 periods a frame and more."""
    monkeypatch.setenv("AUGSPEC_COMPILE", str(int(compile_ and n_fft == 512)))
    freq = 8.0 / n_fft
    time = torch.arange(8 * n_fft, dtype=torch.float64 if n_fft != 512 else torch.float32)
    waveform = torch.sin(2 * math.pi * freq * time).expand(2, 1, -1)
    out = time_stretch(waveform, torch.tensor([0.8, 1.25]), n_fft=n_fft)
    middle = out[..., 2 * n_fft : 5 * n_fft]
    assert middle.square().mean(-1) == pytest.approx(0.5, rel=0.02)
    assert out.isfinite().all()


def test_the_bands_of_onsets_are_triangles_on_the_mel_scale():
    found = onset.make_bands(256, dtype=torch.float64)
    expected = librosa.filters.mel(
        sr=16_000, n_fft=256, n_mels=found.shape[1], htk=True, norm=None, dtype=np.float64
    )
    np.testing.assert_allclose(found.numpy(), expected.T, atol=1e-9)


@pytest.mark.parametrize("channels", [1, 2])
def test_longer_sound_is_stretched_fewer_examples_at_a_time(channels, monkeypatch):
    """Or a batch of long sounds would take all memory."""
    values = []

    def watched(work, count, values_of_one, device):
        values.append(values_of_one)
        return in_chunks(work, count, values_of_one, device)

    in_chunks = vocoder.in_chunks
    monkeypatch.setattr(vocoder, "in_chunks", watched)
    monkeypatch.setenv("AUGSPEC_NATIVE", "0")
    for size in (8_000, 16_000):
        time_stretch(noise(2, channels, size), torch.full((2,), 0.9), size=size)
    assert values[1] == 2 * values[0]
    assert values[0] >= channels * 8_000


# For some sizes the ratio in float32 asks for one sample more than the interval says.
@pytest.mark.parametrize(("interval", "size"), [(-5.3, 8_000), (-7.0, 5_021), (-2.0, 4_679)])
def test_the_lowest_interval_has_room_to_the_last_sample(interval, size):
    """So that more room changes nothing."""
    waveform, semitones = noise(1, 1, size), torch.tensor([interval])
    out = pitch_shift(waveform, semitones, min_semitones=interval)
    torch.testing.assert_close(out, pitch_shift(waveform, semitones, min_semitones=-12.0))
