"""Score the finished runs of a study on another split of NSynth that was not used to choose arms.

    python recipes/score_split.py --split test --study FILE --root DIR --out OUT

takes the options of the study's command, and needs the weights in OUT/runs/NAME. `DIR` holds
`nsynth-test` beside `nsynth-train` and `nsynth-valid`. It trains nothing. Scores are stored in
OUT/SPLIT, one file per run, and the table is OUT/SPLIT.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from safetensors.torch import load_file

import augspec
from augspec.ablation import command
from augspec.ablation.data import Notes, class_names, make_loader
from augspec.ablation.execute import Place
from augspec.ablation.files import write_text
from augspec.ablation.plan import Config, make_frontend, read_json
from augspec.ablation.report import to_markdown
from augspec.ablation.runs import compare, make_place, make_plan
from augspec.ablation.train import evaluate


def score(place: Place, config: Config, split: str) -> dict[str, Any]:
    """Score a run on a split, or read its stored score."""
    path = place.out / split / place.record(config).name
    if path.exists():
        return dict(read_json(path))
    record, weights = read_json(place.record(config)), place.folder(config) / "model.safetensors"
    config = record["config"]  # with the mean and deviation of the features' normalisation
    whole = augspec.datasets.NSynth(str(place.root), split)
    notes = Notes(whole, range(len(whole)), config["task"])
    classes = class_names(augspec.datasets.NSynth(str(place.root), "train"), config["task"])
    model = augspec.create_backbone(config["backbone"], num_classes=len(classes))
    model.load_state_dict(load_file(weights))
    frontend = make_frontend(config["transforms"], config["features"], config["arm"]).eval()
    batches = augspec.DeviceLoader(make_loader(notes, 64), frontend, device="cpu")
    found = {**record, **evaluate(model, batches, classes, config["task"])}
    path.parent.mkdir(exist_ok=True)
    write_text(path, json.dumps(found, allow_nan=False))
    return found


def main() -> int:
    """Score all rows for the seeds that every row has."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("--split", default="test", choices=("test", "valid"))
    options, words = parser.parse_known_args()
    study = command.parse(words)
    if study.data != "nsynth" or study.scored_folds != [None]:
        print("score_split.py: --data must be nsynth, without folds", file=sys.stderr)
        return 2
    planned, place = make_plan(study), make_place(study)
    rows = list(dict.fromkeys(one.row for one in planned))
    done = [one for one in planned if place.record(one.config).exists()]
    seeds = [
        seed
        for seed in range(study.seeds)
        if {one.row for one in done if one.config["seed"] == seed} == set(rows)
    ]
    if not seeds:
        print("No seed has a finished run of every arm yet: nothing to compare.", file=sys.stderr)
        return 1
    runs: dict[str, list[Any]] = {row: [] for row in rows}
    for one in done:
        if one.config["seed"] in seeds:
            runs[one.row].append(score(place, one.config, options.split))
    title = f"{study.data}, {options.split}, seeds: {len(seeds)}"
    text = to_markdown(title, compare(planned, runs, study.across), [])
    write_text(place.out / f"{options.split}.md", text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
