"""What a loader makes of labels and types, and what its errors advise."""

import collections

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import augspec
from augspec import features as F
from augspec import transfer
from augspec import transforms as T


class Notes(torch.utils.data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        waveform = torch.randn(1, 2000, generator=torch.Generator().manual_seed(index))
        return {"waveform": waveform, "label": index % 3, "index": index}


@pytest.fixture
def frontend():
    return augspec.Frontend(
        T.Chain([T.Gain((-6.0, 6.0)), T.RandomCrop(1000)]), F.MelSpectrogram(n_fft=256, n_mels=20)
    )


# --- Labels ---


def multi_hot(kind):
    rows = [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]]
    return [
        {"waveform": torch.randn(1, 1000), "index": i, "label": kind(row)}
        for i, row in enumerate(rows)
    ]


@pytest.mark.parametrize("kind", [list, torch.tensor, lambda row: torch.tensor(row).double()])
@pytest.mark.parametrize("collate", [None, augspec.collate])
@pytest.mark.parametrize("batch_size", [3, 4])
def test_labels_of_several_classes_come_out_as_they_are(frontend, kind, collate, batch_size):
    loader = DataLoader(multi_hot(kind), batch_size=batch_size, collate_fn=collate)
    batches = list(augspec.DeviceLoader(loader, frontend, "cpu", num_classes=3))
    label = torch.cat([batch["label"] for batch in batches])
    assert label.dtype == torch.float32
    assert label.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]]


def test_labels_of_several_classes_are_mixed():
    mixing = augspec.Frontend(T.Mixup(), F.Spectrogram(256))
    loader = DataLoader(multi_hot(list), batch_size=4)
    (batch,) = augspec.DeviceLoader(loader, mixing, "cpu")
    assert batch["label"].shape == (4, 3)
    assert ((batch["label"] > 0) & (batch["label"] < 1)).any()


class Named(Notes):
    def __init__(self, *classes):
        super().__init__()
        self.classes = list(classes)


def test_train_and_valid_must_agree_on_the_classes(frontend):
    train, valid = Named("a", "b", "c"), Named("a", "c")
    augspec.DeviceLoader(DataLoader(train), frontend, "cpu", num_classes=3)
    augspec.DeviceLoader(DataLoader(train), frontend, "cpu", classes=train.classes)
    subset = torch.utils.data.Subset(valid, [0, 1])
    for dataset in (valid, subset):
        with pytest.raises(ValueError, match=r"`num_classes` must be .* 2 \(a, c\), got 3"):
            augspec.DeviceLoader(DataLoader(dataset), frontend, "cpu", num_classes=3)
        with pytest.raises(ValueError, match="number 1 is 'b' in `classes` and 'c' in the data"):
            augspec.DeviceLoader(DataLoader(dataset), frontend, "cpu", classes=train.classes)
    both = torch.utils.data.ConcatDataset([train, valid])
    with pytest.raises(ValueError, match="number 1 is 'b' in the first data set and 'c' in"):
        augspec.DeviceLoader(DataLoader(both), frontend, "cpu")
    with pytest.raises(ValueError, match="number 1 is 'b' in the first data set"):
        augspec.datasets.Indexed(both)


# --- Types ---


def test_numbers_of_numpy_are_numbers(frontend):
    loader = DataLoader(Notes(), batch_size=10)
    (batch,) = augspec.DeviceLoader(loader, frontend, "cpu", num_classes=np.int64(3))
    assert batch["label"].shape == (10, 3)
    model = augspec.create_backbone("test_resnet", num_classes=np.int64(3), in_chans=np.int32(1))
    assert model(batch["specgram"]).shape == (10, 3)
    for wrong in (2.5, True, np.array([3]), "3"):
        with pytest.raises(TypeError, match="`num_classes` must be an int"):
            augspec.DeviceLoader(loader, frontend, "cpu", num_classes=wrong)


Meta = collections.namedtuple("Meta", ["pitch", "names"])


def test_tensors_move_however_they_are_nested():
    inner = {"a": [torch.ones(1)], "b": (torch.ones(2), "text")}
    value = {"meta": Meta(torch.ones(3), ["x"]), "more": collections.OrderedDict(inner)}
    moved = transfer.move(value, torch.device("meta"))
    assert type(moved["meta"]) is Meta
    assert type(moved["more"]) is collections.OrderedDict
    tensors = [moved["meta"].pitch, moved["more"]["a"][0], moved["more"]["b"][0]]
    assert all(tensor.is_meta for tensor in tensors)
    assert moved["meta"].names == ["x"]
    assert moved["more"]["b"][1] == "text"


def test_mps_gets_no_float64():
    start = torch.tensor([0.5, 1.25], dtype=torch.float64)
    assert transfer.storable(start, torch.device("mps")).dtype == torch.float32
    assert transfer.storable(start, torch.device("cuda")) is start
    number = torch.tensor([1])
    assert transfer.storable(number, torch.device("mps")) is number


