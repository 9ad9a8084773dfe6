"""The CPU beside torchaudio and specux, on a machine at rest and beside other work.

Run ``python tests/benchmarks/bench_cpu.py``; ``--busy 2`` starts two processes that compute all the
time and stops them at the end. specux is optional: ``pip install specux`` adds its rows. Figures
are ratios to torchaudio's plain log-mel, of medians and of the fastest of interleaved rounds in one
process. The last row is a process of its own: import and first batch, with nothing cached.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import torch
import torchaudio
import where
from common import BESIDE, WHERE, Timing, busy_processes, compare, compare_twice, environment
from torch import Tensor, nn

import augspec
from augspec import features as F
from augspec import functional
from augspec import transforms as T
from augspec.functional.onset import find_onsets

SAMPLE_RATE = 16_000
MEL = {"sample_rate": SAMPLE_RATE, "n_fft": 1024, "hop_length": 256, "n_mels": 64}
REFERENCE = "torchaudio's plain log-mel"
Contestants = dict[str, Callable[[], object]]

FIRST_MEL = """
import torch, torchaudio
torch.set_num_threads({threads})
waveform = torch.randn(64, 1, 64_000)
mel = torchaudio.transforms.MelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=64)
torchaudio.transforms.AmplitudeToDB()(mel(waveform))
"""
FIRST_BATCH = """
import torch, augspec
from augspec import features as F, transforms as T
torch.set_num_threads({threads})
waveform = torch.randn(64, 1, 64_000)
chain = [T.TimeStretch((0.8, 1.25)), T.PitchShift((-4.0, 4.0)), T.RandomCrop(64_000), T.Gain()]
log_mel = F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=64)
augspec.Frontend(T.Chain(chain), log_mel)(waveform)
"""


def contestants(waveform: Tensor) -> Contestants:
    """List what is timed, the reference first."""
    size = waveform.shape[-1]
    theirs = nn.Sequential(
        torchaudio.transforms.MelSpectrogram(**MEL), torchaudio.transforms.AmplitudeToDB()
    )
    plain = F.LogMelSpectrogram(**MEL)
    power = F.Spectrogram(n_fft=1024, hop_length=256)
    ratio = torch.linspace(0.8, 1.25, len(waveform))
    stretch, pitch = T.TimeStretch((0.8, 1.25)), T.PitchShift((-4.0, 4.0))

    def fused(*chain: T.RandomTransform) -> Callable[[], object]:
        frontend = augspec.Frontend(T.Chain(chain), F.LogMelSpectrogram(**MEL))
        return lambda: frontend(waveform)

    rows: Contestants = {
        REFERENCE: lambda: theirs(waveform),
        "plain log-mel": lambda: plain(waveform),
        "crop and gain, fused": fused(T.RandomCrop(size), T.Gain()),
        "stretch, fused": fused(stretch),
        "pitch, fused": fused(pitch),
        "stretch, pitch, crop and gain, fused": fused(stretch, pitch, T.RandomCrop(size), T.Gain()),
        "PitchShift of the waveform": lambda: pitch(waveform),
        "TimeStretch of the waveform": lambda: stretch(waveform),
        # Parts of the rows above, by themselves: where their time goes.
        "part: frames, window, transform and power": lambda: power(waveform),
        "part: resampling, as for pitch": lambda: functional.resample(waveform, ratio),
        "part: attacks found": lambda: find_onsets(waveform, 1024),
        "part: a batch copied once (memory)": waveform.clone,
    }
    with contextlib.suppress(ImportError):
        import specux

        arguments = {"sr": SAMPLE_RATE, "n_fft": 1024, "hop_length": 256, "n_mels": 64}
        arguments |= {"mel_scale": "htk", "norm": None, "output": "db"}
        rows["specux's plain log-mel"] = lambda: specux.melspectrogram(waveform, **arguments)
    return rows


def use_threads(count: int) -> None:
    """Let torch, and specux if it is there, use so many threads."""
    torch.set_num_threads(count)
    if "specux" in sys.modules:
        sys.modules["specux"].set_num_threads(count)


def print_rows(timings: dict[str, Timing], places: dict[str, str], threads: int, busy: int) -> None:
    """Print the table of a number of threads."""
    unit = timings[REFERENCE]
    titles = [f"{threads} threads, beside {busy} busy", "median, ms", "fastest"]
    titles += ["ratio", "of fastest", *([] if busy else [BESIDE]), WHERE]
    print(f"\n| {' | '.join(titles)} |\n|---{'|---:' * (len(titles) - 2)}|---|")
    for name, timing in timings.items():
        cells = [name, f"{1e3 * timing.median:.1f}", f"{1e3 * timing.low:.1f}"]
        cells += [f"{timing.median / unit.median:.3f}", f"{timing.low / unit.low:.3f}"]
        cells += [] if busy else [f"{timing.beside / unit.beside:.3f}"]
        print(f"| {' | '.join([*cells, places[name]])} |")


def cold_seconds(program: str, threads: int) -> float:
    """Time a program in a process of its own whose compilers have cached nothing."""
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": folder}
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", program.format(threads=threads)], check=True, env=environ
        )
        return time.perf_counter() - start


def print_cold(threads: int, rounds: int) -> None:
    """Compare imports and first batches."""
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(cold_seconds(FIRST_MEL, threads))
        ours.append(cold_seconds(FIRST_BATCH, threads))
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(
        f"\nimport and first fused batch, cold: {statistics.median(ours):.1f} s; torchaudio's "
        f"import and first mel: {statistics.median(theirs):.1f} s; ratio {ratio:.2f} (fastest "
        f"{min(ours) / min(theirs):.2f})"
    )


def main() -> None:
    """Time the contestants and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--busy", type=int, default=0, help="processes that compute meanwhile")
    parser.add_argument("--cold", type=int, default=3, help="rounds of the cold row")
    options = parser.parse_args()
    torch.manual_seed(0)
    waveform = 0.1 * torch.randn(options.batch, 1, 4 * SAMPLE_RATE)
    print(environment("torchaudio", "specux"))
    functions = contestants(waveform)
    # Each with each number of threads, in turn.
    rows = {(threads, name): functions[name] for name in functions for threads in options.threads}
    with torch.no_grad(), busy_processes(options.busy):
        how = compare if options.busy else compare_twice
        timings = how(rows, options.rounds, prepare=lambda row: use_threads(row[0]))
        for threads in options.threads:
            use_threads(threads)
            mine = {name: timings[threads, name] for name in functions}
            print_rows(mine, where.look(functions, warmup=1), threads, options.busy)
        few, many = options.threads[0], options.threads[-1]
        if few != many:
            print(f"\n| {many} threads / {few} | ratio of medians |\n|---|---:|")
            for name in functions:
                ratio = timings[many, name].median / timings[few, name].median
                print(f"| {name} | {ratio:.2f} |")
        if options.cold:
            print_cold(options.threads[-1], options.cold)


if __name__ == "__main__":
    main()
