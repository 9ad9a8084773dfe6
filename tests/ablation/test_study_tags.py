"""Several labels a sound: `--task tags`, from a table or a folder to mAP in the report."""

import csv
import json

import numpy as np
import pytest
import soundfile
import torch
from sklearn.metrics import average_precision_score

from augspec.ablation import analyse, command, data, execute, report, tags, train
from augspec.ablation.instruments import Groups, sign_flip_test

TAGS = ["buzz", "hiss", "hum"]
QUICK = ["--seconds", "1", "--backbone", "test_convnext", "--batch-size", "7"]
QUICK += ["--device", "cpu"]
HEADER = "arm,seeds,accuracy,macro_recall,difference,difference_low,difference_high,seconds"
MORE = "mean_average_precision,micro_average_precision"
MORE += ",map_difference,map_difference_low,map_difference_high"


def sound(own, rng):
    """Add up what each tag sounds like."""
    time = np.arange(8_000) / 8_000
    parts = {
        "buzz": np.sign(np.sin(2 * np.pi * rng.uniform(300, 500) * time)),
        "hiss": rng.normal(size=time.size),
        "hum": np.sin(2 * np.pi * rng.uniform(90, 160) * time),
    }
    return 0.1 * sum((parts[name] for name in own), 1e-3 * rng.normal(size=time.size))


