"""Pitch shift and time stretch beside their peers: time, memory and quality.

Run ``python tests/benchmarks/bench_stretch.py speed`` (or ``memory``, ``ideal``, ``tones``,
``clicks``, ``midi``, ``real PATH_OF_NSYNTH``) from the repository root, on a machine at rest. Times
are ratios from interleaved rounds in one process. Quality is measured on ideal notes and steady
tones (`tests/ideal_tones.py`), on clicks, on MIDI phrases and speech that are rendered at the
target tempo and pitch, and on real notes against the same instrument's recording at the target
pitch.

Rubber Band takes part where its command ``rubberband`` is installed, Bungee where there is its
package. ``midi`` needs pyfluidsynth, a General MIDI sound font and, for speech, ``espeak-ng``; some
of it is quick with ``--cells "solo pitch" --phrases 4 --quick``. librosa 1.0 needs Python 3.12: it
takes part where the variable ``LIBROSA_PYTHON`` names such a Python.
"""

import argparse
import functools
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import audiomentations
import numpy as np
import soundfile
import torch
import torch_audiomentations
import torchaudio
from common import environment, print_table
from stretch_peers import FRAME, Able, other_librosa, peers, with_librosa
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
import ideal_tones

from augspec import functional

SAMPLE_RATE = ideal_tones.SAMPLE_RATE
PACKAGES = (
    "torchaudio",
    "audiomentations",
    "python-stretch",
    "librosa",
    "torch-audiomentations",
    "torch-pitch-shift",
    "bungee-python",
    "pyfluidsynth",
)
WHAT = ("speed", "memory", "ideal", "tones", "clicks", "midi", "real")
RATIOS = (0.5, 0.97, 1.0001, 2.0)


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
    title = f"{batch} x 4 s at 16 kHz"
    print_table(contestants, "torchaudio log-mel", title, PACKAGES, rounds=rounds)


MEMORY = """
import resource, sys, torch
from augspec import functional
ratio = float(sys.argv[2])
call = {
    "pitch_shift": lambda w: functional.pitch_shift(w, 12 * torch.full(w.shape[:1], ratio).log2()),
    "time_stretch": lambda w: functional.time_stretch(w, torch.full(w.shape[:1], ratio)),
    "resample": lambda w: functional.resample(w, torch.full(w.shape[:1], ratio)),
}[sys.argv[1]]
waveform = 0.1 * torch.randn(64, 1, 64_000)
torch.set_num_threads(2)
call(waveform[:1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
call(waveform)
grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(f"{grown / waveform.nbytes:.1f}")
"""


