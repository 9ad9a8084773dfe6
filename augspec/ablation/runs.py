"""From a study to its runs, and from finished runs to the rows of its table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augspec.ablation import plan
from augspec.ablation.analyse import Row, Run, pool, summarise
from augspec.ablation.conditions import missing_of
from augspec.ablation.data import Notes, join, open_data
from augspec.ablation.execute import Place
from augspec.ablation.plan import Config, Planned
from augspec.ablation.study import Study

SHOWN = 6  # largest number of runs without a result to list
# Settings of a study that are copied to the config of a run.
SETTINGS = (
    "data", "batch_size", "accumulate", "learning_rate", "weight_decay", "warm_up",
    "precision", "smoke",
)  # fmt: skip


def make_plan(study: Study) -> list[Planned]:
    """List all runs, with seeds as the outer loop, so that all rows of the table grow evenly."""
    found = plan.cells(study.all_axes)
    return [
        Planned(arm, name, make_config(study, cell, arm, chain, seed, fold))
        for seed in range(study.seeds)
        for fold in study.scored_folds
        for cell, name in zip(found, plan.name_cells(found), strict=True)
        for arm, chain in study.chains.items()
    ]


def make_config(
    study: Study,
    cell: dict[str, Any],
    arm: str,
    chain: Any,
    seed: int,
    fold: list[int] | None,
) -> Config:
    """Make the config that determines a run."""
    return {
        "arm": arm,
        "transforms": plan.arm_config(chain, arm),
        "seed": seed,
        "backbone": cell["backbone"],
        "pretrained": plan.weights_of(cell["pretrained"]),
        "features": plan.features_of(
            chain, plan.complete_features(study.all_features, cell["features"])
        ),
        "share": cell["share"],
        "task": cell["task"],
        "epochs": cell["epochs"],
        "fold": fold,
        **_more_of(cell),
        **{name: getattr(study, name) for name in SETTINGS},
        **sounds_of(study),
    }


def _more_of(cell: dict[str, Any]) -> Config:
    """Add settings that are new since earlier versions, unless they have the old value."""
    found = {"average": cell["average"], "sampling": cell["sampling"]}
    return {name: own for name, own in found.items() if own not in (None, "plain")}


def sounds_of(study: Study) -> Config:
    """Add the settings for reading a user's own sounds; a folder omits those that it does not need.

    So the runs of a folder keep their names from before tables were supported.
    """
    if study.data not in ("folder", "table"):
        return {}
    found = {name: getattr(study, name) for name in plan.SOUNDS}
    if study.table is not None:
        return {
            **found,
            "table": plan.named(Path(study.table), "--table"),
            "scored": _listed(study.scored),
        }
    folder = {"seconds": study.seconds, "group": study.group}
    return folder if study.separator is None else {**folder, "separator": study.separator}


def _listed(names: tuple[str, ...] | None) -> list[str] | None:
    """Convert names to JSON types, so that a config is equal after it is read again."""
    return None if names is None else list(names)


def make_place(study: Study) -> Place:
    """Return where the study is computed."""
    return Place(
        out=study.place,
        root=None if study.root is None else str(study.root),
        table=None if study.table is None else str(study.table),
        weights=tuple((plan.weights_of(file)["sha256"], file) for file in study.files),  # type: ignore[index]
        accelerator=study.device,
        devices=study.devices,
        nodes=study.num_nodes,
        conditions=study.conditions or (),
    )


def read_runs(planned: Sequence[Planned], place: Place) -> dict[str, list[Run]]:
    """Read the finished runs of each row for the seeds that all rows have, so that all are paired.

    The folds of a row and seed are joined to one run: each instrument is scored by a network that
    was not trained on it.
    """
    rows = list(dict.fromkeys(one.row for one in planned))
    records: dict[tuple[str, int], list[Path]] = {}
    for one in planned:
        records.setdefault((one.row, one.config["seed"]), []).append(place.record(one.config))
    done = {key for key, paths in records.items() if all(path.exists() for path in paths)}
    whole = [
        seed
        for seed in sorted({seed for _, seed in done})
        if all((row, seed) in done for row in rows)
    ]
    runs = {
        row: [pool([plan.read_json(path) for path in records[row, seed]]) for seed in whole]
        for row in rows
    }
    return runs if whole else {}


def read_prefixes(planned: Sequence[Planned], place: Place) -> dict[str, list[Run]]:
    """Read the finished runs of each row up to the first seed that it lacks.

    Rows of a study that stops early have different numbers of seeds; each is compared with the
    baseline's runs of the same seeds.
    """
    paths: dict[str, dict[int, list[Path]]] = {}
    for one in planned:
        seeds = paths.setdefault(one.row, {})
        seeds.setdefault(one.config["seed"], []).append(place.record(one.config))
    return {
        row: [
            pool([plan.read_json(path) for path in seeds[seed]])
            for seed in itertools.takewhile(
                lambda seed, seeds=seeds: all(path.exists() for path in seeds[seed]),  # type: ignore[misc]
                sorted(seeds),
            )
        ]
        for row, seeds in paths.items()
    }


def lacking(needed: Sequence[Planned], place: Place) -> list[str]:
    """Describe which needed runs, and scores under conditions, are missing.

    Tables hold only results that all arms have. So missing results must be reported.
    """
    absent = [one for one in needed if not place.record(one.config).exists()]
    unscored = [
        one
        for one in needed
        if one not in absent and missing_of(place.folder(one.config), place.conditions)
    ]
    found = []
    for own, what in ((absent, "no result"), (unscored, "no score under some conditions")):
        if own:
            names = ", ".join(plan.title(one.config, one.row) for one in own[:SHOWN])
            more = f" and {len(own) - SHOWN} more" if len(own) > SHOWN else ""
            found.append(
                f"{len(own)} of {len(needed)} runs have {what} (they failed, or are not done), "
                f"and tables are without: {names}{more}"
            )
    return found


def cells_of(planned: Sequence[Planned], across: bool) -> dict[str, dict[str, str]]:
    """Return the rows that are compared with one another: by cell, the row of each arm."""
    found: dict[str, dict[str, str]] = {}
    for one in planned:
        arm = one.arm if not across or one.row == planned[0].row else one.row
        found.setdefault("" if across else one.cell, {})[arm] = one.row
    return found


def compare(
    planned: Sequence[Planned],
    runs: dict[str, list[Run]],
    across: bool,
    most: int | None = None,
) -> list[Row]:
    """Compare the arms of every cell with the cell's baseline, or all rows with the first one.

    Args:
        planned: All runs.
        runs: Runs of each row.
        across: Whether all rows are compared with the first one.
        most: Largest number of seeds of a study that stops as soon as decided.
    """
    return [
        {**result, "arm": rows[result["arm"]]}
        for rows in cells_of(planned, across).values()
        for result in summarise({arm: runs[row] for arm, row in rows.items()}, most)
    ]


def scored_notes(planned: Sequence[Planned], place: Place) -> Notes:
    """Open the scored notes of every run, all folds in their order."""
    first = planned[0]
    mine = [one for one in planned if (one.row, one.config["seed"]) == (first.row, 0)]
    return join([open_data(one.config, place.root, place.table).valid for one in mine])
