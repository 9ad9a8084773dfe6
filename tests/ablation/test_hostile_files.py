"""Names that a spreadsheet would run; studies and scores that are damaged: see fuzz_study."""

import csv
import io
import json

import pytest

from augspec.ablation import conditions
from augspec.ablation.files import csv_text
from augspec.ablation.study import settle


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")']
)
def test_a_spreadsheet_computes_nothing(text):
    (cells,) = csv.reader(io.StringIO(csv_text([[text, "plain", 3]]), newline=""))
    assert cells == [f"'{text}", "plain", "3"]


def test_numbers_stay_numbers():
    cells = [-1.5, 3, "-0.012500", "+1e-3", "-inf", "a=b", "", None]
    assert csv_text([cells]) == "-1.5,3,-0.012500,+1e-3,-inf,a=b,,\r\n"


@pytest.mark.parametrize(
    "axes", ["{task: [{a: 1}]}", "{task: [[a]]}", "{sampling: [{}]}", "{backbone: [[x]]}"]
)
def test_a_value_of_an_axis_that_is_no_name_is_refused(axes, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(f"axes: {axes}\n")
    with pytest.raises(ValueError, match="`axes`: (task|sampling|backbone) must be"):
        settle({}, path)


@pytest.mark.parametrize(
    "content",
    [
        [],
        3,
        {"noise-1": 3},
        {"noise-1": {}},
        {"noise-1": {"accuracy": "0.5", "predictions": []}},
        {"noise-1": {"accuracy": 2.0, "predictions": []}},
        {"noise-1": {"accuracy": 0.5}},
    ],
)
def test_scores_that_are_none_name_their_file(content, tmp_path):
    path = tmp_path / "conditions.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        conditions.read_scores(tmp_path)


def test_json_that_is_too_deep_names_its_file(tmp_path):
    path = tmp_path / "conditions.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        conditions.read_scores(tmp_path)