def memory() -> None:
    """Print how many inputs the peak resident memory grows by; a process each: it never falls."""
    print("| peak memory, times the input | " + " | ".join(map(str, RATIOS)) + " |")
    print("|---|" + "---:|" * len(RATIOS))
    for name in ("pitch_shift", "time_stretch", "resample"):
        grown = [
            subprocess.run(
                [sys.executable, "-c", MEMORY, name, str(ratio)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
            for ratio in RATIOS
        ]
        print(f"| augspec {name} | " + " | ".join(grown) + " |", flush=True)


def ideal(able: Able) -> None:
    print("| task | notes | peer | median dB | worst dB |\n|---|---|---|---:|---:|")
    for task in ("pitch", "stretch"):
        for variant in ("clean", "noise", "overlap"):
            notes = ideal_tones.cases(task, variant)
            for name, peer in able(task).items():
                errors = [
                    ideal_tones.mel_error(
                        _fit(peer(note.source.numpy(), note.semitones, note.rate), len(note.ideal)),
                        note.ideal,
                        note.clean,
                    )
                    for note in notes
                ]
                row = f"{np.median(errors):.3f} | {max(errors):.3f}"
                print(f"| {task} | {variant} | {name} | {row} |", flush=True)


def tones(able: Able) -> None:
    """Print how far f0 is off, and how far above the rest the energy at harmonics is."""
    freqs = (82.0, 110.0, 220.0, 440.0, 880.0)
    print("| peer | f0, worst cents | " + " | ".join(f"{f:.0f} Hz, dB" for f in freqs) + " |")
    print("|---|" + "---:|" * (1 + len(freqs)))

    def shift(peer: Callable[..., np.ndarray], source: Tensor, semitones: float) -> Tensor:
        return _fit(peer(source.flatten().numpy(), semitones, 1.0), source.numel())

    for name, peer in able("pitch").items():
        cents = [
            ideal_tones.cents(
                ideal_tones.f0(shift(peer, ideal_tones.tone(freq), semitones)),
                freq * 2 ** (semitones / 12),
            )
            for semitones in (-12.0, -4.0, -0.3, 0.3, 4.0, 12.0)
            for freq in (55.0, 110.0, 440.0, 1000.0, 4000.0)
            if freq * 2 ** (semitones / 12) < 7500
        ]
        ratio = 2 ** (3.86 / 12)
        clean = [
            ideal_tones.harmonic_ratio(
                shift(peer, ideal_tones.harmonics(freq, ratio), 3.86), freq * ratio
            )
            for freq in freqs
        ]
        row = " | ".join(f"{value:.1f}" for value in clean)
        print(f"| {name} | {max(cents):.4f} | {row} |", flush=True)


def clicks(able: Able) -> None:
    print("| rate | peer | energy within 5 ms |\n|---:|---|---:|")
    places = np.arange(2000, 62_000, 4000)
    waveform = np.zeros(64_000, dtype=np.float32)
    waveform[places] = 0.5
    for rate in (0.8, 1.25):
        for name, peer in able("stretch").items():
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


def real(able: Able, root: Path, count: int) -> None:
    contestants = able("pitch")
    errors: dict[str, list[float]] = {name: [] for name in contestants}
    # In the order of intervals: what a peer prepares for one serves all its notes.
    for source, target, semitones in sorted(_pairs(root, count), key=lambda pair: pair[2]):
        waveform, _ = soundfile.read(source, dtype="float32")
        recorded, _ = soundfile.read(target, dtype="float64")
        for name, peer in contestants.items():
            shifted = _fit(peer(waveform, float(semitones), 1.0), len(recorded))
            errors[name].append(_real_error(shifted, torch.from_numpy(recorded)))
    print(f"| {len(errors['augspec'])} pairs | mean dB | median dB |\n|---|---:|---:|")
    for name, values in errors.items():
        print(f"| {name} | {np.mean(values):.3f} | {np.median(values):.3f} |")


def run_midi(able: Able, arguments: argparse.Namespace) -> None:
    import stretch_midi  # it needs pyfluidsynth, which nothing else here does

    given = {"sound_font": arguments.sound_font, "cells": arguments.cells}
    stretch_midi.midi(
        able,
        count=arguments.phrases,
        sample_rate=arguments.rate,
        stereo=arguments.stereo,
        **{name: value for name, value in given.items() if value},
    )


def programs() -> str:
    """Say which versions the programs outside of Python have."""
    found = []
    for name in ("rubberband", "espeak-ng"):
        if command := shutil.which(name):
            answer = subprocess.run([command, "--version"], capture_output=True, text=True)
            found.append(f"{name} {(answer.stdout + answer.stderr).strip()}")
    if name := other_librosa():
        found.append(f"{name} beside")
    return ", ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=list(WHAT))
    parser.add_argument("root", nargs="?", type=Path, help="folder that holds nsynth-train, -valid")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slow", action="store_true", help="time the slowest peers too")
    parser.add_argument("--quick", action="store_true", help="leave out the slowest peers")
    parser.add_argument("--peers", nargs="+", default=(), help="who takes part beside us; all")
    parser.add_argument("--frame", type=float, default=FRAME, help="of our vocoder, in seconds")
    parser.add_argument("--pairs", type=int, default=110)
    midi = parser.add_argument_group("midi")
    midi.add_argument("--cells", nargs="+", help='such as "solo pitch" or "speech stretch"; all')
    midi.add_argument("--phrases", type=int, default=14, help="of a cell")
    midi.add_argument("--rate", type=int, default=SAMPLE_RATE, help="sample rate in Hz")
    midi.add_argument("--stereo", action="store_true")
    midi.add_argument("--sound-font", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.what == "speed":
        speed(arguments.batch, arguments.rounds, arguments.slow)
        return
    print(environment(*PACKAGES))
    print(programs(), end="\n\n")
    able = functools.partial(
        peers, quick=arguments.quick, names=arguments.peers, frame=arguments.frame
    )
    if arguments.what == "memory":
        memory()
    elif arguments.what == "ideal":
        ideal(able)
    elif arguments.what == "tones":
        tones(able)
    elif arguments.what == "clicks":
        clicks(able)
    elif arguments.what == "midi":
        run_midi(able, arguments)
    elif arguments.root is None:
        parser.error("`real` needs the folder that holds nsynth-train and nsynth-valid")
    else:
        real(able, arguments.root, arguments.pairs)


if __name__ == "__main__":
    main()
