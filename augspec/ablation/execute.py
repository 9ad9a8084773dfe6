"""Doing the runs of a study, one after the other or on a cluster, and their state.

Each run has a folder, OUT/runs/NAME, and a record, OUT/runs/NAME.json, which exists only when the
run is finished. The process that holds the lock in a run's folder does the run. The operating
system releases the lock when the process dies for any reason.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from augspec.ablation import conditions
from augspec.ablation.data import Data, Progress, open_data
from augspec.ablation.files import write_text
from augspec.ablation.measure import measured
from augspec.ablation.plan import Config, data_of, read_json, run_name
from augspec.ablation.train import Run, train
from augspec.ablation.words import things

if TYPE_CHECKING:
    from lightning.fabric import Fabric

State = str  # "done", "running", "failed" or "waiting"


@dataclass(frozen=True)
class Place:
    """Where a study is computed; the results do not depend on it."""

    out: Path
    root: str | None = None
    table: str | None = None  # file that lists the sounds
    weights: tuple[tuple[str, str], ...] = ()  # SHA-256 and file of each set of pretrained weights
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    conditions: conditions.Wanted = ()  # that every run is scored under

    def folder(self, config: Config) -> Path:
        """Return the folder of a run."""
        return self.out / "runs" / run_name(config)

    def record(self, config: Config) -> Path:
        """Return the file of a finished run."""
        return self.out / "runs" / f"{run_name(config)}.json"

    def is_done(self, config: Config) -> bool:
        """Whether a run is finished and scored under all conditions."""
        done = self.record(config).exists()
        return done and not conditions.missing_of(self.folder(config), self.conditions)


def is_first() -> bool:
    """Whether this is the process that reports, of several."""
    return all(int(os.environ.get(name, "0")) == 0 for name in ("LOCAL_RANK", "NODE_RANK"))


def versions() -> dict[str, str]:
    """Return the versions on which the numbers may depend."""
    found = {"python": platform.python_version()}
    for name in ("augspec", "torch", "timm", "numpy", "lightning"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a clone that is not installed
            found[name] = "not installed"
    return found


@functools.cache
def commit() -> str | None:
    """Return the commit of this clone, and whether files were changed since; None without one."""
    git, clone = shutil.which("git"), Path(__file__).resolve().parents[2]
    if git is None:
        return None

    def ask(*words: str) -> str | None:
        done = subprocess.run(
            [git, "-C", str(clone), *words], capture_output=True, encoding="utf-8", check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    # A copy of the package inside another repository is not at that repository's commit.
    top, head = ask("rev-parse", "--show-toplevel"), ask("rev-parse", "HEAD")
    if not top or Path(top).resolve() != clone or not head:
        return None
    return f"{head} with local changes" if ask("status", "--porcelain", "-uno") else head


class Runner:
    """Do runs in this process, and keep notes open between them."""

    def __init__(self, place: Place, command: str) -> None:
        self.place, self.command = place, command
        self._data: dict[str, Data] = {}
        self._fabrics: dict[str, Fabric] = {}
        self._features: dict[str, dict[str, Any]] = {}

    def fabric(self, config: Config) -> Fabric:
        """Launch processes and devices once for each precision."""
        # Late, because it takes twice as long as all others: only what trains needs it, not
        # `--status` nor the process that starts those of `--jobs`.
        from lightning.fabric import Fabric

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
        """Open and read the notes of a config, or reuse those of the last run."""
        key = json.dumps(data_of(config))
        if key not in self._data:
            self._data.clear()
            opened = open_data(config, self.place.root, self.place.table)
            name = things(config["data"]).example
            opened.train.hold(progress, f"reading training {name}s")
            opened.valid.hold(progress, f"reading {name}s to score")
            self._data[key] = opened
        return self._data[key]

    def features(self, config: Config, data: Data, progress: Progress) -> dict[str, Any]:
        """Return the settings of a config's features with numbers, measured once for all arms."""
        key = json.dumps([list(self._data), config["features"]])
        if key not in self._features:
            self._features[key] = measured(config["features"], data.train, progress)
        return self._features[key]

    def do(self, config: Config, progress: Progress) -> State:
        """Do one run, unless it is finished or another process does it.

        An error is kept in the run's folder and does not stop the others; Ctrl-C stops all.
        """
        folder = self.place.folder(config)
        folder.mkdir(parents=True, exist_ok=True)
        fabric = self.fabric(config)
        lock = filelock.FileLock(folder / "lock", timeout=1)  # `state_of` holds it for a moment
        # One process decides for all: the others could see a newer record, or no lock.
        state = fabric.broadcast(self._claim(config, lock) if fabric.is_global_zero else None)
        if state is not None:
            return str(state)
        try:
            # One process checks the file, so that all processes see the same.
            if not fabric.broadcast(self.place.record(config).exists()):
                run = self._train(config, fabric, folder, progress)
                if run is not None:
                    # A NaN score would make an invalid JSON file.
                    write_text(self.place.record(config), json.dumps(run, allow_nan=False))
            if fabric.is_global_zero and self.place.conditions:
                self._score(config, fabric, folder, progress)
            fabric.barrier()
        except Exception:
            write_text(folder / "failed.txt", traceback.format_exc())
            if fabric.world_size > 1:
                raise  # the other processes wait for this one
            return "failed"
        finally:
            lock.release()
        return "done"

    def _claim(self, config: Config, lock: filelock.BaseFileLock) -> State | None:
        """Take the lock of a run that must be done; otherwise return its state."""
        try:
            lock.acquire()
        except filelock.Timeout:
            return "running"
        if self.place.is_done(config):
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

    def _score(self, config: Config, fabric: Fabric, folder: Path, progress: Progress) -> None:
        record = read_json(self.place.record(config))
        data, wanted = self.data(config, progress), self.place.conditions
        conditions.score_run(record, folder, self.place.out, wanted, data, fabric.device, progress)


def state_of(config: Config, place: Place) -> State:
    """Return the state of a run."""
    folder = place.folder(config)
    if place.is_done(config):
        return "done"
    if (folder / "lock").exists():
        lock = filelock.FileLock(folder / "lock", timeout=0)
        try:
            lock.acquire()
            lock.release()
        except filelock.Timeout:
            return "running"
    return "failed" if (folder / "failed.txt").exists() else "waiting"


# --- Over a cluster -------------------------------------------------------------------------------


def over_cluster(
    configs: Sequence[Config],
    place: Place,
    address: str | None,
    command: str,
    runner: type[Runner] = Runner,
) -> Iterator[tuple[Config, State]]:
    """Distribute runs over a Ray cluster that shares ``place.out``; yield each at its end.

    A run whose node died is started again elsewhere, from its last checkpoint. ``runner`` does the
    runs, on the nodes.
    """
    import ray

    ray.init(
        address=address,
        ignore_reinit_error=True,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}},
    )

    @ray.remote(num_cpus=1, max_retries=5)
    def remote(config: Config) -> State:
        return runner(place, command).do(config, lambda *_: None)

    pending = {remote.remote(config): config for config in configs}
    while pending:
        done, _ = ray.wait(list(pending), num_returns=1)
        config = pending.pop(done[0])
        try:
            state: Any = ray.get(done[0])
        except ray.exceptions.RayError as error:
            write_text(place.folder(config) / "failed.txt", str(error))
            state = "failed"
        yield config, state
