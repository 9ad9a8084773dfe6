"""What Windows and macOS lack or do otherwise, as far as Linux can tell: no test runs there."""

import ast
import io
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
import types
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
import soundfile
import torch
from packaging.requirements import Requirement

from augspec.ablation import files, processes, train
from augspec.ablation.execute import Place
from augspec.datasets._walk import in_order

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "augspec").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")])
# Modules that Python has not on Windows.
UNIX = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


@pytest.fixture
def windows(monkeypatch):
    """Python says that it runs on Windows, and lacks what it lacks there."""
    monkeypatch.setattr(sys, "platform", "win32")
    for name in ("fork", "getpgrp", "killpg"):
        monkeypatch.delattr(os, name)
    monkeypatch.setattr(processes, "signal", types.SimpleNamespace(SIGTERM=signal.SIGTERM))
    monkeypatch.setitem(sys.modules, "resource", None)


def faults(source):
    """List texts whose encoding the system chooses, and imports that fail on Windows."""
    tree, found = ast.parse(source), []
    for node in tree.body:
        if isinstance(node, ast.Import):
            found += [f"import {one.name}" for one in node.names if one.name in UNIX]
        if isinstance(node, ast.ImportFrom) and node.module in UNIX:
            found.append(f"from {node.module}")
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return found + [ast.unparse(call.func) for call in calls if _guesses_encoding(call)]


def _guesses_encoding(call):
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    words = {word.arg for word in call.keywords}
    if "encoding" in words:
        return False
    if last == "read_text":
        return True
    if last == "write_text":  # that of `augspec.ablation.files` has a path too
        return len(call.args) < 2
    if last in ("run", "Popen", "check_output"):
        return bool(words & {"text", "universal_newlines"})
    # Opening a file with no mode is opening a text. Other calls of that name open no file.
    mode = [one.value for one in call.args if isinstance(one, ast.Constant)]
    mode += [word.value.value for word in call.keywords if word.arg == "mode"]
    opens = last in ("open", "fdopen") and name not in NO_FILES
    return opens and not any(isinstance(one, str) and "b" in one for one in mode)


NO_FILES = {
    *("os.open", "gzip.open", "tarfile.open", "Image.open", "webbrowser.open"),
    *("self._dialog.open", "self._page.adder.open"),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_texts_have_an_encoding_and_imports_exist_on_windows(path):
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "import resource",
        "from fcntl import flock",
        "path.read_text()",
        "path.write_text(text)",
        "open('a.txt')",
        "path.open('w', newline='')",
        "subprocess.run(['git'], text=True)",
    ],
)
def test_the_search_finds(line):
    assert len(faults(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "def peak():\n    import resource",
        "path.read_text(encoding='utf-8')",
        "write_text(path, text)",
        "path.open('rb')",
        "path.open(encoding='utf-8', newline='')",
        "subprocess.run(['git'], encoding='utf-8')",
    ],
)
def test_the_search_passes(line):
    assert faults(line) == []


def test_tables_have_the_same_line_ends_everywhere(tmp_path, monkeypatch):
    write = Path.write_text

    def as_on_windows(path, text, encoding=None, errors=None, newline=None):
        if newline is None:
            text = text.replace("\n", "\r\n")
        return write(path, text, encoding, errors, newline="")

    monkeypatch.setattr(Path, "write_text", as_on_windows)
    files.write_text(tmp_path / "a.csv", files.csv_text([["arm", "é"], [1, 2]]))
    assert (tmp_path / "a.csv").read_bytes() == "arm,é\r\n1,2\r\n".encode()


def test_files_have_the_same_order_on_windows():
    names = ["b/x.wav", "B/y.wav", "a.wav", "C.wav", "a/b.wav", "a b/c.wav", "é.wav", "Z/é.wav"]
    windows = [file.as_posix() for file in in_order(map(PureWindowsPath, names))]
    assert windows == [file.as_posix() for file in sorted(map(PurePosixPath, names))]


def test_whole_numbers_of_numpy_have_64_bits_on_windows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [Requirement(one) for one in project["dependencies"] if one.startswith("numpy")]
    old = {
        system: all(
            one.specifier.contains("1.26.4")
            for one in asked
            if one.marker is None or one.marker.evaluate({"sys_platform": system})
        )
        for system in ("linux", "darwin", "win32")
    }
    assert old == {"linux": True, "darwin": True, "win32": False}


@pytest.mark.usefixtures("windows")
def test_peak_memory_is_unknown_on_windows():
    assert train._peak_memory(torch.device("cpu")) == 0.0


