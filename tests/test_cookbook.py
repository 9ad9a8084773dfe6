"""The pages of the cookbook run as they stand."""

from pathlib import Path

import pytest
import torch
from guides import code_of

pytestmark = pytest.mark.usefixtures("eager_kernels")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(blocks):
    names = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, "guide", "exec"), names)  # noqa: S102
    return names


def test_fine_tuning():
    names = run(code_of("howto/finetune.md"))
    assert torch.isfinite(names["loss"])
    stem = names["rgb"].state_dict()["conv1.0.weight"].sum(1, keepdim=True)
    loaded = names["augspec"].create_backbone(
        "resnet10t", num_classes=10, checkpoint="weights.safetensors"
    )
    torch.testing.assert_close(loaded.state_dict()["conv1.0.weight"], stem)
    assert sum(map(len, ([*names["head"]], names["body"]))) == len([*names["model"].parameters()])


def test_test_time_augmentation():
    names = run(code_of("howto/test-time.md"))
    assert names["once"].scores.shape == names["often"].scores.shape == (12, 10)
    assert not torch.allclose(names["once"].scores, names["often"].scores)
    assert set(names["accuracy"]) == {"one view", "four views"}


def test_speech():
    names = run(code_of("howto/speech.md"))
    assert names["digits"].classes == ["0", "1", "2"]
    assert len(names["train"]) == 18
    assert names["lengths"].shape == (6,)
    assert names["specgram"].shape[1:3] == (1, 40)


def test_birds():
    names = run(code_of("howto/birds.md"))
    assert names["batch"]["specgram"].shape == (4, 1, 96, 313)
    assert len(set(names["birds"].groups)) == 3


def test_stereo():
    names = run(code_of("howto/stereo.md"))
    assert names["frontend"](names["music"]).shape == (4, 2, 128, 173)
    assert names["stereo"].shape == (2, 44_100)


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
def test_resuming():
    pytest.importorskip("torchdata")
    names = run(code_of("howto/resume.md"))
    assert torch.equal(names["resumed"]["specgram"], names["expected"]["specgram"])
    assert Path("run.pt").exists()


def test_speed():
    names = run(code_of("howto/speed.md"))
    waveform = names["waveform"]
    assert "fused" in names["good"].plan(waveform)
    assert names["good"].plan(waveform) != names["bad"].plan(waveform)
