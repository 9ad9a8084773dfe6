import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from augspec.datasets import (
    AudioFolder,
    GMNotes,
    Packed,
    Shards,
    _pack_writer,
    pack,
    write_shards,
)
from augspec.datasets._pack_format import AUDIO_START, ROW


class Sounds(Dataset):
    """Ragged sounds of one to three channels with all kinds of metadata."""

    sample_rate = 8_000
    classes = ["a", "b"]

    def __init__(self, count=20, seed=0, changed=None):
        self.count, self.seed, self.changed = count, seed, changed

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        random = np.random.default_rng([self.seed, index])
        shape = (1 + index % 3, int(random.integers(0, 900)))
        samples = random.integers(-32_768, 32_768, shape, dtype=np.int16)
        return {
            "waveform": torch.from_numpy(samples.astype(np.float32) / 32_768),
            "label": 1 if index == self.changed else index % 2,
            "index": index,
            "name": f"näme {index}\n",
            "gain": np.float32(0.5) * index,
            "tags": ["x"] * (index % 3),
            "soft": torch.tensor([0.25, 0.75]),
            "none": None,
        }


class Steady(Sounds):
    """The same sounds, as fast as a slow disk would give them."""

    def __getitem__(self, index):
        time.sleep(0.02)
        return super().__getitem__(index)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sounds.packed"


@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("workers", [0, 2])
def test_packed_gives_what_the_data_set_gave(path, dtype, workers):
    sounds = Sounds()
    packed = pack(sounds, path, dtype=dtype, workers=workers, progress=False)
    assert len(packed) == 20
    for one, other in zip(packed, sounds, strict=True):
        for name in ("waveform", "soft"):
            assert one[name].dtype == other[name].dtype
            assert one.pop(name).equal(other.pop(name))
        assert one == {**other, "gain": float(other["gain"])}
    assert packed.labels.tolist() == [0, 1] * 10
    assert packed.lengths.tolist() == [item["waveform"].shape[1] for item in sounds]
    assert (packed.classes, packed.sample_rate) == (["a", "b"], 8_000)
    assert packed.column("name")[3] == "näme 3\n"
    packed.verify()
    assert [file.name for file in path.parent.iterdir()] == ["sounds.packed"]


def test_float32_keeps_what_int16_cannot(path):
    waveform = torch.tensor([[1e-9, -3.5, float("inf"), float("nan")]])
    packed = pack([{"waveform": waveform}], path, dtype="float32", sample_rate=8_000)
    torch.testing.assert_close(packed[0]["waveform"], waveform, rtol=0, atol=0, equal_nan=True)


def test_int16_rounds_to_the_nearest_step(path):
    waveform = torch.linspace(-1, 1, 9_973, dtype=torch.float64)[None]
    packed = pack([{"waveform": waveform}], path, sample_rate=8_000, progress=False)
    error = (packed[0]["waveform"].double() - waveform).abs()
    assert error[0, :-1].max() <= 0.5 / 32_768 + 1e-12
    assert error[0, -1] == 1 / 32_768  # 1.0 itself is one step above the largest int16


@pytest.mark.parametrize("value", [1.001, -1.001, float("nan")])
def test_int16_refuses_what_it_would_clip(path, value):
    item = {"waveform": torch.tensor([[0.0, value]])}
    with pytest.raises(ValueError, match=r"`waveform` of item 0 must be within -1 and 1.*float32"):
        pack([item], path, sample_rate=8_000, progress=False)
    assert not path.exists()


def test_items_without_integer_labels_have_no_labels(path):
    items = [{"waveform": torch.zeros(1, 5), "label": label} for label in (3, [0.5, 0.5])]
    packed = pack(items, path, sample_rate=8_000, progress=False)
    assert packed.labels is None
    assert packed[1]["label"] == [0.5, 0.5]


