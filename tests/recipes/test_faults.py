"""A full or read-only disk under an ablation: a clear error, and no finished run is lost."""

import pytest
from disk import no_file_beyond, small_disk
from recipe_runs import numbers, records, tables

ARMS = ("--arms", "gain", "--seeds", "1")


DISKS = {
    "a limit on files": lambda _: no_file_beyond(20_000),
    "a small disk": lambda folder: small_disk(folder, 65_536),
}


@pytest.mark.parametrize("disk", DISKS)
def test_a_checkpoint_that_does_not_fit_fails_the_run_and_not_its_numbers(
    run, tmp_path, capsys, disk
):
    words = (*ARMS, "--epochs", "2")
    assert run(tmp_path / "whole", *words) == 0
    out = tmp_path / "full"
    with DISKS[disk](out) as make_room:
        # Where no file can be written, what failed cannot be noted either: the study ends.
        assert run(out, *words) in (1, 2)
        printed = capsys.readouterr().err
        assert "none, seed 0: failed: " in printed or "No space left on device" in printed
        assert records(out) == {}
        assert not list(out.glob("runs/*/checkpoint.pt"))
        make_room()
        assert run(out, *words) == 0
        expected, found = records(tmp_path / "whole"), records(out)
        assert {k: numbers(v) for k, v in found.items()} == {
            k: numbers(v) for k, v in expected.items()
        }
        assert tables(out) == tables(tmp_path / "whole")


def test_a_report_that_does_not_fit_costs_no_run(run, tmp_path, capsys):
    assert run(tmp_path, *ARMS) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "runs").glob("*.json")}
    with no_file_beyond(5000):
        assert run(tmp_path, *ARMS) == 2
    assert "ablation.py: [Errno 27] File too large" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "runs").glob("*.json")} == before
    assert run(tmp_path, *ARMS) == 0


@pytest.mark.parametrize("out", ["/sys/kernel/out", "file/out"])
def test_a_place_that_cannot_be_written_is_an_error_without_a_traceback(
    script, arguments, monkeypatch, tmp_path, capsys, out
):
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["ablation.py", *arguments(out, *ARMS)])
    assert script.main() == 2
    printed = capsys.readouterr().err
    assert printed.startswith("ablation.py: [Errno ")
    assert "out" in printed
