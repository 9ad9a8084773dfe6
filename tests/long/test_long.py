"""Every long check, at a hundredth."""

import importlib
import json

import pytest
from own_process import in_own_process

FUZZERS = [
    "fuzz_config",
    "fuzz_params",
    "fuzz_packed",
    "fuzz_archive",
    "fuzz_audio",
    "fuzz_table",
    "fuzz_events",
    "fuzz_study",
]


@pytest.mark.slow
@pytest.mark.usefixtures("eager_kernels")
def test_properties():
    import properties

    met, broken = properties.properties(1000)
    assert not broken, "\n".join(broken)
    assert met.total() > 900


@pytest.mark.slow
@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore:.*fork")
def test_circumstances():
    import all_circumstances as long
    import circumstances

    rows = circumstances.several(2, 0) + long.ten_minutes()[:1]
    met, broken = long.all_circumstances(rows[:2])
    assert not broken, "\n".join(broken)
    assert met.total() == 2 * len(circumstances.SUBJECTS)
    _, broken = long.all_circumstances(rows[2:], ["Gain", "LogMelSpectrogram"])
    assert not broken


@pytest.mark.slow
@pytest.mark.parametrize("fuse", ["auto", "never"])
def test_memory_does_not_grow_and_nothing_is_compiled_again(fuse):
    from long_run import long_run

    result = long_run(100, fuse)
    assert result["compiled_again"] == 0
    assert result["graphs"] > 0
    assert result["growth"] < 0.01


@pytest.mark.slow
@pytest.mark.usefixtures("eager_kernels")
def test_kernels_of_another_instruction_set_without_torch(tmp_path):
    """`replay.py` compiles for the plainest set, and finds the numbers of the best one."""
    import replay

    in_own_process(replay.record, tmp_path / "calls")
    found = replay.replay(tmp_path / "calls", replay.load_library(None))
    assert len(found) > 35
    assert all(count and difference < 3e-6 for count, difference in found.values()), found
    # A number that was written otherwise is noticed.
    calls = json.loads((tmp_path / "calls" / "calls.json").read_text())
    calls[0]["after"] = calls[-1]["after"]
    calls[0]["after"][0][2] = calls[0]["before"][0][2]
    (tmp_path / "calls" / "calls.json").write_text(json.dumps(calls[:1]))
    ((_, difference),) = replay.replay(tmp_path / "calls", replay.load_library(None)).values()
    assert difference > 0.01


@pytest.mark.slow
def test_a_killed_study_ends_with_the_tables_of_an_undisturbed_one(tmp_path):
    from kills import kills

    assert kills(tmp_path, 1)["kills"] == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
def test_no_run_is_lost_with_a_node(tmp_path):
    from ray_node_lost import ray_node_lost

    found = in_own_process(ray_node_lost, tmp_path / "out", 9, 0.2)
    assert found.reported == {"done": 9}
    assert found.records == 9


@pytest.mark.slow
@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.parametrize("name", FUZZERS)
def test_damaged_input_ends_in_documented_errors(name):
    import fuzzing

    fuzzer = importlib.import_module(name)
    tried, failures = fuzzing.fuzz(fuzzer.target, fuzzer.SEEDS, fuzzer.ALLOWED, cases=300)
    assert tried == 300
    assert not failures, "\n".join(f"{error!r} of {data!r:.300}" for data, error in failures)


def test_the_fuzzer_finds_what_is_wrong():
    import fuzzing

    def crashes(data, _):
        if b"b" in data:
            raise KeyError("b")
        raise ValueError("refused")

    def writes(_, folder):
        (folder.parent.parent / "augspec_fuzz_stray").mkdir(exist_ok=True)
        (folder.parent.parent / "augspec_fuzz_stray").rmdir()

    _, found = fuzzing.fuzz(crashes, [b"a", b"b"], (ValueError,), cases=2)
    assert [type(error) for _, error in found] == [KeyError]
    _, found = fuzzing.fuzz(writes, [b"a"], (ValueError,), cases=1)
    assert "augspec_fuzz_stray" in str(found[0][1])
