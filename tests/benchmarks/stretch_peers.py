"""Pitch shift and time stretch of one waveform, ours and the peers', behind one signature.

Each takes ``(waveform, semitones, rate)`` and either shifts (rate 1) or stretches (semitones 0).
The peers run with their defaults, as a user calls them.
"""

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import audiomentations
import librosa
import numpy as np
import soundfile
import torch
import torch_pitch_shift
import torchaudio

from augspec import functional

SAMPLE_RATE = 16_000
RUBBER_BAND = shutil.which("rubberband")  # Debian's rubberband-cli
Shift = Callable[[np.ndarray, float, float], np.ndarray]


def ours(waveform: np.ndarray, semitones: float, rate: float) -> np.ndarray:
    size = round(len(waveform) / rate)
    batch = torch.from_numpy(waveform)[None, None]
    if semitones == 0:
        return functional.time_stretch(batch, torch.tensor([rate]), size=size)[0, 0].numpy()
    return functional.pitch_shift(batch, torch.tensor([float(semitones)]))[0, 0].numpy()


def signalsmith(waveform: np.ndarray, semitones: float, rate: float) -> np.ndarray:
    """Call audiomentations, which calls Signalsmith Stretch."""
    if semitones == 0:
        transform = audiomentations.TimeStretch(rate, rate, leave_length_unchanged=False, p=1.0)
    else:
        transform = audiomentations.PitchShift(semitones, semitones, p=1.0)
    return np.asarray(transform(waveform, SAMPLE_RATE)).reshape(-1)


def with_librosa(waveform: np.ndarray, semitones: float, rate: float) -> np.ndarray:
    if semitones == 0:
        return librosa.effects.time_stretch(waveform, rate=rate)
    return librosa.effects.pitch_shift(waveform, sr=SAMPLE_RATE, n_steps=semitones)


def with_torchaudio(waveform: np.ndarray, semitones: float, rate: float) -> np.ndarray:
    """Call its pitch shift, or its vocoder on frames of 1024: it stretches no waveform."""
    source = torch.from_numpy(waveform)
    if semitones != 0:
        with torch.no_grad():
            return _torchaudio_shift(semitones)(source).numpy()
    to_specgram = torchaudio.transforms.Spectrogram(1024, hop_length=256, power=None)
    stretch = torchaudio.transforms.TimeStretch(hop_length=256, n_freq=513, fixed_rate=rate)
    to_waveform = torchaudio.transforms.InverseSpectrogram(1024, hop_length=256)
    return to_waveform(stretch(to_specgram(source)), round(len(waveform) / rate)).numpy()


@functools.lru_cache(maxsize=1)  # its resampling kernel takes seconds, and up to 1 GB
def _torchaudio_shift(semitones: float) -> torch.nn.Module:
    return torchaudio.transforms.PitchShift(SAMPLE_RATE, semitones)


def with_torch_pitch_shift(waveform: np.ndarray, semitones: float, rate: float) -> np.ndarray:
    """Call what torch-audiomentations calls; it has no stretch."""
    assert rate == 1.0
    batch = torch.from_numpy(waveform)[None, None]
    return torch_pitch_shift.pitch_shift(batch, semitones, SAMPLE_RATE)[0, 0].numpy()


def rubber_band(waveform: np.ndarray, semitones: float, rate: float) -> np.ndarray:
    """Run the command ``rubberband`` with its finer engine, R3."""
    assert RUBBER_BAND is not None
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.wav", Path(folder) / "target.wav"
        soundfile.write(source, waveform, SAMPLE_RATE, subtype="FLOAT")
        setting = ["--pitch", str(semitones)] if rate == 1.0 else ["--tempo", str(rate)]
        subprocess.run(
            [RUBBER_BAND, "--fine", "--quiet", *setting, str(source), str(target)],
            check=True,
            capture_output=True,
        )
        return soundfile.read(target, dtype="float32")[0]


def peers(task: str, quick: bool = False) -> dict[str, Shift]:
    """Return who can do ``pitch`` or ``stretch``; ``quick`` leaves out who takes seconds a note."""
    able = {"augspec": ours, "Signalsmith": signalsmith, "librosa": with_librosa}
    if RUBBER_BAND:
        able["Rubber Band R3"] = rubber_band
    if task == "stretch" or not quick:
        able["torchaudio"] = with_torchaudio
    if task == "pitch" and not quick:
        able["torch-pitch-shift"] = with_torch_pitch_shift
    return able
