"""Which augmentation of the waveform helps, by how much, how sure is that, and what does it cost?

Trains the same backbone once for each arm and seed, on log-mel spectrograms that are made from
augmented waveforms in every step, and compares each arm with the arm ``none``. Scores are of
instruments that training has never seen.

    python recipes/ablation.py --data gm-notes --arms none,pitch,stretch,all
    python recipes/ablation.py --data nsynth --root DIR --seeds 3
    python recipes/ablation.py --study recipes/configs/study.yaml --jobs 2
    python recipes/ablation.py --data gm-notes --out DIR --status

writes one JSON a run to OUT/runs, and OUT/summary.csv, OUT/summary.md, OUT/figure.png and
OUT/report.html. A run that is finished is not repeated, and one that was stopped goes on from its
last epoch: after Ctrl-C, or a power cut, the same command goes on. Read from top to bottom; the
engine is in ablation/.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from ablation import plan
from ablation.analyse import Row, Run, pool, summarise
from ablation.data import Notes, join, open_data
from ablation.execute import Place, Runner, is_first, over_cluster, side_by_side, state_of
from ablation.plan import BASELINE, Config, Planned
from ablation.report import HEADINGS, ON_SCREEN, cells, describe, report
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from augspec import transforms as T
from augspec.config import parse_yaml

# --- The arms: what is done to a waveform in training ---------------------------------------------
# Ranges are narrow on purpose. A note's family is told by its attack and its spectrum, and every
# augmentation distorts one of the two: in probes on nsynth, 4 semitones together with stretch, crop
# and gain lost 7 points of macro recall.
ALL: list[T.RandomTransform] = [
    T.TimeStretch((0.9, 1.1)),
    T.PitchShift((-1.0, 1.0)),
    T.RandomCrop(56_000),
    T.Gain((-6.0, 6.0)),
]
ARMS: dict[str, Any] = {
    "none": [],
    # Level says little about the family; the notes differ by about this much in it already.
    "gain": [T.Gain((-6.0, 6.0))],
    # Half a second of 4 s: where the note begins moves, most attacks stay in.
    "crop": [T.RandomCrop(56_000)],
    # Each instrument is there at few pitches. A semitone moves formants by 6 %: the same one still.
    "pitch": [T.PitchShift((-1.0, 1.0))],
    # Slower and faster decays, the same spectrum.
    "stretch": [T.TimeStretch((0.9, 1.1))],
    "all": ALL,
    # The same draws, computed stage by stage on the waveform; only when it is asked for.
    "all-unfused": {"waveform": ALL, "fuse": "never"},
}
# What is asked for by name with --preset: settings as in a study's file.
PRESETS: dict[str, dict[str, Any]] = {
    # The article of 2018: mel pictures written beforehand, or spectrograms made in training?
    "article": {
        "arms": {"none": [], "images": plan.IMAGES},
        "backbone": "resnet18",
        "epochs": 3,
        "batch_size": 64,
        "features": {"hop_length": 256, "n_mels": 40, "f_min": 20.0, "f_max": 8000.0},
    },
    # Its open question: do weights of photographs help? Give the file with --pretrained.
    "imagenet": {"arms": {"none": []}, "backbone": "tf_efficientnet_lite0", "epochs": 8},
}
PLANS = {"leave-one-in": plan.leave_one_in, "leave-one-out": plan.leave_one_out}
PLANS["factorial"] = plan.factorial

# --- Hyperparameters, the same for every arm ------------------------------------------------------
FEATURES: dict[str, Any] = {
    "kind": "LogMelSpectrogram",
    "sample_rate": 16_000,  # of both data sets
    "n_fft": 1024,  # 64 ms: tells harmonics of the lowest notes apart
    "hop_length": 512,  # 32 ms; 16 ms doubles the cost of the backbone
    "n_mels": 64,  # 128 doubles the cost, too
    # Mean and standard deviation in dB of the training notes' log-mel, between those of the two
    # data sets (gm-notes -40 and 37, nsynth -33 and 37): fixed numbers, so that level stays a cue.
    # (Normalising each example by itself would make the arm "gain" a second "none".) Of another
    # kind they are measured on the training notes, as those of "auto" are.
    "mean": -36.0,
    "std": 37.0,
}
DEFAULTS: dict[str, Any] = {
    "data": "gm-notes",
    "backbone": "resnet10t",
    "seeds": 2,
    # The training loss is near zero after six epochs of either data set.
    "epochs": 4,
    "batch_size": 32,
    "accumulate": 1,
    "learning_rate": 2e-3,  # peak of one cycle of AdamW, usual for a small network from scratch
    "weight_decay": 0.05,
    "warm_up": 0.2,  # share of the steps in which the learning rate rises
    "precision": "32-true",
}


# --- The command line -----------------------------------------------------------------------------


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; what it does not say comes from the study, then from `DEFAULTS`."""
    parser = argparse.ArgumentParser(description="Compare augmentations of the waveform with none.")
    what = parser.add_argument_group("what is compared")
    what.add_argument("--study", type=Path, help="YAML file: arms, axes and any setting below")
    what.add_argument("--preset", choices=list(PRESETS), help="a study by name")
    what.add_argument("--data", choices=["gm-notes", "nsynth"])
    what.add_argument("--root", help="folder with nsynth-train and nsynth-valid (nsynth only)")
    what.add_argument("--arms", help="names, with commas between")
    what.add_argument("--plan", choices=list(PLANS), help="make arms of the parts of arm `all`")
    what.add_argument("--backbone", help="name of a timm model")
    what.add_argument("--pretrained", help="file of weights of the backbone")
    what.add_argument("--task", choices=plan.TASKS, help="what is told (default: family)")
    what.add_argument("--share", type=float, help="share of each instrument's training notes")
    what.add_argument("--fold", help="K/N: score the K-th of N parts of the training instruments")
    what.add_argument("--folds", type=int, help="cross-validate: every one of N folds")
    what.add_argument(
        "--across", action="store_true", default=None, help="compare all rows with the first one"
    )
    what.add_argument("--seeds", type=int, help="runs of each arm")
    what.add_argument("--epochs", type=int, help="passes over the training notes")
    what.add_argument("--batch-size", type=int, help="notes a step, of all devices together")
    what.add_argument("--accumulate", type=int, help="parts that a batch is computed in")
    what.add_argument("--precision", help="such as 32-true or bf16-mixed")
    what.add_argument("--smoke", action="store_true", help="try it: an eighth of the notes")
    how = parser.add_argument_group("how it is computed")
    how.add_argument("--jobs", type=int, default=1, help="runs side by side")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    how.add_argument("--devices", type=int, default=1, help="devices that share each run")
    how.add_argument("--num-nodes", type=int, default=1, help="machines that share each run")
    how.add_argument("--executor", choices=["local", "ray"], default="local")
    how.add_argument("--address", help="of a Ray cluster that shares OUT; default: a local one")
    how.add_argument("--only", help=argparse.SUPPRESS)  # the one run of a process of --jobs
    how.add_argument("--out", type=Path, help="folder of the results (default: out/DATA)")
    how.add_argument("--status", action="store_true", help="say what is done, and do nothing")
    options = parser.parse_args(arguments)
    try:
        study = {} if options.study is None else _read_study(options.study)
        _complete(options, {**PRESETS.get(options.preset, {}), **study})
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return options


