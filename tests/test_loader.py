import gc
import multiprocessing
import os
import signal

import pytest
import releases
import soundfile
import torch
from torch import distributed
from torch.utils.data import DataLoader, DistributedSampler

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
    return make_frontend()


def make_frontend():
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
    assert_close(parts, whole)


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for index, specgram in expected.items():
        torch.testing.assert_close(found[index], specgram, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
def test_batches_do_not_depend_on_the_workers(frontend, count, method, persistent):
    workers = DataLoader(
        Notes(),
        batch_size=3,
        num_workers=count,
        multiprocessing_context=method,
        persistent_workers=persistent,
    )
    alone = augspec.DeviceLoader(DataLoader(Notes(), batch_size=3), frontend, "cpu")
    loader = augspec.DeviceLoader(workers, frontend, "cpu")
    for _ in range(2):  # epochs
        for batch, expected in zip(loader, alone, strict=True):
            assert torch.equal(batch["index"], expected["index"])
            assert torch.equal(batch["waveform"], expected["waveform"])
            assert torch.equal(batch["specgram"], expected["specgram"])


class Killed(Notes):
    """The worker that reads note 5 is killed, as by an operating system that lacks memory."""

    def __getitem__(self, index):
        if index == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
# torch may tell of the dead worker a second time, while it ends the others.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_killed_worker_is_an_error_and_no_hang(frontend, method, persistent):
    workers = DataLoader(
        Killed(),
        batch_size=2,
        num_workers=2,
        multiprocessing_context=method,
        persistent_workers=persistent,
    )
    # torch says that the worker exited, or that what it sent cannot be fetched any more.
    with pytest.raises((RuntimeError, OSError, EOFError)):
        list(augspec.DeviceLoader(workers, frontend, "cpu"))
    del workers
    gc.collect()  # the error's traceback holds the loader
    for worker in multiprocessing.active_children():
        worker.terminate()
        worker.join()


def read_one_rank(rank, folder):
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    sampler = DistributedSampler(Notes(), shuffle=True)
    loader = DataLoader(Notes(), batch_size=2, sampler=sampler)
    frontend = augspec.DeviceLoader(loader, make_frontend(), "cpu", seed=4)
    ranks = [None, None]
    for epoch in range(2):
        distributed.all_gather_object(ranks, by_index(frontend))
        if rank == 0:
            torch.save(ranks, f"{folder}/{epoch}.pt")
    distributed.destroy_process_group()


@releases.leaves_a_group_of_processes
def test_examples_do_not_depend_on_the_number_of_processes(frontend, tmp_path):
    torch.multiprocessing.spawn(read_one_rank, args=(str(tmp_path),), nprocs=2)
    alone = augspec.DeviceLoader(DataLoader(Notes(), batch_size=10), frontend, "cpu", seed=4)
    shares = []
    for epoch in range(2):
        first, second = torch.load(tmp_path / f"{epoch}.pt")
        assert not first.keys() & second.keys()
        assert_close(first | second, by_index(alone))
        shares.append(set(first))
    assert shares[0] != shares[1], "the sampler shuffles by the loader's epoch"


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


class HalfOfTheNext(T.Gain):
    """Stands for mixup: half of an example's label is its neighbour's."""

    mixes_examples = True

    def _targets(self, targets, params, lengths):
        label = targets["label"]
        return targets | {"label": 0.5 * label + 0.5 * label.roll(-1, 0)}


def test_mixed_labels_are_weights_in_training_and_one_hot_in_eval():
    frontend = augspec.Frontend(HalfOfTheNext(), F.Spectrogram(256))
    loader = DataLoader(Notes(3), batch_size=3)
    (batch,) = augspec.DeviceLoader(loader, frontend, "cpu", num_classes=3)
    expected = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]]
    assert batch["label"].tolist() == expected
    (batch,) = augspec.DeviceLoader(loader, frontend.eval(), "cpu", num_classes=3)
    assert torch.equal(batch["label"], torch.eye(3))


def test_labels_that_are_weights_already_pass(frontend):
    weights = torch.tensor([0.25, 0.75])
    notes = [{"waveform": torch.randn(1, 1000), "index": 0, "label": weights}]
    (batch,) = augspec.DeviceLoader(DataLoader(notes), frontend, "cpu", num_classes=2)
    assert torch.equal(batch["label"], weights[None])
    with pytest.raises(ValueError, match=r"`label` must be .* 3\), got shape \(1, 2\)"):
        list(augspec.DeviceLoader(DataLoader(notes), frontend, "cpu", num_classes=3))


