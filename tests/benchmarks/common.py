"""Time several callables side by side, so that a busy machine slows all of them alike.

Absolute times on a shared machine mean little; ratios of medians from interleaved rounds do.
"""

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def parse_rows(description: str | None) -> argparse.Namespace:
    """Read the command line of a benchmark that has a row a class, and set threads and seed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("names", nargs="*", help="classes to run; all by default")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    return arguments


@dataclass(frozen=True)
class Timing:
    """Seconds of one contestant over all rounds."""

    median: float
    low: float
    high: float


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def compare(
    contestants: Mapping[str, Callable[[], Any]],
    rounds: int = 7,
    warmup: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time every contestant once a round, in an order that turns with the round.

    Args:
        contestants: Callables without arguments, by name.
        rounds: Rounds that count; at least 7 for a figure to publish.
        warmup: Rounds before them that do not count.
        clock: Gives seconds; ``time.process_time`` leaves out what other processes take.

    Returns:
        Median, lowest and highest seconds of each contestant, in the given order.
    """
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warmup + rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            _synchronize()
            start = clock()
            contestants[name]()
            _synchronize()
            if number >= warmup:
                seconds[name].append(clock() - start)
    return {
        name: Timing(statistics.median(values), min(values), max(values))
        for name, values in seconds.items()
    }


def environment(*packages: str) -> str:
    """Describe in one line what the figures depend on: versions, threads, machine, its load."""
    versions = []
    for package in ("torch", *packages):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} (not installed)")
    load = f"load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "load unknown"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores"
    return ", ".join([*versions, device, threads, load])


def markdown_table(timings: Mapping[str, Timing], reference: str, title: str = "") -> str:
    """Lay the timings out as a Markdown table with the ratio of medians to ``reference``."""
    unit = timings[reference].median
    lines = [f"| {title} | ms | spread | ratio |", "|---|---:|---:|---:|"]
    for name, timing in timings.items():
        spread = f"{1e3 * timing.low:.1f} to {1e3 * timing.high:.1f}"
        lines.append(
            f"| {name} | {1e3 * timing.median:.1f} | {spread} | {timing.median / unit:.3f} |"
        )
    return "\n".join(lines)


def print_table(
    timings: Mapping[str, Timing], reference: str, title: str = "", packages: tuple[str, ...] = ()
) -> None:
    """Print the environment and the table of ``timings``."""
    print(environment(*packages))
    print()
    print(markdown_table(timings, reference, title))
    print()


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Let processes compute all the time within."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in others:
            process.kill()
            process.wait()
