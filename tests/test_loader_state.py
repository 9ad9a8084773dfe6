"""A loader that goes on where another one was, and a look at a batch that changes nothing."""

import io

import pytest
import torch
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

import augspec
from augspec import features as F
from augspec import transforms as T

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
# What torchdata calls.
pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")


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


def stateful(**arguments):
    return StatefulDataLoader(Notes(), batch_size=2, sampler=[0, 1, 0, 2, 3, 0, 4, 0], **arguments)


def seen(batches):
    return [
        (batch["index"].tolist(), batch["specgram"].sum((1, 2, 3)).tolist()) for batch in batches
    ]


def a_batch_ahead(batches):
    """Make each batch while the one before it is in use, as is done on a GPU."""
    ready = None
    for make in batches:
        made = make()
        if ready is not None:
            yield ready
        ready = made
    if ready is not None:
        yield ready


@pytest.mark.parametrize("way", ["cpu", "ahead", pytest.param("cuda", marks=needs_cuda)])
@pytest.mark.parametrize("given", range(5))
def test_a_new_process_goes_on_at_the_batch(frontend, given, way, monkeypatch):
    if way == "ahead":
        monkeypatch.setattr("augspec.loader._now", a_batch_ahead)
    device = "cuda" if way == "cuda" else "cpu"
    whole = augspec.DeviceLoader(stateful(), frontend, device, seed=3)
    list(whole)
    expected = seen(whole) + seen(whole)
    first = augspec.DeviceLoader(stateful(), frontend, device, seed=3)
    list(first)
    iterator = iter(first)
    for _ in range(given):
        next(iterator)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    again = augspec.DeviceLoader(stateful(), frontend, device, seed=3)
    again.load_state_dict(torch.load(file, weights_only=True))
    assert seen(again) + seen(again) == expected[given:]


def test_without_a_stateful_loader_a_new_process_goes_on_at_the_epoch(frontend):
    loader = augspec.DeviceLoader(DataLoader(Notes(), batch_size=4), frontend, "cpu")
    epochs = [seen(loader) for _ in range(3)]
    for done, expected in ((1, 1), (2, 2)):
        again = augspec.DeviceLoader(DataLoader(Notes(), batch_size=4), frontend, "cpu")
        for _ in range(done):
            list(again)
        other = augspec.DeviceLoader(DataLoader(Notes(), batch_size=4), frontend, "cpu")
        other.load_state_dict(again.state_dict())
        assert seen(other) == epochs[expected]
    # An epoch that was left is begun again.
    next(iter(other))
    state = other.state_dict()
    other.load_state_dict(state)
    assert state["epoch"] == 3
    list(other)
    assert other.state_dict()["epoch"] == 4


def test_setting_the_epoch_that_was_loaded_keeps_the_place(frontend):
    whole = augspec.DeviceLoader(stateful(), frontend, "cpu")
    expected = seen(whole)
    first = augspec.DeviceLoader(stateful(), frontend, "cpu")
    next(iter(first))
    again = augspec.DeviceLoader(stateful(), frontend, "cpu")
    again.load_state_dict(first.state_dict())
    again.set_epoch(0)
    assert seen(again) == expected[1:]


def test_state_holds_through_a_state_that_was_loaded_and_not_used(frontend):
    first = augspec.DeviceLoader(stateful(), frontend, "cpu")
    next(iter(first))
    again = augspec.DeviceLoader(stateful(), frontend, "cpu")
    again.load_state_dict(first.state_dict())
    assert again.state_dict() is not None
    third = augspec.DeviceLoader(stateful(), frontend, "cpu")
    third.load_state_dict(again.state_dict())
    assert [index for index, _ in seen(third)] == [[0, 2], [3, 0], [4, 0]]


def test_a_look_at_a_batch_uses_up_no_epoch(frontend):
    loader = augspec.DeviceLoader(DataLoader(Notes(), batch_size=5), frontend, "cpu")
    expected = seen(augspec.DeviceLoader(DataLoader(Notes(), batch_size=5), frontend, "cpu"))
    assert seen([loader.peek(), loader.peek()]) == 2 * expected[:1]
    assert seen(loader) == expected
    next(iter(loader))
    assert loader.state_dict()["epoch"] == 1, "an iteration that is left is one"
    with pytest.raises(ValueError, match="`loader` must have at least one batch"):
        augspec.DeviceLoader([], frontend, "cpu").peek()


def test_a_look_leaves_the_place_to_go_on_at(frontend):
    first = augspec.DeviceLoader(stateful(), frontend, "cpu")
    next(iter(first))
    again = augspec.DeviceLoader(stateful(), frontend, "cpu")
    again.load_state_dict(first.state_dict())
    assert again.peek()["index"].tolist() == [0, 2]
    assert [index for index, _ in seen(again)] == [[0, 2], [3, 0], [4, 0]]


class Told(Notes):
    epoch = None

    def set_epoch(self, epoch):
        self.epoch = epoch


@pytest.mark.parametrize("wrap", ["subset", "concat", "indexed"])
def test_data_sets_inside_of_others_are_told_the_epoch(frontend, wrap):
    notes = Told()
    wrapped = {
        "subset": lambda: torch.utils.data.Subset(notes, range(4)),
        "concat": lambda: torch.utils.data.ConcatDataset([notes]),
        "indexed": lambda: augspec.datasets.Indexed(notes),
    }[wrap]()
    loader = augspec.DeviceLoader(DataLoader(wrapped), frontend, "cpu")
    list(loader)
    list(loader)
    assert notes.epoch == 1
