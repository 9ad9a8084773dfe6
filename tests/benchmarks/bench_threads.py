"""Two threads beside one, of every transform and feature, at rest and beside other work.

Run ``python tests/benchmarks/bench_threads.py``; name classes to run only those. Each row is one
class on 64 examples of 4 s at 16 kHz (a feature of them for transforms of features), with rounds of
one and of two threads in turn, in one process. A ratio above 1 is a loss: the threads wait for each
other for longer than they save. Short calls have more rounds, because beside other work one of them
may take many times as long as the others.
"""

from typing import Any

import torch
from bench_catalogue import call, classes, inputs, ms, suited
from common import (
    BESIDE,
    CLOCKS,
    compare,
    compare_twice,
    environment,
    parse_rows,
    quotient,
)

SECONDS = 2.0  # that the rounds of a class take, roughly
MOST = 151  # rounds


def main() -> None:
    """Print the table."""
    arguments = parse_rows(__doc__)
    data = inputs(arguments.batch, arguments.seconds)
    settings: dict[str, Any] = {"rounds": arguments.rounds, "clock": CLOCKS[arguments.clock]}
    few, many = 1, arguments.threads
    print(environment(), end="\n\n")
    titles = ["", "1 thread, ms", f"{many} threads, ms", f"{many} / 1", f"{many} / 1, {BESIDE}"]
    print(f"| {' | '.join(titles)} |\n|---|---:|---:|---:|---:|", flush=True)
    for name, cls in classes():
        if not hasattr(cls, "example") or (arguments.names and name not in arguments.names):
            continue
        transform = cls.example()
        function = call(transform, suited(transform, data, "mono"))
        both = {few: function, many: function}
        first = compare(both, 3, prepare=torch.set_num_threads, clock=settings["clock"])
        a_round = sum(timing.median for timing in first.values())
        settings["rounds"] = min(MOST, max(arguments.rounds, int(SECONDS / a_round)))
        timings = compare_twice(both, prepare=torch.set_num_threads, **settings)
        one, two = timings[few], timings[many]
        rest, beside = quotient(two.median, one.median), quotient(two.beside, one.beside)
        print(f"| {name} | {ms(one)} | {ms(two)} | {rest} | {beside} |", flush=True)


if __name__ == "__main__":
    main()
