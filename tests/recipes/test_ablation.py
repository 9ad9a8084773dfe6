"""The recipe that compares augmentations: its outputs, its pairing, its intervals, its restarts."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import augspec
from augspec import transforms as T

RECIPES = Path(__file__).parents[1] / "recipes"
FAMILIES = ["bass", "guitar", "vocal"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small gain nothing from threads, and on a busy machine those wait in turns."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recipe():
    pytest.importorskip("matplotlib")
    pytest.importorskip("rich")
    sys.path.insert(0, str(RECIPES))
    try:
        import ablation

        yield ablation
    finally:
        sys.path.remove(str(RECIPES))


@pytest.fixture(scope="module")
def analysis(recipe):
    return sys.modules[recipe.report.__module__]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A small data set in NSynth's layout: noise of three colours, two instruments a family."""
    root = tmp_path_factory.mktemp("nsynth")
    rng = np.random.default_rng(0)
    for split, notes in (("train", 4), ("valid", 2)):
        examples = {}
        (root / f"nsynth-{split}" / "audio").mkdir(parents=True)
        for label, family in enumerate(FAMILIES):
            for instrument in range(2):
                number = instrument + (10 if split == "valid" else 0)
                for pitch in range(60, 60 + notes):
                    name = f"{family}_acoustic_{number:03d}-{pitch:03d}-100"
                    examples[name] = {"sample_rate": 16_000}
                    noise = np.convolve(rng.normal(size=8_000), np.ones(1 + 4 * label), "same")
                    path = root / f"nsynth-{split}" / "audio" / f"{name}.wav"
                    soundfile.write(path, 0.1 * noise / noise.std(), 16_000)
        (root / f"nsynth-{split}" / "examples.json").write_text(json.dumps(examples))
    return root


def arguments(root, out, *more):
    quick = ["--backbone", "lcnet_050", "--epochs", "1", "--batch-size", "8", "--device", "cpu"]
    return ["--data", "nsynth", "--root", str(root), "--out", str(out), *quick, *more]


@pytest.fixture
def run(recipe, root, monkeypatch):
    """Run the recipe in this process, and return its exit status."""

    def run(out, *more):
        monkeypatch.setattr(sys, "argv", ["ablation.py", *arguments(root, out, *more)])
        return recipe.main()

    return run


