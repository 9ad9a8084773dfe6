"""The loop that people copy: it runs, learns, and leaves what is needed to use its network."""

import runpy

import torch
from recipe_runs import RECIPES
from safetensors.torch import load_file

import augspec

GMNotes = augspec.datasets.GMNotes


class FewNotes(torch.utils.data.Dataset):
    """Every twentieth of the notes."""

    def __init__(self, split):
        self.notes = GMNotes(split)
        self.classes, self.sample_rate = self.notes.classes, self.notes.sample_rate

    def __len__(self):
        return len(self.notes) // 20

    def __getitem__(self, index):
        return {**self.notes[20 * index], "index": index}


def test_the_loop_trains_and_its_network_can_be_used(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(augspec.datasets, "GMNotes", FewNotes)
    monkeypatch.setattr("sys.argv", ["train.py", "--epochs", "2", "--out", str(tmp_path)])
    found = runpy.run_path(str(RECIPES / "train.py"))
    printed = capsys.readouterr().out
    assert "epoch 2: training loss " in printed
    assert "macro recall " in printed
    frontend = augspec.load(tmp_path / "frontend.yaml").eval()
    model = augspec.create_backbone("resnet10t", num_classes=10, in_chans=1)
    model.load_state_dict(load_file(tmp_path / "model.safetensors"))
    note = FewNotes("valid")[3]["waveform"][None]
    with torch.no_grad():
        again = model.eval()(frontend(note))
        expected = found["model"](found["frontend"](note.to(found["device"]))).cpu()
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-4)


def test_it_is_short_enough_to_read():
    """About 100 lines, no function and no class: read from top to bottom."""
    text = (RECIPES / "train.py").read_text()
    assert len(text.splitlines()) <= 110
    assert "def " not in text
    assert "class " not in text
