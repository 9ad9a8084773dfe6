"""All runs of a study: one after the other, side by side, or over a cluster; and where they stand.

Each run has a folder, OUT/runs/NAME, and a record, OUT/runs/NAME.json, that is there only when the
run is finished. A run is done by whoever holds the lock in its folder, which the operating system
lets go when a process dies, however it dies.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
from lightning.fabric import Fabric

from ablation.data import Data, Progress, open_data
from ablation.measure import measured
from ablation.plan import Config, run_name
from ablation.train import Run, train

State = str  # "done", "running", "failed" or "waiting"


@dataclass(frozen=True)
class Place:
    """Where a study is computed, which no number of its results depends on."""

    out: Path
    root: str | None = None
    weights: tuple[tuple[str, str], ...] = ()  # SHA-256 and file of each set of pretrained weights
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1

    def folder(self, config: Config) -> Path:
        """Return the folder of a run."""
        return self.out / "runs" / run_name(config)

    def record(self, config: Config) -> Path:
        """Return the file of a finished run."""
        return self.out / "runs" / f"{run_name(config)}.json"


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, whenever the process is stopped."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def is_first() -> bool:
    """Whether this process is the one of several that reports."""
    return all(int(os.environ.get(name, "0")) == 0 for name in ("LOCAL_RANK", "NODE_RANK"))


def versions() -> dict[str, str]:
    """Name what the numbers may depend on."""
    found = {"python": platform.python_version()}
    for name in ("augspec", "torch", "timm", "numpy", "lightning"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a clone that is not installed
            found[name] = "not installed"
    return found


@functools.cache
def commit() -> str | None:
    """Name the commit of this clone, and say whether files were changed since; None without one."""
    git, clone = shutil.which("git"), Path(__file__).resolve().parents[2]
    if git is None:
        return None

    def ask(*words: str) -> str | None:
        done = subprocess.run(
            [git, "-C", str(clone), *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    # A copy of the recipes inside of another repository is not at that one's commit.
    top, head = ask("rev-parse", "--show-toplevel"), ask("rev-parse", "HEAD")
    if not top or Path(top).resolve() != clone or not head:
        return None
    return f"{head} with local changes" if ask("status", "--porcelain", "-uno") else head


class Runner:
    """Do runs in this process, with notes that stay open between them."""

    def __init__(self, place: Place, command: str) -> None:
        self.place, self.command = place, command
        self._data: dict[str, Data] = {}
        self._fabrics: dict[str, Fabric] = {}
        self._features: dict[str, dict[str, Any]] = {}

    def fabric(self, config: Config) -> Fabric:
        """Launch processes and devices once for each precision."""
        precision = config["precision"]
        if precision not in self._fabrics:
            place = self.place
            several = place.devices * place.nodes > 1
            fabric = Fabric(
                accelerator=place.accelerator,
                devices=place.devices,
                num_nodes=place.nodes,
                precision=precision,
                strategy="ddp" if several else "auto",
            )
            fabric.launch()
            self._fabrics[precision] = fabric
        return self._fabrics[precision]

    def data(self, config: Config, progress: Progress) -> Data:
        """Open and read the notes of a config, unless the last run had the same."""
        wanted = {name: config[name] for name in ("data", "fold", "share", "smoke", "task")}
        key = json.dumps(wanted)
        if key not in self._data:
            self._data.clear()
            opened = open_data(config, self.place.root)
            opened.train.hold(progress, "reading training notes")
            opened.valid.hold(progress, "reading notes to score")
            self._data[key] = opened
        return self._data[key]

    def features(self, config: Config, data: Data, progress: Progress) -> dict[str, Any]:
        """Return the settings of a config's features with numbers, measured once for all arms."""
        key = json.dumps([list(self._data), config["features"]])
        if key not in self._features:
            self._features[key] = measured(config["features"], data.train, progress)
        return self._features[key]

    def do(self, config: Config, progress: Progress) -> State:
        """Do one run, unless it is finished or somebody else is at it.

        An error is kept in the run's folder and does not stop the others; Ctrl-C stops all.
        """
        folder = self.place.folder(config)
        folder.mkdir(parents=True, exist_ok=True)
        fabric = self.fabric(config)
        lock = filelock.FileLock(folder / "lock", timeout=1)  # `state_of` tries it for an instant
        # One process decides for all: the others would see a record a moment later, or no lock.
        state = fabric.broadcast(self._claim(config, lock) if fabric.is_global_zero else None)
        if state is not None:
            return str(state)
        try:
            run = self._train(config, fabric, folder, progress)
            if run is not None:
                write(self.place.record(config), json.dumps(run))
            fabric.barrier()
        except Exception:
            write(folder / "failed.txt", traceback.format_exc())
            if fabric.world_size > 1:
                raise  # the other processes wait for this one
            return "failed"
        finally:
            lock.release()
        return "done"

    def _claim(self, config: Config, lock: filelock.BaseFileLock) -> State | None:
        """Take the lock of a run that is to be done; say where it stands if it is not."""
        try:
            lock.acquire()
        except filelock.Timeout:
            return "running"
        if self.place.record(config).exists():
            lock.release()
            return "done"
        (self.place.folder(config) / "failed.txt").unlink(missing_ok=True)
        return None

    def _train(
        self, config: Config, fabric: Fabric, folder: Path, progress: Progress
    ) -> Run | None:
        weights = None
        if config["pretrained"] is not None:
            weights = dict(self.place.weights)[config["pretrained"]["sha256"]]
        data = self.data(config, progress)
        config = {**config, "features": self.features(config, data, progress)}
        run = train(config, data, fabric, folder, weights, progress)
        if run is None:
            return None
        where = {"device": str(fabric.device), "processes": fabric.world_size}
        found = {"versions": versions(), "commit": commit(), "command": self.command}
        return run | where | found


