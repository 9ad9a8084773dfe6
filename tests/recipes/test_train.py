"""One run: its record, going on where it was killed, several processes."""

import contextlib
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from recipe_runs import RECIPES, config_of_notes, environment, numbers, records, tables
from sklearn import metrics

from augspec import features
from augspec.ablation import report
from augspec.ablation.data import open_data
from augspec.ablation.images import Images
from augspec.ablation.train import Training, _train_epoch, targets_of

SCORED = ("labels", "predictions")


def test_record_of_a_run(run, tmp_path):
    assert run(tmp_path, "--arms", "none", "--seeds", "1", "--epochs", "2") == 0
    (record,) = records(tmp_path).values()
    assert record["config"]["arm"] == "none"
    assert record["config"]["seed"] == 0
    assert len(record["losses"]) == 2
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert record["seconds"] > record["seconds_per_epoch"] > 0.0
    assert record["peak_memory_mb"] > 100
    assert len(record["predictions"]) == 12
    truth, guess = record["labels"], record["predictions"]
    confusion = np.array(record["confusion"])
    np.testing.assert_array_equal(
        confusion, metrics.confusion_matrix(truth, guess, labels=range(10))
    )
    assert record["accuracy"] == pytest.approx(metrics.accuracy_score(truth, guess))
    assert record["macro_recall"] == pytest.approx(
        metrics.recall_score(truth, guess, labels=[0, 3, 9], average="macro", zero_division=0)
    )
    assert all(1 / 10 <= confidence <= 1.0 for confidence in record["confidences"])


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_last_epoch_and_ends_with_the_same_numbers(
    run, arguments, tmp_path
):
    words = ["--arms", "all", "--seeds", "1", "--epochs", "6"]
    assert run(tmp_path / "undisturbed", *words) == 0
    out = tmp_path / "killed"
    command = [sys.executable, str(RECIPES / "ablation.py"), *arguments(out, *words)]
    for _ in range(2):
        before = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/checkpoint.pt")}
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            now = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/checkpoint.pt")}
            if now and now != before:
                break
            time.sleep(0.02)
        assert now != before, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert run(out, *words) == 0
    expected, found = records(tmp_path / "undisturbed"), records(out)
    assert expected.keys() == found.keys()
    for key, record in expected.items():
        assert numbers(found[key]) == numbers(record)


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(run, arguments, tmp_path):
    """A network without batch norm: the same batches, draws and gradients, within float noise."""
    words = ["--arms", "all", "--seeds", "1", "--epochs", "3"]
    assert run(tmp_path / "one", *words) == 0
    assert run(tmp_path / "parts", *words, "--accumulate", "2") == 0
    two = [*arguments(tmp_path / "two", *words), "--devices", "2"]
    done = subprocess.run(
        [sys.executable, str(RECIPES / "ablation.py"), *two],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    one, parts, both = (records(tmp_path / name) for name in ("one", "parts", "two"))
    for key, record in one.items():
        assert both[key]["processes"] == 2
        np.testing.assert_allclose(both[key]["losses"], record["losses"], rtol=1e-4)
        np.testing.assert_allclose(parts[key]["losses"], record["losses"], rtol=1e-4)
        assert both[key]["predictions"] == record["predictions"]


class _Plain:
    """What a training needs of Fabric, on this process alone."""

    def no_backward_sync(self, model, enabled):
        return contextlib.nullcontext()

    def backward(self, loss):
        loss.backward()


class _Batches(list):
    """Batches of features, as a loader gives them."""

    device = "cpu"

    def set_epoch(self, epoch):
        self.epoch = epoch


def test_accumulated_gradients_are_those_of_one_batch():
    """Adam does not tell: it divides by the size of the gradients."""
    specgram, label = torch.randn(8, 5), torch.arange(8) % 3
    found = []
    for parts in (1, 4):
        torch.manual_seed(0)
        model = torch.nn.Linear(5, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.5)
        schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
        each = zip(specgram.chunk(parts), label.chunk(parts), strict=True)
        batches = _Batches({"specgram": one, "label": of} for one, of in each)
        config = {"seed": 0, "accumulate": parts, "epochs": 1, "task": "family"}
        training = Training(model, optimizer, schedule, None)
        loss = _train_epoch(
            config, 3, batches, _Plain(), model, optimizer, training, lambda *_: None
        )
        assert batches.epoch == 3
        found.append((loss, model.weight.detach()))
    torch.testing.assert_close(found[0], found[1])


def test_the_pitch_task_follows_the_shift():
    batch = {"label": torch.tensor([1, 2]), "pitch": torch.tensor([60.4, 130.0])}
    assert targets_of(batch, "pitch").tolist() == [60, 127]
    assert targets_of(batch, "family").tolist() == [1, 2]


@pytest.mark.parametrize("task", ["pitch", "velocity"])
def test_other_tasks_train(run, tmp_path, task):
    assert run(tmp_path, "--arms", "pitch", "--seeds", "1", "--task", task) == 0
    for record in records(tmp_path).values():
        assert record["config"]["task"] == task
        assert set(record["labels"]) == ({60, 61} if task == "pitch" else {3})


def test_a_share_and_a_fold_train(run, tmp_path, capsys):
    assert run(tmp_path, "--arms", "none", "--seeds", "1", "--share", "0.67", "--fold", "1/3") == 0
    (record,) = records(tmp_path).values()
    assert sorted(set(record["instruments"])) == [
        f"{family}_acoustic_000" for family in ("bass", "guitar", "vocal")
    ]
    printed = " ".join(capsys.readouterr().out.split())
    assert "bass *, guitar *, vocal *: one scored instrument, so its interval says" in printed


def test_folds_score_every_training_instrument_once(run, tmp_path, capsys):
    words = ["--arms", "gain", "--seeds", "1"]
    assert run(tmp_path, *words, "--folds", "3") == 0
    row = tables(tmp_path)[0]
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("none-*.json")]
    assert sorted(record["config"]["fold"] for record in records) == [[0, 3], [1, 3], [2, 3]]
    labels, predictions = (np.concatenate([one[name] for one in records]) for name in SCORED)
    assert len(labels) == 27  # all notes that there are to train on, and none of those to validate
    assert float(row["macro_recall"]) == pytest.approx(
        metrics.recall_score(labels, predictions, average="macro"), abs=1e-6
    )
    # One fold of them is the same run as when it is asked for alone.
    before = sorted(path.name for path in (tmp_path / "runs").glob("*.json"))
    assert run(tmp_path, *words, "--fold", "2/3") == 0
    assert sorted(path.name for path in (tmp_path / "runs").glob("*.json")) == before
    run(tmp_path, *words, "--folds", "3", "--status")
    assert "none, seed 0, fold 3/3: " in capsys.readouterr().out