def rows(out):
    with (out / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_outputs(run, tmp_path, capsys):
    assert run(tmp_path / "out", "--arms", "gain,all", "--seeds", "2") == 0
    out = tmp_path / "out"
    header = (out / "summary.csv").read_text().splitlines()[0]
    assert header == (
        "arm,seeds,accuracy,macro_recall,difference,difference_low,difference_high,seconds"
    )
    table = rows(out)
    assert [row["arm"] for row in table] == ["none", "gain", "all"]
    for row in table:
        numbers = {name: float(value) for name, value in row.items() if name != "arm"}
        assert numbers["seeds"] == 2
        assert 0.0 <= numbers["accuracy"] <= 1.0
        assert numbers["difference_low"] <= numbers["difference_high"]
        assert numbers["seconds"] > 0.0
    base = float(table[0]["macro_recall"])
    assert float(table[0]["difference"]) == 0.0
    assert float(table[2]["difference"]) == pytest.approx(
        float(table[2]["macro_recall"]) - base, abs=2e-6
    )
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")
    html = (out / "report.html").read_text()
    assert "data:image/png;base64," in html
    assert "PitchShift(semitones=" in html
    assert "http" not in html.split("</style>")[1]  # it opens offline
    printed = capsys.readouterr().out.strip().splitlines()
    assert printed[-1] == f"Figure: {out / 'figure.png'}"
    assert any("macro recall" in line for line in printed)


def test_record_of_a_run(run, tmp_path):
    metrics = pytest.importorskip("sklearn.metrics")
    assert run(tmp_path, "--arms", "none", "--seeds", "1", "--epochs", "2") == 0
    (path,) = (tmp_path / "runs").iterdir()
    record = json.loads(path.read_text())
    assert record["config"]["arm"] == "none"
    assert record["config"]["seed"] == 0
    assert len(record["losses"]) == 2
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert record["seconds"] > 0.0
    assert len(record["predictions"]) == 12
    assert set(record["instruments"]) == {f"{f}_acoustic_01{i}" for f in FAMILIES for i in (0, 1)}
    truth, guess = record["labels"], record["predictions"]
    confusion = np.array(record["confusion"])
    present = sorted(set(truth))
    np.testing.assert_array_equal(
        confusion, metrics.confusion_matrix(truth, guess, labels=range(10))
    )
    assert record["accuracy"] == pytest.approx(metrics.accuracy_score(truth, guess))
    assert record["macro_recall"] == pytest.approx(
        metrics.recall_score(truth, guess, labels=present, average="macro", zero_division=0)
    )


def test_finished_runs_are_not_repeated(run, tmp_path, monkeypatch, recipe):
    assert run(tmp_path, "--arms", "gain", "--seeds", "1") == 0
    before = {path: path.read_bytes() for path in (tmp_path / "runs").iterdir()}
    assert len(before) == 2
    trained = []
    train = recipe.train

    def watched(config, *others):
        trained.append((config["arm"], config["seed"]))
        return train(config, *others)

    monkeypatch.setattr(recipe, "train", watched)
    assert run(tmp_path, "--arms", "gain", "--seeds", "1") == 0
    assert trained == []
    assert run(tmp_path, "--arms", "gain", "--seeds", "2") == 0  # only what is new
    assert trained == [("none", 1), ("gain", 1)]
    assert run(tmp_path, "--arms", "none", "--seeds", "1", "--epochs", "2") == 0
    assert trained[2:] == [("none", 0)]  # another config, another run
    for path, content in before.items():
        assert path.read_bytes() == content


def test_arms_are_paired_by_seed(run, tmp_path, monkeypatch, recipe):
    """An augmentation that does nothing changes nothing: the same weights and order of notes."""
    monkeypatch.setitem(recipe.ARMS, "idle", [T.Gain(0.0)])
    assert run(tmp_path, "--arms", "idle", "--seeds", "2") == 0
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").iterdir()]
    losses = {(r["config"]["arm"], r["config"]["seed"]): r["losses"] for r in records}
    assert losses["none", 0] == losses["idle", 0]
    assert losses["none", 1] == losses["idle", 1]
    assert losses["none", 0] != losses["none", 1]
    idle = rows(tmp_path)[1]
    for name in ("difference", "difference_low", "difference_high"):
        assert float(idle[name]) == 0.0


def test_validation_features_are_the_same_in_every_arm(recipe):
    waveform = 0.1 * torch.randn(2, 1, 64_000)
    plain = recipe.make_frontend("none").eval()(waveform)
    for arm in recipe.ARMS:
        frontend = recipe.make_frontend(arm)
        assert torch.equal(frontend.eval()(waveform), plain)
        keys = augspec.example_keys(0, 0, torch.arange(2))
        augmented = frontend.train()(waveform, keys=keys)
        same = augmented.shape == plain.shape and torch.equal(augmented, plain)
        assert same == (arm == "none")


def test_names_from_data_are_escaped_in_the_report(run, tmp_path, monkeypatch, recipe):
    monkeypatch.setitem(recipe.ARMS, "<script>", [T.Gain(0.0)])
    assert run(tmp_path, "--arms", "<script>", "--seeds", "1") == 0
    html = (tmp_path / "report.html").read_text()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


# --- Intervals ---


def outcome(labels, predictions, instruments, **more):
    labels, predictions = np.array(labels), np.array(predictions)
    recall = [(predictions[labels == c] == c).mean() for c in np.unique(labels)]
    return {
        "labels": labels.tolist(),
        "predictions": predictions.tolist(),
        "instruments": instruments,
        "accuracy": float((labels == predictions).mean()),
        "macro_recall": float(np.mean(recall)),
        "seconds": 1.0,
        **more,
    }


def test_resampled_scores_are_macro_recalls_of_the_drawn_instruments(analysis):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    family = np.array([0, 0, 0, 2, 2])  # family 1 is not there
    codes = rng.integers(5, size=60)
    labels, predictions = family[codes], rng.choice([0, 1, 2], size=60)
    weights = np.array([[1, 1, 1, 1, 1], [2, 0, 1, 2, 0]])
    record = {"labels": labels.tolist(), "predictions": predictions.tolist()}
    scores = analysis.macro_recalls([record], codes, family, weights)
    for weight, score in zip(weights, scores[:, 0], strict=True):
        expected = metrics.recall_score(
            labels, predictions, labels=[0, 2], average="macro", sample_weight=weight[codes]
        )
        assert score == pytest.approx(expected)


def test_instruments_are_drawn_within_their_family(analysis):
    family = np.array([0, 1, 1, 1, 3])
    weights = analysis.resample_instruments(family, np.random.default_rng(0))
    for label in (0, 1, 3):
        assert (weights[:, family == label].sum(axis=1) == (family == label).sum()).all()
    assert weights[:, 1:4].std(axis=0).min() > 0.5
    assert weights[:, 1:4].mean() == pytest.approx(1.0)


def test_the_interval_over_seeds_is_as_wide_as_their_standard_error(analysis):
    """Without any spread over instruments: 1.96 standard errors, unbiased, for many seeds."""
    rng = np.random.default_rng(2)
    seeds = rng.normal(0.05, 0.02, size=40)
    differences = np.tile(seeds, (analysis.RESAMPLES, 1))
    picks = rng.integers(40, size=differences.shape)
    low, high = analysis.interval(differences, picks)
    error = seeds.std(ddof=1) / np.sqrt(40)
    assert (high + low) / 2 == pytest.approx(seeds.mean(), abs=0.1 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_an_arm_that_helps_one_instrument_only_has_an_interval_that_reaches_zero(analysis):
    """Many notes do not stand for many instruments."""
    instruments = [f"i{i}" for i in range(4) for _ in range(100)]
    labels = [0] * 200 + [1] * 200
    base = outcome(labels, [1] * 200 + [1] * 200, instruments)
    helped = outcome(labels, [0] * 100 + [1] * 100 + [1] * 200, instruments)
    row = analysis.summarise({"none": [base], "arm": [helped]})[1]
    assert row["difference"] == pytest.approx(0.25)
    assert row["difference_low"] == 0.0
    assert row["difference_high"] == pytest.approx(0.5)


# --- Bad input, and Ctrl-C ---


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nsynth"], "--data nsynth needs --root DIR"),
        (["--data", "gm-notes", "--root", "x"], "--root is for --data nsynth"),
        (["--arms", "none,louder"], "no arm named louder; there are none, gain, crop"),
        (["--seeds", "0"], "--seeds must be 1 or more"),
    ],
)
def test_bad_arguments(recipe, words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        recipe.parse(words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_root_without_notes_is_an_error_without_a_traceback(
    recipe, tmp_path, monkeypatch, capsys
):
    words = ["ablation.py", "--data", "nsynth", "--root", str(tmp_path / "absent")]
    monkeypatch.setattr(sys, "argv", [*words, "--out", str(tmp_path / "out")])
    assert recipe.main() == 2
    assert "absent" in capsys.readouterr().err


def test_ctrl_c_keeps_finished_runs_and_says_how_to_go_on(root, tmp_path, run):
    pytest.importorskip("rich")
    command = [sys.executable, str(RECIPES / "ablation.py")]
    command += arguments(root, tmp_path, "--arms", "none,gain", "--seeds", "500")
    environment = os.environ | {"PYTHONPATH": str(RECIPES.parent), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A test run in the background has Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not list(tmp_path.glob("runs/*.json")) and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    kept = {path: path.read_bytes() for path in (tmp_path / "runs").iterdir()}
    assert 1 <= len(kept) < 1000
    assert all(path.suffix == ".json" and json.loads(text) for path, text in kept.items())
    assert f"{len(kept)} finished runs are kept" in errors.replace("run is", "runs are")
    assert "The same command goes on from there" in errors
    assert "--seeds 500" in errors
    assert "Traceback" not in errors
    assert run(tmp_path, "--arms", "none,gain", "--seeds", "1") == 0
    assert all(path.read_bytes() == text for path, text in kept.items())
