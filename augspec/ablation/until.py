"""A study that stops early: after each seed, the arms whose verdict is decided are trained no more.

Everything is read from the records of finished runs, so that a study that was interrupted, or that
several processes share, goes on as if it had not been.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from augspec.ablation.execute import Place
from augspec.ablation.plan import Config, Planned
from augspec.ablation.runs import cells_of, read_prefixes
from augspec.ablation.sequential import FIRST, decide
from augspec.ablation.tags import groups_of

Do = Callable[[Sequence[Config]], Counter[str]]


def do_until_decided(
    planned: Sequence[Planned], place: Place, across: bool, do: Do
) -> Counter[str]:
    """Do the runs seed by seed, without arms that are decided, and count how they ended.

    Args:
        planned: All runs that there can be.
        place: Where their records are.
        across: Whether all rows are compared with the first one.
        do: Does runs.
    """
    states: Counter[str] = Counter()
    seeds = sorted({one.config["seed"] for one in planned})
    open_ = {one.row for one in planned}
    for seed in seeds:
        states += do(
            [one.config for one in planned if one.config["seed"] == seed and one.row in open_]
        )
        if FIRST <= seed + 1 < len(seeds):
            open_ = undecided(planned, place, across)
    return states


def undecided(planned: Sequence[Planned], place: Place, across: bool) -> set[str]:
    """Name the rows that need more seeds; a baseline does as long as one of its arms does."""
    runs, most = read_prefixes(planned, place), _seeds(planned)
    found: set[str] = set()
    for rows in cells_of(planned, across).values():
        base, *arms = rows.values()
        for row in arms:
            seeds = min(len(runs[row]), len(runs[base]))
            if seeds >= FIRST:
                groups = groups_of(runs[base][0])[0]
                if decide(groups, runs[row][:seeds], runs[base][:seeds], most).final:
                    continue
            found |= {base, row}
    return found


def _seeds(planned: Sequence[Planned]) -> int:
    return len({one.config["seed"] for one in planned})


def saved(planned: Sequence[Planned], place: Place) -> str:
    """Say in words how many runs were not needed."""
    less = sum(not place.record(one.config).exists() for one in planned)
    return (
        f"Stopped as soon as decided: {less} of {len(planned)} runs were not needed "
        f"({100 * less / len(planned):.0f} %)."
    )
