"""Pitch shift and time stretch of one sound, ours and the peers', behind one signature.

librosa takes part twice if ``LIBROSA_PYTHON`` names a Python that has another librosa: librosa 1.0
needs a Python 3.12 of its own.

Each takes ``(waveform, semitones, rate, sample_rate)``, a waveform of ``(time,)`` or ``(channel,
time)`` in float32, and shifts the pitch (rate 1), stretches (semitones 0) or does both, in one pass
where it can. The peers run with their defaults, as a user calls them.
"""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import librosa
import numpy as np
import python_stretch
import soundfile
import torch
import torch_pitch_shift
import torchaudio

from augspec import functional

try:
    from bungee_python import bungee
except ImportError:  # a wheel for some systems only
    bungee = None

SAMPLE_RATE = 16_000
RUBBER_BAND = shutil.which("rubberband")  # Debian's rubberband-cli
LIBROSA_PYTHON = os.environ.get("LIBROSA_PYTHON")
FRAME = 0.064  # seconds of a frame of ours
Shift = Callable[..., np.ndarray]
Able = Callable[[str], dict[str, Shift]]


def _n_fft(sample_rate: int, frame: float = FRAME) -> int:
    return 32 * round(frame * sample_rate / 32)


def ours(
    waveform: np.ndarray,
    semitones: float,
    rate: float,
    sample_rate: int = SAMPLE_RATE,
    preserve_formants: bool = False,
    frame: float = FRAME,
) -> np.ndarray:
    size = round(waveform.shape[-1] / rate)
    batch = torch.from_numpy(np.atleast_2d(waveform))[None]
    tempo, interval = torch.tensor([float(rate)]), torch.tensor([float(semitones)])
    n_fft = _n_fft(sample_rate, frame)
    if semitones == 0:
        out = functional.time_stretch(batch, tempo, size=size, n_fft=n_fft)
    elif rate == 1:
        out = functional.pitch_shift(
            batch, interval, n_fft=n_fft, preserve_formants=preserve_formants
        )
    else:
        out = functional.pitch_and_tempo(batch, interval, tempo, size=size, n_fft=n_fft)
    return out[0].numpy().reshape(*waveform.shape[:-1], size)