def test_a_sound_of_no_samples_has_none_afterwards(path):
    sounds = [{"waveform": torch.zeros(2, 0)}, {"waveform": torch.ones(1, 3)}]
    packed = pack(sounds, path, sample_rate=8_000, progress=False)
    assert packed[0]["waveform"].shape == (2, 0)
    assert packed[1]["waveform"].shape == (1, 3)


def test_an_edited_item_does_not_change_the_file(path):
    packed = pack(Sounds(3), path, progress=False)
    before = packed[2]["waveform"].clone()
    packed[2]["waveform"].zero_()
    assert packed[2]["waveform"].equal(before)


def test_negative_and_outside_indices(path):
    packed = pack(Sounds(3), path, progress=False)
    assert packed[-1]["index"] == 2
    with pytest.raises(IndexError):
        packed[3]


def test_pickling_sends_the_path_alone(path):
    packed = pack(Sounds(), path, progress=False)
    data = pickle.dumps(packed)
    assert len(data) < 300
    assert pickle.loads(data)[5]["waveform"].equal(packed[5]["waveform"])  # noqa: S301


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_read_the_same(path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    packed = pack(Sounds(), path, progress=False)
    loader = DataLoader(packed, None, num_workers=2, multiprocessing_context=method)
    for item, other in zip(loader, packed, strict=True):
        assert item["waveform"].equal(other["waveform"])


def test_existing_file_is_kept_unless_told(path):
    pack(Sounds(3), path, progress=False)
    with pytest.raises(FileExistsError, match="set `overwrite`"):
        pack(Sounds(4), path, progress=False)
    assert len(pack(Sounds(4), path, progress=False, overwrite=True)) == 4


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from test_packed import Steady
from augspec.datasets import pack
pack(Steady(60), sys.argv[2], progress=False, workers=int(sys.argv[3]))
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_pack_resumes_to_the_same_bytes(path, workers):
    journal = path.with_name("sounds.packed.journal")
    folder = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder, str(path), str(workers)], start_new_session=True
    )
    while process.poll() is None and not (
        journal.exists() and journal.read_bytes().count(b"\n") > 5
    ):
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not path.exists()
    done = journal.read_bytes().count(b"\n") - 1
    assert 5 <= done < 60
    decoded = []

    class Watched(Steady):
        def __getitem__(self, index):
            decoded.append(index)
            return super().__getitem__(index)

    Watched.__name__ = "Steady"
    pack(Watched(60), path, progress=False)
    assert decoded == list(range(60))  # those that are complete are compared
    again = path.with_name("again.packed")
    pack(Steady(60), again, progress=False)
    assert again.read_bytes() == path.read_bytes()


def interrupted(path, sounds, count):
    """Leave what a pack that failed after ``count`` items leaves."""

    class Failing(Sounds):
        def __getitem__(self, index):
            if index == count:
                raise RuntimeError("stop")
            return sounds[index]

    Failing.__name__ = "Sounds"
    with pytest.raises(RuntimeError, match="stop"):
        pack(Failing(len(sounds)), path, progress=False)


@pytest.mark.parametrize("lost", [1, 700, 5_000])
def test_audio_lost_in_a_power_cut_is_decoded_again(path, lost):
    sounds = Sounds()
    interrupted(path, sounds, 12)
    partial = path.with_name("sounds.packed.partial")
    os.truncate(partial, partial.stat().st_size - lost)
    packed = pack(sounds, path, progress=False)
    packed.verify()
    assert path.read_bytes() == pack(sounds, path.with_name("w"), progress=False).path.read_bytes()


def test_torn_last_line_of_the_journal_is_dropped(path):
    sounds = Sounds()
    interrupted(path, sounds, 12)
    journal = path.with_name("sounds.packed.journal")
    os.truncate(journal, journal.stat().st_size - 7)
    pack(sounds, path, progress=False)
    assert path.read_bytes() == pack(sounds, path.with_name("w"), progress=False).path.read_bytes()


