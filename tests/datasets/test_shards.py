import io
import json
import sys
import tarfile
from pathlib import Path

import pytest
import soundfile
import torch
from test_packed import Sounds
from torch.utils.data import DataLoader

from augspec.datasets import Shards, write_shards


@pytest.fixture
def sounds():
    return Sounds(50)


def write(sounds, folder, shards, **options):
    return write_shards(sounds, folder, shards=shards, progress=False, **options)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_shards_give_what_the_data_set_gave(sounds, tmp_path, dtype):
    paths = write(sounds, tmp_path, 4, dtype=dtype)
    assert [path.name for path in paths] == [f"shard-{i:06d}.tar" for i in range(4)]
    items = sorted(Shards(paths), key=lambda item: item["index"])
    assert len(items) == 50
    for item, other in zip(items, sounds, strict=True):
        for name in ("waveform", "soft"):
            assert item.pop(name).equal(other.pop(name))
        assert item == {**other, "gain": float(other["gain"])}


def test_shards_are_plain_archives_of_wav_and_json(sounds, tmp_path):
    paths = write(sounds, tmp_path, 4)
    with tarfile.open(paths[1]) as archive:
        names = archive.getnames()
        samples, rate = soundfile.read(archive.extractfile("000000005.wav"), dtype="float32")
        record = json.load(archive.extractfile("000000005.json"))
    assert {Path(name).stem for name in names} == {f"{i:09d}" for i in range(1, 50, 4)}
    assert torch.from_numpy(samples.T).equal(sounds[5]["waveform"])
    assert (rate, record["label"], record["index"]) == (8_000, 1, 5)


def test_the_same_data_set_gives_the_same_bytes(sounds, tmp_path):
    one, other = write(sounds, tmp_path / "1", 3), write(sounds, tmp_path / "2", 3)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
    counts = [len(list(Shards([path]))) for path in one]
    assert counts == [17, 17, 16]


@pytest.mark.parametrize("shuffle", [0, 20])
@pytest.mark.parametrize("shards", [4, 7])
def test_no_item_is_lost_or_doubled_on_two_nodes_of_two_workers(
    sounds, tmp_path, monkeypatch, shuffle, shards
):
    urls = write(sounds, tmp_path, shards)
    orders = []
    for epoch in range(2):
        found = []
        for rank in range(2):
            monkeypatch.setenv("RANK", str(rank))
            monkeypatch.setenv("WORLD_SIZE", "2")
            data = Shards(urls, shuffle=shuffle, seed=3)
            data.set_epoch(epoch)
            node = [item["index"] for item in DataLoader(data, None, num_workers=2)]
            assert len(node) >= 12
            found += node
        assert sorted(found) == list(range(50))
        orders.append(found)
    assert (orders[0] == orders[1]) == (shuffle == 0)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_the_share_of_their_node_however_they_are_started(
    sounds, tmp_path, monkeypatch, method
):
    """With Python 3.14 workers are not forked: what a process knows of its node they do not."""
    urls = write(sounds, tmp_path, 4)
    found = []
    for rank in range(2):
        for name, value in (("is_initialized", True), ("get_rank", rank), ("get_world_size", 2)):
            monkeypatch.setattr(torch.distributed, name, lambda value=value, **_: value)
        loader = DataLoader(Shards(urls), None, num_workers=1, multiprocessing_context=method)
        found += [item["index"] for item in loader]
    assert sorted(found) == list(range(50))


def test_workers_that_live_on_hear_of_the_epoch(sounds, tmp_path):
    data = Shards(write(sounds, tmp_path, 4), shuffle=10)
    loader = DataLoader(data, None, num_workers=2, persistent_workers=True)
    orders = []
    for epoch in (0, 1, 0):
        data.set_epoch(epoch)
        orders.append([item["index"] for item in loader])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[1]) == list(range(50))