def _read_study(path: Path) -> dict[str, Any]:
    try:
        study = parse_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"--study: {path} is not YAML: {error}") from error
    known = {"arms", "axes", "features", "root", "plan", "fold", "folds", "across"}
    known |= {*plan.AXES, *DEFAULTS}
    if not isinstance(study, dict) or not study.keys() <= known:
        unknown = sorted(map(str, study.keys() - known)) if isinstance(study, dict) else study
        raise ValueError(f"--study: {path} must have keys among {sorted(known)}, got {unknown!r}")
    return study


def _complete(options: argparse.Namespace, study: dict[str, Any]) -> None:
    """Fill in what the command line leaves open, and check all of it."""
    for name, value in {**DEFAULTS, **study}.items():
        if name not in ("arms", "axes", "features") and getattr(options, name, None) is None:
            setattr(options, name, value)
    if options.smoke:
        options.seeds = options.epochs = 1
    if options.data == "nsynth" and options.root is None:
        raise ValueError("--data nsynth needs --root DIR, the folder with nsynth-train and -valid")
    if options.data == "gm-notes" and options.root is not None:
        raise ValueError("--root is for --data nsynth; the gm-notes are inside augspec")
    for name in ("seeds", "epochs", "batch_size", "accumulate", "jobs", "devices", "num_nodes"):
        if not isinstance(getattr(options, name), int) or getattr(options, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be 1 or more")
    options.features = plan.complete_features(FEATURES, study.get("features", {}))
    options.arms = _choose_arms(options, study.get("arms"))
    options.axes = {
        "backbone": [options.backbone],
        "pretrained": _choose_pretrained(options),
        "features": [{}],
        "share": [1.0 if options.share is None else options.share],
        "task": [options.task or "family"],
        **study.get("axes", {}),
    }
    options.folds = _read_folds(options.fold, options.folds)
    options.out = options.out or Path("out") / options.data


def _choose_arms(options: argparse.Namespace, of_study: Any) -> dict[str, Any]:
    """Take the arms that are asked for; the baseline is always there, and first."""
    arms = dict(ARMS if of_study is None else of_study)
    if options.plan is not None:
        arms = dict(PLANS[options.plan](plan.make_arm(arms.get("all", ALL), "all")["waveform"]))
    arms = {BASELINE: [], **arms}
    if options.arms is None:
        return {name: chain for name, chain in arms.items() if name != "all-unfused"}
    asked = [name.strip() for name in options.arms.split(",") if name.strip()]
    unknown = [name for name in asked if name not in arms]
    if unknown:
        raise ValueError(f"--arms: no arm named {', '.join(unknown)}; there are {', '.join(arms)}")
    return {name: arms[name] for name in dict.fromkeys([BASELINE, *asked])}


def _choose_pretrained(options: argparse.Namespace) -> list[str | None]:
    if options.preset != "imagenet":
        return [options.pretrained]
    if options.pretrained is None:
        raise ValueError("--preset imagenet needs --pretrained FILE, weights of its backbone")
    return [None, options.pretrained]


def _read_folds(one: Any, count: Any) -> list[list[int] | None]:
    """List the folds that are scored, ``[K, N]`` with K from 0; None is the notes to validate."""
    if one is None and count is None:
        return [None]
    if one is not None and count is not None:
        raise ValueError("--fold and --folds: give one of them")
    if count is not None:
        if not isinstance(count, int) or count < 2:
            raise ValueError(f"--folds must be 2 or more, got {count!r}")
        return [[part, count] for part in range(count)]
    part, _, total = str(one).partition("/")
    if not (part.isdecimal() and total.isdecimal() and 1 <= int(part) <= int(total) > 1):
        raise ValueError(f"--fold must be K/N such as 1/4, got {one!r}")
    return [[int(part) - 1, int(total)]]


# --- The plan -------------------------------------------------------------------------------------


def make_plan(options: argparse.Namespace) -> list[Planned]:
    """List all runs: seeds outside, so that all rows of the table grow alike."""
    found = plan.cells(options.axes)
    return [
        Planned(arm, name, make_config(options, cell, arm, chain, seed, fold))
        for seed in range(options.seeds)
        for fold in options.folds
        for cell, name in zip(found, plan.name_cells(found), strict=True)
        for arm, chain in options.arms.items()
    ]


def make_config(
    options: argparse.Namespace,
    cell: dict[str, Any],
    arm: str,
    chain: Any,
    seed: int,
    fold: list[int] | None,
) -> Config:
    """Write down all that decides a run."""
    if cell["task"] not in plan.TASKS or not 0.0 < cell["share"] <= 1.0:
        raise ValueError(f"a task must be among {plan.TASKS}, and a share in (0, 1], got {cell}")
    settings = [*DEFAULTS.keys() - {"backbone", "seeds"}, "smoke"]
    return {
        "arm": arm,
        "transforms": plan.arm_config(chain, arm),
        "seed": seed,
        "backbone": cell["backbone"],
        "pretrained": plan.weights_of(cell["pretrained"]),
        "features": plan.features_of(
            chain, plan.complete_features(options.features, cell["features"])
        ),
        "share": cell["share"],
        "task": cell["task"],
        "fold": fold,
        **{name: getattr(options, name) for name in settings},
    }


def make_place(options: argparse.Namespace) -> Place:
    """Say where it is computed."""
    files = [file for file in options.axes["pretrained"] if file is not None]
    return Place(
        out=options.out,
        root=options.root,
        weights=tuple((plan.weights_of(file)["sha256"], file) for file in files),  # type: ignore[index]
        accelerator=options.device,
        devices=options.devices,
        nodes=options.num_nodes,
    )


# --- Doing it -------------------------------------------------------------------------------------


def command_line() -> str:
    """Give the command that this process was started with."""
    return shlex.join(["python", *sys.argv])


def do_all(configs: Sequence[Config], place: Place, options: argparse.Namespace) -> Counter[str]:
    """Do every run that is not finished, with a progress bar, and count how they ended."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    text = TextColumn("{task.description}", markup=False)
    states: Counter[str] = Counter()
    console = Console(stderr=True)
    with Progress(*columns, text, console=console, disable=not is_first()) as progress:
        whole = progress.add_task("runs", total=len(configs))
        for config, state in _run(configs, place, options, progress):
            states[state] += 1
            progress.advance(whole)
            name = plan.title(config)
            if state == "failed":
                kept = place.folder(config) / "failed.txt"
                last = kept.read_text().strip().splitlines()[-1]
                progress.console.print(f"{name}: failed: {last} ({kept})", markup=False)
            elif state == "running":
                progress.console.print(f"{name}: another process is at it", markup=False)
    return states


def _run(
    configs: Sequence[Config], place: Place, options: argparse.Namespace, progress: Progress
) -> Iterator[tuple[Config, str]]:
    if options.executor == "ray":
        yield from over_cluster(configs, place, options.address, command_line())
    elif options.jobs > 1:
        words = [sys.executable, *sys.argv, "--jobs", "1", "--only"]
        open_ = [config for config in configs if state_of(config, place) != "done"]
        yield from ((config, "done") for config in configs if config not in open_)
        yield from side_by_side(
            open_, place, options.jobs, lambda config: [*words, plan.run_name(config)]
        )
    else:
        runner = Runner(place, command_line())
        task = progress.add_task("", total=None)
        for config in configs:
            name = plan.title(config)

            def tell(what: str, done: int, total: int, name: str = name) -> None:
                progress.update(task, description=f"{name}: {what}", completed=done, total=total)

            yield config, runner.do(config, tell)
        progress.remove_task(task)


def read_runs(planned: Sequence[Planned], place: Place) -> dict[str, list[Run]]:
    """Read the finished runs of each row, of the seeds that all rows have: all are paired.

    The folds of a row and seed make one run: each instrument is scored by a network that has not
    seen it.
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


def compare(planned: Sequence[Planned], runs: dict[str, list[Run]], across: bool) -> list[Row]:
    """Compare the arms of every cell with the cell's baseline, or all rows with the first one."""
    of_cells: dict[str, dict[str, str]] = {}
    for one in planned:
        arm = one.arm if not across or one.row == planned[0].row else one.row
        of_cells.setdefault("" if across else one.cell, {})[arm] = one.row
    return [
        {**result, "arm": rows[result["arm"]]}
        for rows in of_cells.values()
        for result in summarise({arm: runs[row] for arm, row in rows.items()})
    ]


def scored_notes(planned: Sequence[Planned], place: Place) -> Notes:
    """Open the notes that every run was scored on, all folds in their order."""
    first = planned[0]
    mine = [one for one in planned if (one.row, one.config["seed"]) == (first.row, 0)]
    return join([open_data(one.config, place.root).valid for one in mine])


def print_table(title: str, rows: list[Row], out: Path) -> None:
    """Print what came out; the path of the figure comes last."""
    table = Table(title=title)
    for place in ON_SCREEN:
        # A long name goes over lines, so that numbers stay whole on a narrow screen.
        if place == 0:
            table.add_column(HEADINGS[place], overflow="fold")
        else:
            table.add_column(HEADINGS[place], justify="right", no_wrap=True)
    for row in rows:
        texts = cells(row)
        table.add_row(*(texts[place] for place in ON_SCREEN))
    console = Console()
    console.print(describe(rows), highlight=False)
    console.print(table)
    # Not through the console, which would break a long path into lines.
    print(f"Report: {out / 'report.html'}")
    print(f"Figure: {out / 'figure.png'}")


def print_status(planned: Sequence[Planned], place: Place) -> None:
    """Say of every run where it stands."""
    counts: Counter[str] = Counter()
    for one in planned:
        state = state_of(one.config, place)
        counts[state] += 1
        print(f"{state:8} {plan.title(one.config, one.row)}: {place.record(one.config)}")
    print(", ".join(f"{count} {state}" for state, count in counts.items()))


def ablate(options: argparse.Namespace) -> int:
    """Do the study of the command line, and report it."""
    planned, place = make_plan(options), make_place(options)
    if options.status:
        print_status(planned, place)
        return 0
    if options.only is not None:
        planned = [one for one in planned if plan.run_name(one.config) == options.only]
    (place.out / "runs").mkdir(parents=True, exist_ok=True)
    states = do_all([one.config for one in planned], place, options)
    if options.only is not None or not is_first():
        return 0 if states["failed"] == 0 else 1
    runs = read_runs(planned, place)
    if not runs:
        print("No seed has a finished run of every arm yet: nothing to compare.", file=sys.stderr)
        return 1
    rows = compare(planned, runs, options.across)
    folds = f", folds: {len(options.folds)}" if len(options.folds) > 1 else ""
    title = f"{options.data}, epochs: {options.epochs}, seeds: {rows[0]['seeds']}{folds}"
    notes = scored_notes(planned, place)  # of which a few are read again
    report(title, runs, rows, notes, options.out)
    print_table(title, rows, options.out)
    return 0 if states["failed"] == 0 else 1


def main() -> int:
    """Run the ablation of the command line."""
    options = parse()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("augspec").setLevel(logging.INFO)  # such as a classifier that did not fit
    try:
        return ablate(options)
    except KeyboardInterrupt:
        kept = len(list((options.out / "runs").glob("*.json")))
        print(
            f"\nStopped. {kept} finished runs are kept in {options.out / 'runs'}.", file=sys.stderr
        )
        print(f"The same command goes on from there:\n  {command_line()}", file=sys.stderr)
        return 130
    except (OSError, ValueError) as error:  # such as a full disk, or one that is read-only
        print(f"ablation.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    torch.backends.cudnn.benchmark = False
    sys.exit(main())
