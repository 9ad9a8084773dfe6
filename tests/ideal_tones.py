"""Ideal notes: the same note at another pitch or tempo in closed form, and how far audio is off."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

SAMPLE_RATE = 16_000
SECONDS = 2.0
ONSET = 0.3  # seconds
ATTACK = 0.004  # seconds


@dataclass
class Note:
    """A note of up to 29 slightly inharmonic partials, each with its own level, phase and decay."""

    f0: float
    seed: int
    onset: float = ONSET
    max_ratio: float = 2 ** (4 / 12)
    partials: list[tuple[float, float, float, float]] = field(init=False)

    def __post_init__(self) -> None:
        draw = torch.Generator().manual_seed(self.seed)
        phases, levels, decays = torch.rand(3, 29, generator=draw, dtype=torch.float64).tolist()
        self.partials = []
        for k in range(1, 30):
            freq = k * self.f0 * math.sqrt(1 + 1e-4 * k * k)
            if freq * self.max_ratio > 0.45 * SAMPLE_RATE:
                break
            level = k**-0.8 * (0.5 + levels[k - 1])
            decay = (1.0 + 0.15 * k) * (0.5 + decays[k - 1])  # 1/s
            self.partials.append((freq, level, 2 * math.pi * phases[k - 1], decay))

    def synthesise(self, ratio: float = 1.0, rate: float = 1.0) -> Tensor:
        """Return the note, its pitch times ``ratio``, played ``rate`` times as fast; float64."""
        size = round(SECONDS * SAMPLE_RATE / rate)
        # Envelopes live in the note's own time, oscillators in the listener's.
        own = torch.arange(size, dtype=torch.float64) / SAMPLE_RATE * rate - self.onset
        heard = own / rate
        attack = torch.clamp(own / ATTACK, 0.0, 1.0)
        tones = sum(
            level
            * torch.exp(-decay * own.clamp(min=0.0))
            * torch.sin(2 * math.pi * freq * ratio * heard + phase)
            for freq, level, phase, decay in self.partials
        )
        assert isinstance(tones, Tensor)
        return 0.1 * attack * tones


def log_mel(waveform: Tensor, n_mels: int = 40) -> Tensor:
    """Return the log-mel of ``(time,)`` in dB, ``(mel, frame)``, by textbook formulas."""
    n_fft = 1024
    window = torch.hann_window(n_fft, dtype=torch.float64)
    stft = torch.stft(
        waveform.double(), n_fft, 256, window=window, pad_mode="constant", return_complex=True
    )
    top = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, top, n_mels + 2, dtype=torch.float64) / 2595) - 1)
    freqs = torch.linspace(0, SAMPLE_RATE / 2, n_fft // 2 + 1, dtype=torch.float64)
    rise = (freqs - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    fall = (corners[2:, None] - freqs) / (corners[2:] - corners[1:-1])[:, None]
    mel = torch.clamp(torch.minimum(rise, fall), min=0) @ stft.abs().square()
    return 10 * torch.log10(mel.clamp(min=1e-10))


def mel_error(waveform: Tensor, ideal: Tensor, clean: Tensor | None = None) -> float:
    """Return the RMS dB error of the log-mel over the bins within 60 dB of the ideal's peak.

    The bins are those of ``clean``, the ideal without its noise floor, where there is one.
    """
    have, want, note = (
        log_mel(v)[:, 4:-4] for v in (waveform, ideal, ideal if clean is None else clean)
    )
    loud = note > note.max() - 60
    return float((have - want)[loud].square().mean().sqrt())


@dataclass
class Case:
    """One thing to do to a waveform, and the ideal outcome."""

    source: Tensor
    ideal: Tensor
    clean: Tensor
    semitones: float
    rate: float


FREQS = [80.0 * (700 / 80) ** (i / 13) for i in range(14)]


def cases(task: str, variant: str = "clean") -> list[Case]:
    """Return 14 notes from 80 to 700 Hz to be shifted (``pitch``) or stretched (``stretch``).

    ``variant`` is ``clean``, ``noise`` (a noise floor at -50 dB of the note's peak, in the source
    and in the ideal) or ``overlap`` (three notes, each attack on the decays of those before).
    """
    draw = torch.Generator().manual_seed(7)
    found = []
    for i, f0 in enumerate(FREQS):
        place = 2 * ((i * 5) % 14) / 13 - 1  # spread over the range, no order with f0
        semitones, rate = (4 * place, 1.0) if task == "pitch" else (0.0, 1.25**-place)
        ratio = 2 ** (semitones / 12)
        notes = [Note(f0, seed=i)]
        if variant == "overlap":
            notes += [
                Note(f0 * 1.26, seed=100 + i, onset=0.71),
                Note(f0 * 1.89, seed=200 + i, onset=1.13),
            ]
        source = torch.stack([n.synthesise() for n in notes]).sum(0)
        ideal = torch.stack([n.synthesise(ratio, rate) for n in notes]).sum(0)
        clean = ideal
        if variant == "noise":
            level = 10 ** (-50 / 20) * float(source.abs().max())
            source = source + level * torch.randn(source.shape, generator=draw, dtype=torch.float64)
            ideal = ideal + level * torch.randn(ideal.shape, generator=draw, dtype=torch.float64)
        found.append(Case(source.float(), ideal, clean, semitones, rate))
    return found


def tone(freq: float, seconds: float = 2.0) -> Tensor:
    """Return a steady sine, ``(1, 1, time)``, float32."""
    time = torch.arange(int(seconds * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    return torch.sin(2 * torch.pi * freq * time).float().reshape(1, 1, -1)


def harmonics(freq: float, ratio: float) -> Tensor:
    """Return a steady tone of 8 harmonics that a shift by ``ratio`` leaves below Nyquist."""
    heard = [k for k in range(1, 9) if k * freq * ratio < SAMPLE_RATE / 2]
    return torch.stack([tone(k * freq, 4.0) / k for k in heard]).sum(0)


def f0(waveform: torch.Tensor) -> float:
    """Frequency of the strongest line of the middle of a waveform, within 0.01 cent."""
    middle = waveform.flatten().double()[4000:-4000]
    middle = middle * torch.hann_window(middle.numel(), dtype=torch.float64)
    n_fft = 2**20
    power = torch.log(torch.fft.rfft(middle, n=n_fft).abs())
    peak = int(power.argmax())
    left, top, right = power[peak - 1 : peak + 2].tolist()
    offset = 0.5 * (left - right) / (left - 2 * top + right)
    return (peak + offset) / n_fft * SAMPLE_RATE


def cents(freq: float, target: float) -> float:
    return abs(1200 * math.log2(freq / target))


def harmonic_ratio(waveform: torch.Tensor, freq: float) -> float:
    """Energy within 4 Hz of 8 harmonics over the rest, in dB."""
    middle = waveform.flatten().double()[8000:-8000]
    middle = middle * torch.hann_window(middle.numel(), dtype=torch.float64)
    power = torch.fft.rfft(middle, n=2**19).abs().square()
    freqs = torch.arange(power.numel()) * SAMPLE_RATE / 2**19
    near = torch.stack([(freqs - k * freq).abs() <= 4 for k in range(1, 9)]).any(0)
    return float(10 * torch.log10(power[near].sum() / power[~near].sum()))