def signalsmith(
    waveform: np.ndarray, semitones: float, rate: float, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Call Signalsmith Stretch as audiomentations does, which cannot do both in one pass."""
    channels = np.atleast_2d(np.ascontiguousarray(waveform))
    stretch = python_stretch.Signalsmith.Stretch(
        0
    )  # the seed of what it draws for strong stretches
    stretch.preset(len(channels), sample_rate)
    stretch.setTransposeSemitones(semitones)
    stretch.setTimeFactor(rate)
    return np.asarray(stretch.process(channels)).reshape(*waveform.shape[:-1], -1)


def with_bungee(
    waveform: np.ndarray, semitones: float, rate: float, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    channels = np.atleast_2d(waveform)
    stretcher = bungee.Bungee(sample_rate, len(channels), rate, 2.0 ** (semitones / 12))
    out = stretcher.process(np.ascontiguousarray(channels.T))
    return np.ascontiguousarray(out.T).reshape(*waveform.shape[:-1], -1)


def with_librosa(
    waveform: np.ndarray, semitones: float, rate: float, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    if rate != 1:
        waveform = librosa.effects.time_stretch(waveform, rate=rate)
    if semitones != 0:
        waveform = librosa.effects.pitch_shift(waveform, sr=sample_rate, n_steps=semitones)
    return waveform


_LIBROSA = """
import sys, librosa, numpy
for line in sys.stdin:
    semitones, rate, sample_rate, file = line.rstrip().split(" ", 3)
    waveform = numpy.load(file)
    if float(rate) != 1:
        waveform = librosa.effects.time_stretch(waveform, rate=float(rate))
    if float(semitones) != 0:
        waveform = librosa.effects.pitch_shift(
            waveform, sr=int(sample_rate), n_steps=float(semitones)
        )
    numpy.save(file, waveform)
    print("done", flush=True)
"""


def with_other_librosa(
    waveform: np.ndarray, semitones: float, rate: float, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Call librosa in ``LIBROSA_PYTHON`` as `with_librosa` does here."""
    child = _librosa_child()
    assert child.stdin is not None
    assert child.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sound.npy"
        np.save(file, waveform)
        print(semitones, rate, sample_rate, file, file=child.stdin, flush=True)
        if child.stdout.readline() != "done\n":
            raise RuntimeError(f"{LIBROSA_PYTHON} stopped: see what it printed above")
        sound: np.ndarray = np.load(file)
        return sound


@functools.cache
def _librosa_child() -> subprocess.Popen[str]:
    """Start ``LIBROSA_PYTHON`` once; it ends with this process. librosa takes seconds to start."""
    assert LIBROSA_PYTHON is not None
    command = [LIBROSA_PYTHON, "-W", "ignore", "-c", _LIBROSA]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@functools.cache
def other_librosa() -> str | None:
    """Name the librosa of ``LIBROSA_PYTHON``, such as ``librosa 1.0.0``."""
    if LIBROSA_PYTHON is None:
        return None
    command = [LIBROSA_PYTHON, "-c", "import librosa; print(librosa.__version__)"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return f"librosa {answer.stdout.strip()}"


def with_torchaudio(
    waveform: np.ndarray, semitones: float, rate: float, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Call its vocoder on frames of 64 ms, as it stretches no waveform, and its pitch shift."""
    source = torch.from_numpy(waveform)
    if rate != 1:
        n_fft = _n_fft(sample_rate)
        hop, bins = n_fft // 4, n_fft // 2 + 1
        to_specgram = torchaudio.transforms.Spectrogram(n_fft, hop_length=hop, power=None)
        stretch = torchaudio.transforms.TimeStretch(hop_length=hop, n_freq=bins, fixed_rate=rate)
        to_waveform = torchaudio.transforms.InverseSpectrogram(n_fft, hop_length=hop)
        source = to_waveform(stretch(to_specgram(source)), round(waveform.shape[-1] / rate))
    if semitones != 0:
        with torch.no_grad():
            source = _torchaudio_shift(semitones, sample_rate)(source)
    return source.numpy()


@functools.lru_cache(maxsize=1)  # its resampling kernel takes seconds, and up to 1 GB
def _torchaudio_shift(semitones: float, sample_rate: int) -> torch.nn.Module:
    return torchaudio.transforms.PitchShift(sample_rate, semitones)


def with_torch_pitch_shift(
    waveform: np.ndarray, semitones: float, rate: float, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Call what torch-audiomentations calls; it has no stretch."""
    assert rate == 1.0
    batch = torch.from_numpy(np.atleast_2d(waveform))[None]
    out = torch_pitch_shift.pitch_shift(batch, semitones, sample_rate)[0].numpy()
    return out.reshape(waveform.shape)


def rubber_band(
    waveform: np.ndarray,
    semitones: float,
    rate: float,
    sample_rate: int = SAMPLE_RATE,
    options: Sequence[str] = (),
) -> np.ndarray:
    """Run the command ``rubberband`` with its finer engine, R3."""
    assert RUBBER_BAND is not None
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.wav", Path(folder) / "target.wav"
        soundfile.write(source, waveform.T, sample_rate, subtype="FLOAT")
        setting = ["--pitch", str(semitones), "--tempo", str(rate), *options]
        subprocess.run(
            [RUBBER_BAND, "--fine", "--quiet", *setting, str(source), str(target)],
            check=True,
            capture_output=True,
        )
        return soundfile.read(target, dtype="float32")[0].T


def peers(
    task: str, quick: bool = False, names: Sequence[str] = (), frame: float = FRAME
) -> dict[str, Shift]:
    """Return who can do ``pitch``, ``stretch`` or ``both``.

    ``quick`` leaves out who takes seconds, and gigabytes, for one sound; ``names``, if there are
    any, all others but ours. ``frame`` is how long our frames are, in seconds.
    """
    able: dict[str, Shift] = {"augspec": functools.partial(ours, frame=frame)}
    able |= {"Signalsmith": signalsmith, "librosa": with_librosa}
    if name := other_librosa():
        able[name] = with_other_librosa
    if RUBBER_BAND:
        able["Rubber Band R3"] = rubber_band
    if bungee:
        able["Bungee"] = with_bungee
    if task == "stretch" or not quick:
        able["torchaudio"] = with_torchaudio
    if task == "pitch" and not quick:
        able["torch-pitch-shift"] = with_torch_pitch_shift
    return {name: peer for name, peer in able.items() if not names or name in ("augspec", *names)}
