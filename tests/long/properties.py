"""Draw many cases for the properties of `tests/properties`, in rounds of other seeds.

    python tests/long/properties.py --cases 100000 --jobs 2

prints how many cases each property has met, and every case that broke one, made small.
"""

import argparse
import collections
import multiprocessing
import os
import sys
import time
import traceback
from pathlib import Path

import hypothesis
import torch
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "properties"))

import strategies
import test_properties as of
from hypothesis import strategies as st

ROUND = 100  # cases
PROPERTIES = {
    "constructors refuse by name": (
        of.constructors_refuse_by_name,
        (strategies.constructor_calls(),),
    ),
    "results are right": (of.results_are_right, (strategies.cases(dtypes=of.DTYPES),)),
    "an example is as if alone": (of.an_example_is_as_if_alone, (strategies.cases(),)),
    "checks hold for any batch": (
        of.checks_hold,
        (st.sampled_from(of.ANY_SIZE), strategies.cases()),
    ),
    "a range holds its ends": (
        of.a_range_holds_its_ends,
        (st.sampled_from(sorted(strategies.RANGES, key=str)), st.floats()),
    ),
    "ends of a range run": (of.ends_of_a_range_run, (of.at_an_end(),)),
}
# Running a module costs most, and finds most.
SHARES = dict(zip(PROPERTIES, (2, 3, 2, 3, 1, 1), strict=True))


def one_round(job):
    """Meet one property with one round of cases; give its name, the cases, and what broke."""
    name, seed, count = job
    os.environ["AUGSPEC_COMPILE"] = "0"
    torch.set_num_threads(1)
    function, given = PROPERTIES[name]
    met = 0

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.tuples(*given))
    def meet(drawn):
        nonlocal met
        met += 1
        function(*drawn)

    try:
        meet()
    except Exception as error:
        return name, met, "".join(traceback.format_exception(error))
    return name, met, None


def rounds(cases, seed):
    """Spread cases over the properties."""
    whole = sum(SHARES.values())
    for place, (name, share) in enumerate(SHARES.items()):
        left = max(1, cases * share // whole)
        for number in range(-(-left // ROUND)):
            yield name, 1_000_003 * seed + 1009 * number + place, min(ROUND, left - number * ROUND)


def properties(cases, jobs=1, seed=0, tell=lambda _: None):
    """Draw cases; give the number that each property met, and what broke."""
    met, broken = collections.Counter(), []
    planned = sorted(rounds(cases, seed), key=lambda job: job[1] % 1009)
    with multiprocessing.get_context("spawn").Pool(jobs) if jobs > 1 else _Here() as pool:
        for name, count, error in pool.imap_unordered(one_round, planned):
            met[name] += count
            tell(count)
            if error is not None:
                broken.append(f"{name}:\n{error}")
    return met, broken


class _Here:
    """This process in the place of a pool."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def imap_unordered(self, function, jobs):
        return map(function, jobs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    with Progress() as progress:
        task = progress.add_task("cases", total=options.cases)
        met, broken = properties(
            options.cases, options.jobs, options.seed, lambda n: progress.advance(task, n)
        )
    for text in broken:
        print(text)
    for name, count in met.items():
        print(f"{count:8,} {name}")
    print(f"{met.total():8,} cases in {time.monotonic() - started:.0f} s, {len(broken)} broken")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
