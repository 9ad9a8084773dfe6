"""Pitch shift and time stretch beside their peers: time, memory and quality.

Run ``python tests/benchmarks/bench_stretch.py speed`` (or ``memory``, ``ideal``, ``clicks``,
``real PATH_OF_NSYNTH``) from the repository root, on a machine at rest. Times are ratios from
interleaved rounds in one process. Quality is measured on ideal notes (`tests/ideal_tones.py`), on
clicks, and on real notes against the same instrument's recording at the target pitch.
"""

import argparse
import json
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import audiomentations
import librosa
import numpy as np
import soundfile
import torch
import torch_audiomentations
import torchaudio
from common import compare, environment, print_table
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
import ideal_tones

from augspec import functional

SAMPLE_RATE = ideal_tones.SAMPLE_RATE
PACKAGES = ("torchaudio", "audiomentations", "python-stretch", "librosa", "torch-audiomentations")
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


PEERS: dict[str, Shift] = {"augspec": ours, "Signalsmith": signalsmith, "librosa": with_librosa}


def _fit(samples: np.ndarray, size: int) -> Tensor:
    fitted = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float64))[:size]
    return torch.nn.functional.pad(fitted, (0, size - len(fitted)))


def speed(batch: int, rounds: int, with_slow: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    waveform = 0.1 * torch.randn(batch, 1, 4 * SAMPLE_RATE, generator=draw)
    semitones = torch.empty(batch).uniform_(-4, 4, generator=draw)
    rate = torch.empty(batch).uniform_(0.8, 1.25, generator=draw)
    samples = waveform[:, 0].numpy()
    mel = torchaudio.transforms.MelSpectrogram(SAMPLE_RATE, 1024, hop_length=256, n_mels=64)
    decibel = torchaudio.transforms.AmplitudeToDB("power")
    stretch = audiomentations.TimeStretch(0.8, 1.25, p=1.0)
    shift = audiomentations.PitchShift(-4.0, 4.0, p=1.0)
    contestants: dict[str, Callable[[], object]] = {
        "torchaudio log-mel": lambda: decibel(mel(waveform)),
        "augspec time_stretch": lambda: functional.time_stretch(waveform, rate),
        "augspec pitch_shift": lambda: functional.pitch_shift(
            waveform, semitones, min_semitones=-4.0, max_semitones=4.0
        ),
        "augspec pitch_shift, any interval": lambda: functional.pitch_shift(waveform, semitones),
        "audiomentations TimeStretch, loop": lambda: [stretch(x, SAMPLE_RATE) for x in samples],
        "audiomentations PitchShift, loop": lambda: [shift(x, SAMPLE_RATE) for x in samples],
    }
    if with_slow:
        theirs = torch_audiomentations.PitchShift(
            -4, 4, mode="per_example", p=1.0, sample_rate=SAMPLE_RATE, output_type="dict"
        )
        contestants["librosa pitch_shift, loop"] = lambda: [
            with_librosa(x, k, 1.0) for x, k in zip(samples, semitones.tolist(), strict=True)
        ]
        contestants["torch-audiomentations PitchShift"] = lambda: theirs(
            waveform, sample_rate=SAMPLE_RATE
        )
    timings = compare(contestants, rounds=rounds)
    print_table(timings, "torchaudio log-mel", f"{batch} x 4 s at 16 kHz", PACKAGES)


def memory() -> None:
    """Print how many inputs the peak resident memory grows by; once a process: it never falls."""
    waveform = 0.1 * torch.randn(64, 1, 4 * SAMPLE_RATE)
    value = torch.linspace(-4, 4, 64)
    for name, call in (
        ("pitch_shift", lambda n: functional.pitch_shift(waveform[:n], value[:n])),
        ("time_stretch", lambda n: functional.time_stretch(waveform[:n], 2 ** (value[:n] / 12))),
    ):
        call(1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        call(64)
        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        print(f"{name}: {grown / waveform.nbytes:.1f} times the input")


def ideal() -> None:
    print("| task | notes | peer | median dB | worst dB |\n|---|---|---|---:|---:|")
    for task in ("pitch", "stretch"):
        for variant in ("clean", "noise", "overlap"):
            notes = ideal_tones.cases(task, variant)
            for name, peer in PEERS.items():
                errors = [
                    ideal_tones.mel_error(
                        _fit(peer(note.source.numpy(), note.semitones, note.rate), len(note.ideal)),
                        note.ideal,
                        note.clean,
                    )
                    for note in notes
                ]
                row = f"{np.median(errors):.3f} | {max(errors):.3f}"
                print(f"| {task} | {variant} | {name} | {row} |")


def clicks() -> None:
    print("| rate | peer | energy within 5 ms |\n|---:|---|---:|")
    places = np.arange(2000, 62_000, 4000)
    waveform = np.zeros(64_000, dtype=np.float32)
    waveform[places] = 0.5
    for rate in (0.8, 1.25):
        for name, peer in PEERS.items():
            energy = peer(waveform, 0.0, rate).astype(np.float64) ** 2
            distance = np.abs(np.arange(len(energy)) - places[:, None] / rate).min(0)
            share = energy[distance <= 0.005 * SAMPLE_RATE].sum() / energy.sum()
            print(f"| {rate} | {name} | {share:.5f} |")


def _pairs(root: Path, count: int) -> list[tuple[Path, Path, int]]:
    """Draw pairs of notes of an instrument at one velocity, 1 to 4 semitones apart."""
    notes: dict[tuple[str, int], dict[int, Path]] = {}
    for folder in sorted(root.glob("nsynth-*")):
        examples = json.loads((folder / "examples.json").read_text())
        for name, entry in sorted(examples.items()):
            key = (entry["instrument_str"], entry["velocity"])
            notes.setdefault(key, {})[entry["pitch"]] = folder / "audio" / f"{name}.wav"
    found = []
    for pitches in notes.values():
        of_one = [
            (path, pitches[pitch + k], k)
            for pitch, path in pitches.items()
            for k in (-4, -3, -2, -1, 1, 2, 3, 4)
            if pitch + k in pitches
        ]
        found += random.Random(0).sample(of_one, min(3, len(of_one)))  # noqa: S311
    random.Random(0).shuffle(found)  # noqa: S311
    return found[:count]


def _real_error(shifted: Tensor, target: Tensor) -> float:
    """RMS dB difference of the 64-mel log-mel, onsets aligned and gains matched."""

    def start(waveform: Tensor) -> int:
        beginning = waveform[:8000].abs()
        return int((beginning > 0.1 * beginning.max()).nonzero()[0])

    def distance(shift: int) -> float:
        have = ideal_tones.log_mel(torch.roll(shifted, shift), n_mels=64)
        want = ideal_tones.log_mel(target, n_mels=64)
        difference = (have - want)[want > want.max() - 60]
        return float((difference - difference.mean()).square().mean().sqrt())

    return min(distance(0), distance(start(target) - start(shifted)))


def real(root: Path, count: int) -> None:
    errors: dict[str, list[float]] = {name: [] for name in PEERS}
    for source, target, semitones in _pairs(root, count):
        waveform, _ = soundfile.read(source, dtype="float32")
        recorded, _ = soundfile.read(target, dtype="float64")
        for name, peer in PEERS.items():
            shifted = _fit(peer(waveform, float(semitones), 1.0), len(recorded))
            errors[name].append(_real_error(shifted, torch.from_numpy(recorded)))
    print(f"| {len(errors['augspec'])} pairs | mean dB | median dB |\n|---|---:|---:|")
    for name, values in errors.items():
        print(f"| {name} | {np.mean(values):.3f} | {np.median(values):.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["speed", "memory", "ideal", "clicks", "real"])
    parser.add_argument("root", nargs="?", type=Path, help="folder that holds nsynth-train, -valid")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slow", action="store_true", help="time the slowest peers too")
    parser.add_argument("--pairs", type=int, default=110)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.what == "speed":
        speed(arguments.batch, arguments.rounds, arguments.slow)
        return
    print(environment(*PACKAGES), end="\n\n")
    if arguments.what == "memory":
        memory()
    elif arguments.what == "ideal":
        ideal()
    elif arguments.what == "clicks":
        clicks()
    elif arguments.root is None:
        parser.error("`real` needs the folder that holds nsynth-train and nsynth-valid")
    else:
        real(arguments.root, arguments.pairs)


if __name__ == "__main__":
    main()
