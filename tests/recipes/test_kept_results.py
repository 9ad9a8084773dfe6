"""The records that are kept: a study goes on from them, and the page of results is theirs."""

import collections
import itertools
import json
import re
from pathlib import Path

import pytest

from augspec.ablation import analyse

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "results"
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
NSYNTH = ("--data", "nsynth")
STUDIES = {
    "screen": ("### Screened", ("--study", str(ROOT / "recipes/configs/screen.yaml"))),
    "conditions": (
        "**Clean notes of other instruments**",
        ("--study", str(ROOT / "recipes/configs/conditions.yaml")),
    ),
    "conditions-long": (
        "**Clean notes, 16 epochs**",
        ("--study", str(ROOT / "recipes/configs/conditions-long.yaml")),
    ),
    "conditions-32": (
        "**Clean notes, 32 epochs**",
        ("--study", str(ROOT / "recipes/configs/conditions-32.yaml")),
    ),
    "nsynth": ("### Confirmed", ("--study", str(ROOT / "recipes/configs/nsynth.yaml"))),
    "article": (
        "## Pictures written beforehand, or spectrograms on the fly",
        ("--preset", "article", *NSYNTH, "--seeds", "2"),
    ),
    "single": (
        "## Four epochs, each augmentation alone",
        (*NSYNTH, "--seeds", "3", "--arms", "none,gain,crop,pitch,stretch,all,all-unfused"),
    ),
}
PROBES = {
    "1/4": "mixup-alpha-1,mixup-eq,mixup-gain,mixup-shift,mixup-room,mixup-larger-room,"
    "mixup-relative",
    "2/4": "mixup-relative,mixup-relative-128-mels,mixup-room-relative-128-mels",
}


def table_below(heading):
    """Read the first table below a heading of the page: each row by the headings."""
    lines = itertools.dropwhile(
        lambda line: not line.startswith("|"), PAGE.split(f"\n{heading}\n")[1].splitlines()
    )
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    names, _, *cells = ([cell.strip(" *") for cell in row.strip("|").split("|")] for row in rows)
    return [dict(zip(names, own, strict=True)) for own in cells]


@pytest.fixture
def rows_of(script, root):
    def rows_of(name, *words):
        """Make the rows of a study of records alone."""
        options = script.parse([*words, "--root", str(root), "--out", str(KEPT / name)])
        planned, place = script.make_plan(options), script.make_place(options)
        assert {place.record(one.config).exists() for one in planned} == {True}
        return script.compare(planned, script.read_runs(planned, place), options.across)

    return rows_of


def check(rows, shown):
    """Compare what a table of the page has in common with a study's own."""
    assert len(shown) == len(rows)
    for row, cells in zip(rows, shown, strict=True):
        low, high = 100 * row["difference_low"], 100 * row["difference_high"]
        spread = "" if row["spread"] is None else f" ± {100 * row['spread']:.1f}"
        expected = {
            "accuracy": f"{100 * row['accuracy']:.1f} %",
            "macro recall": f"{100 * row['macro_recall']:.1f} %",
            "difference": f"{100 * row['difference']:+.1f}{spread}",
            "95 % interval": f"{low:+.1f} to {high:+.1f}",
            "ECE": f"{100 * row['calibration_error']:.1f} %",
            "s/epoch": f"{row['seconds_per_epoch']:.1f}",
            "whole run, s": f"{row['seconds']:.1f}",
            "writing, s": f"{row['seconds_writing']:.1f}" if row["seconds_writing"] else "",
            "on disk, MB": f"{row['disk_mb']:.1f}" if row["disk_mb"] else "",
        }
        if row["verdict"] == "baseline":
            expected |= {"difference": "", "95 % interval": ""}
        expected["difference from none"] = expected["difference"]
        found = {name: own for name, own in cells.items() if name in expected}
        assert len(found) >= 4
        assert found == {name: expected[name] for name in found}, row["arm"]


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_has_the_figures_of_the_records(rows_of, name):
    heading, words = STUDIES[name]
    check(rows_of(name, *words), table_below(heading))


def test_the_page_has_the_figures_of_imagenet():
    files = (KEPT / "imagenet" / "runs").glob("*.json")
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    paired = collections.defaultdict(list, none=[])  # the baseline first
    for run in sorted(runs, key=lambda run: run["config"]["seed"]):
        paired["none" if run["config"]["pretrained"] is None else "ImageNet"].append(run)
    check(analyse.summarise(paired), table_below("## ImageNet weights, or none"))


