"""All runs: repeated by nobody, side by side, over a cluster, when one fails or is killed."""

import json
import signal
import subprocess
import sys
import time

import filelock
import pytest
from own_process import in_own_process
from recipe_runs import RECIPES, environment, numbers, records

from augspec.ablation import execute
from augspec.ablation.execute import Place, state_of
from augspec.ablation.plan import run_name
from augspec.ablation.processes import side_by_side


def test_finished_runs_are_not_repeated(run, tmp_path, monkeypatch):
    assert run(tmp_path, "--arms", "gain", "--seeds", "1") == 0
    before = {path: path.read_bytes() for path in (tmp_path / "runs").glob("*.json")}
    assert len(before) == 2
    trained = []
    train = execute.train

    def watched(config, *others):
        trained.append((config["arm"], config["seed"]))
        return train(config, *others)

    monkeypatch.setattr(execute, "train", watched)
    assert run(tmp_path, "--arms", "gain", "--seeds", "1") == 0
    assert trained == []
    assert run(tmp_path, "--arms", "gain", "--seeds", "2") == 0  # only what is new
    assert trained == [("none", 1), ("gain", 1)]
    assert run(tmp_path, "--arms", "none", "--seeds", "1", "--epochs", "2") == 0
    assert trained[2:] == [("none", 0)]  # another config, another run
    for path, content in before.items():
        assert path.read_bytes() == content


def test_a_failed_run_keeps_its_traceback_and_does_not_stop_the_others(
    run, tmp_path, monkeypatch, capsys
):
    train = execute.train

    def broken(config, *others):
        if config["arm"] == "gain":
            raise RuntimeError("out of luck")
        return train(config, *others)

    monkeypatch.setattr(execute, "train", broken)
    assert run(tmp_path, "--arms", "gain,crop", "--seeds", "1") == 1
    assert set(records(tmp_path)) == {("none", 0), ("crop", 0)}
    (kept,) = tmp_path.glob("runs/*/failed.txt")
    assert "in broken" in kept.read_text()
    assert "gain, seed 0: failed: RuntimeError: out of luck" in capsys.readouterr().err
    assert run(tmp_path, "--arms", "gain,crop", "--seeds", "1", "--status") == 0
    printed = capsys.readouterr().out
    assert "failed   gain, seed 0" in printed
    assert "2 done, 1 failed" in printed
    monkeypatch.setattr(execute, "train", train)
    assert run(tmp_path, "--arms", "gain,crop", "--seeds", "1") == 0  # it is tried again
    assert not list(tmp_path.glob("runs/*/failed.txt"))


def test_a_run_that_another_process_is_at_is_left_alone(run, tmp_path, capsys):
    assert run(tmp_path, "--arms", "none", "--seeds", "1") == 0
    (record,) = (tmp_path / "runs").glob("*.json")
    record.rename(tmp_path / "kept.json")
    with filelock.FileLock(record.with_suffix("") / "lock"):
        assert run(tmp_path, "--arms", "none", "--seeds", "1", "--status") == 0
        assert "running  none" in capsys.readouterr().out
        assert run(tmp_path, "--arms", "none", "--seeds", "1") == 1
        assert "another process is at it" in capsys.readouterr().err
    assert not record.exists()


def test_side_by_side_gives_the_same_numbers_and_records_the_command_of_its_user(
    run, tmp_path, capsys
):
    words = ["--arms", "gain", "--seeds", "1"]
    assert run(tmp_path / "one", *words) == 0
    capsys.readouterr()
    assert run(tmp_path / "two", *words, "--jobs", "2") == 0
    assert capsys.readouterr().out.strip().endswith("figure.png")
    one, two = records(tmp_path / "one"), records(tmp_path / "two")
    assert {k: numbers(v) for k, v in one.items()} == {k: numbers(v) for k, v in two.items()}
    for record in two.values():
        assert record["command"].startswith("python ablation.py --data nsynth")
        assert record["command"].endswith("--jobs 2")
        assert "--only" not in record["command"]


