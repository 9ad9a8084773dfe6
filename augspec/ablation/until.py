"""A study that stops early: arms whose verdict is decided get no more seeds.

All decisions are computed from the records of finished runs. So an interrupted study, or one that
several processes share, gives the same result.
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
    """Do the runs seed by seed, without decided arms, and count their end states.

    Args:
        planned: All possible runs.
        place: Where their records are.
        across: Whether all rows are compared with the first one.
        do: Function that does runs.
    """
    states: Counter[str] = Counter()
    for seed in sorted({one.config["seed"] for one in planned}):
        less = not_needed(planned, place, across) if seed >= FIRST else []
        states += do(
            [one.config for one in planned if one.config["seed"] == seed and one not in less]
        )
    return states


def not_needed(planned: Sequence[Planned], place: Place, across: bool) -> list[Planned]:
    """List the runs after the one that decided their arm, whether trained or not.

    A run that failed, or is not done yet, decides nothing and is still needed. A baseline is needed
    as long as one of its arms is.
    """
    runs, most = read_prefixes(planned, place), len({one.config["seed"] for one in planned})
    needed: dict[str, int] = {}  # seeds of each row
    for rows in cells_of(planned, across).values():
        base, *arms = rows.values()
        needed.setdefault(base, FIRST)
        for row in arms:
            seeds, needed[row] = min(len(runs[row]), len(runs[base])), most
            if seeds >= FIRST:
                groups = groups_of(runs[base][0])[0]
                decision = decide(groups, runs[row][:seeds], runs[base][:seeds], most)
                needed[row] = decision.seeds if decision.final else most
            needed[base] = max(needed[base], needed[row])
    return [one for one in planned if one.config["seed"] >= needed[one.row]]


def saved(planned: Sequence[Planned], place: Place, unneeded: Sequence[Planned]) -> str:
    """Describe how many runs were not needed and not done."""
    less = sum(not place.record(one.config).exists() for one in unneeded)
    return (
        f"Stopped as soon as decided: {less} of {len(planned)} runs were not needed "
        f"({100 * less / len(planned):.0f} %)."
    )
