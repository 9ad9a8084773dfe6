"""Parallel runs, one process each; all end with this process, for any reason."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from augspec.ablation.execute import Place, State, state_of
from augspec.ablation.files import write_text
from augspec.ablation.plan import Config

GRACE = 10.0  # seconds for a process to end after SIGTERM
Process = subprocess.Popen[bytes]


def side_by_side(
    configs: Sequence[Config], place: Place, jobs: int, command: Callable[[Config], list[str]]
) -> Iterator[tuple[Config, State]]:
    """Do each run in its own process, ``jobs`` at a time, and yield each at its end.

    If a process dies, only its run fails; its output is in the run's folder. Each process leads its
    own process group. Its input is a pipe to which nothing is written: when this process is killed,
    the pipe ends and `end_with_parent` ends the group.
    """
    waiting = list(configs)
    running: list[tuple[Config, Process]] = []
    environment = os.environ | {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs)),
        "PYTHONIOENCODING": "utf-8",  # of the log
    }
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                config = waiting.pop(0)
                folder = place.folder(config)
                folder.mkdir(parents=True, exist_ok=True)
                with (folder / "log.txt").open("wb") as log:
                    process = subprocess.Popen(
                        command(config),
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env=environment,
                        start_new_session=True,
                    )
                running.append((config, process))
            time.sleep(0.1)
            for config, process in [entry for entry in running if entry[1].poll() is not None]:
                running.remove((config, process))
                _close(process)
                yield config, _ended(config, place, process.returncode)
    finally:
        _end([process for _, process in running])


def _ended(config: Config, place: Place, status: int) -> State:
    state = state_of(config, place)
    if state == "waiting":  # it died without a message
        log = (place.folder(config) / "log.txt").read_text(encoding="utf-8", errors="replace")
        text = f"The process ended with status {status}.\n{log[-10_000:]}"
        write_text(place.folder(config) / "failed.txt", text)
        return "failed"
    return state


def _end(processes: Sequence[Process]) -> None:
    """Terminate processes with their groups, and kill those that do not end."""
    for process in processes:
        _stop(process)
    end = time.monotonic() + GRACE
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, end - time.monotonic()))
        _stop(process, kill=True)  # the rest of the process's group
        process.wait()
        _close(process)


def _stop(process: Process, *, kill: bool = False) -> None:
    """Ask a process and its group to end, or kill them; Windows has no groups and only kills."""
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):  # none of the group is left
        os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)


def _close(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()


def end_with_parent() -> None:
    """End this process and its group when its input ends, because its parent has died."""

    def wait(pipe: int) -> None:
        # Do not use `sys.stdin`: its lock would be held when the interpreter ends.
        while os.read(pipe, 1024):
            pass
        if sys.platform == "win32":  # workers of a loader end by themselves
            os._exit(1)
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, args=(sys.stdin.fileno(),), daemon=True).start()