def test_float64_waveforms_become_float32_spectrograms(frontend):
    notes = [
        {"waveform": torch.randn(1, 1000).double(), "index": i, "start": 0.5, "label": 0}
        for i in range(2)
    ]
    (batch,) = augspec.DeviceLoader(DataLoader(notes, batch_size=2), frontend, "cpu")
    assert batch["specgram"].dtype == torch.float32
    assert batch["waveform"].dtype == torch.float64
    assert batch["start"].dtype == torch.float64
    assert augspec.create_backbone("test_resnet", num_classes=2)(batch["specgram"]).shape == (2, 2)


# --- Errors name the remedy ---


def test_in_eval_no_index_is_asked_for(frontend):
    notes = [{"waveform": torch.randn(1, 1000)} for _ in range(3)]
    loader = augspec.DeviceLoader(DataLoader(notes, batch_size=3), frontend.eval(), "cpu")
    (batch,) = loader
    assert batch["specgram"].shape == (3, 1, 20, 8)
    frontend.waveform.transforms[0].train()
    with pytest.raises(KeyError, match=r"`loader` must yield `index`.*Indexed\(dataset\) adds it"):
        list(loader)


def test_pairs_become_dictionaries_by_indexed(frontend):
    pairs = torch.utils.data.TensorDataset(torch.randn(4, 1, 1000), torch.arange(4))
    with pytest.raises(TypeError, match=r"got list: .*Indexed\(dataset, names=\('waveform'"):
        list(augspec.DeviceLoader(DataLoader(pairs), frontend, "cpu"))
    named = augspec.datasets.Indexed(pairs, names=("waveform", "label"))
    (batch,) = augspec.DeviceLoader(DataLoader(named, batch_size=4), frontend, "cpu")
    assert batch["label"].tolist() == batch["index"].tolist() == [0, 1, 2, 3]
    assert set(augspec.datasets.Indexed(pairs, names=("waveform", None))[0]) == {
        "waveform",
        "index",
    }
    for names in (None, ("waveform",)):
        with pytest.raises(TypeError, match="`names` must name the 2 parts of an item"):
            augspec.datasets.Indexed(pairs, names=names)[0]
    with pytest.raises(TypeError, match="items must be dictionaries or tuples, got int"):
        augspec.datasets.Indexed([1])[0]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("shape", [(1, 900), (2, 1000)])
def test_several_lengths_name_the_collate_that_pads(frontend, workers, shape):
    notes = [{"waveform": torch.randn(*own), "index": 0} for own in ((1, 1000), shape)]
    loader = DataLoader(notes, batch_size=2, num_workers=workers)
    with pytest.raises(ValueError, match="collate_fn=augspec.collate.*mono=True"):
        list(augspec.DeviceLoader(loader, frontend, "cpu"))


class Fails(Notes):
    def __getitem__(self, index):
        raise RuntimeError("the disk is gone")


def test_other_errors_of_the_loader_stay_what_they_are(frontend):
    with pytest.raises(RuntimeError, match="the disk is gone"):
        list(augspec.DeviceLoader(DataLoader(Fails()), frontend, "cpu"))


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated")
def test_several_loaders_in_one_name_the_remedy(frontend):
    from lightning.pytorch.utilities import CombinedLoader

    for mode in ("max_size_cycle", "sequential"):
        loaders = {name: DataLoader(Notes(), batch_size=5) for name in "ab"}
        combined = CombinedLoader(loaders, mode)
        iter(combined)
        with pytest.raises(TypeError, match="CombinedLoader .*in an augspec.DeviceLoader"):
            list(augspec.DeviceLoader(combined, frontend, "cpu"))
    own = {name: augspec.DeviceLoader(loader, frontend, "cpu") for name, loader in loaders.items()}
    batches, _, _ = next(iter(CombinedLoader(own, "min_size")))
    assert batches["a"]["specgram"].shape == batches["b"]["specgram"].shape


@pytest.mark.parametrize("num_classes", [None, 2])
def test_names_as_labels_are_an_error_in_training(frontend, num_classes):
    notes = [{"waveform": torch.randn(1, 1000), "index": i, "label": "dog"} for i in range(2)]
    loader = augspec.DeviceLoader(
        DataLoader(notes, batch_size=2), frontend, "cpu", num_classes=num_classes
    )
    with pytest.raises(TypeError, match="`label` must hold numbers, got list of 'dog': number the"):
        list(loader)
    if num_classes is None:
        frontend.eval()
        assert next(iter(loader))["label"] == ["dog", "dog"]


def test_names_as_index_are_an_error(frontend):
    notes = [{"waveform": torch.randn(1, 1000), "index": "a"} for _ in range(2)]
    with pytest.raises(TypeError, match="`index` must hold integers, got list: .*Indexed"):
        list(augspec.DeviceLoader(DataLoader(notes, batch_size=2), frontend, "cpu"))


def test_a_list_of_waveforms_is_an_error(frontend):
    batch = {"waveform": [torch.ones(1, 9), torch.ones(1, 8)], "index": torch.arange(2)}
    with pytest.raises(TypeError, match="`waveform` must be a tensor, got list: .*augspec.collate"):
        list(augspec.DeviceLoader([batch], frontend, "cpu"))
