"""The conditions, and their strengths in each of five severities."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augspec import functional
from augspec.datasets import GMNotes
from augspec.random import integers, uniform

SEVERITIES = (1, 2, 3, 4, 5)
_CODEC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # of MP3


@dataclass(frozen=True)
class Draws:
    """The random numbers of one example under one condition and severity, made by hashes.

    Uniform numbers are multiples of 2**-24 and the same on every machine; other draws are computed
    from them in float64.

    Args:
        key: ``(1,)`` int64, key of the example.
        path: Name of the condition and the severity.
    """

    key: Tensor
    path: str

    def uniform(self, name: str, low: float, high: float, count: int = 1) -> Tensor:
        """Draw ``(count,)`` float64 values between two bounds."""
        unit = uniform(self.key, self.path, name, counter=torch.arange(count))
        return low + (high - low) * unit.double()

    def sign(self, name: str) -> float:
        """Draw 1 or -1."""
        return 1.0 if float(self.uniform(name, 0.0, 1.0)) < 0.5 else -1.0

    def integers(self, name: str, below: int, count: int) -> list[int]:
        """Draw ``count`` whole numbers from 0 to ``below`` - 1."""
        counter = torch.arange(count)
        return [int(one) for one in integers(self.key, self.path, name, 0, below, counter=counter)]

    def normal(self, name: str, channels: int, time: int) -> Tensor:
        """Draw normal noise ``(1, channels, time)``, by Box and Muller in float64."""
        counter = torch.arange(channels * time)
        radius = uniform(self.key, self.path, f"{name} radius", counter=counter).double()
        angle = uniform(self.key, self.path, f"{name} angle", counter=counter).double()
        noise = torch.sqrt(-2.0 * torch.log1p(-radius)) * torch.cos(2.0 * math.pi * angle)
        return noise.reshape(1, channels, time)


Corruption = Callable[[Tensor, float, Draws, int], Tensor]


@dataclass(frozen=True)
class Condition:
    """A corruption, its description, and its strength in each severity.

    Attributes:
        text: Description for people; ``{}`` stands for the strength.
        strengths: One strength for each severity.
        apply: Takes one float64 example ``(1, channel, time)``, a strength, the example's draws and
            the sample rate.
        seen_by: Classes of `augspec.transforms` that train a model for it.
    """

    text: str
    strengths: tuple[float, ...]
    apply: Corruption
    seen_by: tuple[str, ...]


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def _below_nyquist(freq: float, sample_rate: int) -> Tensor:
    return _one(min(freq, 0.45 * sample_rate))


def noise(waveform: Tensor, snr_db: float, draws: Draws, _: int) -> Tensor:
    """Add white noise."""
    return functional.add_noise(waveform, draws.normal("noise", *waveform.shape[1:]), _one(snr_db))


@functools.cache
def _background_notes() -> GMNotes:
    return GMNotes("train")


def background(waveform: Tensor, snr_db: float, draws: Draws, sample_rate: int) -> Tensor:
    """Add other music: eight of augspec's embedded notes, which overlap."""
    notes, time = _background_notes(), waveform.shape[-1]
    added = torch.zeros(1, 1, time, dtype=torch.float64)
    starts = draws.uniform("start", 0.0, 1.0, 8).tolist()
    for index, start in zip(draws.integers("note", len(notes), 8), starts, strict=True):
        note = notes[index]["waveform"][None].double()
        note = functional.resample_rate(note, notes.sample_rate, sample_rate)
        places = (int(start * time) + torch.arange(note.shape[-1])) % time
        added.index_add_(2, places, note)
    return functional.add_noise(waveform, added.expand_as(waveform), _one(snr_db))


def room(waveform: Tensor, rt60: float, draws: Draws, sample_rate: int) -> Tensor:
    """Put the sound into a diffuse room; at 0.8 s its tail has the energy of the direct sound."""
    size = math.ceil(rt60 * sample_rate)
    time = torch.arange(size, dtype=torch.float64) / sample_rate
    tail = draws.normal("tail", 1, size)[0] * torch.exp(-time * (math.log(1000.0) / rt60))
    tail[..., 0] = 0.0
    response = tail * math.sqrt(rt60 / 0.8) / tail.square().sum().sqrt()
    response[..., 0] = 1.0
    return functional.reverb.match_power(functional.convolve(waveform, response), waveform)


