"""The command for whoever has a GPU: here it runs on a CPU, with the ways that a GPU takes."""

import json

import pytest
import torch

from augspec.testing import gpu


def test_without_a_gpu_it_says_so(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--out", str(tmp_path / "report")]) == 2
    assert "no GPU" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.filterwarnings("ignore")  # those of the peers
def test_it_compares_and_times_and_writes_both_files(tmp_path):
    assert gpu.main(["--device", "cpu", "--quick", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert all(row["close"] for row in report["parity"])
    assert len(report["parity"]) > 60
    names = {row["name"] for row in report["times"]}
    assert {"augspec log-mel", "augspec fused front end"} <= names
    assert names.isdisjoint(report["missing"])
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "not on a CPU" in page
    for name in (*names, *report["missing"]):
        assert name in page