def write_sounds(root):
    """Every set of tags a few times, also none: a table in the manner of FSD50K, and folders."""
    rng = np.random.default_rng(0)
    sets = [[], ["buzz"], ["hiss"], ["hum"], ["buzz", "hiss"], ["hiss", "hum"], TAGS]
    rows = []
    for take in range(6):
        for place, own in enumerate(sets):
            name = f"{100 * take + place}"
            samples = sound(own, rng)
            for path in (root / "audio" / f"{name}.wav", root / "folders" / "+".join(own) / name):
                if own or path.suffix:
                    path = path.with_suffix(".wav")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    soundfile.write(path, samples, 8_000)
            rows.append([name, ",".join(own), "val" if take >= 4 else "train", f"day {take}"])
    with (root / "dev.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["fname", "labels", "split", "day"], *rows])
    return root


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return write_sounds(tmp_path_factory.mktemp("tags"))


def words_of(sounds, out, *more):
    table = ["--data", "table", "--table", sounds / "dev.csv", "--root", sounds / "audio"]
    table += ["--path", "{fname}.wav", "--label", "labels", "--separator", ",", "--split", "split"]
    quick = [
        "--seconds",
        "1",
        "--backbone",
        "test_convnext",
        "--batch-size",
        "7",
        "--device",
        "cpu",
    ]
    return [str(word) for word in (*table, *quick, "--task", "tags", "--out", out, *more)]


@pytest.fixture(scope="module")
def study(sounds, tmp_path_factory):
    """A study of Mixup on tags: the folder of its results."""
    out = tmp_path_factory.mktemp("study")
    (out / "study.yaml").write_text("arms: {mixup: [{Mixup: {alpha: 0.4}}]}")
    with pytest.MonkeyPatch.context() as patch:
        words = words_of(sounds, out, "--study", str(out / "study.yaml"), "--seeds", "2")
        words += ["--epochs", "2", "--conditions", "noise-3"]
        patch.setattr("sys.argv", ["ablation.py", *words])
        assert command.main() == 0
    return out


def records(out):
    found = [json.loads(path.read_text()) for path in sorted((out / "runs").glob("*.json"))]
    return {(one["config"]["arm"], one["config"]["seed"]): one for one in found}


def test_the_record_has_the_scores_that_scikit_learn_gives(study):
    for record in records(study).values():
        truth = tags.multi_hot(record["labels"], 3)
        scores = np.array(record["scores"])
        assert truth.sum(0).tolist() == [6, 8, 6]
        each = average_precision_score(truth, scores, average=None)
        assert record["average_precision"] == pytest.approx(dict(zip(TAGS, each, strict=True)))
        assert record["mean_average_precision"] == pytest.approx(
            average_precision_score(truth, scores, average="macro")
        )
        assert record["micro_average_precision"] == pytest.approx(
            average_precision_score(truth, scores, average="micro")
        )
        found = scores > 0.5
        recall = [(found & truth)[:, k].sum() / truth[:, k].sum() for k in range(3)]
        assert record["macro_recall"] == pytest.approx(np.mean(recall))
        assert record["accuracy"] == pytest.approx((found == truth).all(1).mean())


def test_the_summary_ends_with_map_and_keeps_what_its_columns_mean(study):
    with (study / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (study / "summary.csv").read_text().splitlines()[0] == f"{HEADER},{MORE}"
    runs = records(study)
    for row in rows:
        for column in ("macro_recall", "mean_average_precision", "micro_average_precision"):
            mean = np.mean([runs[row["arm"], seed][column] for seed in (0, 1)])
            assert float(row[column]) == pytest.approx(mean, abs=1e-6)
        assert all(value not in ("", "nan") for value in row.values())
        for start in ("", "map_"):
            low, middle, high = (
                float(row[f"{start}difference{end}"]) for end in ("_low", "", "_high")
            )
            assert low <= middle <= high
    for difference, score in (
        ("difference", "macro_recall"),
        ("map_difference", "mean_average_precision"),
    ):
        base, mixup = (float(row[score]) for row in rows)
        assert float(rows[1][difference]) == pytest.approx(mixup - base, abs=2e-6)
    header = (study / "conditions.csv").read_text().splitlines()[0]
    assert header == (
        "arm,condition,severity,seeds,accuracy,macro_recall,difference,difference_low,"
        f"difference_high,{MORE}"
    )


def test_the_report_says_map(study):
    html, text = ((study / name).read_text() for name in ("report.html", "summary.md"))
    assert "points of mAP, 95 % interval" in html
    assert "<th>mAP</th>" in html
    assert "<h2>Average precision of each tag</h2>" in html
    assert "mAP in percent, mean over severities" in html
    assert "| arm | accuracy | mAP | difference |" in text
    assert "| arm | buzz | hiss | hum |" in text
    assert "could not be computed" not in html
    assert not (study / "confusions.png").exists()
    assert (study / "figure.png").stat().st_size > 5_000


def test_multi_hot_labels_reach_the_loss_through_mixup(sounds, tmp_path, monkeypatch):
    """Cross entropy would have taken rows that sum to three for soft labels of one class."""
    seen = []
    loss = torch.nn.functional.binary_cross_entropy_with_logits

    def spy(logits, targets):
        seen.append(targets)
        return loss(logits, targets)

    monkeypatch.setattr(train.nn.functional, "binary_cross_entropy_with_logits", spy)
    (tmp_path / "study.yaml").write_text("arms: {mixup: [{Mixup: {alpha: 0.4}}]}")
    words = words_of(sounds, tmp_path / "out", "--study", str(tmp_path / "study.yaml"))
    words += ["--seeds", "1", "--epochs", "1"]
    monkeypatch.setattr("sys.argv", ["ablation.py", *words])
    assert command.main() == 0
    targets = torch.cat(seen)
    assert targets.shape[1] == 3
    plain, mixed = targets[: len(targets) // 2], targets[len(targets) // 2 :]
    assert set(plain.flatten().tolist()) == {0.0, 1.0}
    assert plain.sum(1).max() == 3.0
    assert ((mixed > 0.0) & (mixed < 1.0)).any()


def test_a_folder_with_a_separator_is_a_study_of_tags(sounds, tmp_path, monkeypatch):
    words = ["--data", "folder", "--root", str(sounds / "folders"), "--separator", "+"]
    words += ["--task", "tags", "--seconds", "1", "--backbone", "test_convnext", "--device", "cpu"]
    words += [
        "--batch-size",
        "7",
        "--arms",
        "none",
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--folds",
        "2",
    ]
    monkeypatch.setattr("sys.argv", ["ablation.py", *words, "--out", str(tmp_path)])
    assert command.main() == 0
    found = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*.json")]
    assert len(found) == 2
    assert found[0]["classes"] == TAGS
    assert {len(own) for one in found for own in one["labels"]} == {1, 2, 3}


def test_what_goes_together_is_on_one_side_of_a_table(sounds):
    config = {
        "data": "table", "fold": None, "share": 1.0, "smoke": False, "task": "tags", "seconds": 1.0,
        "group": "day", "separator": ",", "table": {}, "path": "{fname}.wav", "label": "labels",
        "split": None, "scored": None,
    }  # fmt: skip
    opened = data.open_data(config, str(sounds / "audio"), str(sounds / "dev.csv"))
    days = [
        {part.notes.instruments[place] for place in part.chosen}
        for part in (opened.train, opened.valid)
    ]
    assert not days[0] & days[1]
    assert sorted(days[0] | days[1]) == [f"sound_day {take}" for take in range(6)]
    folds = {**config, "group": None, "split": "day", "scored": ["day 1", "day 3"]}
    opened = data.open_data(folds, str(sounds / "audio"), str(sounds / "dev.csv"))
    assert (len(opened.train), len(opened.valid)) == (28, 14)
    assert opened.train[4]["label"].tolist() == [1.0, 1.0, 0.0]


def test_a_share_of_sounds_that_are_their_own_groups_is_a_share():
    """Each was the only one of its instrument, of which at least one is kept: all were."""
    names = [f"sound_{place}.wav" for place in range(40)]
    assert len(data.take_share(names, list(range(40)), 0.25)) == 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "gm-notes", "--task", "tags"], "--task tags: the notes of gm-notes have one"),
        (["--data", "table", "--task", "tags"], "--data table and --table FILE go together"),
        (["--task", "pitch"], "--task: sounds of a table have labels (family, tags) alone"),
        (["--separator", ";", "--task", "family"], "have several labels each; take --task tags"),
        (["--scored", "test"], "--scored must name folds of the table, which are train, val, got"),
        (["--label", "label"], "`label` must be a column of"),
        (["--table", "none.csv"], "--table: there is no file none.csv"),
    ],
)
def test_what_does_not_go_together_is_said_before_the_first_run(
    sounds, tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.setattr(execute, "train", lambda *_: pytest.fail("a run began"))
    given = words_of(sounds, tmp_path / "out", *words)
    if words[:2] in (["--data", "gm-notes"], ["--data", "table"]):
        given = [*words, "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["ablation.py", *given])
    try:
        status = command.main()
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert message in capsys.readouterr().err


def test_labels_of_one_class_are_no_tags(sounds, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(execute, "train", lambda *_: pytest.fail("a run began"))
    words = words_of(sounds, tmp_path / "out", "--label", "day")
    place = words.index("--separator")
    monkeypatch.setattr("sys.argv", ["ablation.py", *words[:place], *words[place + 2 :]])
    assert command.main() == 2
    error = capsys.readouterr().err
    assert "--task tags: these sounds have one label each; say with --separator" in error


def test_sounds_to_score_without_any_tag_are_refused_before_the_first_run(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(execute, "train", lambda *_: pytest.fail("a run began"))
    rng = np.random.default_rng(0)
    rows = [["fname", "labels", "split"]]
    for place in range(8):
        soundfile.write(tmp_path / f"{place}.wav", sound([], rng), 8_000)
        rows.append([str(place), "" if place > 6 else "hum", "val" if place > 6 else "train"])
    with (tmp_path / "dev.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    words = words_of(tmp_path, tmp_path / "out", "--root", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["ablation.py", *words])
    assert command.main() == 2
    assert "no sound to score has a label" in capsys.readouterr().err


def tagged_run(rng, quality, groups, seed=0):
    """Scores of 3 tags for sounds of some groups, of which each is easier or harder by luck."""
    truth = np.random.default_rng(7).random((len(groups), 3)) < (0.5, 0.3, 0.1)
    truth[:2] = True
    scores = 1.0 / (1.0 + np.exp(-(quality * truth + rng.normal(size=truth.shape))))
    labels = [np.flatnonzero(row).tolist() for row in truth]
    kept = np.round(scores, 2).tolist()  # with ties
    return {
        "labels": labels,
        "scores": kept,
        "instruments": [f"sound_{group}" for group in groups],
        "confidences": [],
        "indices": list(range(len(groups))),
        "losses": [1.0],
        "config": {"seed": seed},
        "seconds": 1.0,
        "seconds_per_epoch": 1.0,
        "peak_memory_mb": 1.0,
        **tags.score_tags(labels, kept, TAGS),
    }


def test_resampled_scores_are_the_map_of_the_drawn_groups():
    rng = np.random.default_rng(0)
    groups = rng.integers(8, size=60)
    run = tagged_run(rng, 1.0, groups)
    ranked = tags.Rankings(run)
    weights = np.vstack([np.ones(8), rng.integers(0, 4, size=(5, 8))]).astype(float)
    found = ranked.scores([run], weights)[:, 0]
    truth, scores = tags.multi_hot(run["labels"], 3), np.array(run["scores"])
    for weight, score in zip(weights, found, strict=True):
        expected = [
            average_precision_score(truth[:, k], scores[:, k], sample_weight=weight[groups])
            for k in range(3)
            if truth[weight[groups] > 0, k].any()
        ]
        assert score == pytest.approx(np.mean(expected))
    assert found[0] == pytest.approx(run["mean_average_precision"])


def test_a_sound_that_moves_alone_changes_the_average_precision_by_so_much():
    rng = np.random.default_rng(4)
    for size in (2, 3, 30):
        for _ in range(20):
            truth = rng.random(size) < 0.4
            truth[0] = True
            before, after = np.round(rng.random((2, size)), 1)  # with ties
            found = tags.moved(before, after, np.flatnonzero(truth))
            for place in range(size):
                other = before.copy()
                other[place] = after[place]
                expected = average_precision_score(truth, other)
                expected -= average_precision_score(truth, before)
                assert found[place] == pytest.approx(expected, abs=1e-12)


def test_the_parts_of_groups_add_up_to_the_difference():
    rng = np.random.default_rng(1)
    groups = rng.integers(8, size=200)
    base, arm = tagged_run(rng, 1.0, groups), tagged_run(rng, 2.0, groups)
    for kind, metric, within in ((tags.Rankings, tags.MAP, 0.1), (Groups, "macro_recall", 1e-9)):
        parts = kind(base).parts([arm], [base])
        assert parts.shape == (8,)
        difference = arm[metric] - base[metric]
        assert abs(parts.sum() - difference) <= within * difference
    assert not tags.Rankings(base).parts([base], [base]).any()


def test_arms_that_differ_by_luck_alone_are_told_apart_in_one_study_of_twenty():
    """By own ranks alone, without what a sound does to the ranks of others, it was one in four."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(150):
        base, arm = (tagged_run(rng, 1.5, np.arange(60)) for _ in range(2))
        found.append(sign_flip_test(tags.Rankings(base), [arm], [base]) < 0.05)
    assert np.mean(found) < 0.1


def test_a_clear_effect_on_tags_is_found_and_none_is_not():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), 10)
    same, better = [], []
    for seed in range(2):
        base = tagged_run(rng, 0.5, groups, seed)
        same.append(base)
        truth = tags.multi_hot(base["labels"], 3)
        scores = (0.7 * np.array(base["scores"]) + 0.3 * truth).tolist()
        better.append({**base, "scores": scores, **tags.score_tags(base["labels"], scores, TAGS)})
    rows = analyse.summarise({"none": same, "better": better, "same": same})
    assert [row["metric"] for row in rows] == [tags.MAP] * 3
    assert [row["verdict"] for row in rows[1:]] == ["helps", "no evidence of a difference"]
    assert rows[1]["difference_low"] > 0.0
    assert rows[2]["difference"] == rows[2]["difference_low"] == 0.0
    assert "mAP" in report.describe(rows)


def test_folds_of_tags_are_pooled():
    rng = np.random.default_rng(3)
    parts = [tagged_run(rng, 1.0, np.arange(10) + 10 * place) for place in range(2)]
    pooled = analyse.pool(parts)
    truth = np.vstack([tags.multi_hot(part["labels"], 3) for part in parts])
    scores = np.vstack([part["scores"] for part in parts])
    assert pooled[tags.MAP] == pytest.approx(average_precision_score(truth, scores))
    assert len(pooled["scores"]) == 20
