import pytest
import torch
from torch.utils.data import DataLoader

import augspec
from augspec import features as F
from augspec import transforms as T


class Notes(torch.utils.data.Dataset):
    def __init__(self, count=10):
        self.waveform = torch.randn(count, 1, 2000, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return len(self.waveform)

    def __getitem__(self, index):
        return {
            "waveform": self.waveform[index],
            "label": index % 3,
            "index": index,
            "pitch": 60 + index,
            "path": f"{index}.wav",
        }


@pytest.fixture
def frontend():
    return augspec.Frontend(
        T.Chain([T.Gain((-6.0, 6.0)), T.RandomCrop(1000)]), F.MelSpectrogram(n_fft=256, n_mels=20)
    )


def by_index(loader):
    return {
        int(index): specgram
        for batch in loader
        for index, specgram in zip(batch["index"], batch["specgram"], strict=True)
    }


def test_batches_keep_every_key_and_gain_specgram(frontend):
    notes = Notes()
    (batch,) = augspec.DeviceLoader(DataLoader(notes, batch_size=10), frontend, device="cpu")
    assert set(batch) == {"waveform", "label", "index", "pitch", "path", "specgram"}
    assert torch.equal(batch["waveform"], notes.waveform)
    assert batch["specgram"].shape == (10, 1, 20, 8)
    assert batch["path"][3] == "3.wav"


def test_examples_do_not_depend_on_batch_size_or_order(frontend):
    whole = by_index(augspec.DeviceLoader(DataLoader(Notes(), batch_size=10), frontend, "cpu"))
    shuffled = DataLoader(Notes(), batch_size=3, shuffle=True)
    parts = by_index(augspec.DeviceLoader(shuffled, frontend, "cpu"))
    for index, specgram in whole.items():
        torch.testing.assert_close(parts[index], specgram, rtol=1e-4, atol=1e-5)


def test_epochs_differ_repeat_by_number_and_advance(frontend):
    loader = augspec.DeviceLoader(DataLoader(Notes(), batch_size=10), frontend, "cpu", seed=4)
    first, second = by_index(loader), by_index(loader)
    assert not torch.equal(first[0], second[0])
    loader.set_epoch(0)
    assert torch.equal(by_index(loader)[0], first[0])
    assert torch.equal(by_index(loader)[0], second[0])
    other = augspec.DeviceLoader(DataLoader(Notes(), batch_size=10), frontend, "cpu", seed=5)
    assert not torch.equal(by_index(other)[0], first[0])


def test_draws_are_those_of_example_keys(frontend):
    loader = augspec.DeviceLoader(DataLoader(Notes(), batch_size=10), frontend, "cpu", seed=4)
    loader.set_epoch(2)
    (batch,) = loader
    keys = augspec.example_keys(seed=4, epoch=2, index=batch["index"])
    assert torch.equal(batch["specgram"], frontend(batch["waveform"], keys=keys))


def test_eval_gives_plain_features_and_leaves_targets():
    frontend = augspec.Frontend(T.PitchShift(2.0, n_fft=256), F.Spectrogram(256)).eval()
    (batch,) = augspec.DeviceLoader(DataLoader(Notes(), batch_size=10), frontend, "cpu")
    assert torch.equal(batch["specgram"], frontend.features(batch["waveform"]))
    assert batch["pitch"].tolist() == list(range(60, 70))


def test_targets_follow_in_training():
    frontend = augspec.Frontend(T.PitchShift(2.0, n_fft=256), F.Spectrogram(256))
    (batch,) = augspec.DeviceLoader(DataLoader(Notes(), batch_size=10), frontend, "cpu")
    assert batch["pitch"].tolist() == list(range(62, 72))


def test_num_classes_makes_labels_one_hot(frontend):
    loader = DataLoader(Notes(), batch_size=10)
    (batch,) = augspec.DeviceLoader(loader, frontend, "cpu", num_classes=3)
    assert torch.equal(batch["label"].argmax(-1), torch.arange(10) % 3)
    assert batch["label"].dtype == torch.float32
    assert batch["label"].sum() == 10


def test_lengths_give_frame_lengths(frontend):
    notes = [{"waveform": torch.randn(1, 800), "index": 0, "lengths": 500}]
    (batch,) = augspec.DeviceLoader(DataLoader(notes), frontend, "cpu")
    assert batch["specgram_lengths"].tolist() == [1 + 500 // 128]


def test_len_and_a_loader_without_one(frontend):
    assert len(augspec.DeviceLoader(DataLoader(Notes(), batch_size=3), frontend, "cpu")) == 4
    with pytest.raises(TypeError, match="`loader` of type generator has no length"):
        len(augspec.DeviceLoader((x for x in ()), frontend, "cpu"))


def test_a_distributed_sampler_is_told_the_epoch(frontend):
    sampler = torch.utils.data.DistributedSampler(Notes(), num_replicas=2, rank=0)
    loader = augspec.DeviceLoader(DataLoader(Notes(), sampler=sampler), frontend, "cpu")
    list(loader)
    list(loader)
    assert sampler.epoch == 1


def test_bad_input_is_named(frontend):
    with pytest.raises(TypeError, match="`frontend` must be an augspec.Frontend, got Spectrogram"):
        augspec.DeviceLoader([], F.Spectrogram())
    for missing in ("waveform", "index"):
        batch = {"waveform": torch.zeros(1, 1, 99), "index": torch.zeros(1).long()}
        del batch[missing]
        with pytest.raises(KeyError, match=f"`loader` must yield `{missing}`"):
            list(augspec.DeviceLoader([batch], frontend, "cpu"))


def test_per_example_draws_as_the_batch_does(frontend):
    keys = augspec.example_keys(seed=1, epoch=2, index=torch.arange(4))
    waveform = Notes().waveform[:4]
    whole = frontend(waveform, keys=keys)
    one = augspec.per_example(frontend)
    for i in range(4):
        torch.testing.assert_close(one(waveform[i], key=keys[i]), whole[i], rtol=1e-4, atol=1e-5)
        assert torch.equal(one(waveform[i], key=int(keys[i])), one(waveform[i], key=keys[i]))
    torch.manual_seed(0)
    first = one(waveform[0])
    torch.manual_seed(0)
    assert torch.equal(one(waveform[0]), first)
    with pytest.raises(ValueError, match=r"`waveform` must be \(channel, time\)"):
        one(waveform)