@pytest.mark.parametrize(
    ("other", "message"),
    [(Sounds(21), "begun with another data set"), (Sounds(20, seed=1), "holds another item 0")],
)
def test_partial_file_of_another_data_set_is_not_continued(path, other, message):
    interrupted(path, Sounds(), 12)
    with pytest.raises(ValueError, match=message):
        pack(other, path, progress=False)
    pack(Sounds(), path, progress=False)  # what was there is still good


def test_a_pack_that_was_killed_before_its_first_item_binds_nobody(path):
    interrupted(path, Sounds(), 0)
    assert path.with_name("sounds.packed.journal").read_bytes().count(b"\n") == 1
    assert len(pack(Sounds(21), path, progress=False)) == 21


@pytest.mark.parametrize("workers", [0, 2])
def test_an_item_that_changed_after_a_kill_is_found(path, workers):
    """Not only the last one: others used to be mixed in from before the change."""
    interrupted(path, Sounds(), 12)
    with pytest.raises(ValueError, match="holds another item 4 than `dataset`"):
        pack(Sounds(changed=4), path, progress=False, workers=workers)


def test_files_are_compared_without_decoding_them(path, tmp_path, monkeypatch):
    for number in range(6):
        file = tmp_path / "sounds" / "a" / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, np.full(100, number / 10.0), 8_000)
    sounds = AudioFolder(tmp_path / "sounds")
    read, decode = [], type(sounds).__getitem__

    def get(self, index):
        read.append(index)
        if len(read) == 5:
            raise RuntimeError("stop")
        return decode(self, index)

    monkeypatch.setattr(type(sounds), "__getitem__", get)
    with pytest.raises(RuntimeError, match="stop"):
        pack(Subset(sounds, range(6)), path, progress=False)
    soundfile.write(tmp_path / "sounds" / "a" / "1.wav", np.zeros(101), 8_000)
    with pytest.raises(ValueError, match="holds another item 1 than"):
        pack(Subset(sounds, range(6)), path, progress=False)
    assert read == [0, 1, 2, 3, 4]
    path.with_name(path.name + ".partial").unlink()
    path.with_name(path.name + ".journal").unlink()
    pack(Subset(AudioFolder(tmp_path / "sounds"), range(6)), path, progress=False)
    assert read == [0, 1, 2, 3, 4, *range(6)]


def test_the_advice_to_use_float32_can_be_followed(path):
    """An empty `.partial` file was "begun with another data set"."""
    loud = [{"waveform": torch.full((1, 5), peak)} for peak in (0.5, 1.02)]
    for items in (loud[1:], loud):  # without and with an item that is complete
        with pytest.raises(ValueError, match=r"pass over='clip' .* or dtype='float32'"):
            pack(items, path, sample_rate=8_000, progress=False)
        packed = pack(items, path, sample_rate=8_000, progress=False, dtype="float32")
        assert [item["waveform"].max() for item in packed] == [
            item["waveform"].max() for item in items
        ]
        path.unlink()


def test_a_loud_mp3_is_packed_and_sharded(path, tmp_path):
    time = np.arange(16_000) / 16_000
    loud = np.sign(np.sin(2 * np.pi * 220.0 * time)) * 0.99  # its partials overshoot when coded
    (tmp_path / "sounds" / "a").mkdir(parents=True)
    soundfile.write(tmp_path / "sounds" / "a" / "x.mp3", loud, 16_000)
    sounds = AudioFolder(tmp_path / "sounds")
    waveform = sounds[0]["waveform"]
    assert 1.0 < waveform.abs().max() < 1.5
    with pytest.raises(ValueError, match="pass over='clip'"):
        pack(sounds, path, progress=False)
    clipped = pack(sounds, path, over="clip", progress=False)[0]["waveform"]
    torch.testing.assert_close(clipped, waveform.clamp(-1.0, 1.0), rtol=0.0, atol=2.0**-15)
    shards = write_shards(sounds, tmp_path / "s", shards=1, over="clip", progress=False)
    assert next(iter(Shards(shards)))["waveform"].equal(clipped)


