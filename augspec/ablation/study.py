"""A study: all settings, from the command line, a YAML file, a preset or defaults.

It is one frozen dataclass. Each field defines how it is read, its meaning and where it may be
given; the command line and the keys of a study's file are generated from the fields. A study checks
itself when it is made and reports all errors at once. Checks of the machine (folders, devices) are
in `augspec.ablation.preflight`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from augspec._names import listing
from augspec.ablation import readers
from augspec.ablation.arms import ALL, ARMS, FEATURES, ONLY_BY_NAME, PLANS, PRESETS
from augspec.ablation.plan import BASELINE, TAGS, TASKS, cells, complete_features, make_arm
from augspec.config import parse_yaml

DATA = ("gm-notes", "nsynth", "folder", "table")
PRECISIONS: tuple[str, ...] = (
    "32-true",
    "16-mixed",
    "bf16-mixed",
    "16-true",
    "bf16-true",
    "64-true",
)
PRECISIONS += ("32", "16", "bf16", "64")  # Lightning's short names
CAN_BE_NONE = ("pretrained", "average")  # values of an axis
DEVICES = ("auto", "cpu", "cuda", "gpu", "mps", "tpu")


def _what(read: readers.Reader, help: str, **more: Any) -> dict[str, Any]:  # noqa: A002
    """Describe a setting that changes results; a file may also have it."""
    return {"read": read, "help": help, "file": True, **more}


def _how(read: readers.Reader, help: str, **more: Any) -> dict[str, Any]:  # noqa: A002
    """Describe a setting of the command line only, which does not change results."""
    return {"read": read, "help": help, "file": False, **more}


@dataclass(frozen=True, kw_only=True)
class Study:
    """Settings of a study, checked when it is made.

    Raises:
        ValueError: If anything is wrong, with one line per fault.

    Example:
        >>> Study(seeds=6, learning_rate="1e-3").learning_rate
        0.001
    """

    preset: str | None = field(
        default=None,
        metadata=_how(readers.one_of(*PRESETS), "ready-made study: article or imagenet"),
    )
    data: str = field(
        default="gm-notes",
        metadata=_what(readers.one_of(*DATA), "gm-notes, nsynth, folder or table"),
    )
    root: Path | None = field(
        default=None,
        metadata=_what(readers.path, "folder of nsynth-train and nsynth-valid, or of sounds"),
    )
    group: str | None = field(
        default=None,
        metadata=_what(
            readers.text,
            "name of each sound's group: a pattern for its path, or a column of the table",
        ),
    )
    seconds: float = field(
        default=4.0,
        metadata=_what(
            readers.number(0.0, above=True), "length of each sound of a folder or a table"
        ),
    )
    separator: str | None = field(
        default=None,
        metadata=_what(readers.text, "text between the labels in a cell or a folder's name"),
    )
    table: Path | None = field(
        default=None, metadata=_what(readers.path, "CSV or TSV file that lists sounds")
    )
    path: str = field(
        default="path",
        metadata=_what(readers.text, "column of a table with the path, or a pattern"),
    )
    label: str = field(
        default="label", metadata=_what(readers.text, "column of a table with the labels")
    )
    split: str | None = field(
        default=None, metadata=_what(readers.text, "column of a table with the split or fold")
    )
    scored: tuple[str, ...] | None = field(
        default=None, metadata=_what(readers.names, "folds of a table that are scored")
    )
    chosen: tuple[str, ...] | None = field(
        default=None,
        metadata=_how(readers.names, "names of arms, separated by commas", option="arms"),
    )
    arms: dict[str, Any] | None = field(
        default=None,
        metadata=_what(readers.mapping("lists of transforms"), "what is compared", option=None),
    )
    plan: str | None = field(
        default=None,
        metadata=_what(
            readers.one_of(*PLANS),
            "arms from the parts of arm `all`: leave-one-in, leave-one-out or factorial",
        ),
    )
    backbone: str = field(default="resnet10t", metadata=_what(readers.text, "name of a timm model"))
    pretrained: str | None = field(
        default=None, metadata=_what(readers.text, "file of weights of the backbone")
    )
    features: dict[str, Any] | None = field(
        default=None, metadata=_what(readers.mapping("settings"), "", option=None)
    )
    axes: dict[str, Any] | None = field(
        default=None, metadata=_what(readers.mapping("lists"), "", option=None)
    )
    task: str = field(
        default="family",
        metadata=_what(
            readers.one_of(*TASKS), "what the model predicts: family, pitch, velocity or tags"
        ),
    )
    share: float = field(
        default=1.0,
        metadata=_what(
            readers.number(0.0, 1.0, above=True), "share of each instrument's training notes"
        ),
    )
    fold: tuple[int, int] | None = field(
        default=None,
        metadata=_what(readers.fold, "K/N: score the K-th of N parts of the training instruments"),
    )
    folds: int | None = field(
        default=None, metadata=_what(readers.count(2), "cross-validate: every one of N folds")
    )
    across: bool = field(
        default=False, metadata=_what(readers.flag, "compare all rows with the first one")
    )
    seeds: int = field(default=2, metadata=_what(readers.count(), "runs of each arm"))
    # The training loss is near zero after six epochs on both data sets.
    epochs: int = field(
        default=4, metadata=_what(readers.count(), "passes over the training notes")
    )
    batch_size: int = field(
        default=32, metadata=_what(readers.count(), "sounds per step, over all devices")
    )
    accumulate: int = field(
        default=1, metadata=_what(readers.count(), "number of parts in which a batch is computed")
    )
    # Peak learning rate of AdamW with one cycle, usual for a small network from scratch.
    learning_rate: float = field(
        default=2e-3,
        metadata=_what(
            readers.number(0.0, above=True), "highest learning rate of the one-cycle schedule"
        ),
    )
    weight_decay: float = field(
        default=0.05, metadata=_what(readers.number(0.0), "weight decay of AdamW")
    )
    warm_up: float = field(
        default=0.2,
        metadata=_what(
            readers.number(0.0, 1.0), "share of the steps in which the learning rate rises"
        ),
    )
    average: str | None = field(
        default=None,
        metadata=_what(readers.average, "score an average of the weights: ema, or last-3 (epochs)"),
    )
    sampling: str = field(
        default="plain",
        metadata=_what(
            readers.one_of("plain", "balanced"), "plain, or balanced: every class equally often"
        ),
    )
    precision: str = field(
        default="32-true",
        metadata=_what(readers.one_of(*PRECISIONS), "number format, such as 32-true or bf16-mixed"),
    )
    conditions: tuple[tuple[str, int], ...] | None = field(
        default=None,
        metadata=_what(readers.conditions, "score under these, such as all or noise,room-3"),
    )
    until: str | None = field(
        default=None,
        metadata=_what(
            readers.one_of("decided"), "decided: stop training an arm when its verdict is decided"
        ),
    )
    smoke: bool = field(
        default=False,
        metadata=_how(readers.flag, "quick trial: an eighth of the notes, one seed, one epoch"),
    )

    jobs: int = field(
        default=1, metadata=_how(readers.count(), "runs at the same time", group="how")
    )
    device: str = field(
        default="auto",
        metadata=_how(readers.one_of(*DEVICES), "auto, cpu, cuda or mps", group="how"),
    )
    devices: int = field(
        default=1, metadata=_how(readers.count(), "devices that share each run", group="how")
    )
    num_nodes: int = field(
        default=1, metadata=_how(readers.count(), "machines that share each run", group="how")
    )
    executor: str = field(
        default="local", metadata=_how(readers.one_of("local", "ray"), "local or ray", group="how")
    )
    address: str | None = field(
        default=None,
        metadata=_how(
            readers.text,
            "address of a Ray cluster that shares OUT; default: a local one",
            group="how",
        ),
    )
    out: Path | None = field(
        default=None,
        metadata=_how(readers.path, "folder of the results (default: out/DATA)", group="how"),
    )
    status: bool = field(
        default=False, metadata=_how(readers.flag, "print what is done, and stop", group="how")
    )
    # The run of a process of --jobs, and the user's command line.
    only: str | None = field(
        default=None, metadata=_how(readers.text, "", group="how", hidden=True)
    )
    command: str | None = field(
        default=None, metadata=_how(readers.text, "", group="how", hidden=True)
    )

    def __post_init__(self) -> None:
        problems = []
        for one in fields(self):
            value = getattr(self, one.name)
            if value is None and one.default is None:
                continue
            try:
                object.__setattr__(self, one.name, one.metadata["read"](value))
            except ValueError as error:
                problems.append(f"{_shown(one.name, one.metadata)} {error}")
        if not problems:
            problems = [text for text in self._conflicts() if text]
        if problems:
            raise ValueError("\n".join(problems))

    def _conflicts(self) -> list[str]:
        """List the settings that cannot be combined."""
        problems = []
        if self.data == "nsynth" and self.root is None:
            problems.append(
                "--data nsynth needs --root DIR, the folder with nsynth-train and -valid"
            )
        if self.data == "folder" and self.root is None:
            problems.append("--data folder needs --root DIR, a folder of sounds")
        if self.data == "gm-notes" and self.root is not None:
            problems.append("--root is for --data nsynth; the gm-notes are inside augspec")
        faults = [*self._faults("chains", "all_features", "all_axes")]
        axes = {} if faults else self.all_axes  # as it was read, and not as it was given
        tasks = {self.task, *axes.get("task", ())}
        if self.data in ("folder", "table") and not tasks <= {"family", TAGS}:
            problems.append(f"--task: sounds of a {self.data} have labels (family, tags) alone")
        if self.data not in ("folder", "table") and TAGS in tasks:
            problems.append(
                f"--task tags: the notes of {self.data} have one label each; take sounds of a "
                "--data table or folder"
            )
        if (self.data == "table") != (self.table is not None):
            problems.append("--data table and --table FILE go together")
        samplings = {self.sampling, *axes.get("sampling", ())}
        if "balanced" in samplings and not tasks <= {"family", TAGS}:
            problems.append("--sampling balanced needs labels: --task must be family or tags")
        if self.until is not None and self.seeds < 3 and not self.smoke:
            problems.append(
                "--until decided needs --seeds 3 or more, the most that an arm may take: the first "
                "look is after 2"
            )
        if self.scored is not None and self.split is None:
            problems.append("--scored needs --split COLUMN, the column of the folds that it names")
        if self.fold is not None and self.folds is not None:
            problems.append("--fold and --folds: give one of them")
        if self.preset == "imagenet" and self.pretrained is None:
            problems.append("--preset imagenet needs --pretrained FILE, weights of its backbone")
        return problems + faults

    def _faults(self, *names: str) -> Iterator[str]:
        """Say what is wrong with properties that are read from several settings."""
        for name in names:
            try:
                getattr(self, name)
            except ValueError as error:
                yield str(error)

    @functools.cached_property
    def chains(self) -> dict[str, Any]:
        """Return the requested arms; the baseline is always included, as the first."""
        arms = dict(ARMS if self.arms is None else self.arms)
        if self.plan is not None:
            parts = make_arm(arms.get("all", ALL), "all")["waveform"]
            arms = dict(PLANS[self.plan](parts))
        arms = {BASELINE: [], **arms}
        # An arm that a recipe or a file leaves out can still be selected by name.
        by_name = {name: ARMS[name] for name in ONLY_BY_NAME if name != "all-unfused"}
        known = {**arms, **{name: own for name, own in by_name.items() if name not in arms}}
        if self.chosen is None:
            own = self.arms or {}
            return {
                name: chain
                for name, chain in arms.items()
                if name in own or name not in ONLY_BY_NAME
            }
        unknown = [name for name in self.chosen if name not in known]
        if unknown:
            raise ValueError(
                f"--arms: no arm named {', '.join(unknown)}; there are {listing(known)}"
            )
        return {name: known[name] for name in dict.fromkeys([BASELINE, *self.chosen])}

    @functools.cached_property
    def all_features(self) -> dict[str, Any]:
        """Return the settings of the features, including defaults."""
        return complete_features(FEATURES, self.features or {})

    @functools.cached_property
    def all_axes(self) -> dict[str, Any]:
        """Return the values of every axis; other axes have one value.

        Raises:
            ValueError: If an axis is not known, is not a list, or has an invalid value.
        """
        imagenet = self.preset == "imagenet"
        axes = {
            "backbone": [self.backbone],
            "pretrained": [None, self.pretrained] if imagenet else [self.pretrained],
            "features": [{}],
            "share": [self.share],
            "task": [self.task],
            "epochs": [self.epochs],
            "average": [self.average],
            "sampling": [self.sampling],
            **(self.axes or {}),
        }
        cells(axes)
        read = {one.name: one.metadata["read"] for one in fields(self)}
        read["checkpoint"] = readers.checkpoint
        made = {}
        for name, values in axes.items():
            try:
                made[name] = [
                    None if name in CAN_BE_NONE and value is None else read[name](value)
                    for value in values
                ]
            except ValueError as error:
                raise ValueError(f"`axes`: {name} {error}") from error
        return made

    @functools.cached_property
    def files(self) -> list[str]:
        """List the files of initial weights."""
        found = [cell["pretrained"] for cell in cells(self.all_axes)]
        return list(dict.fromkeys(file for file in found if file is not None))

    @functools.cached_property
    def scored_folds(self) -> list[list[int] | None]:
        """List the scored folds, ``[K, N]`` with K from 0; None is the validation notes."""
        if self.folds is not None:
            return [[part, self.folds] for part in range(self.folds)]
        return [None] if self.fold is None else [[self.fold[0] - 1, self.fold[1]]]

    @property
    def place(self) -> Path:
        """Return the folder of the results."""
        return Path("out") / self.data if self.out is None else self.out


def _shown(name: str, metadata: Mapping[str, Any]) -> str:
    """Name a setting as the user wrote it: an option, or a key of a file."""
    option = metadata.get("option", name)
    return f"`{name}`" if option is None else f"--{option.replace('_', '-')}"


def settle(given: Mapping[str, Any], file: Path | None = None) -> Study:
    """Make a study from a command line, then a file, then a preset, then the defaults.

    Raises:
        ValueError: If anything is wrong.
        OSError: If the file cannot be read.
    """
    preset = PRESETS.get(given.get("preset") or "", {})
    smoke = {"seeds": 1, "epochs": 1} if given.get("smoke") else {}
    return Study(**{**preset, **({} if file is None else read_file(file)), **given, **smoke})


def read_file(path: Path) -> dict[str, Any]:
    """Read a study's YAML file; a key without a value is ignored.

    Raises:
        ValueError: If it is not YAML, not a mapping, or has a key that is not a setting.
    """
    try:
        study = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"--study: there is no file {path}") from error
    except ValueError as error:
        raise ValueError(f"--study: {path} is not YAML: {error}") from error
    known = sorted(one.name for one in fields(Study) if one.metadata["file"])
    if not isinstance(study, dict) or not study.keys() <= set(known):
        unknown = sorted(map(str, study.keys() - known)) if isinstance(study, dict) else study
        raise ValueError(f"--study: {path} must have keys among {known}, got {unknown!r}")
    return {name: value for name, value in study.items() if value is not None}
