"""Time several callables side by side, so that a busy machine slows all of them alike.

Absolute times on a shared machine mean little; ratios of medians from interleaved rounds do.
"""

import argparse
import contextlib
import math
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import torch
import where

Key = TypeVar("Key", bound=Hashable)
Clock = Callable[[], float]
BUSY = 2  # processes that compute all the time beside a second run of each row
#: Titles of the columns that every table ends with.
BESIDE, WHERE = f"beside {BUSY} busy", "where the time goes"
where.name_generated_code()
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}


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
    beside: float = math.nan  # the median beside other processes that compute; NaN: not taken


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def compare(
    contestants: Mapping[Key, Callable[[], Any]],
    rounds: int = 7,
    warmup: int = 2,
    clock: Clock = time.perf_counter,
    prepare: Callable[[Key], Any] | None = None,
) -> dict[Key, Timing]:
    """Time every contestant once a round, in an order that turns with the round.

    Args:
        contestants: Callables without arguments, by name.
        rounds: Rounds that count; at least 7 for a figure to publish.
        warmup: Rounds before them that do not count.
        clock: Gives seconds; ``time.process_time`` leaves out what other processes take.
        prepare: Called with a name before each call of the contestant; it is not timed.

    Returns:
        Median, lowest and highest seconds of each contestant, in the given order.
    """
    names = list(contestants)
    seconds: dict[Key, list[float]] = {name: [] for name in names}
    for number in range(warmup + rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            if prepare is not None:
                prepare(name)
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


def compare_twice(
    contestants: Mapping[Key, Callable[[], Any]],
    rounds: int = 7,
    busy_seconds: float | None = None,
    **settings: Any,
) -> dict[Key, Timing]:
    """Time contestants as they are, and again beside `BUSY` processes that compute all the time.

    Args:
        contestants: Callables without arguments, by name.
        rounds: Rounds that count.
        busy_seconds: What the rounds beside other processes may take, roughly; there are at least
            3, and as many as the others by default.
        **settings: Others of `compare`.
    """
    timings = compare(contestants, rounds, **settings)
    if busy_seconds is not None:
        a_round = sum(timing.median for timing in timings.values())
        rounds = min(9, max(3, int(busy_seconds / a_round)))
    with busy_processes(BUSY):
        again = compare(contestants, rounds, **{**settings, "warmup": 1})
    return {name: replace(timings[name], beside=again[name].median) for name in timings}


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


def markdown_table(
    timings: Mapping[str, Timing], reference: str, title: str, places: Mapping[str, str]
) -> str:
    """Lay the timings out as a Markdown table with the ratio of medians to ``reference``.

    Args:
        timings: Of each row.
        reference: The row that is 1.
        title: Of the first column.
        places: Where the time of each row goes.
    """
    unit = timings[reference]
    twice = not math.isnan(unit.beside)
    titles = [title, "ms", "spread", "ratio", *([BESIDE] if twice else []), WHERE]
    lines = [f"| {' | '.join(titles)} |", f"|---{'|---:' * (len(titles) - 2)}|---|"]
    for name, timing in timings.items():
        spread = f"{1e3 * timing.low:.1f} to {1e3 * timing.high:.1f}"
        cells = [name, f"{1e3 * timing.median:.1f}", spread, f"{timing.median / unit.median:.3f}"]
        cells += [f"{timing.beside / unit.beside:.3f}"] if twice else []
        lines.append(f"| {' | '.join([*cells, places[name]])} |")
    return "\n".join(lines)


def quotient(ours: float, theirs: float) -> str:
    """Write how much of their time ours takes, and whether ours loses."""
    return f"{ours / theirs:.2f}" + (" **loses**" if ours > theirs else "")


def print_table(
    contestants: Mapping[str, Callable[[], Any]],
    reference: str,
    title: str = "",
    packages: tuple[str, ...] = (),
    *,
    busy: int = 0,
    **settings: Any,
) -> None:
    """Time contestants, look where their time goes, and print the environment and the table.

    Args:
        contestants: Callables without arguments, by name.
        reference: The row that is 1.
        title: Of the first column.
        packages: Whose versions are printed.
        busy: Other processes that compute meanwhile; then there is no second run beside some.
        **settings: Those of `compare`.
    """
    print(environment(*packages), end="\n\n", flush=True)
    with busy_processes(busy):
        timings = (compare if busy else compare_twice)(contestants, **settings)
        places = where.look(contestants, warmup=0)
    print(markdown_table(timings, reference, title, places), end="\n\n", flush=True)


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
