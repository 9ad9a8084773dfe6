"""Files and processes of a study when the machine is cut off."""

import logging
import os
import signal
import subprocess
import sys
import time

import pytest
from recipe_runs import RECIPES, environment, numbers, records, small_arguments

from augspec.ablation import command, files, train

WORDS = ("--arms", "none", "--seeds", "1", "--epochs", "3")


@pytest.fixture
def study(root, monkeypatch):
    def study(out, *more):
        words = small_arguments(root, out, *(more or WORDS))
        monkeypatch.setattr("sys.argv", ["ablation.py", *words])
        return command.main(words)

    return study


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Otherwise a power cut leaves the name of the new file before an empty one."""
    done = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("sync"), sync(file)))
    replace = type(tmp_path).replace
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda *paths: (done.append("replace"), replace(*paths))[1]
    )
    files.write_text(tmp_path / "a.txt", "new")
    assert done == ["sync", "replace", "sync"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    files.write_text(tmp_path / "a.txt", "old")

    def write(part):
        part.write_text("ne")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        files.write_whole(tmp_path / "a.txt", write)
    assert (tmp_path / "a.txt").read_text() == "old"


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def zeros(path):
    """Leave what a file system may leave of a file that was not synced."""
    path.write_bytes(bytes(path.stat().st_size))


def flip(path):
    """Change a byte in the middle, in a weight."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.fixture(scope="module")
def undisturbed(root, tmp_path_factory):
    """The records of a study that nothing stopped."""
    out = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["ablation.py", *small_arguments(root, out, *WORDS)])
        assert command.main(small_arguments(root, out, *WORDS)) == 0
    return records(out)


@pytest.mark.parametrize("damage", [cut, empty, zeros, flip])
def test_a_damaged_checkpoint_is_named_and_its_run_begins_anew(
    study, undisturbed, tmp_path, monkeypatch, caplog, damage
):
    save = train.Training.save

    def stop(self, path):
        save(self, path)
        damage(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(train.Training, "save", stop)
    assert study(tmp_path / "cut") == 130
    monkeypatch.setattr(train.Training, "save", save)
    with caplog.at_level(logging.WARNING, "augspec"):
        assert study(tmp_path / "cut") == 0
    assert "checkpoint.pt is damaged" in caplog.text
    assert len(list(tmp_path.glob("cut/runs/*/damaged-checkpoint.pt"))) == 1
    found = records(tmp_path / "cut")
    assert numbers(found["none", 0]) == numbers(undisturbed["none", 0])


def test_a_loss_that_is_no_number_fails_its_run_by_name(study, tmp_path, capsys):
    study_file = tmp_path / "study.yaml"
    study_file.write_text("learning_rate: 1e+30\n")
    assert study(tmp_path, *WORDS, "--study", str(study_file)) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "failed: ValueError: the training loss of epoch" in said
    assert not list(tmp_path.glob("runs/*.json"))


def children(process):
    """List the processes that a study has started, and those of theirs."""
    found, wanted = [], {process}
    table = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if entry.isdecimal():
            try:
                with open(f"/proc/{entry}/stat") as file:  # noqa: PTH123
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                table[int(entry)] = int(fields[1])
    while wanted:
        wanted = {child for child, parent in table.items() if parent in wanted}
        found += sorted(wanted)
    return found


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="no /proc to count processes in")  # noqa: PTH112
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(root, tmp_path, number):
    """However a study with --jobs is ended: asked, interrupted, or killed without a word."""
    words = small_arguments(root, tmp_path, "--arms", "gain", "--seeds", "500", "--jobs", "2")
    process = subprocess.Popen(
        [sys.executable, str(RECIPES / "ablation.py"), *words],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    started = children(process.pid)
    while len(started) < 2 and process.poll() is None:  # after a run there is one for a moment
        time.sleep(0.1)
        started = children(process.pid)
    assert len(started) >= 2
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}.get(number, -number)
    end = time.monotonic() + 60
    while any(map(alive, started)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [one for one in started if alive(one)]
    if number != signal.SIGKILL:
        assert "The same command goes on from there" in said
        assert "Traceback" not in said


def test_the_module_is_the_same_command_and_imports_no_more_than_it_needs(tmp_path):
    words = ["-X", "importtime", "-m", "augspec.ablation", "--status", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *words], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "12 waiting"
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "augspec.ablation.command" in imported
    assert not imported & {"lightning", "torchmetrics", "statsmodels", "pandas", "sklearn"}


def test_augspec_does_not_import_its_ablation():
    program = "import sys, augspec; print([n for n in sys.modules if 'augspec.ablation' in n])"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