@pytest.mark.parametrize("shuffle", [0, 10])
@pytest.mark.parametrize(("shards", "workers"), [(4, 2), (5, 2), (7, 1), (7, 2), (7, 0)])
@pytest.mark.parametrize("drop_last", [False, True])
def test_every_node_has_the_same_number_of_batches(
    sounds, tmp_path, monkeypatch, shuffle, shards, workers, drop_last
):
    """Else a node waits for ever for the gradients of one that is through."""
    urls = write(sounds, tmp_path, shards)
    options = {"num_workers": workers, "drop_last": drop_last, "collate_fn": list}
    counts, items = set(), []
    for epoch in range(2):
        for rank in range(2):
            monkeypatch.setenv("RANK", str(rank))
            monkeypatch.setenv("WORLD_SIZE", "2")
            loader = Shards(urls, shuffle=shuffle).loader(3, **options)
            loader.dataset.set_epoch(epoch)
            batches = list(loader)
            counts |= {len(loader), len(batches)}
            items += [item["index"] for batch in batches for item in batch] if epoch == 0 else []
    assert len(counts) == 1
    assert len(set(items)) == len(items) >= 30
    if drop_last:
        assert len(items) == 2 * 3 * counts.pop()


def test_the_length_of_shards(sounds, tmp_path, monkeypatch):
    urls = write(sounds, tmp_path, 4)
    data = Shards(urls)
    assert len(data) == 50
    assert len(DataLoader(data, 8)) == len(data.loader(8)) == 7
    assert sum(len(batch["index"]) for batch in data.loader(8, collate_fn=index_alone)) == 50
    assert (data.classes, data.sample_rate) == (["a", "b"], 8_000)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert len(data) == len(list(data)) == 25
    (tmp_path / "shards.json").unlink()
    assert len(Shards(urls, counts=[13, 13, 12, 12])) == 25
    with pytest.raises(TypeError, match=r"shards\.json is not beside the shards; give `counts`"):
        len(Shards(urls))
    with pytest.raises(ValueError, match="`counts` must be as many as shards, 4, got 1"):
        Shards(urls, counts=[50])
    (tmp_path / "shards.json").write_text("[]")
    with pytest.raises(ValueError, match=r"shards\.json must have the form that write_shards"):
        Shards(urls)


def index_alone(items):
    return {"index": [item["index"] for item in items]}


def test_a_sample_that_is_not_finite_is_named(tmp_path):
    items = [{"waveform": torch.tensor([[0.0, float("nan")]])}]
    urls = write(items, tmp_path, 1, dtype="float32", sample_rate=8_000)
    with pytest.raises(ValueError, match=r"shard-000000\.tar holds a damaged item.*not finite"):
        list(Shards(urls))


def test_braces_name_many_shards(sounds, tmp_path):
    write(sounds, tmp_path, 12)
    data = Shards(f"{tmp_path}/shard-{{000000..000011}}.tar")
    assert sorted(item["index"] for item in data) == list(range(50))


def test_too_few_shards_for_the_workers_are_an_error(sounds, tmp_path, monkeypatch):
    urls = write(sounds, tmp_path, 3)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match="3 shards are too few for 4 nodes of 1 workers"):
        next(iter(Shards(urls)))


def test_damaged_item_is_named(tmp_path):
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as archive:
        for name, data in (("7.wav", b"RIFF"), ("7.json", b"{}")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(ValueError, match=r"s\.tar holds a damaged item, 7"):
        list(Shards([path]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 0}, "`shards` must be from 1 to the number of items, 50, got 0"),
        ({"shards": 51}, "`shards` must be from 1"),
        ({"shards": 2, "dtype": "int8"}, "`dtype` must be one of int16, float32"),
    ],
)
def test_bad_arguments_are_named(sounds, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_shards(sounds, tmp_path, progress=False, **options)


def test_bad_readers_are_named(sounds, tmp_path):
    with pytest.raises(ValueError, match="`urls` must name at least one shard"):
        Shards([])
    with pytest.raises(ValueError, match="`shuffle` must not be negative"):
        Shards(["a"], shuffle=-1)
    write(sounds, tmp_path, 2)
    with pytest.raises(FileExistsError, match=r"shard-000000\.tar is there already"):
        write(sounds, tmp_path, 3)


def test_without_webdataset_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(ImportError, match=r"pip install 'augspec\[data\]'"):
        Shards(["a"])
