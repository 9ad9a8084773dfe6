"""Sentences that espeak-ng speaks at two rates and two pitches, and scores against what it says.

The ideal of a stretch is the sentence spoken faster or slower, that of a pitch shift the sentence
spoken higher or lower. espeak-ng keeps the formants at another pitch, and at another rate it does
not change all sounds alike. So frames of the ideal are compared with those of the source that say
the same, as dynamic time warping between the two finds them, whatever a peer makes of the source.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import soundfile

ESPEAK = shutil.which("espeak-ng")  # Debian's espeak-ng
TASKS = ("stretch", "pitch")
_HOP = 0.008  # seconds between frames that are matched
# Voices and sentences; a rate and a pitch of espeak-ng for each.
_SENTENCES = (
    ("en-us", "The quick brown fox jumps over the lazy dog, and then it rests.", 145, 35),
    ("en-gb", "She sells sea shells by the shore, but nobody has bought any yet.", 215, 70),
    ("en-us+f3", "How many boards could the builders hoard in a single afternoon?", 160, 40),
    ("de", "Zwei Boxkämpfer jagen Eva quer durch das alte Dorf am Fluss.", 200, 65),
    ("fr", "Portez ce vieux whisky au juge blond qui fume dans la cour.", 150, 60),
    ("es", "El pingüino bebía cerveza mientras la cigüeña tocaba el saxofón.", 190, 30),
    ("it", "Quel vituperabile ladro mangia pere gialle sotto la finestra.", 165, 45),
    ("pt", "Um pequeno jabuti ficou feliz ao ver dez cegonhas no rio.", 210, 55),
    ("nl", "De snelle vos springt over een luie hond bij de waterkant.", 140, 68),
    ("sv", "Flygande bäckasiner söka hwila på mjuka tuvor i skogen.", 185, 42),
    ("en-gb+f2", "Take the first turn on the left, then stop in front of the bank.", 155, 33),
    ("de+f4", "Am Montag regnet es, am Dienstag kommt vielleicht die Sonne.", 205, 62),
)


@dataclass(frozen=True)
class Sentence:
    """A source, what is to be done to it, and what comes of it."""

    source: np.ndarray
    ideal: np.ndarray
    semitones: float
    rate: float


def sentences(task: str, sample_rate: int) -> Iterator[Sentence]:
    """Yield 12 sentences, each to be stretched or to be shifted."""
    for voice, text, speed, pitch in _SENTENCES:
        source = _say(text, voice, 175, 50, sample_rate)
        if task == "stretch":
            ideal = _say(text, voice, speed, 50, sample_rate)
            yield Sentence(source, ideal, 0.0, len(source) / len(ideal))
        else:
            ideal = _say(text, voice, 175, pitch, sample_rate)
            yield Sentence(source, ideal, _interval(source, ideal, sample_rate), 1.0)


def match(sentence: Sentence, sample_rate: int) -> np.ndarray:
    """Return the time in seconds of the source that each frame of the ideal says, every 8 ms."""
    hop = round(_HOP * sample_rate)
    source, ideal = (
        librosa.feature.mfcc(y=y, sr=sample_rate, n_mfcc=13, n_fft=4 * hop, hop_length=hop)
        for y in (sentence.source, sentence.ideal)
    )
    _, path = librosa.sequence.dtw(source, ideal, global_constraints=True, band_rad=0.1)
    total, count = np.zeros(ideal.shape[1]), np.zeros(ideal.shape[1])
    np.add.at(total, path[:, 1], path[:, 0])
    np.add.at(count, path[:, 1], 1)
    return total / count * hop / sample_rate


def _say(text: str, voice: str, speed: int, pitch: int, sample_rate: int) -> np.ndarray:
    if ESPEAK is None:
        raise FileNotFoundError("no command espeak-ng: install Debian's espeak-ng")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        options = ["-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(file)]
        subprocess.run([ESPEAK, *options, text], check=True, capture_output=True)
        spoken, rate = soundfile.read(file, dtype="float32")
    return librosa.resample(spoken, orig_sr=rate, target_sr=sample_rate, res_type="soxr_hq")


def _interval(source: np.ndarray, ideal: np.ndarray, sample_rate: int) -> float:
    """Return the median interval between the two, in semitones."""
    size = min(len(source), len(ideal))
    notes = []
    for spoken in (source[:size], ideal[:size]):
        freqs, voiced, _ = librosa.pyin(spoken, sr=sample_rate, fmin=50, fmax=500)
        notes.append(12 * np.log2(np.where(voiced, freqs, np.nan)))
    return float(np.nanmedian(notes[1] - notes[0]))
