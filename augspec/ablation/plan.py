"""The configs of runs: one for every arm, cell of the axes and seed.

A config is plain data that determines a run. Its hash is the name of the run, so that a finished
run is never repeated and any change of a setting makes a new one. It holds no paths: moving the
folder of notes changes nothing, and weights are named by their content.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.config import describe

Config = dict[str, Any]  # of one run
BASELINE = "none"
IMAGES = "images"  # an arm that trains on pictures written before training
TAGS = "tags"  # several labels per sound
TASKS = ("family", "pitch", "velocity", TAGS)
KINDS = ("LogMelSpectrogram", "PCEN", "MFCC", "CQT", "MelSpectrogram", "Spectrogram")
OURS = ("kind", "mean", "std", "to_db")  # the others are arguments of the feature class
AUTO = "auto"  # a mean or std that is measured on the training notes
# Settings for reading a user's own sounds, in this order.
SOUNDS = ("seconds", "group", "separator", "table", "path", "label", "split", "scored")
# Settings that belong to a checkpoint: its network, its file (random weights without it), features.
OF_CHECKPOINT = ("backbone", "pretrained", "features")
AXES = (*OF_CHECKPOINT, "share", "task", "checkpoint", "epochs", "average", "sampling")


def make_arm(chain: Any, name: str) -> dict[str, list[T.RandomTransform]]:
    """Read an arm of a study: a list of transforms of the waveform, or both lists by name.

    Args:
        chain: Transforms or their configs: ``[...]`` or ``{"waveform": [...], "specgram": [...]}``;
            the latter may also say how a front end is to ``fuse``, and have its own ``features``
            (settings that differ from the study's), so that a whole recipe is an arm.
        name: The arm's name, for messages.

    Raises:
        ValueError: If it has neither form, or a config is not valid.
    """
    parts = {"waveform": chain} if isinstance(chain, Sequence) else chain
    known = {"waveform", "specgram", "fuse", "features"}
    if not isinstance(parts, Mapping) or not parts.keys() <= known:
        raise ValueError(
            f"arm {name!r} must be a list of transforms, or a mapping of `waveform` and `specgram` "
            f"to lists, and perhaps of `features` and `fuse`, got {chain!r:.80}"
        )
    made: dict[str, list[T.RandomTransform]] = {"waveform": [], "specgram": []}
    for part in made:
        for entry in parts.get(part) or ():
            one = entry if isinstance(entry, T.RandomTransform) else augspec.from_config(entry)
            if not isinstance(one, T.RandomTransform):
                raise ValueError(f"arm {name!r} must hold transforms, got {type(one).__name__}")
            made[part].append(one)
    return made


def arm_config(chain: Any, name: str) -> Any:
    """Convert an arm to plain data; the arm of pictures stays as it is."""
    if chain == IMAGES:
        return IMAGES
    made = make_arm(chain, name)
    # This text identifies a run. It has neither defaults nor a version, so that records of earlier
    # releases are found too.
    config: dict[str, Any] = {
        part: [describe(one, defaults=False) for one in own] for part, own in made.items()
    }
    if isinstance(chain, Mapping) and "fuse" in chain:
        config["fuse"] = chain["fuse"]
    return config


def features_of(chain: Any, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the features of an arm: the study's, with the arm's own settings."""
    return complete_features(base, chain.get("features", {}) if isinstance(chain, Mapping) else {})


def complete_features(base: Mapping[str, Any], given: Any) -> dict[str, Any]:
    """Complete ``given`` with settings of ``base``.

    Another kind of feature takes the settings for which it has an argument; MFCC takes the rest for
    its mels. Its values have another scale, so their mean and standard deviation are measured.

    Raises:
        ValueError: If ``given`` is not a mapping, or names no feature.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"`features` must be a mapping of settings, got {given!r}")
    kind = given.get("kind", base["kind"])
    if kind == base["kind"]:
        return {**base, **given}
    if kind not in KINDS:
        raise ValueError(f"`features`: kind must be among {', '.join(KINDS)}, got {kind!r}")
    settings = {name: value for name, value in base.items() if name not in OURS}
    known = inspect.signature(getattr(F, kind)).parameters
    taken = {name: value for name, value in settings.items() if name in known}
    if "melkwargs" in known:
        taken["melkwargs"] = {name: v for name, v in settings.items() if name not in known}
    return {"kind": kind, **taken, "mean": AUTO, "std": AUTO, **given}


def make_feature(features: Mapping[str, Any]) -> nn.Sequential:
    """Make the feature of a config, without normalisation."""
    arguments = {name: value for name, value in features.items() if name not in OURS}
    feature = augspec.from_config({features["kind"]: arguments})
    if not features.get("to_db", False):
        return nn.Sequential(feature)
    return nn.Sequential(feature, F.AmplitudeToDB("magnitude" if feature.power == 1 else "power"))


def make_frontend(chain: Any, features: Mapping[str, Any], name: str = "arm") -> augspec.Frontend:
    """Make an arm's front end; in ``eval()`` all arms of a cell return the same plain features.

    Args:
        chain: The arm: see `make_arm`.
        features: ``kind``, the name of a class of `augspec.features`; ``mean`` and ``std`` for its
            normalisation; ``to_db``, whether to convert it to decibels; any other entry is an
            argument of the class.
        name: The arm's name, for messages.
    """
    parts = make_arm([] if chain == IMAGES else chain, name)
    return augspec.Frontend(
        waveform=T.Chain(parts["waveform"]),
        features=make_feature(features).append(F.Normalize(features["mean"], features["std"])),
        specgram=T.Chain(parts["specgram"]),
        fuse=chain.get("fuse", "auto") if isinstance(chain, Mapping) else "auto",
    )


def leave_one_in(parts: Sequence[T.RandomTransform]) -> dict[str, list[T.RandomTransform]]:
    """Make an arm of each transform alone, and one of all."""
    arms = {f"only {name}": [part] for name, part in zip(_names(parts), parts, strict=True)}
    return {BASELINE: [], **arms, "all": list(parts)}


def leave_one_out(parts: Sequence[T.RandomTransform]) -> dict[str, list[T.RandomTransform]]:
    """Make an arm of all transforms but one, for each of them, and one of all."""
    arms = {
        f"without {name}": [*parts[:place], *parts[place + 1 :]]
        for place, name in enumerate(_names(parts))
    }
    return {BASELINE: [], "all": list(parts), **arms}


def factorial(parts: Sequence[T.RandomTransform]) -> dict[str, list[T.RandomTransform]]:
    """Make an arm of every subset of the transforms, in their order."""
    names = _names(parts)
    arms: dict[str, list[T.RandomTransform]] = {BASELINE: []}
    for size in range(1, len(parts) + 1):
        for places in itertools.combinations(range(len(parts)), size):
            arms["+".join(names[i] for i in places)] = [parts[i] for i in places]
    return arms


def _names(parts: Iterable[T.RandomTransform]) -> list[str]:
    kinds = [type(part).__name__ for part in parts]
    return [
        kind if kinds.count(kind) == 1 else f"{kind}{kinds[: place + 1].count(kind)}"
        for place, kind in enumerate(kinds)
    ]


class Planned(NamedTuple):
    """A run and its row of the table."""

    arm: str
    cell: str  # the axes that differ between cells, as text
    config: Config

    @property
    def row(self) -> str:
        """Name the row of the table that the run belongs to."""
        return f"{self.arm} ({self.cell})" if self.cell else self.arm


def cells(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """List every combination of the axes' values; a checkpoint also sets its own settings.

    Raises:
        ValueError: If an axis is not known or has no value.
    """
    for name, values in axes.items():
        if name not in AXES:
            raise ValueError(f"`axes` must be among {', '.join(AXES)}, got {name!r}")
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ValueError(f"`axes`: {name} must be a list of values, got {values!r}")
    every = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    return [{**cell, **_of_checkpoint(cell.get("checkpoint"))} for cell in every]


def _of_checkpoint(one: Mapping[str, Any] | None) -> dict[str, Any]:
    if one is None:
        return {}
    return {"pretrained": None, **{name: one[name] for name in OF_CHECKPOINT if name in one}}


def name_cells(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name each cell by the axes that differ between cells; a single cell has no name."""
    texts = [{axis: _short(value) for axis, value in cell.items()} for cell in found]
    named = OF_CHECKPOINT if "checkpoint" in texts[0] else ()  # they follow from their checkpoint
    differ = [
        axis for axis in texts[0] if axis not in named and len({text[axis] for text in texts}) > 1
    ]
    return [", ".join(f"{axis}={text[axis]}" for axis in differ) for text in texts]


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "name" in value:
        return str(value["name"])
    if isinstance(value, Mapping):
        return " ".join(f"{key}:{entry}" for key, entry in value.items())
    return Path(value).stem if isinstance(value, str) and "/" in value else str(value)


def weights_of(file: str | None) -> dict[str, str] | None:
    """Name weights by file name and SHA-256.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    return None if file is None else named(Path(file), "pretrained")


def named(path: Path, option: str) -> dict[str, str]:
    """Name a file by its file name and content, so that it may be moved.

    Raises:
        FileNotFoundError: If there is no such file; the message names the option.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{option}: there is no file {path}")
    with path.open("rb") as opened:
        return {"file": path.name, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}


def data_of(config: Config) -> Config:
    """Return the settings of a config that select the notes."""
    names = ("data", "fold", "share", "smoke", "task", *SOUNDS)
    return {name: config[name] for name in names if name in config}


def title(config: Config, row: str | None = None) -> str:
    """Name a run for people."""
    fold = config["fold"]
    part = "" if fold is None else f", fold {fold[0] + 1}/{fold[1]}"
    return f"{row or config['arm']}, seed {config['seed']}{part}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a record, which is a mapping.

    Raises:
        ValueError: If it is damaged; the message names the file.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError(f"it must hold a mapping, got {record!r:.60}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it to repeat its run") from error
    return record


def run_name(config: Config) -> str:
    """Name a run: the same config, the same name."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
    label = "".join(c if c.isalnum() or c in "+-_." else "_" for c in config["arm"])[:60]
    return f"{label}-{config['seed']}-{digest}"
