"""Predicting over a data set: every file one row, whatever the batches."""

import numpy as np
import pytest
import soundfile
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.datasets import AudioFolder, AudioTable, Events, Packed, Windows, pack


class Items(torch.utils.data.Dataset):
    """Windows of three files, in the form in which `augspec.datasets.Windows` gives them."""

    sources = (0, 0, 0, 2, 2, 5)

    def __len__(self):
        return len(self.sources)

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return {
            "waveform": torch.randn(1, 1000, generator=generator),
            "index": index,
            "source": self.sources[index],
            "start": 1000 * index,
            "note": object(),  # nothing that a collate could take, and nothing that is needed
        }


class Files(Items):
    def __getitem__(self, index):
        item = super().__getitem__(index)
        return {"waveform": item["waveform"], "index": 10 * index}


@pytest.fixture
def frontend():
    return augspec.Frontend(T.Gain((-20.0, 20.0)), F.LogMelSpectrogram(n_fft=256, n_mels=32))


@pytest.fixture
def model():
    return augspec.create_backbone("test_resnet", num_classes=3, drop_rate=0.5)


def logits_of(model, frontend, dataset):
    waveform = torch.stack([dataset[place]["waveform"] for place in range(len(dataset))])
    with torch.no_grad():
        return model.eval()(frontend.eval()(waveform))


def assert_scores(found, expected):
    torch.testing.assert_close(found.scores, expected, rtol=1e-4, atol=1e-5)


class Recordings(Items):
    def __getitem__(self, index):
        item = super().__getitem__(index)
        return {**item, "recording": item.pop("source")}


@pytest.mark.parametrize("kind", [Items, Recordings])
@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_windows_of_a_file_are_averaged(model, frontend, batch_size, kind):
    found = augspec.predict(model, frontend, kind(), batch_size=batch_size)
    assert found.source.tolist() == [0, 2, 5]
    assert model.training, "modes are as before"
    assert frontend.training
    shares = logits_of(model, frontend, Items()).softmax(-1)
    assert_scores(found, torch.stack([shares[:3].mean(0), shares[3:5].mean(0), shares[5]]))
    torch.testing.assert_close(found.scores.sum(1), torch.ones(3))


LENGTHS = (9_000, 2_500, 4_000, 700)  # samples of recordings, of which windows have 2,000


@pytest.fixture
def recordings(tmp_path):
    for number, length in enumerate(LENGTHS):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, length)
        path = tmp_path / "recordings" / "ab"[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, 8_000)
    return AudioTable(
        [{"path": f"{'ab'[n % 2]}/{n}.wav"} for n in range(4)], tmp_path / "recordings", label=None
    )


