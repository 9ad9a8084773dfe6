"""Checks on the machine before the first epoch of a study: notes, devices, models.

A study may take days. So all faults that would end a run, also a later one, are reported before the
first run begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import timm
import torch

from augspec._names import nearest
from augspec.ablation.data import open_data
from augspec.ablation.execute import Place
from augspec.ablation.images import split_features
from augspec.ablation.plan import AUTO, IMAGES, Config, Planned, data_of, make_frontend
from augspec.ablation.study import Study
from augspec.ablation.words import things


def check(study: Study, planned: Sequence[Planned], place: Place) -> None:
    """Check that all runs of a study that are not finished can be computed here.

    A finished run needs no network and no transforms: its table can be made again, even if this
    version of augspec rejects an arm of an earlier version.

    Raises:
        ValueError: If they cannot; with one line per fault.
    """
    problems = [*_devices(study), *_batches(study)]
    missing = list(_root(study))
    problems += missing or _notes(planned, place)
    open_ = [one for one in planned if not place.is_done(one.config)]
    problems += [*_backbones(open_), *_frontends(open_)]
    if problems:
        raise ValueError("\n".join(dict.fromkeys(problems)))


def _devices(study: Study) -> Iterator[str]:
    if study.executor == "ray":  # the nodes of the cluster have the devices
        return
    found = {"mps": int(torch.backends.mps.is_available()), "cuda": torch.cuda.device_count()}
    if study.device == "mps" and not found["mps"]:
        yield "--device mps: this machine has none, or torch cannot use it"
    if study.device == "cuda" and found["cuda"] < study.devices:
        yield f"--device cuda: {study.devices} wanted, and torch can use {found['cuda']} here"
    if study.device == "gpu" and found["cuda"] < study.devices and not found["mps"]:
        yield f"--device gpu: {study.devices} wanted, and torch can use {found['cuda']} here"


def _batches(study: Study) -> Iterator[str]:
    parts = study.devices * study.num_nodes * study.accumulate
    if study.batch_size % parts:
        yield (
            f"--batch-size {study.batch_size} must be a multiple of devices * nodes * "
            f"accumulate, here {parts}"
        )


def _root(study: Study) -> Iterator[str]:
    if study.root is not None and not Path(study.root).is_dir():
        yield f"--root: there is no folder {study.root}"


def _notes(planned: Sequence[Planned], place: Place) -> Iterator[str]:
    too_few: set[str] = set()
    for config in {str(data_of(one.config)): one.config for one in planned}.values():
        words = things(config["data"])
        data_but_fold = str({**data_of(config), "fold": None})
        if data_but_fold in too_few:  # the other folds lack the same
            continue
        try:
            data = open_data(config, place.root, place.table)
        except (ValueError, OSError) as error:
            yield f"the {words.example}s cannot be opened: {error}"
            continue
        fold = config["fold"]
        where = f" in fold {fold[0] + 1}/{fold[1]}" if fold else ""
        for part, notes in (("to train on", data.train), ("to score", data.valid)):
            if len(notes) == 0:
                too_few.add(data_but_fold)
                yield (
                    f"there are no {words.example}s {part}{where}: take fewer --folds, or other "
                    f"{words.example}s"
                )
        if 0 < len(data.train) < config["batch_size"]:
            yield (
                f"--batch-size {config['batch_size']} must be at most the number of training "
                f"{words.example}s{where}, {len(data.train)}; give --batch-size {len(data.train)} "
                "or less"
            )


def _backbones(planned: Sequence[Planned]) -> Iterator[str]:
    for name in dict.fromkeys(one.config["backbone"] for one in planned):
        if not timm.is_model(name):
            near = nearest(name, timm.list_models())
            yield f"--backbone: timm has no model {name!r}{near}"


def _frontends(planned: Sequence[Planned]) -> Iterator[str]:
    """Make each arm's features once, to report settings that a feature does not take."""
    configs: dict[str, Config] = {
        str((one.config["transforms"], one.config["features"])): one.config for one in planned
    }
    for config in configs.values():
        features: dict[str, Any] = {
            name: 1.0 if value == AUTO else value for name, value in config["features"].items()
        }
        try:
            frontend = make_frontend(config["transforms"], features, config["arm"])
            if config["transforms"] == IMAGES:
                split_features(frontend)
        except (ValueError, TypeError) as error:
            yield f"arm {config['arm']!r}: {error}"
