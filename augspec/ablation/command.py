"""The command line of a study: parsing, running, and printing the results."""

from __future__ import annotations

import argparse
import contextlib
import logging
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from augspec._names import nearest
from augspec.ablation import plan, preflight, robust
from augspec.ablation.analyse import Row, Run
from augspec.ablation.execute import Place, Runner, is_first, over_cluster, state_of
from augspec.ablation.optional import optional
from augspec.ablation.plan import Config, Planned
from augspec.ablation.processes import end_with_parent, side_by_side
from augspec.ablation.report import ON_SCREEN, Robustness, cells, describe, headings, report
from augspec.ablation.runs import (
    compare,
    lacking,
    make_place,
    make_plan,
    read_prefixes,
    read_runs,
    scored_notes,
)
from augspec.ablation.sequential import FIRST
from augspec.ablation.study import Study, settle
from augspec.ablation.until import do_until_decided, not_needed, saved

GROUPS = {"what": "what is compared", "how": "how it is computed"}


def parse(arguments: list[str] | None = None) -> Study:
    """Read the command line; other settings come from a file, a preset or the defaults."""
    parser = argparse.ArgumentParser(description="Compare augmentations of the waveform with none.")
    groups = {name: parser.add_argument_group(title) for name, title in GROUPS.items()}
    groups["what"].add_argument(
        "--study", type=Path, help="YAML file: arms, axes and any setting below"
    )
    options = ["--study"]
    for one in fields(Study):
        option = one.metadata.get("option", one.name)
        if option is None:
            continue
        options.append(f"--{option.replace('_', '-')}")
        words: dict[str, Any] = {"dest": one.name, "default": argparse.SUPPRESS}
        words["help"] = argparse.SUPPRESS if one.metadata.get("hidden") else one.metadata["help"]
        if isinstance(one.default, bool):
            words["action"] = "store_true"
        else:
            words["metavar"] = option.upper()
        group = groups[one.metadata.get("group", "what")]
        group.add_argument(options[-1], **words)
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        near = nearest(unknown[0], options, 1)
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{near}")
    given = vars(known)
    try:
        return settle(given, file=given.pop("study"))
    except (ValueError, OSError) as error:
        parser.error(str(error))


def command_line() -> str:
    """Return the command that started this process, as a user would write it."""
    script = Path(sys.argv[0])
    module = script.name == "__main__.py" and script.parent.name == "ablation"
    words = ["-m", "augspec.ablation"] if module else [sys.argv[0]]
    return shlex.join(["python", *words, *sys.argv[1:]])