@pytest.mark.usefixtures("windows")
def test_processes_end_with_their_study_on_windows(tmp_path, monkeypatch):
    begun, started = tmp_path / "begun", []
    popen, sleep = subprocess.Popen, time.sleep

    def start(*arguments, **words):
        started.append(popen(*arguments, **words))
        return started[-1]

    def interrupted(seconds):
        sleep(seconds)
        if begun.exists():
            begun.unlink()  # once: the end of a process may sleep too
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(time, "sleep", interrupted)
    program = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(60)"
    command = [sys.executable, "-c", program]
    config = {"arm": "a", "seed": 0}
    with pytest.raises(KeyboardInterrupt):
        next(processes.side_by_side([config], Place(tmp_path), 1, lambda _: command))
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_a_process_ends_with_its_parent_on_windows():
    program = """if True:
        import os, signal, sys, time
        from augspec.ablation.processes import end_with_parent
        sys.platform = "win32"
        del os.killpg, os.getpgrp, signal.SIGKILL
        end_with_parent()
        print("ready", flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"ready"
    process.communicate()  # closes its input
    assert process.returncode == 1


def test_a_log_is_utf_8_whatever_the_console_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    config = {"arm": "a", "seed": 0}
    command = [sys.executable, "-c", "print('k\\u00e4stchen'); raise SystemExit(1)"]
    place = Place(tmp_path)
    ((_, state),) = processes.side_by_side([config], place, 1, lambda _: command)
    assert state == "failed"
    text = (place.folder(config) / "failed.txt").read_text(encoding="utf-8")
    assert "kästchen" in text


def test_the_explorer_does_not_share_its_port_on_windows(monkeypatch):
    from augspec.explore import server

    monkeypatch.setattr(sys, "platform", "win32")
    with server.listen(0) as opened:
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0


@pytest.mark.parametrize("slash", ["/", "\\"])
def test_shards_on_a_drive_are_files(slash):
    from urllib.parse import unquote, urlparse

    from augspec.datasets.shards import _address

    path = f"C:{slash}my data{slash}a#1%20.tar"
    found = urlparse(_address(path))
    assert (found.scheme, unquote(found.path)) == ("file", path)
    for other in ("shard.tar", "/data/a.tar", "http://x/a.tar", "pipe:cat a.tar", "s3://b/a.tar"):
        assert _address(other) == other


def test_shards_on_a_drive_are_read(tmp_path, monkeypatch):
    from augspec.datasets import GMNotes, Shards, write_shards

    monkeypatch.chdir(tmp_path)  # here a folder may have the name of a drive
    notes = torch.utils.data.Subset(GMNotes("valid"), range(2))
    folder = "C:/my data"
    write_shards(notes, folder, shards=1, sample_rate=16_000, progress=False)
    found = list(Shards([f"{folder}/shard-000000.tar"]))
    assert [item["index"] for item in found] == [0, 1]


def write_sounds(folder, names):
    """Write short sounds under names of any bytes."""
    file = io.BytesIO()
    soundfile.write(file, torch.rand(800).numpy() - 0.5, 16_000, format="WAV")
    for name in names:
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.getvalue())


def test_names_that_are_not_utf_8_are_groups_and_get_copies(tmp_path):
    from augspec.conditions.folder import write_copies
    from augspec.datasets import AudioFolder, split_by_group

    write_sounds(tmp_path / "in", [b"a/caf\xe9.wav", b"a/b.wav", b"a/c.wav"])
    sounds = AudioFolder(tmp_path / "in")
    train, valid = split_by_group(sounds.paths)
    assert sorted([*train, *valid]) == [0, 1, 2]
    written = [path for path, *_ in write_copies(tmp_path / "in", tmp_path / "out", [("noise", 1)])]
    names = [os.fsencode(path.relative_to(tmp_path / "out" / "noise-1")) for path in written]
    assert names == [b"a/b.wav", b"a/c.wav", b"a/caf\xe9.wav"]
    assert all(soundfile.info(os.fsencode(path)).frames == 800 for path in written)


def test_where_a_folder_lies_does_not_change_the_split_of_a_table(tmp_path):
    from augspec.ablation.table import TableNotes

    names = [f"part {number % 3}/{number}.wav" for number in range(15)]
    rows = "".join(f"{name},{number % 2}\n" for number, name in enumerate(names))
    found = []
    for place in ("here", "elsewhere/and deeper"):
        write_sounds(tmp_path / place, names)
        table = tmp_path / place / "table.csv"
        table.write_text(f"path,label\n{rows}", encoding="utf-8")
        notes = TableNotes(str(table), None, "valid", seconds=0.05)
        found.append((notes.chosen.tolist(), notes.instruments.tolist()))
    assert found[0] == found[1]
    assert all("part" in name and "\\" not in name for name in found[0][1])
