"""Fuzz the files of an ablation: a study with its conditions, and scores under conditions."""

import json
import sys

import fuzzing
import yaml

from augspec.ablation import conditions, study

ALLOWED = (ValueError,)
STUDIES = [
    {"conditions": "all-3", "seeds": 2, "arms": {"loud": ["Gain"], "none": []}},
    {"conditions": ["noise", "room-3"], "epochs": 3, "learning_rate": "1e-3", "plan": None},
    {"data": "folder", "root": "sounds", "group": "{family}_*", "share": 0.5, "fold": "1/4"},
    {"axes": {"task": ["family", "pitch"]}, "arms": {"a": [{"Gain": {"gain_db": [-6, 6]}}]}},
    {"data": "table", "table": "t.csv", "label": "tags", "separator": ",", "task": "tags"},
]
SCORES = {
    name: {"accuracy": 0.5, "macro_recall": 0.25, "predictions": [0, 1, 1], "recall": {"a": 0.5}}
    for name in ("noise-1", "room-3")
}
SEEDS = [yaml.safe_dump(one).encode() for one in STUDIES]
SEEDS += [json.dumps(SCORES).encode(), json.dumps({}).encode()]


def _study(path):
    made = study.settle({}, path)
    if any(not 1 <= severity <= 5 for _, severity in made.conditions or ()):
        raise RuntimeError(f"conditions {made.conditions}")


def _scores(path):
    for name, score in conditions.read_scores(path.parent).items():
        if conditions.under({}, path.parent, name)["predictions"] != score["predictions"]:
            raise RuntimeError("scores do not come out as they went in")


def target(data, folder):
    """Read the bytes as a study, and as the scores of a run."""
    refused = []
    for name, read in (("study.yaml", _study), ("conditions.json", _scores)):
        path = folder / name
        path.write_bytes(data)
        try:
            read(path)
        except ValueError as error:
            # What a study's settings must be is said by their names, as on the command line.
            if name == "conditions.json" and str(path) not in str(error):
                raise RuntimeError(f"the message does not name the file: {error}") from error
            refused.append(error)
    if len(refused) == 2:
        raise refused[0]


if __name__ == "__main__":
    sys.exit(fuzzing.main("files of a study", target, SEEDS, ALLOWED))