def do_all(configs: Sequence[Config], place: Place, study: Study) -> Counter[str]:
    """Do every run that is not finished, with a progress bar, and count how they ended."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    text = TextColumn("{task.description}", markup=False)
    states: Counter[str] = Counter()
    console = Console(stderr=True)
    with Progress(*columns, text, console=console, disable=not is_first()) as progress:
        whole = progress.add_task("runs", total=len(configs))
        for config, state in _run(configs, place, study, progress):
            states[state] += 1
            progress.advance(whole)
            name = plan.title(config)
            if state == "failed":
                kept = place.folder(config) / "failed.txt"
                last = kept.read_text(encoding="utf-8").strip().splitlines()[-1]
                progress.console.print(f"{name}: failed: {last} ({kept})", markup=False)
            elif state == "running":
                progress.console.print(f"{name}: another process is at it", markup=False)
    return states


def _run(
    configs: Sequence[Config], place: Place, study: Study, progress: Progress
) -> Iterator[tuple[Config, str]]:
    command = study.command or command_line()
    if study.executor == "ray":
        yield from over_cluster(configs, place, study.address, command)
    elif study.jobs > 1:
        words = [sys.executable, "-m", "augspec.ablation", *sys.argv[1:], "--jobs", "1"]
        words += ["--command", command, "--only"]
        open_ = [config for config in configs if state_of(config, place) != "done"]
        yield from ((config, "done") for config in configs if config not in open_)
        yield from side_by_side(
            open_, place, study.jobs, lambda config: [*words, plan.run_name(config)]
        )
    else:
        runner = Runner(place, command)
        task = progress.add_task("", total=None)
        for config in configs:
            name = plan.title(config)

            def tell(what: str, done: int, total: int, name: str = name) -> None:
                progress.update(task, description=f"{name}: {what}", completed=done, total=total)

            yield config, runner.do(config, tell)
        progress.remove_task(task)


def print_table(title: str, rows: list[Row], out: Path) -> None:
    """Print the results; the path of the figure comes last."""
    table = Table(title=title)
    names = headings(rows)
    for place in ON_SCREEN:
        # Wrap long names, so that numbers stay on one line on a narrow screen.
        if place == 0:
            table.add_column(names[place], overflow="fold")
        else:
            table.add_column(names[place], justify="right", no_wrap=True)
    for row in rows:
        texts = cells(row)
        table.add_row(*(texts[place] for place in ON_SCREEN))
    console = Console()
    console.print(describe(rows), highlight=False)
    console.print(table)
    # Do not use the console, which would break a long path into lines.
    print(f"Report: {out / 'report.html'}")
    print(f"Figure: {out / 'figure.png'}")


def print_status(
    planned: Sequence[Planned], place: Place, unneeded: Sequence[Planned] = ()
) -> None:
    """Print the state of every run."""
    counts: Counter[str] = Counter()
    for one in planned:
        state = state_of(one.config, place)
        state = "not needed" if state == "waiting" and one in unneeded else state
        counts[state] += 1
        print(f"{state:8} {plan.title(one.config, one.row)}: {place.record(one.config)}")
    print(", ".join(f"{count} {state}" for state, count in counts.items()))


def ablate(study: Study) -> int:
    """Do a study, and report it."""
    planned, place = make_plan(study), make_place(study)
    until = study.until is not None and study.only is None and study.seeds > FIRST
    if study.status:
        print_status(planned, place, not_needed(planned, place, study.across) if until else ())
        return 0
    if study.only is not None:
        planned = [one for one in planned if plan.run_name(one.config) == study.only]
    else:  # a process of --jobs is started by one that has checked
        preflight.check(study, planned, place)
    (place.out / "runs").mkdir(parents=True, exist_ok=True)
    if until:
        states = do_until_decided(
            planned, place, study.across, lambda configs: do_all(configs, place, study)
        )
    else:
        states = do_all([one.config for one in planned], place, study)
    if study.only is not None or not is_first():
        return 0 if states["failed"] == 0 else 1
    runs = read_prefixes(planned, place) if until else read_runs(planned, place)
    if not runs or not all(runs.values()):
        print("No seed has a finished run of every arm yet: nothing to compare.", file=sys.stderr)
        return 1
    rows = compare(planned, runs, study.across, study.seeds if until else None)
    folds = f", folds: {len(study.scored_folds)}" if len(study.scored_folds) > 1 else ""
    title = f"{study.data}, epochs: {study.epochs}, seeds: {rows[0]['seeds']}{folds}"
    unneeded = not_needed(planned, place, study.across) if until else []
    missing = lacking([one for one in planned if one not in unneeded], place)
    # A few of these notes are read again.
    notes = optional(missing, "the sounds to listen to", scored_notes, planned, place)
    robustness = _robustness(planned, place, runs, study.across) if place.conditions else None
    less = saved(planned, place, unneeded) if until else None
    report(title, runs, rows, notes, place.out, robustness, missing, less)
    print_table(title, rows, place.out)
    return 0 if states["failed"] == 0 else 1


def _robustness(
    planned: Sequence[Planned], place: Place, runs: dict[str, list[Run]], across: bool
) -> Robustness:
    """Compare the arms under the conditions for which all their runs have scores."""
    # In a study that stops early, only the seeds that all arms have.
    fewest = min(runs.values(), key=len)
    seeds = [run["config"]["seed"] for run in fewest]
    scored = robust.read_conditions(planned, place, seeds)
    baselines = robust.baselines_of(planned, across)
    transforms = {one.row: one.config["transforms"] for one in planned}
    return Robustness(
        robust.compare_conditions(scored, baselines, place.conditions),
        robust.means(scored, baselines, transforms),
    )


class Terminated(BaseException):
    """The process got SIGTERM."""


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that started processes are ended."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: list[str] | None = None) -> int:
    """Run the ablation of the command line."""
    study = parse(arguments)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("augspec").setLevel(logging.INFO)  # such as a classifier that did not fit
    if study.only is not None:
        end_with_parent()
    try:
        with _terminable():
            return ablate(study)
    except (KeyboardInterrupt, Terminated) as stop:
        kept = len(list((study.place / "runs").glob("*.json")))
        print(
            f"\nStopped. {kept} finished runs are kept in {study.place / 'runs'}.", file=sys.stderr
        )
        print(f"The same command goes on from there:\n  {command_line()}", file=sys.stderr)
        return 130 if isinstance(stop, KeyboardInterrupt) else 143
    except (OSError, ValueError) as error:  # such as a full disk, or one that is read-only
        print(f"ablation.py: {error}", file=sys.stderr)
        return 2