def test_lengths_give_frame_lengths(frontend):
    notes = [{"waveform": torch.randn(1, 800), "index": 0, "lengths": 500}]
    (batch,) = augspec.DeviceLoader(DataLoader(notes), frontend, "cpu")
    assert batch["specgram_lengths"].tolist() == [1 + 500 // 128]


def test_len_and_a_loader_without_one(frontend):
    assert len(augspec.DeviceLoader(DataLoader(Notes(), batch_size=3), frontend, "cpu")) == 4
    with pytest.raises(TypeError, match="`loader` of type generator has no length"):
        len(augspec.DeviceLoader((x for x in ()), frontend, "cpu"))


def test_the_front_end_is_told_the_epoch_at_each_batch():
    schedule = T.Schedule(T.Gain(-60.0), {"p": [(0, 0.0), (1, 1.0)]})
    frontend = augspec.Frontend(schedule, F.Spectrogram(n_fft=256))
    plain = augspec.Frontend(features=F.Spectrogram(n_fft=256))
    loaders = [
        augspec.DeviceLoader(DataLoader(Notes(), batch_size=5), one, "cpu")
        for one in (frontend, frontend, plain)
    ]
    loaders[1].set_epoch(1)
    # Two loaders take turns with one front end: the one is in epoch 0 and the other in epoch 1.
    for early, late, unchanged in zip(*loaders, strict=True):
        torch.testing.assert_close(early["specgram"], unchanged["specgram"])
        torch.testing.assert_close(late["specgram"], 1e-6 * unchanged["specgram"])


class Told(Notes):
    epoch = None

    def set_epoch(self, epoch):
        self.epoch = epoch


def test_samplers_and_the_data_set_are_told_the_epoch(frontend):
    sampler = DistributedSampler(Notes(), num_replicas=2, rank=0)
    batch_sampler = torch.utils.data.BatchSampler(sampler, 5, drop_last=False)
    notes = Told()
    for arguments in ({"sampler": sampler}, {"batch_sampler": batch_sampler}):
        loader = augspec.DeviceLoader(DataLoader(notes, **arguments), frontend, "cpu")
        list(loader)
        list(loader)
        assert sampler.epoch == 1
        assert notes.epoch == 1
        loader.set_epoch(7)
        list(loader)
        assert sampler.epoch == 7
        assert notes.epoch == 7


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_an_early_exit_leaves_no_workers(frontend, error):
    loader = DataLoader(Notes(), batch_size=1, num_workers=2)
    try:
        for _ in augspec.DeviceLoader(loader, frontend, "cpu"):
            assert len(multiprocessing.active_children()) == 2
            if error:
                raise error
            break
    except RuntimeError:
        pass
    assert not multiprocessing.active_children()


def test_persistent_workers_go_on_after_an_early_exit(frontend):
    workers = DataLoader(Notes(), batch_size=2, num_workers=2, persistent_workers=True)
    loader = augspec.DeviceLoader(workers, frontend, "cpu")
    for _ in loader:
        break
    alone = augspec.DeviceLoader(DataLoader(Notes(), batch_size=2), frontend, "cpu")
    alone.set_epoch(1)
    assert_close(by_index(loader), by_index(alone))
    del workers, loader
    assert not multiprocessing.active_children()


def test_an_exception_in_a_worker_names_the_file(frontend, tmp_path):
    for label in ("flute", "reed"):
        (tmp_path / label).mkdir()
        soundfile.write(tmp_path / label / "note.wav", torch.zeros(2000).numpy(), 16_000)
    damaged = tmp_path / "reed" / "note.wav"
    notes = augspec.datasets.AudioFolder(tmp_path)
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with pytest.raises(ValueError, match=str(damaged)):
        list(augspec.DeviceLoader(DataLoader(notes, num_workers=1), frontend, "cpu"))


def test_nested_values_are_kept(frontend):
    meta = {"pitch": torch.tensor([60]), "names": ["a"], "velocity": (torch.tensor([100]),)}
    batch = {"waveform": torch.ones(1, 1, 1000), "index": torch.zeros(1).long(), "meta": meta}
    (made,) = augspec.DeviceLoader([batch], frontend, "cpu")
    assert made["meta"] == meta


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


class InWorker(Notes):
    """Makes spectrograms where the notes are read, and is told the epoch by the loader's user."""

    def __init__(self, frontend, epoch):
        super().__init__()
        self.apply, self.epoch = augspec.per_example(frontend), epoch

    def __getitem__(self, index):
        example = super().__getitem__(index)
        key = augspec.example_keys(seed=4, epoch=self.epoch, index=index)
        return example | {"specgram": self.apply(example["waveform"], key=key)}


# The default of Python 3.14 on Linux is forkserver.
@pytest.mark.parametrize(
    "context", ["fork", "spawn", pytest.param("forkserver", marks=pytest.mark.slow)]
)
def test_workers_draw_as_the_device_does(frontend, context):
    in_worker = DataLoader(
        InWorker(frontend, epoch=3), batch_size=4, num_workers=1, multiprocessing_context=context
    )
    loader = augspec.DeviceLoader(DataLoader(Notes(), batch_size=10), frontend, "cpu", seed=4)
    loader.set_epoch(3)
    assert_close(by_index(in_worker), by_index(loader))


class Swap(T.Gain):
    mixes_examples = True


def test_per_example_refuses_to_mix():
    frontend = augspec.Frontend(T.Chain([T.Gain(), Swap()]), F.Spectrogram(256))
    with pytest.raises(ValueError, match="`transform` must not mix examples, got Swap"):
        augspec.per_example(frontend)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_batches_are_made_a_batch_ahead_on_another_stream(frontend):
    loader = DataLoader(Notes(), batch_size=2, pin_memory=True)
    expected = by_index(augspec.DeviceLoader(DataLoader(Notes(), batch_size=2), frontend, "cpu"))
    streams = []
    run = frontend.run

    def spy(*args, **kwargs):
        streams.append(torch.cuda.current_stream())
        return run(*args, **kwargs)

    frontend.run = spy
    found = {}
    for batch in augspec.DeviceLoader(loader, frontend, "cuda"):
        # Work that keeps the current stream busy while the next batch is made.
        torch.randn(2000, 2000, device="cuda").matmul(torch.randn(2000, 2000, device="cuda"))
        found |= dict(zip(batch["index"].tolist(), batch["specgram"].cpu(), strict=True))
    assert_close(found, expected)
    assert torch.cuda.current_stream() not in streams
    assert len(set(streams)) == 1
