"""Results of each arm under conditions: the rows of conditions.csv, and their means.

An arm that trains with noise is better under noise, which only shows that training works. The
important value is the mean over the conditions that it has *not* trained with.

References:
    D. Hendrycks and T. Dietterich, "Benchmarking neural network robustness to common corruptions
    and perturbations", ICLR 2019: the relative error, mCE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from augspec.ablation.analyse import SCORES, Run, pool
from augspec.ablation.conditions import Wanted, name_of, read_scores, under
from augspec.ablation.execute import Place
from augspec.ablation.instruments import Bootstrap, Groups
from augspec.ablation.plan import BASELINE, Planned, read_json
from augspec.ablation.tags import groups_of, metric_of
from augspec.conditions import trained_with

Scored = dict[str, dict[str, list[Run]]]  # by row of the table and condition, one run per seed


def read_conditions(planned: Sequence[Planned], place: Place, seeds: Sequence[int]) -> Scored:
    """Read the scores of each row's runs under every condition that all runs have."""
    wanted = [name_of(*one) for one in place.conditions]
    found: Scored = {}
    for row in dict.fromkeys(one.row for one in planned):
        mine = [one.config for one in planned if one.row == row]
        runs: dict[str, list[Run]] = {name: [] for name in wanted}
        for seed in seeds:
            folds = [config for config in mine if config["seed"] == seed]
            records = [(read_json(place.record(config)), place.folder(config)) for config in folds]
            have = set.intersection(*(set(read_scores(folder)) for _, folder in records))
            for name in have & set(wanted):
                runs[name].append(pool([under(record, path, name) for record, path in records]))
        found[row] = {name: own for name, own in runs.items() if len(own) == len(seeds)}
    return found


def compare_conditions(
    scored: Scored, baselines: Mapping[str, str], wanted: Wanted
) -> list[dict[str, Any]]:
    """Make a row for each arm, condition and severity: the lines of conditions.csv.

    Args:
        scored: See `read_conditions`.
        baselines: The baseline row of each row.
        wanted: Conditions and severities.
    """
    rows = []
    for arm, runs in scored.items():
        base = scored[baselines[arm]]
        for condition, severity in wanted:
            name = name_of(condition, severity)
            if name in runs and name in base:
                own = _compared([(runs[name], base[name])])
                rows.append({"arm": arm, "condition": condition, "severity": severity, **own})
    return rows


def _compared(pairs: Sequence[tuple[Sequence[Run], Sequence[Run]]]) -> dict[str, Any]:
    first = pairs[0][0]
    groups, *others = groups_of(first[0])
    mean = {
        name: float(np.mean([run[name] for arm, _ in pairs for run in arm]))
        for name in SCORES
        if name in first[0]
    }
    return {
        "seeds": len(first),
        "metric": groups.metric,
        **mean,
        **_difference(groups, pairs),
        "others": {one.metric: _difference(one, pairs) for one in others},
    }


def _difference(
    groups: Groups, pairs: Sequence[tuple[Sequence[Run], Sequence[Run]]]
) -> dict[str, float]:
    """Return the mean difference of one score from the baselines', and its interval."""
    low, high, _ = Bootstrap(groups, len(pairs[0][0])).interval(pairs)
    own, base = (
        float(np.mean([run[groups.metric] for pair in pairs for run in pair[side]]))
        for side in (0, 1)
    )
    return {"difference": own - base, "difference_low": low, "difference_high": high}


def means(
    scored: Scored, baselines: Mapping[str, str], transforms: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Make one row per arm: its mean over all conditions, and over those not in its training.

    Conditions that any row lacks are left out, because means over different conditions are not
    comparable.

    ``relative_error`` is the mCE of Hendrycks and Dietterich: for each condition the errors of all
    severities together, divided by the baseline's, then the mean over conditions.

    Args:
        scored: See `read_conditions`.
        baselines: The baseline row of each row.
        transforms: Transforms of each row, as in its config.
    """
    rows = []
    for arm, runs in scored.items():
        base = scored[baselines[arm]]
        names = [name for name in runs if all(name in own for own in scored.values())]
        seen = trained_with(transforms[arm])
        unseen = [name for name in names if name.rpartition("-")[0] not in seen]
        if not names:
            continue
        rows.append(
            {
                "arm": arm,
                "trained_with": seen,
                "all": _compared([(runs[name], base[name]) for name in names]),
                "unseen": _compared([(runs[name], base[name]) for name in unseen])
                if unseen
                else None,
                "relative_error": _relative_error(runs, base, names),
            }
        )
    return rows


def _relative_error(runs: Mapping[str, Any], base: Mapping[str, Any], names: list[str]) -> float:
    ratios = []
    for condition in dict.fromkeys(name.rpartition("-")[0] for name in names):
        own = [name for name in names if name.rpartition("-")[0] == condition]
        errors = [
            sum(1.0 - run[metric_of(run)] for name in own for run in found[name])
            for found in (runs, base)
        ]
        ratios.append(errors[0] / errors[1] if errors[1] > 0.0 else float(errors[0] > 0.0))
    return float(np.mean(ratios))


def baselines_of(planned: Sequence[Planned], across: bool) -> dict[str, str]:
    """Return the baseline row of each row."""
    if across:
        return {one.row: planned[0].row for one in planned}
    of_cell = {one.cell: one.row for one in planned if one.arm == BASELINE}
    return {one.row: of_cell[one.cell] for one in planned}
