"""``bench_stretch.py midi``: ours and the peers on MIDI phrases and on speech, cell by cell."""

from __future__ import annotations

import functools
import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import espeak_speech
import librosa
import midi_phrases
import numpy as np
import scipy.ndimage
from espeak_speech import Sentence
from midi_phrases import Phrase
from stretch_peers import Able, Shift, rubber_band

KINDS = ("solo", "chords", "drums")
TASKS = ("stretch", "pitch", "both")
SPEECH = tuple(f"speech {task}" for task in espeak_speech.TASKS)
CELLS = tuple(f"{kind} {task}" for kind in KINDS for task in TASKS)
BEST = 0.1  # dB from the best peer's median that still count as no worse
WORST = 0.5  # dB that a cell's worst phrase may be behind the best peer's worst
_EDGE = 4  # frames left out at each end
_HOP = 0.008  # seconds between frames of speech
_NEAR, _AROUND = 10, 50  # ms from an attack: where its rise belongs, and what is its


class Score(NamedTuple):
    """Error in dB, share of the onsets, and the delay that was taken out, in ms."""

    error: float
    share: float
    delay: int


def log_mel(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the log-mel in dB, frames of 64 ms every 16 ms, 40 bands up to 8 kHz, 56 to 22."""
    return 10 * np.log10(np.maximum(_mel(waveform, sample_rate, 0.064, 0.016, 2.0), 1e-10))


def _mel(
    waveform: np.ndarray, sample_rate: int, width: float, hop: float, power: float
) -> np.ndarray:
    return librosa.feature.melspectrogram(
        y=waveform.astype(np.float64),
        sr=sample_rate,
        n_fft=round(width * sample_rate),
        hop_length=round(hop * sample_rate),
        n_mels=_bands(sample_rate),
        htk=True,
        norm=None,
        power=power,
        pad_mode="constant",
    )


def _bands(sample_rate: int) -> int:
    return 40 if sample_rate <= 16_000 else 56


def mel_error(have: np.ndarray, want: np.ndarray, bands: int) -> float:
    """Return the RMS difference where ``want`` is within 60 dB of its peak, of the lowest bands."""
    have, want = have[..., :bands, _EDGE:-_EDGE], want[..., :bands, _EDGE:-_EDGE]
    return float(np.sqrt(np.mean((have - want)[want > want.max() - 60] ** 2)))


def bands_heard(semitones: float, sample_rate: int) -> int:
    """Say how many bands count: a shift down has nothing to put where the source ended."""
    bands = _bands(sample_rate)
    if semitones >= 0:
        return bands
    tops = librosa.mel_frequencies(bands + 2, fmax=sample_rate / 2, htk=True)[2:]
    return int((tops <= 0.95 * 2.0 ** (semitones / 12) * sample_rate / 2).sum())


def rises(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return by how much the level of bands rises, squared and summed, every ms."""
    mono = np.atleast_2d(waveform).mean(0)
    level = _mel(mono, sample_rate, 0.008, 0.001, 1.0)
    # Over 4 ms: what rises and falls within less is no attack but the wave.
    smooth = scipy.ndimage.gaussian_filter1d(level, 1.5, axis=-1)
    rise = np.maximum(smooth[:, 2:] - smooth[:, :-2], 0.0)
    return np.pad((rise**2).sum(0), (1, 1))


def attacks(rise: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """Say where, within 50 ms of its beginning, each note of the ideal rises most, in ms.

    A font's recordings begin before the attack, each by another time.
    """
    starts = np.round(1000 * onsets).astype(int)
    return np.unique([start + int(np.argmax(rise[start : start + _AROUND])) for start in starts])


def onset_share(rise: np.ndarray, places: np.ndarray) -> float:
    """Return the share of what rises within 50 ms of an attack that does so within 10 ms of it."""
    distance = np.abs(np.arange(len(rise)) - places[:, None]).min(0)
    return float(rise[distance <= _NEAR].sum() / rise[distance <= _AROUND].sum())


def _lag(have: np.ndarray, want: np.ndarray) -> int:
    """Return the ms, up to 50, by which the rises of ``have`` come late."""
    size = min(len(have), len(want))
    have, want = np.sqrt(have[:size]), np.sqrt(want[:size])
    lags = range(-50, 51)
    alike = [float(np.roll(have, -lag) @ want) for lag in lags]
    return lags[int(np.argmax(alike))]


def _fit(samples: np.ndarray, size: int) -> np.ndarray:
    samples = samples[..., :size]
    pad = [(0, 0)] * (samples.ndim - 1) + [(0, size - samples.shape[-1])]
    return np.pad(samples, pad)


class Goal:
    """The ideal of one phrase, against which sounds are scored."""

    def __init__(self, ideal: np.ndarray, phrase: Phrase, sample_rate: int) -> None:
        self.size, self.sample_rate = ideal.shape[-1], sample_rate
        self._mels, self._rises = _mels(ideal, sample_rate), rises(ideal, sample_rate)
        self._places = attacks(self._rises, phrase.onsets / phrase.rate)
        self._heard = bands_heard(phrase.semitones, sample_rate)

    def score(self, sound: np.ndarray) -> Score:
        """Score one sound.

        Two channels are scored as left, right and their mean, which shows what they share. A
        constant delay is no fault: the better of none and of the one that the rises tell counts.
        """
        sound = _fit(sound, self.size)
        lag = _lag(rises(sound, self.sample_rate), self._rises)
        found = []
        for late in {0, lag}:
            moved = np.roll(sound, -late * self.sample_rate // 1000, axis=-1)
            error = mel_error(_mels(moved, self.sample_rate), self._mels, self._heard)
            share = onset_share(rises(moved, self.sample_rate), self._places)
            found.append(Score(error, share, late))
        return min(found)


class SpeechGoal:
    """A spoken sentence, against which sounds are scored where they say the same."""

    def __init__(self, sentence: Sentence, sample_rate: int) -> None:
        self.sample_rate, self._sentence = sample_rate, sentence
        self._places = espeak_speech.match(sentence, sample_rate) / sentence.rate
        self._heard = bands_heard(sentence.semitones, sample_rate)
        # Pauses are digital silence: without a floor, a frame beside one would count as 60 dB.
        self._floor = 1e-7 * _mel(sentence.ideal, sample_rate, 0.064, _HOP, 2.0).max()
        self._mels = self._frames(sentence.ideal, _HOP * np.arange(len(self._places)))

    def _frames(self, sound: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """Return the log-mel at any times."""
        frames = _mel(sound, self.sample_rate, 0.064, _HOP, 2.0)
        level = 10 * np.log10(np.maximum(frames, self._floor))
        places = np.arange(level.shape[1]) * _HOP
        return np.stack([np.interp(seconds, places, band) for band in level])

    def score(self, sound: np.ndarray) -> Score:
        """Score one sound; words have no onsets to count, and a delay shows in the error."""
        seconds = self._places
        if sound is self._sentence.ideal:
            seconds = _HOP * np.arange(len(seconds))
        error = mel_error(self._frames(sound, seconds), self._mels, self._heard)
        return Score(error, float("nan"), 0)


def _mels(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    if waveform.ndim == 2:
        waveform = np.concatenate([waveform, waveform.mean(0, keepdims=True)])
    return log_mel(waveform, sample_rate)


Scores = dict[str, dict[str, list[Score]]]


def midi(
    able: Able,
    cells: Sequence[str] = (*CELLS, *SPEECH),
    count: int = 14,
    sample_rate: int = 16_000,
    stereo: bool = False,
    sound_font: Path = midi_phrases.SOUND_FONT,
) -> None:
    """Print the scores of every cell, and in how many of them ours are best.

    Args:
        able: Says who takes part in a task.
        cells: Of `CELLS` and `SPEECH`.
        count: Phrases of a cell, of 14; sentences, of 12.
        sample_rate: Of the phrases and the sentences, in Hz.
        stereo: Leave notes where they are panned to; speech is mono.
        sound_font: What plays.
    """
    if unknown := set(cells) - {*CELLS, *SPEECH}:
        raise ValueError(f"cells are {CELLS + SPEECH}, got {sorted(unknown)}")
    synthesizer = midi_phrases.Synthesizer(sample_rate, sound_font)
    print(f"| {'stereo' if stereo else 'mono'}, {sample_rate} Hz | peer ", end="")
    print("| median dB | worst dB | onsets within 10 ms | delay, ms |")
    print("|---|---|---:|---:|---:|---:|")
    scores: Scores = {}
    seconds: dict[str, float] = defaultdict(float)
    for cell in cells:
        kind, task = cell.split()
        if kind == "speech":
            contestants, takes = (
                _speech_peers(able(task), task),
                _sentences(task, count, sample_rate),
            )
        else:
            contestants = able(task)
            takes = _phrases(synthesizer, kind, task, count, stereo)
        scores[cell] = {name: [] for name in ("the ideal", *contestants)}
        for goal, source, ideal, semitones, rate in takes:
            scores[cell]["the ideal"].append(goal.score(ideal))
            for name, peer in contestants.items():
                begin = time.perf_counter()
                sound = peer(source, semitones, rate, sample_rate)
                seconds[name] += time.perf_counter() - begin
                scores[cell][name].append(goal.score(sound))
        _print_cell(cell, scores[cell])
    synthesizer.delete()
    _print_verdict(scores)
    print("\nSeconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()))


Take = tuple["Goal | SpeechGoal", np.ndarray, np.ndarray, float, float]


def _phrases(
    synthesizer: midi_phrases.Synthesizer, kind: str, task: str, count: int, stereo: bool
) -> Iterator[Take]:
    for phrase in midi_phrases.phrases(kind, task)[:count]:
        source = synthesizer.render(phrase)
        ideal = synthesizer.render(phrase, phrase.semitones, phrase.rate)
        if not stereo:
            source, ideal = source.mean(0), ideal.mean(0)
        goal = Goal(ideal, phrase, synthesizer.sample_rate)
        yield goal, source, ideal, phrase.semitones, phrase.rate


def _sentences(task: str, count: int, sample_rate: int) -> Iterator[Take]:
    for sentence in itertools.islice(espeak_speech.sentences(task, sample_rate), count):
        goal = SpeechGoal(sentence, sample_rate)
        yield goal, sentence.source, sentence.ideal, sentence.semitones, sentence.rate


def _speech_peers(able: dict[str, Shift], task: str) -> dict[str, Shift]:
    """Add, for a pitch shift, those who keep formants, as those of the ideal are."""
    if task == "pitch":
        able["augspec, formants kept"] = functools.partial(able["augspec"], preserve_formants=True)
        if "Rubber Band R3" in able:
            formant = functools.partial(rubber_band, options=("--formant",))
            able["Rubber Band R3, formants kept"] = formant
    return able


def _print_cell(cell: str, by_peer: dict[str, list[Score]]) -> None:
    for name, found in by_peer.items():
        errors, shares, delays = zip(*found, strict=True)
        row = f"{np.median(errors):.3f} | {max(errors):.3f} | {np.median(shares):.3f}"
        row = row.replace("nan", "-")  # speech has no onsets to count
        print(f"| {cell} | {name} | {row} | {np.median(delays):.0f} |", flush=True)


def _print_verdict(scores: Scores) -> None:
    """Print how far the best of ours is from the best of the peers, by the median and the worst."""
    print("\n| cell | ours minus the best peer's median | worst minus the best peer's worst |")
    print("|---|---:|---:|")
    medians, worsts = [], []
    for cell, by_peer in scores.items():
        ours_, theirs = {}, {}
        for name, found in by_peer.items():
            errors = [score.error for score in found]
            if name != "the ideal":
                side = ours_ if name.startswith("augspec") else theirs
                side[name] = float(np.median(errors)), max(errors)
        row = []
        for which, column in enumerate((medians, worsts)):
            best = min(theirs, key=lambda name: theirs[name][which])
            column.append(min(v[which] for v in ours_.values()) - theirs[best][which])
            row.append(f"{column[-1]:+.3f} ({best})")
        print(f"| {cell} | " + " | ".join(row) + " |")
    won = sum(value <= BEST for value in medians)
    safe = sum(value <= WORST for value in worsts)
    print(f"\nBest or within {BEST} dB by the median: {won} of {len(medians)} cells.")
    print(f"Worst phrase at most {WORST} dB behind: {safe} of {len(worsts)} cells.")
