"""What every class draws and gives is what the release before drew and gave."""

import copy
import json

import pins
import pytest

pytestmark = pytest.mark.usefixtures("eager_kernels")
KEPT = json.loads(pins.FILE.read_text(encoding="utf-8"))
ROWS = KEPT["rows"]
CHANGELOG = (pins.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_class_has_a_row():
    assert sorted(ROWS) == sorted(pins.table.SUBJECTS), "run `python tests/pins.py`"


@pytest.mark.parametrize("name", ROWS)
def test_draws_and_results_are_those_of_the_release(name):
    found = pins.differences(pins.row_of(name), ROWS[name], pins.same_processor(KEPT))
    assert not found, (
        f"{name}: {found} are others than in pins.json. If that is meant, run "
        f"`python tests/pins.py` and name `{name}` in the changelog"
    )


def test_what_changed_after_a_release_is_in_the_changelog():
    assert not pins.unnamed(ROWS, CHANGELOG)


LOG = (
    "## Unreleased\n\n- `Gain` draws otherwise.\n\n## 0.2.0 - 2026-12-01\n\n- `Speed` is faster.\n"
)


def test_a_row_that_changed_must_be_named_above_the_release():
    rows = {name: {"changed_after": "0.2.0"} for name in ("Gain", "Speed")}
    assert pins.unnamed(rows, LOG) == ["Speed"]
    # Once the next version has a section, what stood above 0.2.0 still does.
    assert pins.unnamed(rows, LOG.replace("Unreleased", "0.3.0 - 2027-01-01")) == ["Speed"]
    assert not pins.unnamed({"Speed": {"changed_after": None}}, LOG)


@pytest.mark.parametrize("name", ["Gain", "PitchShift", "LogMelSpectrogram"])
def test_a_row_sees_a_change(name):
    kept = {name: ROWS[name]}
    for part in set(ROWS[name]) & {"params", "lengths", "sums", "targets"}:
        changed = copy.deepcopy(ROWS[name])
        changed[part] = _changed(changed[part])
        assert pins.differences(changed, ROWS[name], exact=True) == [part]
        (row,) = pins.renewed(kept, {name: changed}, "0.2.0", LOG).values()
        assert row["changed_after"] == "0.2.0"
        (row,) = pins.renewed(kept, {name: changed}, "0.3.0", LOG).values()  # is not out yet
        assert row["changed_after"] is None
    assert pins.renewed(kept, {name: ROWS[name]}, "0.2.0", LOG) == kept


def _changed(value):
    """Give a value with its last number a little larger."""
    if isinstance(value, dict):
        last = list(value)[-1]
        return {**value, last: _changed(value[last])}
    if isinstance(value, list):
        return [*value[:-1], _changed(value[-1])]
    if isinstance(value, str | bool):
        return not value
    return value + (1 if isinstance(value, int) else 1e-3)