def test_to_clip_is_not_to_accept_nan(path):
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be within -1 and 1"):
            pack([{"waveform": torch.full((1, 5), value)}], path, sample_rate=1, over="clip")
    with pytest.raises(ValueError, match="`over` must be raise or clip"):
        pack(Sounds(), path, over="wrap")


def test_multi_hot_labels_stay_tensors(path, tmp_path):
    """As lists the default collate transposes them: (classes, batch)."""
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    frames = torch.zeros(3, 0)
    items = [
        {"waveform": torch.zeros(1, 5), "label": label, "frames": frames, "index": place}
        for place, label in enumerate(labels)
    ]
    packed = pack(items, path, sample_rate=8_000, progress=False)
    assert packed.labels.dtype == np.float32
    assert packed.labels.tolist() == labels.tolist()
    urls = write_shards(items, tmp_path / "s", shards=1, sample_rate=8_000, progress=False)
    for data in (packed, Shards(urls)):
        (batch,) = DataLoader(data, 3)
        assert batch["label"].dtype == torch.float32
        assert batch["label"].equal(labels)
        assert batch["frames"].shape == (3, 3, 0)


@pytest.mark.parametrize(
    "mark", ["3", '{"a": 1}', '{"a": ["int4", [1]]}', '{"a": ["int8", [2]]}', '{"b": ["int8", []]}']
)
def test_a_record_whose_tensors_are_told_wrongly_is_named(path, raw, mark):
    rewrite(path, raw, lambda _: None, f'{{"a": [1], "__tensors__": {mark}}}'.encode())
    with pytest.raises(ValueError, match="the record of item 0 is not a JSON object|must list"):
        Packed(path)._record(0, 0, len(f'{{"a": [1], "__tensors__": {mark}}}'))


def test_two_writers_at_once_are_refused(path, monkeypatch):
    monkeypatch.setattr(_pack_writer, "_PATIENCE", 0.0)

    class Nested(Sounds):
        def __getitem__(self, index):
            with pytest.raises(BlockingIOError, match="another process is writing"):
                pack(Nested(2), path, progress=False)
            return Sounds()[index]

    assert len(pack(Nested(2), path, progress=False)) == 2


@pytest.fixture
def raw(path):
    return bytearray(pack(Sounds(), path, progress=False).path.read_bytes())


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (0, "is not a file that augspec.datasets.pack has finished"),
        (20, "has a damaged header"),
        (-5, "damaged table of contents"),
        (-700, "damaged rows or records"),
    ],
)
def test_damage_outside_of_the_audio_is_found_when_opened(path, raw, place, message):
    raw[place] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=rf"sounds\.packed .*{message}|sounds\.packed {message}"):
        Packed(path)


def test_damaged_audio_is_found_by_verify(path, raw):
    rows = Packed(path)._rows
    raw[int(rows["start"][7]) + 3] ^= 16
    path.write_bytes(raw)
    packed = Packed(path)
    with pytest.raises(ValueError, match=r"sounds\.packed is damaged: the audio of item 7"):
        packed.verify()
    with pytest.raises(ValueError, match="item 7"):
        Packed(path, verify=True)


@pytest.mark.parametrize("size", [0, 5, 30, 38, 4_096, 20_000, -1])
def test_cut_file_is_refused(path, raw, size):
    path.write_bytes(raw[:size])
    with pytest.raises(ValueError, match=r"sounds\.packed (is|must have)"):
        Packed(path)


def test_longer_file_is_refused(path, raw):
    path.write_bytes(raw + b"x")
    with pytest.raises(ValueError, match=rf"must have {len(raw)} bytes, got {len(raw) + 1}"):
        Packed(path)


def test_newer_version_is_refused(path, raw):
    import struct
    import zlib

    raw[8:12] = struct.pack("<I", 2)
    raw[36:40] = struct.pack("<I", zlib.crc32(raw[:36]))
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="has version 2 of the format and this augspec reads 1"):
        Packed(path)


