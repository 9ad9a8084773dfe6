"""Many batches through the full front end: memory does not grow, and nothing is compiled again.

    python tests/long/long_run.py --batches 10000

Three shapes take turns, as the batches of a training do with its last, smaller one.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import torch
from rich.progress import track

import augspec
from augspec import features as F
from augspec import transforms as T

SHAPES = [(8, 1, 8000), (8, 1, 6000), (5, 1, 8000)]


def make_frontend():
    """Make a front end in which every stage has something to do: before, fused, after."""
    return augspec.Frontend(
        waveform=T.Chain(
            [
                T.WhiteNoise((10.0, 40.0), p=0.5),
                T.LowPass((2000.0, 7000.0), sample_rate=16_000, p=0.5),
                T.TimeStretch((0.8, 1.25)),
                T.PitchShift((-2.0, 2.0), p=0.8),
                T.RandomCrop(5000),
                T.Gain((-12.0, 6.0)),
            ]
        ),
        features=F.LogMelSpectrogram(sample_rate=16_000, n_fft=512, hop_length=256, n_mels=40),
        specgram=T.Chain([T.TimeMask(8), T.FrequencyMask(6)]),
    )


def resident_bytes():
    """Give the memory of this process that is resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def graphs():
    """Count what has been compiled in this process so far."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def long_run(batches, fuse="auto", progress=False):
    """Run batches; say how memory and the number of compiled graphs grew.

    Memory is compared from a tenth of the way to the end: allocators and caches fill first.
    """
    frontend = make_frontend()
    frontend.fuse = fuse
    generator = torch.Generator().manual_seed(0)
    waveforms = [0.1 * torch.randn(shape, generator=generator) for shape in SHAPES]
    early, compiled, started = 0, 0, time.process_time()
    steps = range(batches)
    for step in track(steps, f"fuse={fuse}") if progress else steps:
        waveform = waveforms[step % len(SHAPES)]
        keys = augspec.example_keys(0, step, range(len(waveform)))
        lengths = torch.full((len(waveform),), waveform.shape[-1] - step % 1000)
        specgram, _ = frontend(waveform, lengths, keys=keys)
        if not specgram.isfinite().all():
            raise AssertionError(f"batch {step} gives values that are not finite")
        if step == len(SHAPES) - 1:
            compiled = graphs()
        if step == max(len(SHAPES), batches // 10):
            early = resident_bytes()
    return {
        "batches": batches,
        "fuse": fuse,
        "memory_mb": early / 2**20,
        "growth": resident_bytes() / early - 1.0,
        "graphs": compiled,
        "compiled_again": graphs() - compiled,
        "cpu_seconds": time.process_time() - started,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=10_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bad = False
    for fuse in ("auto", "never"):
        result = long_run(options.batches, fuse, progress=True)
        print(", ".join(f"{name}: {value}" for name, value in result.items()))
        bad |= result["growth"] >= 0.01 or result["compiled_again"] > 0
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
