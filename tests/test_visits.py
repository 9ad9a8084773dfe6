"""The n-th coming of an example in an epoch has draws of its own, and its first those of view 0."""

import collections
import weakref

import numpy as np
import pytest
import releases
import torch
from torch import distributed
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    Subset,
    WeightedRandomSampler,
)

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec import visits
from augspec.visits import Visits


class Notes(torch.utils.data.Dataset):
    """All notes sound the same, so that their spectrograms tell their draws."""

    def __init__(self, count=10):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        return {"waveform": torch.ones(1, 400), "label": 0, "index": index}


def make_frontend():
    return augspec.Frontend(T.Gain((-20.0, 20.0)), F.Spectrogram(n_fft=128, hop_length=64))


def levels(loader):
    """Give the level of each spectrogram, as a list for each index, in the order of coming."""
    found = collections.defaultdict(list)
    for batch in loader:
        for index, specgram in zip(batch["index"].tolist(), batch["specgram"], strict=True):
            found[index].append(specgram.sum().item())
    return dict(found)


def expected(index, view, seed=0, epoch=0):
    frontend = make_frontend()
    keys = augspec.example_keys(seed, epoch, [index], view)
    return frontend(torch.ones(1, 1, 400), keys=keys).sum().item()


def device_loader(dataset, **arguments):
    return augspec.DeviceLoader(DataLoader(dataset, **arguments), make_frontend(), "cpu")


def test_a_rare_example_that_is_drawn_often_has_as_many_draws():
    weights = [20.0] + 9 * [1.0]
    sampler = WeightedRandomSampler(weights, 60, generator=torch.Generator().manual_seed(0))
    found = levels(device_loader(Notes(), batch_size=7, sampler=sampler))
    assert len(found[0]) > 30
    for index, own in found.items():
        wanted = [expected(index, view) for view in range(len(own))]
        assert own == pytest.approx(wanted, rel=1e-4)
        assert len({round(level, 3) for level in own}) == len(own)


@pytest.mark.parametrize(
    "arguments",
    [
        {"sampler": [0, 0, 3, 0], "batch_size": 4},
        {"sampler": [0, 0, 3, 0], "batch_size": 1},
        {"sampler": [3, 0, 5, 0, 0, 5], "batch_size": 2},
        {"sampler": [0, 3, 0, 0], "batch_size": 3, "num_workers": 2},
        {"batch_sampler": [[0, 3], [0, 0]]},
    ],
)
def test_views_depend_on_nothing_but_the_coming(arguments):
    found = levels(device_loader(Notes(), **arguments))
    assert found[0] == pytest.approx([expected(0, view) for view in range(3)], rel=1e-4)
    assert found[3] == pytest.approx([expected(3, 0)], rel=1e-4)


def test_each_epoch_counts_anew():
    loader = device_loader(Notes(), sampler=[0, 0], batch_size=2)
    for epoch in range(2):
        wanted = [expected(0, view, epoch=epoch) for view in range(2)]
        assert levels(loader)[0] == pytest.approx(wanted, rel=1e-4)


def test_a_subset_that_names_an_example_twice():
    found = levels(device_loader(Subset(Notes(), [4, 4, 2]), batch_size=2))
    assert found[4] == pytest.approx([expected(4, 0), expected(4, 1)], rel=1e-4)
    assert found[2] == pytest.approx([expected(2, 0)], rel=1e-4)


class Stream(IterableDataset):
    def __iter__(self):
        for index in (-5, 1 << 40, -5, 3, 1 << 40, 3, -5):
            yield {"waveform": torch.ones(1, 400), "index": index}


def test_any_integer_is_counted():
    found = levels(device_loader(Stream(), batch_size=3))
    for index, count in ((-5, 3), (1 << 40, 2), (3, 2)):
        wanted = [expected(index, view) for view in range(count)]
        assert found[index] == pytest.approx(wanted, rel=1e-4)


def test_counts_are_those_of_a_plain_count():
    random = np.random.default_rng(0)
    visits, counts = Visits(), collections.Counter()
    for _ in range(50):
        index = random.integers(-3, 300, size=random.integers(1, 40))
        wanted = []
        for value in index.tolist():
            wanted.append(counts[value])
            counts[value] += 1
        assert visits.views(torch.from_numpy(index)).tolist() == wanted
    again = Visits()
    again.load_state_dict(visits.state_dict())
    assert again.views(torch.arange(-3, 300)).tolist() == [counts[i] for i in range(-3, 300)]
    visits.views(torch.tensor([5, 5, -2]))
    # What was made ahead of its use is counted again by whoever goes on.
    resumed = Visits()
    resumed.load_state_dict(visits.state_dict(without_last=True))
    assert resumed.views(torch.tensor([5, -2])).tolist() == [counts[5], counts[-2]]