def device(waveform: Tensor, gain_db: float, draws: Draws, sample_rate: int) -> Tensor:
    """Color the sound as a microphone or loudspeaker does: six peaks or dips."""
    octaves = draws.uniform("freq", math.log2(100.0), math.log2(0.4 * sample_rate), 6)
    gains = draws.uniform("gain", -gain_db, gain_db, 6)
    widths = draws.uniform("q", 0.7, 3.0, 6)
    return functional.parametric_eq(
        waveform, torch.exp2(octaves)[None], gains[None], widths[None], sample_rate=sample_rate
    )


def low_pass(waveform: Tensor, freq: float, _: Draws, sample_rate: int) -> Tensor:
    """Attenuate frequencies above a cut-off, 24 dB per octave."""
    cutoff = _below_nyquist(freq, sample_rate)
    return functional.low_pass(waveform, cutoff, sample_rate=sample_rate, order=4)


def high_pass(waveform: Tensor, freq: float, _: Draws, sample_rate: int) -> Tensor:
    """Attenuate frequencies below a cut-off, 24 dB per octave."""
    cutoff = _below_nyquist(freq, sample_rate)
    return functional.high_pass(waveform, cutoff, sample_rate=sample_rate, order=4)


def quiet(waveform: Tensor, gain_db: float, _: Draws, __: int) -> Tensor:
    """Reduce the level; rounding to 16 bits then loses more of the sound."""
    return functional.gain(waveform, _one(gain_db))


def clipped(waveform: Tensor, threshold_db: float, _: Draws, __: int) -> Tensor:
    """Clip the peaks, and scale the result to the old peak."""
    cut = functional.clip(waveform, _one(threshold_db), relative=True)
    return functional.gain(cut, _one(-threshold_db))


def bits(waveform: Tensor, depth: float, _: Draws, __: int) -> Tensor:
    """Round to few bits."""
    return functional.bit_crush(waveform, torch.tensor([int(depth)]))


def codec(waveform: Tensor, level: float, _: Draws, sample_rate: int) -> Tensor:
    """Encode and decode as MP3, at its nearest sample rate."""
    rate = min(_CODEC_RATES, key=lambda one: abs(one - sample_rate))
    sound = functional.resample_rate(waveform, sample_rate, rate).float()
    sound = functional.codec(
        sound, torch.tensor([0]), torch.tensor([level]), rate, formats=("mp3",)
    )
    return _fit(functional.resample_rate(sound.double(), rate, sample_rate), waveform)


def phone(waveform: Tensor, levels: float, _: Draws, sample_rate: int) -> Tensor:
    """Keep 300 to 3400 Hz, at 8 kHz, with the mu-law levels of a telephone line or fewer."""
    low = _below_nyquist(3400.0, sample_rate)
    narrow = functional.low_pass(waveform, low, sample_rate=sample_rate, order=4)
    narrow = functional.high_pass(narrow, _one(300.0), sample_rate=sample_rate, order=4)
    line = functional.resample_rate(narrow, sample_rate, 8000)
    line = functional.mu_law(line, torch.tensor([int(levels)]))
    return _fit(functional.resample_rate(line, 8000, sample_rate), waveform)


def detuned(waveform: Tensor, semitones: float, draws: Draws, _: int) -> Tensor:
    """Shift the pitch up or down."""
    return functional.pitch_shift(waveform, _one(draws.sign("direction") * semitones))


def tempo(waveform: Tensor, factor: float, draws: Draws, _: int) -> Tensor:
    """Make it faster or slower; the length stays."""
    rate = factor ** draws.sign("direction")
    return _fit(functional.time_stretch(waveform, _one(rate)), waveform)


def _fit(sound: Tensor, like: Tensor) -> Tensor:
    """Cut or pad a sound at its end to the length of another sound."""
    missing = like.shape[-1] - sound.shape[-1]
    return torch.nn.functional.pad(sound, (0, missing))  # a negative number cuts


