"""The code of the guides runs as it stands, from top to bottom."""

import re
from pathlib import Path

import pytest
import torch
from matplotlib import pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"


def sections(name):
    """Split a guide at its headings; the code before the first heading belongs to each."""
    text = (DOCS / name).read_text(encoding="utf-8")
    first, *others = re.split(r"^## ", text, flags=re.MULTILINE)
    blocks = [
        re.findall(r"```python\n(.*?)```", part, flags=re.DOTALL) for part in (first, *others)
    ]
    return {
        part.splitlines()[0]: blocks[0] + own for part, own in zip(others, blocks[1:], strict=True)
    }


FRAMEWORKS = sections("frameworks.md")


def run(blocks):
    names = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, "guide", "exec"), names)  # noqa: S102
    return names


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Kernels compile for minutes on a busy machine, and the guides are not about them.
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")
    yield
    plt.close("all")


def test_a_plain_loop():
    names = run(FRAMEWORKS["A plain loop"])
    assert torch.isfinite(names["loss"])
    assert names["batch"]["specgram"].shape[1:] == (1, 40, 63)


def test_in_the_data_set():
    blocks = [*FRAMEWORKS["A plain loop"], *FRAMEWORKS["In the data set, on the workers"][1:]]
    names = run(blocks)
    assert torch.isfinite(names["loss"])
    assert names["specgram"].shape == (1, 40, 63)


@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated")
def test_lightning():
    names = run(FRAMEWORKS["Lightning"])
    assert names["trainer"].global_step == 3
    assert 0.0 <= names["trainer"].callback_metrics["accuracy"] <= 1.0


# What fastai calls when it is imported.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated")
def test_fastai():
    names = run(FRAMEWORKS["fastai"])
    assert len(names["learn"].recorder.values) == 1
    valid = sum(1 for _ in Path("notes", "valid").rglob("*.wav"))
    assert names["interpretation"].confusion_matrix().sum() == valid


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator")
def test_hugging_face():
    names = run(FRAMEWORKS["Hugging Face"])
    assert names["trainer"].state.global_step == 3
    assert torch.isfinite(torch.tensor(names["metrics"]["eval_loss"]))


def test_every_section_is_run():
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'FRAMEWORKS["{name}"]' in source for name in FRAMEWORKS)


def test_looking_and_listening():
    text = (DOCS / "plots.md").read_text(encoding="utf-8")
    names = run(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    assert Path("pitch-shift.png").stat().st_size > 10_000
    assert names["page"].startswith("<figure>")