# --- Several data sets ---


def test_concatenated_data_sets_that_share_an_index_are_refused():
    both = ConcatDataset([Notes(3), Notes(3)])
    with pytest.raises(ValueError, match="`index` 0 came twice .* ConcatDataset of 2 .*Indexed"):
        levels(device_loader(Subset(both, range(6)), batch_size=2))


def test_indexed_numbers_concatenated_data_sets():
    both = augspec.datasets.Indexed(ConcatDataset([Notes(3), Notes(3)]))
    found = levels(device_loader(both, batch_size=4, shuffle=True))
    assert found == {i: pytest.approx([expected(i, 0)], rel=1e-4) for i in range(6)}


def test_parts_of_one_data_set_may_be_concatenated():
    notes = Notes()
    found = levels(device_loader(ConcatDataset([Subset(notes, [1, 2]), Subset(notes, [4, 1])])))
    assert found[1] == pytest.approx([expected(1, 0), expected(1, 1)], rel=1e-4)


# --- Several processes ---


SAMPLED = ("weighted", "own", "wrapped", "padded", "subset")


def read_all_kinds(rank, folder):
    """Read by each kind of sampler, in a group of processes of its own."""
    torch.set_num_threads(1)
    for kind in SAMPLED:
        store = f"file://{folder}/{kind}.store"
        distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
        read_one_kind(rank, folder, kind)
        distributed.destroy_process_group()


def read_one_kind(rank, folder, kind):
    notes = Notes(5 if kind == "padded" else 40)
    generator = torch.Generator().manual_seed(0 if kind == "wrapped" else rank)
    weights = [8.0] + 39 * [1.0]
    if kind == "padded":
        sampler = DistributedSampler(notes, shuffle=False)
    elif kind == "own":
        sampler = augspec.samplers.WeightedSampler(weights, 24)
    elif kind == "wrapped":
        # What Lightning makes of a sampler of one's own.
        from lightning.fabric.utilities.distributed import DistributedSamplerWrapper

        sampler = DistributedSamplerWrapper(WeightedRandomSampler(weights, 24, generator=generator))
    elif kind == "subset":
        notes = Subset(notes, [0, 0, 1, 2])
        sampler = DistributedSampler(notes, shuffle=False)
    else:
        sampler = WeightedRandomSampler(weights, 12, generator=generator)
    ranks = [None, None]
    found = levels(device_loader(notes, batch_size=4, sampler=sampler))
    distributed.all_gather_object(ranks, found)
    if rank == 0:
        torch.save(ranks, f"{folder}/{kind}.pt")


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """The folder of what two processes found by each kind; most of their time is their start."""
    folder = tmp_path_factory.mktemp("read")
    torch.multiprocessing.spawn(read_all_kinds, args=(str(folder),), nprocs=2)
    return folder


@releases.leaves_a_group_of_processes
def test_the_group_of_processes_ends_with_them(tmp_path):
    """One that is left at the end of the program aborted it now and then."""
    for number in range(2):
        store = f"file://{tmp_path}/{number}"
        distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
        try:
            group = weakref.ref(visits._cpu_group(distributed.group.WORLD))
            assert visits._cpu_group(distributed.group.WORLD) is group()
        finally:
            distributed.destroy_process_group()
        assert group() is None


@releases.leaves_a_group_of_processes
@pytest.mark.parametrize("kind", SAMPLED)
def test_processes_that_draw_one_example_get_its_views_between_them(kind, read):
    ranks = torch.load(read / f"{kind}.pt")
    shared = 0
    for index in ranks[0].keys() | ranks[1].keys():
        own = [rank.get(index, []) for rank in ranks]
        shared += all(own)
        # A once-drawn example has view 0, whichever process drew it.
        wanted = [expected(index, view) for view in range(sum(map(len, own)))]
        assert sorted(own[0] + own[1]) == pytest.approx(sorted(wanted), rel=1e-4)
    assert shared >= 1
    if kind == "padded":
        assert ranks[1][0] == pytest.approx([expected(0, 1)], rel=1e-4)


def test_a_lone_process_may_play_the_ranks_of_a_padding_sampler():
    notes, found = Notes(5), []
    for rank in range(2):
        sampler = DistributedSampler(notes, num_replicas=2, rank=rank, shuffle=False)
        found.append(levels(device_loader(notes, batch_size=3, sampler=sampler)))
    assert found[0][0] == pytest.approx([expected(0, 0)], rel=1e-4)
    assert found[1][0] == pytest.approx([expected(0, 1)], rel=1e-4)
