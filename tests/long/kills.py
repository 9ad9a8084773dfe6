"""Kill an ablation with SIGKILL at random moments, start it again, and compare its tables.

    python tests/long/kills.py --kills 20

A study that ends before it is killed is compared with an undisturbed one, and another begins.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))

from recipe_runs import (
    RECIPES,
    environment,
    numbers,
    records,
    small_arguments,
    tables,
    write_notes,
)

STUDY = ("--arms", "gain", "--seeds", "2", "--epochs", "3", "--conditions", "noise-3,room-2")


def start(root, out):
    """Start a study."""
    command = [sys.executable, str(RECIPES / "ablation.py"), *small_arguments(root, out, *STUDY)]
    with (out.parent / "log.txt").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment())


def moment(process, out, seconds, rng):
    """Wait for a random moment, from the first folder of a run on; say whether it still runs."""
    while process.poll() is None and not list(out.glob("runs/*/lock")):
        time.sleep(0.01)
    end = time.monotonic() + rng.uniform(0.0, seconds)
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    return process.poll() is None


def finished(out):
    """Give the bytes of each finished run."""
    return {path.name: path.read_bytes() for path in out.glob("runs/*.json")}


def under_conditions(out):
    """Give the table of conditions, and the scores of each run by its name."""
    scores = {path.parent.name: path.read_text() for path in out.glob("runs/*/conditions.json")}
    return (out / "conditions.csv").read_text(), scores


def kills(folder, count, seed=0, tell=lambda: None):
    """Kill a study ``count`` times; say how many studies came to their end, all of them right."""
    rng = random.Random(seed)  # noqa: S311
    root = write_notes(folder / "notes")
    whole = folder / "whole" / "out"
    whole.parent.mkdir()
    if start(root, whole).wait() != 0:
        raise RuntimeError((whole.parent / "log.txt").read_text())
    paths = sorted(whole.glob("runs/*.json"), key=lambda path: path.stat().st_mtime)
    # From the first run's end to the last's, so that kills fall anywhere in it.
    seconds = 1.0 + paths[-1].stat().st_mtime - paths[0].stat().st_mtime
    expected = {key: numbers(value) for key, value in records(whole).items()}
    killed, studies, kept = 0, 0, 0
    while killed < count:
        out = folder / f"study_{studies}" / "out"
        out.parent.mkdir()
        before = {}
        while True:
            process = start(root, out)
            if killed < count and moment(process, out, seconds, rng):
                process.send_signal(signal.SIGKILL)
                killed += 1
                tell()
                process.wait()
            elif process.wait() != 0:
                raise AssertionError((out.parent / "log.txt").read_text())
            now = finished(out)
            for name, content in before.items():
                if now.get(name) != content:
                    raise AssertionError(f"the finished run {name} was lost or repeated")
            kept += len(before)
            before = now
            if process.returncode == 0:
                break
        found = {key: numbers(value) for key, value in records(out).items()}
        if found != expected or tables(out) != tables(whole):
            raise AssertionError(f"{out} differs from the undisturbed study")
        if under_conditions(out) != under_conditions(whole):
            raise AssertionError(f"{out} has other scores under conditions")
        studies += 1
    return {"kills": killed, "studies": studies, "finished runs found again": kept}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        task = progress.add_task("kills", total=options.kills)
        result = kills(Path(folder), options.kills, options.seed, lambda: progress.advance(task))
    print(", ".join(f"{name}: {value}" for name, value in result.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
