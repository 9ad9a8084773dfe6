"""The fused front end beside plain features, its own unfused path and the peers: time and memory.

Run ``python tests/benchmarks/bench_frontend.py`` on a machine at rest. Every round draws fresh
parameters for every example. The figures are ratios to torchaudio's plain log-mel, from interleaved
rounds in one process; ``--cpu-time`` counts processor seconds of one thread instead, which other
processes disturb less. Memory is what torch allocates beyond the input, the result included.
"""

import argparse
import time
from collections.abc import Callable

import torch
import torch_audiomentations
from bench_features import MEL, PACKAGES, SAMPLE_RATE, log_mel_contestants
from common import print_table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

import augspec
from augspec import features as F
from augspec import transforms as T

REFERENCE = "torchaudio log-mel"
Contestants = dict[str, Callable[[], object]]


def frontend(*chain: T.RandomTransform, fuse: str = "auto") -> augspec.Frontend:
    return augspec.Frontend(T.Chain(chain), F.LogMelSpectrogram(**MEL), fuse=fuse)


def contestants(waveform: Tensor) -> tuple[Contestants, Contestants]:
    """Return what takes about as long as the reference, and what takes many times as long."""
    size = waveform.shape[-1]
    stretch, pitch = T.TimeStretch((0.8, 1.25)), T.PitchShift((-4.0, 4.0))
    chain = [stretch, pitch, T.RandomCrop(size), T.Gain()]
    front_ends = {
        "fused: stretch, pitch, crop, gain": frontend(*chain),
        "fused: pitch": frontend(pitch),
        "fused: stretch": frontend(stretch),
        "fused: speed": frontend(T.Speed((0.8, 1.25))),
        "fused: crop, gain": frontend(T.RandomCrop(size), T.Gain()),
        "fused: crop to seven eighths, gain": frontend(T.RandomCrop(size * 7 // 8), T.Gain()),
    }
    plain = log_mel_contestants(waveform)
    shift = torch_audiomentations.PitchShift(
        p=1.0, mode="per_example", sample_rate=SAMPLE_RATE, output_type="tensor"
    )
    unfused = frontend(*chain, fuse="never")

    def call(module: Callable[[Tensor], object]) -> Callable[[], object]:
        return lambda: module(waveform)

    quick = {REFERENCE: plain["torchaudio"], "log-mel": plain["augspec"]}
    quick |= {name: call(module.to(waveform.device)) for name, module in front_ends.items()}
    quick |= {name: plain[name] for name in ("nnAudio", "torchlibrosa")}
    slow = {
        REFERENCE: plain["torchaudio"],
        "unfused: stretch, pitch, crop, gain": call(unfused.to(waveform.device)),
        "torch-audiomentations PitchShift alone": call(shift),
        "librosa, a loop": plain["librosa, a loop"],
    }
    return quick, slow


def peak_memory(function: Callable[[], object]) -> int:
    """Return the most bytes that torch's allocator held at once beyond those held before."""
    function()  # compiles, fills caches
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = function()
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]" and event.device_type().name == "CPU":
            held += event.nbytes()
            peak = max(peak, held)
    del result
    return peak


def print_memory(functions: Contestants) -> None:
    print("| memory | MiB | ratio to log-mel |\n|---|---:|---:|")
    peaks = {name: peak_memory(function) for name, function in functions.items()}
    for name, peak in peaks.items():
        print(f"| {name} | {peak / 2**20:.0f} | {peak / peaks['log-mel']:.2f} |")
    print()


def main() -> None:
    """Time the contestants and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cpu-time", action="store_true", help="processor time of one thread")
    parser.add_argument("--quick", action="store_true", help="without what takes long")
    options = parser.parse_args()
    torch.set_num_threads(1 if options.cpu_time else options.threads)
    torch.manual_seed(0)
    size = round(options.seconds * SAMPLE_RATE)
    waveform = 0.1 * torch.randn(options.batch, 1, size, device=options.device)
    quick, slow = contestants(waveform)
    clock = time.process_time if options.cpu_time else time.perf_counter
    title = f"{options.batch} x {options.seconds:g} s on {options.device}"
    title += ", processor time" if options.cpu_time else ""
    packages = (*PACKAGES, "torch-audiomentations")
    with torch.no_grad():
        print_table(quick, REFERENCE, title, packages, rounds=options.rounds, clock=clock)
        if not options.quick:
            few = {"rounds": 3, "warmup": 1, "clock": clock}
            print_table(slow, REFERENCE, f"{title}, 3 rounds", packages, **few)
        if options.device == "cpu":
            print_memory({name: run for name, run in quick.items() if name != REFERENCE})


if __name__ == "__main__":
    main()