CONDITIONS: Mapping[str, Condition] = {
    "noise": Condition(
        "white noise {:g} dB below",
        (30.0, 25.0, 20.0, 15.0, 10.0),
        noise,
        ("WhiteNoise", "ColoredNoise", "ShortNoises"),
    ),
    "background": Condition(
        "other music {:g} dB below",
        (25.0, 20.0, 15.0, 10.0, 5.0),
        background,
        ("BackgroundNoise", "MixBackground", "Mixup"),
    ),
    "room": Condition(
        "a room of {:g} s", (0.3, 0.5, 0.8, 1.2, 2.0), room, ("RoomReverb", "ImpulseResponse")
    ),
    "device": Condition(
        "the colour of a device, up to {:g} dB",
        (4.0, 8.0, 12.0, 16.0, 20.0),
        device,
        (
            "RandomEQ",
            "PeakingEQ",
            "TiltEQ",
            "LowShelf",
            "HighShelf",
            "FilterAugment",
            "BandStop",
            "ImpulseResponse",
            "FreqMixStyle",
        ),
    ),
    "low-pass": Condition(
        "nothing above {:g} Hz",
        (6000.0, 4000.0, 3000.0, 2000.0, 1000.0),
        low_pass,
        ("LowPass", "BandPass", "Resample", "AirAbsorption", "Telephone"),
    ),
    "high-pass": Condition(
        "nothing below {:g} Hz",
        (100.0, 200.0, 300.0, 600.0, 1200.0),
        high_pass,
        ("HighPass", "BandPass", "Telephone"),
    ),
    "quiet": Condition(
        "{:g} dB",
        (-10.0, -20.0, -30.0, -40.0, -50.0),
        quiet,
        (
            "Gain",
            "GainTransition",
            "LinearFade",
            "LoudnessNormalize",
            "PeakNormalize",
            "RMSNormalize",
        ),
    ),
    "clipped": Condition(
        "clipped at {:g} dB of the peak",
        (-3.0, -6.0, -12.0, -18.0, -24.0),
        clipped,
        ("Clip", "ClippingDistortion", "TanhDistortion"),
    ),
    "bits": Condition(
        "{:g} bits", (8, 7, 6, 5, 4), bits, ("BitCrush", "MuLaw", "ALaw", "Telephone")
    ),
    "codec": Condition("MP3, level {:g}", (0.6, 0.8, 0.9, 0.95, 1.0), codec, ("Codec",)),
    "phone": Condition(
        "a telephone of {:g} levels",
        (256, 128, 64, 32, 16),
        phone,
        ("BandPass", "MuLaw", "ALaw", "Telephone"),
    ),
    "detuned": Condition(
        "{:g} semitones up or down",
        (0.25, 0.5, 0.75, 1.0, 1.5),
        detuned,
        (
            "PitchShift",
            "PitchAndTempo",
            "Speed",
            "WowFlutter",
            "MelRange",
            "FrequencyShift",
            "RandomResizeCrop",
        ),
    ),
    "tempo": Condition(
        "{:g} times faster or slower",
        (1.05, 1.1, 1.2, 1.35, 1.5),
        tempo,
        (
            "TimeStretch",
            "PitchAndTempo",
            "Speed",
            "TempoCurve",
            "TimeWarp",
            "SpecAugment",
            "RandomResizeCrop",
        ),
    ),
}


def trained_with(transforms: Any) -> list[str]:
    """Name the conditions that an arm has trained with, by the classes in its config.

    An arm should be judged by its results under the other conditions, which it has never seen.

    Args:
        transforms: Plain data that names classes, as `augspec.to_config` returns it.

    Example:
        >>> trained_with({"waveform": [{"Gain": {"gain_db": [-6.0, 6.0]}}]})
        ['quiet']
    """
    named = set(_names(transforms))
    return [name for name, one in CONDITIONS.items() if named & set(one.seen_by)]


def _names(config: Any) -> list[str]:
    if isinstance(config, Mapping):
        return [*config, *(name for value in config.values() for name in _names(value))]
    if isinstance(config, list | tuple):
        return [name for value in config for name in _names(value)]
    return [config] if isinstance(config, str) else []