def state_of(config: Config, place: Place) -> State:
    """Say where a run stands."""
    folder = place.folder(config)
    if place.record(config).exists():
        return "done"
    if (folder / "lock").exists():
        lock = filelock.FileLock(folder / "lock", timeout=0)
        try:
            lock.acquire()
            lock.release()
        except filelock.Timeout:
            return "running"
    return "failed" if (folder / "failed.txt").exists() else "waiting"


# --- Side by side ---------------------------------------------------------------------------------


def side_by_side(
    configs: Sequence[Config], place: Place, jobs: int, command: Callable[[Config], list[str]]
) -> Iterator[tuple[Config, State]]:
    """Do runs in processes of their own, ``jobs`` at a time, and yield each as it ends.

    A process that dies takes only its run with it; what it printed is in the run's folder.
    """
    waiting = list(configs)
    running: list[tuple[Config, subprocess.Popen[bytes]]] = []
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs))}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                config = waiting.pop(0)
                folder = place.folder(config)
                folder.mkdir(parents=True, exist_ok=True)
                with (folder / "log.txt").open("wb") as log:
                    process = subprocess.Popen(
                        command(config), stdout=log, stderr=subprocess.STDOUT, env=environment
                    )
                running.append((config, process))
            time.sleep(0.1)
            for config, process in [entry for entry in running if entry[1].poll() is not None]:
                running.remove((config, process))
                yield config, _ended(config, place, process.returncode)
    finally:
        for _, process in running:
            process.terminate()
        for _, process in running:
            process.wait()


def _ended(config: Config, place: Place, status: int) -> State:
    state = state_of(config, place)
    if state == "waiting":  # it died without a word
        log = (place.folder(config) / "log.txt").read_text(errors="replace")
        text = f"The process ended with status {status}.\n{log[-10_000:]}"
        write(place.folder(config) / "failed.txt", text)
        return "failed"
    return state


# --- Over a cluster -------------------------------------------------------------------------------


def over_cluster(
    configs: Sequence[Config], place: Place, address: str | None, command: str
) -> Iterator[tuple[Config, State]]:
    """Spread runs over a Ray cluster that shares the folder ``place.out``; yield each as it ends.

    A run whose node died is started again elsewhere, from its last checkpoint.
    """
    import ray

    recipes = str(Path(__file__).parents[1])
    ray.init(
        address=address,
        ignore_reinit_error=True,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([recipes, *sys.path])}},
    )

    @ray.remote(num_cpus=1, max_retries=5)
    def remote(config: Config) -> State:
        from ablation.execute import Runner

        return Runner(place, command).do(config, lambda *_: None)

    pending = {remote.remote(config): config for config in configs}
    while pending:
        done, _ = ray.wait(list(pending), num_returns=1)
        config = pending.pop(done[0])
        try:
            state: Any = ray.get(done[0])
        except ray.exceptions.RayError as error:
            write(place.folder(config) / "failed.txt", str(error))
            state = "failed"
        yield config, state