def test_unfinished_file_is_refused(path):
    interrupted(path, Sounds(), 12)
    with pytest.raises(ValueError, match="is not a file that augspec.datasets.pack has finished"):
        Packed(path.with_name("sounds.packed.partial"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("start", 1 << 40), ("start", (1 << 63) - 1), ("start", 4097), ("time", -5)],
        *[("time", 1 << 62), ("channels", -1), ("channels", 0)],
        *[("channels", (1 << 31) - 1)],
        *[("record", 1 << 30), ("record", (1 << 63) - 1), ("record_bytes", (1 << 31) - 1)],
    ],
)
def test_rows_that_point_outside_are_refused(path, raw, field, value):
    """Even with checksums in order: a file may come from anyone."""
    with_row(path, raw, field, lambda *_: value)
    with pytest.raises(ValueError, match="rows that point outside"):
        Packed(path)


def test_a_row_may_reach_to_the_end_of_the_audio_and_no_further(path, raw):
    def longest(row, end):
        return (end - row["start"]) // (2 * row["channels"])

    with_row(path, raw, "time", longest)
    assert Packed(path)[3]["waveform"].shape[1] > Sounds()[3]["waveform"].shape[1]
    with_row(path, raw, "time", lambda row, end: longest(row, end) + 1)
    with pytest.raises(ValueError, match="rows that point outside"):
        Packed(path)


def with_row(path, raw, field, value):
    """Write a number of a row anew: what a function makes of the row and the audio's end."""
    import json
    import zlib

    from augspec.datasets._pack_format import read_contents, write_header

    path.write_bytes(raw)
    with path.open("r+b") as file:
        contents = read_contents(file, len(raw), path)
        rows = np.frombuffer(raw, ROW, 20, contents["rows"]).copy()
        rows[field][3] = value(rows[3], contents["rows"])
        tables = rows.tobytes() + raw[contents["records"] : contents["end"]]
        contents["crc"] = zlib.crc32(tables)
        encoded = json.dumps(contents).encode()
        file.seek(contents["rows"])
        file.write(tables + encoded)
        file.truncate()
        write_header(file, contents["end"], encoded)


def rewrite(path, raw, change, records=None):
    """Change the table of contents, and the records if wanted, and put all checksums in order."""
    import json
    import zlib

    from augspec.datasets._pack_format import read_contents, write_header

    with path.open("r+b") as file:
        contents = read_contents(file, len(raw), path)
        tables = bytes(raw[contents["rows"] : contents["end"]])
        if records is not None:
            first = contents["records"] - contents["rows"]
            tables = tables[:first] + records.ljust(len(tables) - first)
        contents["crc"] = zlib.crc32(tables)
        start = contents["rows"]
        change(contents)
        encoded = json.dumps(contents).encode()
        file.seek(start)
        file.write(tables + encoded)
        file.truncate()
        write_header(file, start + len(tables), encoded)


@pytest.mark.parametrize(
    "change",
    [
        lambda contents: contents.pop("classes"),  # found by fuzzing
        lambda contents: contents.pop("dtype"),
        lambda contents: contents.update(dtype="int8"),
        lambda contents: contents.update(dtype=["int16"]),
        lambda contents: contents.update(count=-1),
        lambda contents: contents.update(count=True),
        lambda contents: contents.update(rows=1.5),
        lambda contents: contents.update(rows=0),
        lambda contents: contents.update(records=1 << 80),
        lambda contents: contents.update(labelled="yes"),
        lambda contents: contents.update(classes=3),
        lambda contents: contents.update(sample_rate=None),
    ],
)
def test_contents_that_pack_does_not_write_are_refused(path, raw, change):
    rewrite(path, raw, change)
    with pytest.raises(ValueError, match="has a table of contents that `pack` does not write"):
        Packed(path)