def test_a_process_that_dies_takes_only_its_run_with_it(tmp_path):
    place = Place(tmp_path)
    configs = [{"arm": arm, "seed": 0} for arm in ("killed", "fine")]
    (tmp_path / "runs").mkdir()

    def command(config):
        target = tmp_path / "runs" / f"{run_name(config)}.json"
        if config["arm"] == "killed":
            program = "import os, signal; print('so far', flush=True); os.kill(os.getpid(), 9)"
        else:
            program = f"open({str(target)!r}, 'w').write('{{}}')"
        return [sys.executable, "-c", program]

    ended = {config["arm"]: state for config, state in side_by_side(configs, place, 2, command)}
    assert ended == {"killed": "failed", "fine": "done"}
    text = (place.folder(configs[0]) / "failed.txt").read_text()
    assert "status -9" in text
    assert "so far" in text
    assert state_of(configs[0], place) == "failed"


def test_devices_and_nodes_are_those_of_the_command_line(script, arguments, tmp_path, monkeypatch):
    asked = []

    class Fabric:
        def __init__(self, **words):
            asked.append(words)

        def launch(self):
            asked.append("launched")

    monkeypatch.setattr("lightning.fabric.Fabric", Fabric)
    words = ["--devices", "4", "--num-nodes", "3", "--precision", "bf16-mixed"]
    options = script.parse(arguments(tmp_path, *words, "--device", "cuda"))
    runner = execute.Runner(script.make_place(options), "")
    for one in script.make_plan(options):
        runner.fabric(one.config)
    several = {"accelerator": "cuda", "devices": 4, "num_nodes": 3, "strategy": "ddp"}
    assert asked == [{**several, "precision": "bf16-mixed"}, "launched"]


def test_the_commit_is_that_of_the_clone(tmp_path, monkeypatch):
    recipes = tmp_path / "recipes" / "ablation"
    recipes.mkdir(parents=True)
    (recipes / "execute.py").write_text("")
    monkeypatch.setattr(execute, "__file__", str(recipes / "execute.py"))
    commit = execute.commit.__wrapped__

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert commit() is None  # no clone
    git("init", "-q")
    assert commit() is None  # nothing in it
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert len(head) == 40
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text("")
    assert commit() == head
    (recipes / "execute.py").write_text("changed")
    assert commit() == f"{head} with local changes"
    inside = recipes / "copy" / "recipes" / "ablation" / "execute.py"
    monkeypatch.setattr(execute, "__file__", str(inside))
    inside.parent.mkdir(parents=True)
    assert commit() is None  # of another repository
    monkeypatch.setattr(execute.shutil, "which", lambda _: None)
    assert commit() is None


def test_ctrl_c_keeps_finished_runs_and_says_how_to_go_on(arguments, tmp_path, run):
    command = [sys.executable, str(RECIPES / "ablation.py")]
    command += arguments(tmp_path, "--arms", "none,gain", "--seeds", "500")
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        # A test run in the background has Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not list(tmp_path.glob("runs/*.json")) and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    kept = {path: path.read_bytes() for path in (tmp_path / "runs").glob("*.json")}
    assert 1 <= len(kept) < 1000
    assert all(json.loads(text) for text in kept.values())
    assert f"{len(kept)} finished runs are kept" in errors
    assert "The same command goes on from there" in errors
    assert "--seeds 500" in errors
    assert "Traceback" not in errors
    assert run(tmp_path, "--arms", "none,gain", "--seeds", "1") == 0
    assert all(path.read_bytes() == text for path, text in kept.items())


@pytest.mark.slow
def test_a_run_whose_node_died_is_done_on_another(run, arguments, tmp_path):
    """Two nodes of a local Ray cluster; the one that the run is on is taken away."""
    words = ["--arms", "none", "--seeds", "1", "--epochs", "40"]
    assert run(tmp_path / "undisturbed", *words) == 0
    command = [sys.executable, str(RECIPES / "ablation.py")]
    command += arguments(tmp_path / "ray", *words, "--executor", "ray")
    in_own_process(_lose_a_node, command, tmp_path / "ray" / "runs")
    expected, found = records(tmp_path / "undisturbed"), records(tmp_path / "ray")
    assert {k: numbers(v) for k, v in expected.items()} == {k: numbers(v) for k, v in found.items()}


def _lose_a_node(command, runs):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    first = cluster.add_node(num_cpus=1)
    command = [*command, "--address", cluster.address]
    try:
        process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
        while not list(runs.glob("*/checkpoint.pt")) and process.poll() is None:
            time.sleep(0.05)
        assert process.poll() is None
        cluster.add_node(num_cpus=1)
        cluster.remove_node(first, allow_graceful=False)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    finally:
        cluster.shutdown()
