"""Chords and phrases in stereo come out as if they were played at the other tempo or pitch.

Left, right and their mean are scored: the mean shows what the channels share. Bars are what was
measured plus 0.1 dB, to leave room for another processor. Decisions in each channel alone, which
tear apart what channels share, miss every one of them.
"""

import sys
from pathlib import Path

import pytest
import torch
from ideal_tones import FREQS, Note, mel_error
from peers import import_or_skip

from augspec.functional import pitch_and_tempo, pitch_shift, time_stretch

pytestmark = pytest.mark.usefixtures("eager_kernels")

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PLACES = (0.2, 0.5, 0.75)  # of three notes: 0 is left, 1 is right


def chord(f0: float, seed: int, ratio: float = 1.0, rate: float = 1.0) -> torch.Tensor:
    """Play three notes, each attack on the decays of those before, left, middle and right."""
    notes = [
        Note(f0, seed=seed),
        Note(f0 * 1.26, seed=seed + 1, onset=0.75),
        Note(f0 * 1.68, seed=seed + 2, onset=1.15),
    ]
    played = torch.stack([note.synthesise(ratio, rate) for note in notes])
    angle = torch.tensor(PLACES, dtype=torch.float64) * torch.pi / 2
    return torch.stack([angle.cos(), angle.sin()]) @ played


def with_mean(stereo: torch.Tensor) -> torch.Tensor:
    return torch.cat([stereo, stereo.mean(0, keepdim=True)])


def stereo_errors(out: torch.Tensor, ideal: torch.Tensor) -> list[float]:
    channels = zip(with_mean(out[:, : ideal.shape[-1]]), with_mean(ideal), strict=True)
    return [mel_error(have, want) for have, want in channels]


# Decided in each channel alone: medians of 1.46 to 1.62, worst 3.97 to 7.41.
@pytest.mark.parametrize(
    ("semitones", "rate", "median", "worst"),
    [
        (0.0, 0.85, 1.34, 2.43),
        (0.0, 1.2, 1.24, 2.53),
        (2.5, 1.0, 1.19, 2.45),
        (-3.0, 1.0, 1.28, 2.26),
    ],
)
def test_notes_in_stereo_are_as_if_played(semitones, rate, median, worst):
    ratio, freqs = 2 ** (semitones / 12), FREQS[1::2]
    batch = torch.stack([chord(f0, 10 * i) for i, f0 in enumerate(freqs)]).float()
    every = torch.ones(len(batch))
    if semitones:
        out = pitch_shift(batch, semitones * every)
    else:
        out = time_stretch(batch, rate * every, size=int(batch.shape[-1] / rate) + 1)
    errors = [
        stereo_errors(one, chord(f0, 10 * i, ratio, rate))
        for i, (f0, one) in enumerate(zip(freqs, out, strict=True))
    ]
    found = torch.tensor(errors)
    assert found.quantile(0.5) < median
    assert found.max() < worst


@pytest.fixture
def midi():
    """The phrases of ``bench_stretch.py midi``, and what scores them."""
    import_or_skip("fluidsynth")
    import_or_skip("librosa")
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import midi_phrases
        import stretch_midi
    finally:
        sys.path.remove(str(BENCHMARKS))
    if not midi_phrases.SOUND_FONT.exists():
        pytest.skip("the Debian package fluid-soundfont-gm is not installed")
    synthesizer = midi_phrases.Synthesizer(16_000)
    yield midi_phrases.phrases, stretch_midi.Goal, synthesizer
    synthesizer.delete()


# Behind each bar: decided in each channel alone.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "task", "bar"),
    [
        ("solo", "stretch", 0.74),  # 2.54
        ("solo", "pitch", 0.81),  # 2.67
        ("solo", "both", 2.25),  # 3.73
        ("chords", "stretch", 1.34),  # 2.35
        ("chords", "pitch", 1.44),  # 2.35
        ("chords", "both", 1.99),  # 2.70
        ("drums", "stretch", 1.06),  # 1.35
        ("drums", "pitch", 1.17),  # 1.69
        ("drums", "both", 1.80),  # 2.07
    ],
)
def test_a_phrase_in_stereo_is_as_if_played(midi, kind, task, bar):
    phrases, goal, synthesizer = midi
    phrase = phrases(kind, task)[4]
    source = torch.from_numpy(synthesizer.render(phrase))[None]
    ideal = synthesizer.render(phrase, phrase.semitones, phrase.rate)
    semitones, rate = torch.tensor([phrase.semitones]), torch.tensor([phrase.rate])
    out = pitch_and_tempo(source, semitones, rate, size=ideal.shape[-1])
    assert goal(ideal, phrase, 16_000).score(out[0].numpy()).error < bar


@pytest.mark.slow
def test_a_phrase_sounds_alike_whatever_was_played_before(midi):
    phrases, _, synthesizer = midi
    again = type(synthesizer)(16_000)
    again.render(phrases("solo", "stretch")[4])
    one, other = (synth.render(phrases("chords", "stretch")[4]) for synth in (synthesizer, again))
    again.delete()
    # Notes began up to 63 samples off, by what was played before: then it is 1.2.
    assert abs(one - other).max() < 1e-3 * abs(one).max()