def test_an_arm_may_have_features_of_its_own(run, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(
        "arms: {fine: {waveform: [{Gain: {gain_db: 0.0}}], features: {n_mels: 48}}}\n"
        "features: {n_mels: 40, n_fft: 512}\nseeds: 1\n"
    )
    assert run(tmp_path, "--study", str(study)) == 0
    found = records(tmp_path)
    assert found["none", 0]["config"]["features"]["n_mels"] == 40
    assert found["fine", 0]["config"]["features"]["n_mels"] == 48
    assert found["fine", 0]["config"]["features"]["n_fft"] == 512
    own = report.parameters(found["fine", 0], found["none", 0])
    assert own["features"]["n_mels"] == 48
    assert own["transforms"]["waveform"] == [{"Gain": {"gain_db": [0.0, 0.0]}}]
    assert report.parameters(found["none", 0], found["none", 0]) == {"waveform": [], "specgram": []}


def test_across_compares_every_row_with_the_first(run, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(
        "arms: {gain: [{Gain: {gain_db: [-6.0, 6.0]}}]}\nseeds: 1\naxes: {share: [0.67, 1.0]}\n"
    )

    def differences(*more):
        assert run(tmp_path, "--study", str(study), *more) == 0
        rows = tables(tmp_path)
        scores = [float(row["macro_recall"]) for row in rows]
        return [row["arm"] for row in rows], scores, [float(row["difference"]) for row in rows]

    names, scores, found = differences()
    assert names == [f"{arm} (share={share})" for share in (0.67, 1.0) for arm in ("none", "gain")]
    within = [0.0, scores[1] - scores[0], 0.0, scores[3] - scores[2]]
    assert found == pytest.approx(within, abs=2e-6)
    names, scores, found = differences("--across")
    assert found == pytest.approx([score - scores[0] for score in scores], abs=2e-6)


def test_pictures_are_written_once_and_cost_what_they_cost(run, tmp_path):
    words = ["--preset", "article", "--seeds", "1", "--backbone", "test_convnext"]
    assert run(tmp_path, *words) == 0
    images = records(tmp_path)["images", 0]
    text = (tmp_path / "summary.md").read_text()
    headings, _, none, row = [line.split(" | ") for line in text.splitlines() if line[:1] == "|"][
        :4
    ]
    costs = dict(zip(headings, row, strict=True))
    assert costs["s"] == f"{images['seconds']:.1f}"
    assert costs["s writing"] == f"{images['seconds_writing']:.1f}"
    assert costs["MB on disk |"] == f"{images['bytes_written'] / 1e6:.1f} |"
    assert costs["accuracy"] == f"{100 * images['accuracy']:.1f} %"
    assert dict(zip(headings, none, strict=True))["s writing"] == ""
    html = (tmp_path / "report.html").read_text()
    assert f"<td>{images['bytes_written'] / 1e6:.1f}</td>" in html
    files = list(tmp_path.glob("runs/images-*/images/*/*.png"))
    assert len(files) == 27 + 12
    assert images["bytes_written"] == sum(path.stat().st_size for path in files)
    assert images["seconds"] > images["seconds_writing"] > 0.0
    none = records(tmp_path)["none", 0]
    # A picture holds a level within half of a step of 0.55 dB: both learn nearly the same.
    np.testing.assert_allclose(images["losses"], none["losses"], rtol=0.05)
    made = none["config"]["features"]
    assert (made["n_fft"], made["hop_length"], made["n_mels"]) == (1024, 256, 40)
    assert (made["f_min"], made["f_max"]) == (20.0, 8000.0)


def test_pictures_that_are_there_cost_what_they_have_cost(root, tmp_path):
    notes, feature = (
        open_data(config_of_notes(), str(root)).valid,
        features.LogMelSpectrogram(n_mels=40),
    )
    first = Images(notes, feature, tmp_path, lambda *_: None)
    (tmp_path / "seconds.txt").write_text("100.0")
    again = Images(notes, feature, tmp_path, lambda *_: None)
    assert 100.0 < again.seconds < 200.0
    assert again.bytes == first.bytes


def test_half_precision_learns_nearly_the_same(run, tmp_path):
    words = ["--arms", "none", "--seeds", "1", "--epochs", "2"]
    assert run(tmp_path / "full", *words) == 0
    assert run(tmp_path / "half", *words, "--precision", "bf16-mixed") == 0
    ((key, full),) = records(tmp_path / "full").items()
    half = records(tmp_path / "half")[key]
    assert half["losses"] != full["losses"]
    np.testing.assert_allclose(half["losses"], full["losses"], rtol=0.05)


def test_weights_carry_config_and_classes(run, tmp_path):
    from safetensors import safe_open

    assert run(tmp_path, "--arms", "none", "--seeds", "1") == 0
    (path,) = tmp_path.glob("runs/*/model.safetensors")
    with safe_open(path, framework="pt") as file:
        held = file.metadata()
    (record,) = records(tmp_path).values()
    assert json.loads(held["config"]) == record["config"]
    assert json.loads(held["classes"]) == record["classes"]
