"""The results of a study in sentences, which begin a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from augspec.ablation.analyse import WORTH_SEEING, Row, Run
from augspec.ablation.sequential import UNDECIDED
from augspec.ablation.tags import MAP

NAMES = {"macro_recall": "macro recall", MAP: "mAP"}  # names of scores, in tables and sentences
PRACTICAL = {
    "better": "better",
    "worse": "worse",
    "equal": f"as good, within {100 * WORTH_SEEING:.0f} points",
    "cannot tell": "too uncertain to tell",
}


def count(number: int, thing: str) -> str:
    """Return a number of things in words."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


class Things(NamedTuple):
    """What the reader of a study calls its sounds, and those that belong together."""

    example: str
    group: str
    families: str

    def count_examples(self, number: int) -> str:
        """Return a number of examples in words."""
        return count(number, self.example)

    def count_groups(self, number: int) -> str:
        """Return a number of groups in words."""
        return count(number, self.group)


_NOTES = Things("note", "instrument", "families")
_SOUNDS = Things("example", "group", "classes")  # of a user, who may have birds or speakers


def things(data: str) -> Things:
    """Return the words for the sounds of a data set, by its name on the command line."""
    return _NOTES if data in ("gm-notes", "nsynth") else _SOUNDS


def sentences(
    rows: Sequence[Row],
    runs: Mapping[str, Sequence[Run]],
    means: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Return the question, the data and the answer of a study as sentences.

    Args:
        rows: Rows of its table; a baseline comes first.
        runs: Each row's runs.
        means: Means of each row under conditions: see `augspec.ablation.robust.means`.
    """
    first = runs[rows[0]["arm"]][0]
    config, seeds = first["config"], rows[0]["seeds"]
    words = things(config["data"])
    found = [
        f"The question: does an arm recognise more of {config['data']} than the arm "
        f"{rows[0]['arm']} ({config['backbone']}, {count(config['epochs'], 'epoch')})?",
        f"The data: {words.count_examples(len(first['labels']))} of "
        f"{words.count_groups(rows[0]['instruments'])} that training has not seen, in "
        f"{len(first['recall'])} classes; {count(seeds, 'seed')} of each arm.",
        "The answer:",
    ]
    found += [answer(row, rows[0]) for row in rows if row["verdict"] != "baseline"]
    found += [under_conditions(mean) for mean in means]
    found += _best(rows)
    found += _power(rows)
    falling = [row["arm"] for row in rows if row["still_falling"]]
    if falling:
        found.append(
            f"The training loss was still falling at the end in: {_listed(falling)}. Longer "
            "training may change the order."
        )
    return found


def _listed(names: Sequence[str]) -> str:
    """Join names: by semicolons if one has a comma, because several would read as more."""
    return ("; " if any("," in name for name in names) else ", ").join(names)


def answer(row: Row, base: Row) -> str:
    """Describe the result and the cost of an arm."""
    low, high = 100 * row["difference_low"], 100 * row["difference_high"]
    cost = 100 * (row["seconds"] / base["seconds"] - 1) if base["seconds"] > 0 else 0.0
    practical = PRACTICAL[row["practical"] or "cannot tell"]
    return (
        f"{row['arm']}: {row['verdict']} ({100 * row['difference']:+.1f} points of "
        f"{NAMES[row['metric']]}, 95 % interval {low:+.1f} to {high:+.1f}); by its interval "
        f"{practical}. It takes {_time(cost)}.{_stopped(row)}"
    )


def _time(percent: float) -> str:
    """Describe how much longer or shorter an arm trains than the baseline."""
    size = f"{abs(percent):.0f}"
    if size == "0":
        return "as much time"
    return f"{size} % {'more' if percent > 0 else 'less'} time"


def _stopped(row: Row) -> str:
    """Describe after how many seeds an arm was decided, and why training stopped."""
    decision = row["decision"]
    if decision is None or not decision.final:
        return ""
    after = f"{decision.seeds} of {decision.planned} seeds"
    if decision.verdict != UNDECIDED:
        return f" Decided after {after}: {decision.verdict}."
    if decision.seeds < decision.planned:
        return f" Stopped after {after}: more seeds would hardly decide it."
    return f" Not decided after {after}."


def under_conditions(mean: Mapping[str, Any]) -> str:
    """Describe the results of an arm under conditions."""
    every, unseen = mean["all"], mean["unseen"]
    text = (
        f"{mean['arm']}, under all conditions: {100 * every[every['metric']]:.1f} % "
        f"({100 * every['difference']:+.1f} points, {100 * every['difference_low']:+.1f} to "
        f"{100 * every['difference_high']:+.1f}; relative error {mean['relative_error']:.2f})"
    )
    if not mean["trained_with"]:
        return f"{text}."
    seen = ", ".join(mean["trained_with"])
    if unseen is None:
        return f"{text}. It trained with all of them ({seen})."
    return (
        f"{text}. It trained with {seen}; under the others, which it has not seen: "
        f"{100 * unseen['difference']:+.1f} points, {100 * unseen['difference_low']:+.1f} to "
        f"{100 * unseen['difference_high']:+.1f}."
    )


def _best(rows: Sequence[Row]) -> list[str]:
    arms = [row for row in rows if row["verdict"] != "baseline"]
    if len(arms) < 2 or any(row["shrunken"] is None for row in arms):
        return []
    best = max(arms, key=lambda row: float(row["difference"]))
    return [
        f"The best of {len(arms)} arms is best by luck, too: of {best['arm']} another study would "
        f"find about {100 * best['shrunken']:+.1f} points rather than "
        f"{100 * best['difference']:+.1f}."
    ]


def _power(rows: Sequence[Row]) -> list[str]:
    """Describe the differences that these groups and seeds can detect."""
    words = things(rows[0]["data"])
    points, count = f"{100 * WORTH_SEEING:.0f} points", rows[0]["instruments"]
    times = [row["times_needed"] for row in rows if row["times_needed"] is not None]
    if times and max(times) > 1:
        least = max(2, min(one for one in times if one > 1))
        arms = [row["arm"] for row in rows if (row["times_needed"] or 1) > 1]
        more = f"{least * count}" + (f" to {max(times) * count}" if max(times) > least else "")
        return [
            f"With these {words.count_groups(count)} no number of seeds can see {points} in 8 of "
            f"10 studies for {_listed(arms)}: that takes about {more} {words.group}s."
        ]
    return []
