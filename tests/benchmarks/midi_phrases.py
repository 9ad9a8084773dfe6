"""Made-up MIDI phrases, rendered at any tempo and pitch: real sounds with a known ideal.

A phrase is a list of notes with a fixed seed. FluidSynth plays each note alone, dry, and notes are
added up here, each at its exact sample: the synthesiser itself begins notes at blocks of 64 samples
only. What is the ideal of a phrase at another tempo or pitch?

- A note begins, and is let go, where the tempo has it. Its attack stays as it is played.
- At another pitch the same recordings are played, by the font's tuning, not by other keys: a key
  may have another recording, and drums have no keys. The filter of the note moves along.
- A font plays a recording at the speed that gives the pitch, so its decay would follow the pitch
  and not the tempo. Therefore each note's level, in each of 30 bands, is led along the tempo before
  notes are added up (`_follow_tempo`). What is left is the fine structure of a band, and noise
  (cymbals) is another noise.
- Partials of two notes that are a few Hz apart beat as fast at any tempo, while whoever cannot tell
  them apart slows the beats down.

So nobody reaches an error of 0. Chords that are taken apart into notes, each processed alone and
added up again, still differ by 1.5 to 2 dB from their ideal.

Vibrato and tremolo of the font follow the tempo; the wobbles of a recording do not.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from ctypes import c_float, c_int, c_void_p
from dataclasses import dataclass, replace
from pathlib import Path

import fluidsynth
import librosa
import numpy as np
import scipy.ndimage
import scipy.signal

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")  # Debian's fluid-soundfont-gm
SECONDS = 4.0  # of a phrase, at its own tempo
_FIRST, _LAST = 0.25, 3.6  # seconds between which notes begin
_RELEASE = 0.08  # seconds in which a note that is let go dies away
_DRUM_BANK = 128
_BLOCK = 64  # samples that FluidSynth makes at a time
# Generators of the SoundFont 2.04 specification, section 8.1.2.
_FILTER_FC, _MOD_LFO, _VIB_LFO, _COARSE, _FINE = 8, 22, 24, 51, 52


@dataclass(frozen=True)
class Note:
    """One note: when, how long (seconds), which sound and key, how loud and where."""

    start: float
    length: float
    bank: int
    program: int
    key: int
    velocity: int
    pan: float  # 0 is left, 1 is right


@dataclass(frozen=True)
class Phrase:
    """Notes, and what is to be done to them."""

    name: str
    notes: tuple[Note, ...]
    semitones: float
    rate: float

    @property
    def onsets(self) -> np.ndarray:
        """Seconds at which notes begin, each once."""
        return np.unique([note.start for note in self.notes])


class Synthesizer:
    """FluidSynth with one sound font, without reverb and chorus, for single notes."""

    def __init__(self, sample_rate: int, sound_font: Path = SOUND_FONT) -> None:
        self.sample_rate = sample_rate
        # Rendered at 48 kHz or more, so that little of what the synthesiser folds over is heard.
        self._factor = -(-44_100 // sample_rate)
        self._synth = fluidsynth.Synth(
            gain=1.0,
            samplerate=self._factor * sample_rate,
            **{"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.polyphony": 64},
        )
        self._font = self._synth.sfload(str(sound_font))
        if self._font < 0:
            raise FileNotFoundError(f"no sound font {sound_font}: install fluid-soundfont-gm")
        bound = fluidsynth.cfunc
        self._set_gen = bound(
            "fluid_synth_set_gen",
            c_int,
            *(("synth", c_void_p, 1), ("channel", c_int, 1)),
            *(("generator", c_int, 1), ("value", c_float, 1)),
        )
        self._interpolate = bound(
            "fluid_synth_set_interp_method",
            c_int,
            *(("synth", c_void_p, 1), ("channel", c_int, 1), ("method", c_int, 1)),
        )
        self._cached_note = functools.lru_cache(maxsize=64)(self._note)
        self._cached = functools.lru_cache(maxsize=32)(self._render)  # sources serve three tasks

    def delete(self) -> None:
        self._synth.delete()

    def render(self, phrase: Phrase, semitones: float = 0.0, rate: float = 1.0) -> np.ndarray:
        """Play a phrase ``rate`` times as fast and ``semitones`` higher, ``(2, time)`` float32."""
        return self._cached(phrase.notes, semitones, rate)

    def _render(self, notes: tuple[Note, ...], semitones: float, rate: float) -> np.ndarray:
        out = np.zeros((2, round(SECONDS / rate * self.sample_rate)), dtype=np.float64)
        for note in notes:
            begin = round(note.start / rate * self.sample_rate)
            sound = self._cached_note(replace(note, start=0.0, pan=0.5), semitones, rate)
            sound = sound[:, : out.shape[1] - begin]
            balance = np.array([[np.cos(note.pan * np.pi / 2)], [np.sin(note.pan * np.pi / 2)]])
            out[:, begin : begin + sound.shape[1]] += balance * sound
        return out.astype(np.float32)

    def _note(self, note: Note, semitones: float, rate: float) -> np.ndarray:
        ratio = 2.0 ** (semitones / 12)
        seconds = note.length / rate
        # What the tempo leads along may come from later than it is heard.
        held = self._held(note, max(1.0, rate / ratio) * seconds + 0.1, ratio, rate)
        sound = _follow_tempo(held, rate / ratio, self.sample_rate)
        sound = sound[:, : round(seconds * self.sample_rate)]
        fall = min(round(_RELEASE / rate * self.sample_rate), sound.shape[1])
        sound[:, -fall:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(fall) + 0.5) / fall)
        return sound

    def _held(self, note: Note, seconds: float, ratio: float, rate: float) -> np.ndarray:
        """Play a note that is not let go, its recordings at their own speed times ``ratio``."""
        synth = self._synth
        synth.system_reset()
        synth.program_select(0, self._font, note.bank, note.program)
        self._interpolate(synth.synth, -1, 7)  # 7th order, the best there is
        interval, tempo = 1200 * np.log2(ratio), 1200 * np.log2(rate)
        coarse = round(interval / 100)
        for generator, value in (
            (_COARSE, coarse),
            (_FINE, interval - 100 * coarse),
            (_FILTER_FC, interval),
            (_MOD_LFO, tempo),
            (_VIB_LFO, tempo),
        ):
            self._set_gen(synth.synth, 0, generator, value)
        synth.noteon(0, note.key, note.velocity)
        # Whole blocks: the next note begins at the next block, and what is left of this one would
        # come before it, another time for each note.
        blocks = -(-round(seconds * self._factor * self.sample_rate) // _BLOCK)
        sound = synth.get_samples(blocks * _BLOCK)
        synth.all_sounds_off(0)
        # Silent, but until then the next note would go on from this one.
        synth.get_samples(16 * _BLOCK)
        sound = sound.reshape(-1, 2).T / 32768.0
        return scipy.signal.resample_poly(sound, 1, self._factor, axis=-1)


def _follow_tempo(sound: np.ndarray, speed: float, sample_rate: int) -> np.ndarray:
    """Let the level of each band of a note change ``speed`` times as fast; its waves stay."""
    if abs(speed - 1) < 1e-6:
        return sound.copy()
    hop = round(0.004 * sample_rate)
    n_fft = 8 * hop
    padded = np.pad(sound, ((0, 0), (0, n_fft)))
    specgram = librosa.stft(padded, n_fft=n_fft, hop_length=hop, pad_mode="constant")
    bands = librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=30, htk=True, norm=None, dtype=np.float64
    )
    power = np.einsum("mf,cft->mt", bands, np.abs(specgram) ** 2)
    level = 10 * np.log10(power + 1e-9 * power.max() + 1e-20)
    # 40 ms: slower than the periods of low notes, faster than decays. The note begins at frame 0.
    level = scipy.ndimage.gaussian_filter1d(level, 5.0, axis=-1, mode="nearest")
    frame = np.arange(level.shape[1])
    gain_db = np.stack([np.interp(speed * frame, frame, band) - band for band in level])
    places = np.argmax(bands, axis=1)
    bins = np.arange(bands.shape[1])
    gain = 10 ** (np.stack([np.interp(bins, places, g) for g in gain_db.T], 1).clip(-40, 20) / 20)
    return librosa.istft(specgram * gain, hop_length=hop, length=padded.shape[1])[
        :, : sound.shape[1]
    ]


def phrases(kind: str, task: str) -> list[Phrase]:
    """Return 14 phrases of ``solo``, ``chords`` or ``drums``, by programs and seeds.

    ``task`` says what is done to them: ``pitch`` (-4 to 4 semitones), ``stretch`` (0.8 to 1.25
    times as fast) or ``both``.
    """
    compose = {"solo": _solo, "chords": _chords, "drums": _drums}[kind]
    found = []
    for i, sound in enumerate(_SOUNDS[kind]):
        # Spread over the ranges, in no order with the sound.
        places = [2 * ((i * step + first) % 14) / 13 - 1 for step, first in ((5, 0), (3, 4))]
        semitones = 0.0 if task == "stretch" else 4 * places[0]
        rate = 1.0 if task == "pitch" else 1.25 ** -places[task == "both"]
        draw = np.random.default_rng([sorted(_SOUNDS).index(kind), i])
        notes = tuple(note for note in compose(draw, sound) if note.start <= _LAST)
        found.append(Phrase(f"{kind} {i}", notes, semitones, rate))
    return found


# Numbers of General MIDI from 0, and the lowest key; of drums, the kit.
_SOUNDS: dict[str, list[tuple[int, int]]] = {
    "solo": [
        *((0, 60), (24, 45), (40, 60), (56, 58), (73, 67), (71, 55), (11, 60)),
        *((33, 30), (42, 40), (65, 52), (46, 52), (68, 62), (16, 55), (105, 50)),
    ],
    "chords": [
        *((0, 48), (4, 48), (19, 43), (48, 48), (25, 45), (61, 46), (52, 52)),
        *((21, 50), (6, 48), (89, 48), (11, 52), (26, 45), (16, 45), (1, 52)),
    ],
    "drums": [(kit, 0) for kit in (0, 8, 16, 24, 25, 32, 40, 0, 8, 16, 24, 32, 40, 0)],
}
_SCALE = (0, 2, 4, 5, 7, 9, 11)


def _degree(number: int) -> int:
    """Return the semitones of a degree of the major scale above its root."""
    return 12 * (number // 7) + _SCALE[number % 7]


def _solo(draw: np.random.Generator, sound: tuple[int, int]) -> Iterator[Note]:
    program, lowest = sound
    start, degree, pan = _FIRST, int(draw.integers(3, 8)), draw.uniform(0.3, 0.7)
    while start <= _LAST:
        step = float(draw.choice([0.125, 0.18, 0.25, 0.37, 0.5]))
        key, velocity = lowest + _degree(degree), int(draw.integers(60, 115))
        # From staccato to a note that sounds into the next.
        yield Note(start, step * draw.uniform(0.8, 1.5) + 0.05, 0, program, key, velocity, pan)
        degree = int(np.clip(degree + draw.choice([-3, -2, -1, 1, 2, 4]), 0, 13))
        start += step


def _chords(draw: np.random.Generator, sound: tuple[int, int]) -> Iterator[Note]:
    """Chords of three or four voices, some of them strummed, over a bass."""
    program, lowest = sound
    start = _FIRST
    while start <= _LAST:
        step = float(draw.choice([0.3, 0.45, 0.6, 0.9]))
        root, voices = int(draw.integers(0, 7)), int(draw.integers(3, 5))
        spread = float(draw.choice([0.0, 0.0, 0.02]))
        velocity = int(draw.integers(60, 105))
        for voice in range(voices):
            key = lowest + 7 + _degree((root + 2 * voice) % 10)
            begin, pan = start + spread * voice, 0.25 + 0.5 * voice / (voices - 1)
            yield Note(begin, step * draw.uniform(0.9, 1.2), 0, program, key, velocity, pan)
        bass = lowest + _degree(root) - 12
        yield Note(start, 0.95 * step, 0, 33, max(bass, 28), 90, 0.5)
        start += step


def _drums(draw: np.random.Generator, sound: tuple[int, int]) -> Iterator[Note]:
    """A beat in steps of sixteenths: bass drum, snare, hi-hats or ride, some toms and a crash."""
    kit, _ = sound
    step = 60 / float(draw.uniform(80, 130)) / 4
    ride = int(draw.choice([42, 42, 51]))
    places = {36: 0.5, 38: 0.5, ride: 0.45, 46: 0.7, 45: 0.3, 48: 0.6, 49: 0.25, 37: 0.6}
    for number in range(int((_LAST - _FIRST) / step) + 1):
        chances = {36: 0.2, 38: 0.1, ride: 0.55, 46: 0.05, 45: 0.08, 48: 0.08, 37: 0.05, 49: 0.02}
        if number % 8 == 0:
            chances[36] = 1.0
        if number % 8 == 4:
            chances[38] = 1.0
        if number == 0:
            chances[49] = 0.5
        for key, chance in chances.items():
            if draw.random() < chance:
                velocity = int(draw.integers(55, 115))
                yield Note(_FIRST + number * step, 1.0, _DRUM_BANK, kit, key, velocity, places[key])