def test_the_page_has_the_figures_of_weights_of_music():
    files = (KEPT / "weights" / "runs").glob("*.json")
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    names = {
        ("musicnn_vgg", None): "none",
        ("musicnn_vgg", "mtt"): "MagnaTagATune",
        ("musicnn_vgg", "msd"): "MSD",
        ("tf_efficientnet_lite0", "efficientnet_lite0"): "ImageNet",
        ("tf_efficientnet_lite0", None): "random, EfficientNet",
    }
    paired = {name: [] for name in names.values()}
    for run in sorted(runs, key=lambda run: run["config"]["seed"]):
        file = run["config"]["pretrained"]
        network = run["config"]["backbone"]
        paired[names[network, file and file["file"].removesuffix(".safetensors")]].append(run)
    assert {len(seeds) for seeds in paired.values()} == {6}
    check(analyse.summarise(paired), table_below("## Weights of music, of photographs, or none"))


def load(file):
    return json.loads(file.read_text(encoding="utf-8"))


def means_of_conditions(study, place, read):
    """Average over seeds what ``read`` takes from a file of each run, by arm and in percent."""
    found = collections.defaultdict(list)
    for run in sorted((KEPT / study / "runs").glob("*.json")):
        file = KEPT / study / place.format(run.stem)
        found[load(run)["config"]["arm"]].append(read(load(file)))
    assert {len(values) for values in found.values()} == {6}
    # The page has one decimal, and either of two where the mean lies between them.
    return {arm: pytest.approx(100 * sum(own) / 6, abs=0.05 + 1e-9) for arm, own in found.items()}


LENGTHS = {"conditions": "", "conditions-long": ", 16 epochs", "conditions-32": ", 32 epochs"}


@pytest.mark.parametrize("study", LENGTHS)
def test_the_page_has_the_figures_of_every_condition(study):
    shown = table_below(f"**Macro recall in percent under each condition{LENGTHS[study]}**")
    assert len(shown) == 14
    for row in shown:
        name = row["condition"].strip("`")
        expected = means_of_conditions(
            study, "runs/{}/conditions.json", lambda scores, name=name: scores[name]["macro_recall"]
        )
        cells = {arm: row[arm.removeprefix("gain, equalizer, ")] for arm in expected}
        assert {arm: float(cell.strip("*")) for arm, cell in cells.items()} == expected, name


@pytest.mark.parametrize("study", LENGTHS)
def test_the_page_has_the_figures_of_electronic_instruments(study):
    shown = table_below(f"**Electronic instruments{LENGTHS[study]}**")
    expected = means_of_conditions(study, "test/{}.json", lambda scores: scores["macro_recall"])
    assert {row["arm"]: float(row["macro recall"].rstrip(" %")) for row in shown} == expected


def test_the_page_has_the_figures_of_the_probes(rows_of):
    text = PAGE.split("Dropped after one or two folds")[1].split("### Confirmed")[0]
    shown = re.findall(r"^\| (\d) \| ([\d.]+) % \| .* \| ([\d.]+) % \|$", text, re.MULTILINE)
    study = ("--study", str(ROOT / "recipes" / "configs" / "probes.yaml"))
    expected = []
    for fold, arms in PROBES.items():
        none, *others = rows_of("probes", *study, "--fold", fold, "--arms", arms)
        scores = [f"{100 * row['macro_recall']:.1f}" for row in (none, *others)]
        expected += [(fold[0], scores[0], score) for score in scores[1:]]
    assert shown == expected


def test_some_instruments_are_never_found():
    found = collections.Counter()
    for path in (KEPT / "nsynth" / "runs").glob("*.json"):
        run = json.loads(path.read_text(encoding="utf-8"))
        for one in zip(run["instruments"], run["labels"], run["predictions"], strict=True):
            found[one[0]] += one[1] == one[2]
    assert found["string_acoustic_014"] == found["brass_acoustic_016"] == 0
    assert found["organ_electronic_028"] < 18 * 44 * 0.03


def test_records_name_no_folder_of_the_machine_that_made_them():
    records = list(KEPT.glob("*/runs/*.json"))
    assert len(records) == 60 + 18 + 12 + 4 + 21 + 12 + 30 + 30 + 54 + 12
    for record in records:
        assert not re.search(r'"/|[ =]/', record.read_text(encoding="utf-8")), record.name
