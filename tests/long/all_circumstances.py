"""Ask any number of rows of the table of `circumstances`, of the whole product, of every class.

    python tests/long/all_circumstances.py --rows 200 --seed 0 [--slow] [--ten-minutes]

`--slow` adds kernels that compile, graphs of the caller's and 70,000 samples. `--ten-minutes` asks
each class for one row of ten minutes instead. `--busy` keeps two processes busy beside two threads.
`--where precision=float32` keeps the rows with a value, and `--limit` begins no class after so many
seconds of the processor; how many were asked is printed. `--skip 15` leaves out the first 15
classes, so that a later run goes on where one was stopped.
"""

import argparse
import collections
import dataclasses
import math
import multiprocessing
import os
import sys
import time
import warnings
from pathlib import Path

import torch
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

import asked
import circumstances as table


def all_circumstances(rows, names=tuple(table.SUBJECTS), follow=iter, limit=math.inf):
    """Ask each row of each class, until the processor's seconds end; give how often, what broke."""
    met, broken = collections.Counter(), []
    end = time.process_time() + limit
    for row in follow(rows):
        for name in names:
            if time.process_time() > end:
                return met, broken
            met[row.way] += 1
            try:
                asked.ask(name, row)
            except AssertionError as error:
                broken.append(str(error))
    return met, broken


def ten_minutes():
    """Give rows of ten minutes, one of each precision."""
    one = table.Row(rate=8_000, shape="ten minutes", way="native")
    return [dataclasses.replace(one, precision=name) for name in table.AXES["precision"]]


def _work():
    while True:
        sum(range(10_000))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--ten-minutes", action="store_true")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--where", nargs="*", default=[], metavar="AXIS=VALUE")
    parser.add_argument("--limit", type=float, default=math.inf)
    parser.add_argument("--skip", type=int, default=0)
    options = parser.parse_args()
    os.environ["AUGSPEC_COMPILE"] = "0"
    warnings.filterwarnings("ignore", "There is a performance drop|.*fork")
    torch.set_num_threads(2 if options.busy else 1)
    rows = table.several(options.rows, options.seed, *([table.SLOW] if options.slow else []))
    if options.ten_minutes:
        rows = ten_minutes()
    if options.busy:
        rows = [dataclasses.replace(row, way="beside two busy processes") for row in rows]
    for axis, value in (word.split("=", 1) for word in options.where):
        rows = [row for row in rows if str(getattr(row, axis)) == value]
    beside = [multiprocessing.Process(target=_work, daemon=True) for _ in range(2 * options.busy)]
    for one in beside:
        one.start()
    started = time.monotonic()
    names = tuple(table.SUBJECTS)[options.skip :]
    met, broken = all_circumstances(rows, names, track, options.limit)
    for one in beside:
        one.terminate()
    print(*broken, sep="\n")
    for way, count in met.items():
        print(f"{count:8,} {way}")
    seconds = time.monotonic() - started
    done = f"{met.total():,} of {len(rows) * len(names):,} in {len(rows)} rows"
    print(f"{done} in {seconds:.0f} s, {len(broken)} broken")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