def mean_over_windows(model, frontend, recording, hop):
    """Score the windows of a recording one by one, from the whole of its file."""
    whole = recording["waveform"]
    count = 1 + max(0, -(-(whole.shape[1] - 2_000) // hop))
    scores = []
    for place in range(count):
        part = whole[:, place * hop : place * hop + 2_000]
        padded = torch.nn.functional.pad(part, (0, 2_000 - part.shape[1]))[None]
        specgram, _ = frontend.eval()(padded, torch.tensor([part.shape[1]]))
        with torch.no_grad():
            scores.append(model.eval()(specgram).softmax(-1)[0])
    return torch.stack(scores).mean(0)


@pytest.mark.parametrize("batch_size", [3, 32])
@pytest.mark.parametrize("hop", [2_000, 1_000])
def test_the_windows_of_a_recording_are_joined(model, frontend, recordings, hop, batch_size):
    windows = Windows(recordings, 2_000 / 8_000, hop / 8_000)
    found = augspec.predict(model, frontend, windows, batch_size=batch_size)
    assert found.source.tolist() == [0, 1, 2, 3]
    expected = [mean_over_windows(model, frontend, item, hop) for item in recordings]
    assert_scores(found, torch.stack(expected))


@pytest.mark.parametrize("kind", ["loader", "subset", "packed", "events", "shuffled"])
def test_windows_are_joined_whatever_they_come_through(model, frontend, recordings, tmp_path, kind):
    windows = Windows(recordings, 2_000 / 8_000)
    expected = torch.stack([mean_over_windows(model, frontend, item, 2_000) for item in recordings])
    rows = [0, 1, 2, 3]
    data = windows
    if kind == "loader":
        data = DataLoader(windows, batch_size=3)
    elif kind == "subset":  # of recordings: they are numbered anew
        data, rows = Windows(Subset(recordings, [2, 0]), 2_000 / 8_000), [2, 0]
    elif kind == "packed":
        pack(windows, tmp_path / "p", dtype="float32", sample_rate=8_000, progress=False)
        data = Packed(tmp_path / "p")
    elif kind == "events":
        data = Events(windows, [("0.wav", 0.1, 0.2, "x")])
    elif kind == "shuffled":
        data = DataLoader(windows, batch_size=3, sampler=torch.randperm(len(windows)).tolist())
    found = augspec.predict(model, frontend, data)
    assert found.source.tolist() == list(range(len(rows)))
    assert_scores(found, expected[rows])


def test_long_files_of_a_folder_get_a_row_each_and_views_are_averaged(model, frontend, recordings):
    folder = AudioFolder(recordings.root)
    windows = Windows(folder, 2_000 / 8_000)
    found = augspec.predict(model, frontend, windows, views=3)
    again = augspec.predict(model, frontend, windows, views=3, batch_size=2)
    assert found.scores.shape == (len(folder.paths), 3)
    assert_scores(again, found.scores)


@pytest.mark.parametrize("kind", ["loader", "generator", "list of items", "list of batches"])
def test_any_source_of_batches_serves(model, frontend, kind):
    batches = DataLoader(Files(), batch_size=4)
    data = {
        "loader": batches,
        "generator": (batch for batch in batches),
        "list of items": [Files()[place] for place in range(6)],
        "list of batches": list(batches),
    }[kind]
    found = augspec.predict(model, frontend, data)
    assert found.source.tolist() == [0, 10, 20, 30, 40, 50]
    assert_scores(found, logits_of(model, frontend, Files()).softmax(-1))


def test_several_classes_at_once_and_bare_logits(model, frontend):
    found = augspec.predict(model, frontend, Files(), activation="sigmoid")
    logits = logits_of(model, frontend, Files())
    assert_scores(found, logits.sigmoid())
    assert_scores(augspec.predict(model, frontend, Files(), activation=None), logits)


def test_views_are_averaged_the_first_of_them_plain(model, frontend):
    found = augspec.predict(model.eval(), frontend.eval(), Files(), views=3, seed=4)
    assert not frontend.training
    waveform = torch.stack([Files()[place]["waveform"] for place in range(6)])
    index = 10 * torch.arange(6)
    with torch.no_grad():
        shares = [model(frontend(waveform)).softmax(-1)]
        frontend.train()
        for view in (1, 2):
            keys = augspec.example_keys(4, 0, index, view)
            shares.append(model(frontend(waveform, keys=keys)).softmax(-1))
    assert_scores(found, torch.stack(shares).mean(0))
    again = augspec.predict(model, frontend, Files(), views=3, seed=4, batch_size=4)
    assert_scores(again, found.scores)


def test_items_without_numbers_are_counted_and_lengths_are_respected(frontend):
    class Frames(nn.Module):
        def forward(self, specgram):
            return specgram.mean((1, 2))[:, :4]

    items = [{"waveform": torch.randn(1, size).double()} for size in (900, 1000)]
    found = augspec.predict(Frames(), frontend, items, activation=None)
    assert found.source.tolist() == [0, 1]
    alone = frontend.eval()(items[0]["waveform"].float()[None]).mean((1, 2))[:, :4]
    torch.testing.assert_close(found.scores[:1], alone, rtol=1e-4, atol=1e-4)


def test_bad_input_is_named(model, frontend):
    with pytest.raises(ValueError, match="`activation` must be"):
        augspec.predict(model, frontend, Files(), activation="relu")
    with pytest.raises(ValueError, match="`views` must be 1 or more"):
        augspec.predict(model, frontend, Files(), views=0)
    with pytest.raises(ValueError, match="`data` must hold at least one item"):
        augspec.predict(model, frontend, [])
    mixing = augspec.Frontend(T.Mixup(), F.LogMelSpectrogram(n_fft=256, n_mels=32))
    with pytest.raises(ValueError, match="`frontend` must not mix"):
        augspec.predict(model, mixing, Files(), views=2)
    assert augspec.predict(model, mixing, Files()).scores.shape == (6, 3)