def test_multi_hot_labels_that_are_none_are_named(path, raw):
    rewrite(path, raw, lambda contents: contents.update(labelled=False, label_size=2))
    with pytest.raises(ValueError, match=r"sounds\.packed must hold labels of one size"):
        _ = Packed(path).labels


@pytest.mark.parametrize("record", [b"[1, 2]", b"17    ", b"{]    ", b"\xff\xfe{}  "])
def test_a_record_that_is_no_object_is_named(path, raw, record):
    rewrite(path, raw, lambda _: None, record)
    packed = Packed(path)
    with pytest.raises(ValueError, match="the record of item 0 is not a JSON object"):
        packed[0]
    with pytest.raises(ValueError, match=r"the record of item \d is not a JSON object"):
        packed.column("label")


@pytest.mark.parametrize(
    ("dataset", "options", "error", "message"),
    [
        (Sounds(), {"dtype": "int8"}, ValueError, "`dtype` must be one of int16, float32"),
        ([], {"sample_rate": 1}, ValueError, "at least one item"),
        ([{}], {}, ValueError, "`sample_rate` must be given"),
        ([{"label": 1}], {"sample_rate": 1}, KeyError, "item 0 must hold a `waveform`"),
        ([{"waveform": torch.zeros(3)}], {"sample_rate": 1}, ValueError, r"\(channel, time\), got"),
        ([{"waveform": torch.zeros(0, 3)}], {"sample_rate": 1}, ValueError, "a channel or more"),
        ([{"waveform": torch.zeros(1, 3), "x": {1}}], {"sample_rate": 1}, TypeError, "item 0 must"),
        (iter([]), {"sample_rate": 1}, TypeError, "`dataset` must have a length"),
    ],
)
def test_what_cannot_be_packed_is_named(path, dataset, options, error, message):
    with pytest.raises(error, match=message):
        pack(dataset, path, progress=False, **options)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`path` must be a packed file, got .*nothing"):
        Packed(tmp_path / "nothing")


def test_embedded_notes_come_out_as_they_were(path):
    notes = GMNotes("valid")
    packed = pack(torch.utils.data.Subset(notes, range(0, 240, 24)), path, sample_rate=16_000)
    for i, item in enumerate(packed):
        assert item["waveform"].equal(notes[24 * i]["waveform"])
        assert item["instrument"] == notes.instruments[24 * i]
    assert packed._rows["start"][0] == AUDIO_START


def test_without_copies_audio_is_the_mapped_file_itself(path):
    packed = pack(Sounds(3), path, dtype="float32", progress=False)
    raw = path.read_bytes()
    views = pickle.loads(pickle.dumps(Packed(path, copy=False)))  # noqa: S301
    assert not views.copy
    for index in range(3):
        assert torch.equal(views[index]["waveform"], packed[index]["waveform"])
    waveform = views[1]["waveform"]
    assert waveform.data_ptr() == views[1]["waveform"].data_ptr()
    waveform.zero_()  # an edit stays in this process
    assert not views[1]["waveform"].any()
    assert packed[1]["waveform"].any()
    assert path.read_bytes() == raw


def test_views_need_float32(path):
    pack(Sounds(3), path, progress=False)
    with pytest.raises(ValueError, match="`copy` must be on for .*, which holds int16"):
        Packed(path, copy=False)


def test_a_subset_has_the_rate_and_the_classes_of_its_data_set(path):
    part = torch.utils.data.Subset(torch.utils.data.Subset(Sounds(6), [5, 3, 1]), [0, 2])
    packed = pack(part, path, progress=False)
    assert (packed.sample_rate, packed.classes) == (8_000, ["a", "b"])
    assert [item["name"] for item in packed] == ["näme 5\n", "näme 1\n"]


def test_equal_audio_has_equal_hashes(path):
    sounds = [{"waveform": torch.full((1, 8), value)} for value in (0.5, 0.25, 0.5)]
    packed = pack(sounds, path, sample_rate=8_000, progress=False)
    one, other, again = packed.hashes(np.arange(3))
    assert one == again != other
