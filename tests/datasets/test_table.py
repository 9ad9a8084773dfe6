"""Tables of any kind; the layouts of public data sets are read by the guide, in test_docs.py."""

import json
import os

import lookalikes
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from augspec import functional
from augspec.datasets import AudioFolder, AudioTable, Packed, Shards, pack, write_shards

ROWS = [
    {"path": "a.wav", "label": "oboe", "fold": 1, "group": "x"},
    {"path": "b.wav", "label": "viola", "fold": 2, "group": "y"},
    {"path": "c.wav", "label": "oboe", "fold": 2, "group": "x"},
]


@pytest.fixture
def root(tmp_path):
    for name in "abc":
        lookalikes.sound(tmp_path / f"{name}.wav", 0.05 + 0.01 * (name == "c"))
    return tmp_path


def as_csv(root, text, name="t.csv", encoding="utf-8"):
    (root / name).write_bytes(text.encode(encoding))
    return root / name


@pytest.mark.parametrize(
    "make",
    [
        lambda _: ROWS,
        lambda _: pd.DataFrame(ROWS),
        lambda _: pd.DataFrame(ROWS).convert_dtypes(),
        lambda root: as_csv(root, pd.DataFrame(ROWS).to_csv(index=False)),
        lambda root: as_csv(root, pd.DataFrame(ROWS).to_csv(index=False), encoding="utf-8-sig"),
        lambda root: as_csv(root, pd.DataFrame(ROWS).to_csv(index=False, sep=";")),
        lambda root: as_csv(root, pd.DataFrame(ROWS).to_csv(index=False, sep="\t"), "t.tsv"),
        lambda root: str(
            as_csv(root, pd.DataFrame(ROWS).to_csv(index=False).replace("\n", "\r\n"))
        ),
    ],
)
def test_every_kind_of_table_is_the_same(root, make):
    sounds = AudioTable(make(root), root, fold="fold", group="group")
    assert sounds.classes == ["oboe", "viola"]
    assert sounds.labels.tolist() == [item["label"] for item in sounds] == [0, 1, 0]
    assert [item["path"] for item in sounds] == sounds.paths
    assert sounds.paths == [str(root / f"{name}.wav") for name in "abc"]
    assert [item["index"] for item in sounds] == [0, 1, 2]
    assert [item["group"] for item in sounds] == sounds.groups.tolist() == ["x", "y", "x"]
    assert [item["fold"] for item in sounds] == sounds.folds.tolist() == ["1", "2", "2"]
    assert sounds.lengths.tolist() == [800, 800, 960]
    whole = AudioFolder(root, lambda path: path.stem)
    assert all(item["waveform"].equal(whole[i]["waveform"]) for i, item in enumerate(sounds))
    second = AudioTable(make(root), root, fold="fold", folds=np.int64(2))
    assert second.classes == sounds.classes
    assert [item["label"] for item in second] == second.labels.tolist() == [1, 0]


def test_paths_begin_from_the_folder_of_the_table(root):
    assert len(AudioTable(as_csv(root, "path,label\na.wav,x\n"))) == 1
    rows = [{"path": str(root / "b.wav")}, {"path": root / "a.wav"}]
    assert AudioTable(rows, label=None).paths == [str(root / "b.wav"), str(root / "a.wav")]


def test_without_labels(root):
    sounds = AudioTable(as_csv(root, "path\na.wav\nb.wav\n"), label=None)
    assert (sounds.labels, sounds.classes) == (None, [])
    assert set(sounds[0]) == {"waveform", "index", "path"}
    (batch,) = DataLoader(sounds, 2)
    assert batch["waveform"].shape == (2, 1, 800)


MULTI = [["oboe", "horn"], [], ["viola", "oboe"]]


@pytest.mark.parametrize("separated", [True, False])
def test_multi_hot_labels(root, separated):
    if separated:
        table = as_csv(root, 'path,label\na.wav,"oboe, horn"\nb.wav,\nc.wav,"viola,oboe"\n')
        sounds = AudioTable(table, separator=",")
    else:
        rows = [
            {"path": f"{name}.wav", "label": own} for name, own in zip("abc", MULTI, strict=True)
        ]
        sounds = AudioTable(rows, root)
    expected = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    assert sounds.classes == ["horn", "oboe", "viola"]
    assert torch.from_numpy(sounds.labels).equal(expected)
    for item, label in zip(sounds, expected, strict=True):
        assert item["label"].dtype == torch.float32
        assert item["label"].equal(label)


def test_multi_hot_labels_survive_packing_and_shards(root):
    rows = [{"path": f"{name}.wav", "label": own} for name, own in zip("abb", MULTI, strict=True)]
    sounds = AudioTable(rows, root)
    packed = pack(sounds, root / "p", dtype="float32", progress=False)
    urls = write_shards(sounds, root / "s", shards=1, dtype="float32", progress=False)
    assert np.array_equal(Packed(root / "p").labels, sounds.labels)
    for data in (sounds, packed, Shards(urls)):
        (batch,) = DataLoader(data, 3)
        assert batch["label"].equal(torch.from_numpy(sounds.labels))


def test_whole_numbers_are_in_the_order_of_their_values(root):
    """So that a column of numbers gives the numbers of the data set's authors."""
    rows = [{"path": "a.wav", "label": number} for number in (10, 2, 0, 1, *range(3, 10))]
    sounds = AudioTable(pd.DataFrame(rows), root)
    assert sounds.classes == [str(number) for number in range(11)]
    assert sounds.labels.tolist() == [row["label"] for row in rows]


def test_classes_give_the_order(root):
    sounds = AudioTable(ROWS, root, classes=np.array(["viola", "horn", "oboe"]))
    assert sounds.classes == ["viola", "horn", "oboe"]
    assert sounds.labels.tolist() == [2, 0, 2]
    assert json.dumps(sounds.classes)


def test_folders_too_take_their_classes_from_elsewhere(root):
    """A validation set without class b would number c as 1 where the training set has 2."""
    valid = AudioFolder(root, lambda path: {"a": "dog", "b": "fox"}.get(path.stem, "dog"))
    assert valid.classes == ["dog", "fox"]
    valid = AudioFolder(
        root, lambda path: {"b": "fox"}.get(path.stem, "dog"), classes=["dog", "cat", "fox"]
    )
    assert valid.labels.tolist() == [0, 2, 0]
    with pytest.raises(ValueError, match=r"`classes` must contain the label of .*b\.wav has 'fox'"):
        AudioFolder(root, lambda path: {"b": "fox"}.get(path.stem, "dog"), classes=["dog"])
    with pytest.raises(TypeError, match="`classes` must be a list of names, got the string 'dog'"):
        AudioFolder(root, lambda _: "dog", classes="dog")
    with pytest.raises(ValueError, match="`classes` must contain each name once, got 'dog' again"):
        AudioFolder(root, lambda _: "dog", classes=["dog", "dog"])


def test_a_segment_is_drawn_as_in_a_folder(root):
    sounds = AudioTable(ROWS, root, segment=0.02, sample_rate=8_000, mono=True)
    starts = set()
    for epoch in range(10):
        sounds.set_epoch(epoch)
        starts.add(sounds[0]["start"])
        assert sounds[0]["waveform"].shape == (1, 160)
    assert len(starts) > 5
    whole = AudioTable(ROWS, root)[0]["waveform"]
    resampled = functional.resample_rate(whole[None], 16_000, 8_000)[0]
    first = round(sounds[0]["start"] * 8_000)
    expected = resampled[:, first : first + 160]
    torch.testing.assert_close(sounds[0]["waveform"], expected, rtol=0.0, atol=1e-5)


def test_skip_keeps_everything_in_step(root):
    (root / "b.wav").write_bytes(b"x")
    rows = [*ROWS[:2], {**ROWS[1], "path": "gone.wav"}, ROWS[2]]
    sounds = AudioTable(rows, root, fold="fold", group="group", on_error="skip")
    assert [item["path"] for item in sounds] == sounds.paths
    assert sounds.labels.tolist() == [0, 0]
    assert (sounds.groups.tolist(), sounds.folds.tolist()) == (["x", "x"], ["1", "2"])
    assert ["row 1" in sounds.skipped[0].reason, "row 2" in sounds.skipped[1].reason] == [True] * 2


CSV = "path,label,fold\na.wav,oboe,1\nb.wav,viola,2\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            CSV,
            {"path": "file"},
            r"`path` must be a column of .*t\.csv, got 'file'; it has path, la",
        ),
        (
            CSV,
            {"label": "class"},
            r"`label` must be a column .* give `label=None` for a table with",
        ),
        (
            CSV,
            {"path": "{file}.wav"},
            r"`path` must name columns of .* in braces, got '{file}\.wav'",
        ),
        (CSV, {"fold": "split"}, "`fold` must be a column of"),
        (CSV, {"group": "speaker"}, "`group` must be a column of"),
        (CSV, {"folds": 1}, "`fold` must be given with `folds`"),
        (CSV, {"fold": "fold", "folds": [1, 3]}, r"`folds` must be some of 1, 2, got \[1, 3\]"),
        (CSV, {"classes": ["oboe"]}, r"line 3 of .*t\.csv has 'viola'"),
        (CSV, {"label": None, "separator": ","}, "`label` must be given with `separator`"),
        (CSV + "gone.wav,x,1\n", {}, r"line 4 of .*t\.csv: .*gone\.wav is not a file"),
        (
            CSV + "gone.wav,x,1\n",
            {},
            r'gone\.wav is not a file that exists; check its name.*on_error="skip" leaves',
        ),
        (CSV + "c.wav,,1\n", {}, r"line 4 of .*t\.csv has an empty cell for `label`"),
        (CSV + "c.wav,,1\n", {}, r"fill it or leave the line out"),
        (CSV + ",oboe,1\n", {}, r"line 4 of .*t\.csv has an empty cell for `path`"),
        (CSV + "c.wav\n", {}, r"line 4 of .*t\.csv has an empty cell for `label`"),
        (CSV + "c.wav,a,b,c\n", {}, r"line 4 of .*t\.csv has more cells than the header"),
        (CSV + '"c.wav,a,b\n', {}, r"line 3 of .*t\.csv cannot be read"),
        ("path,label\n", {}, "must have at least one row"),
        ("", {}, "must have at least one row"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(root, text, options, message):
    with pytest.raises(ValueError, match=message):
        AudioTable(as_csv(root, text), **options)


def test_other_tables_are_refused(root):
    with pytest.raises(FileNotFoundError, match=r"`table` must be an existing file, got .*gone"):
        AudioTable(root / "gone.csv")
    with pytest.raises(ValueError, match=r"t\.csv must be UTF-8"):
        AudioTable(as_csv(root, "path,label\né.wav,x\n", encoding="latin-1"))
    for table in (3, [3], "ab"):
        with pytest.raises((TypeError, FileNotFoundError), match="`table` must be"):
            AudioTable(table)


def test_a_file_of_a_million_columns_is_refused_in_few_words(root):
    header = ",".join(["path", "label", *map(str, range(1_000_000))])
    with pytest.raises(ValueError, match=r"t\.csv must have at most 16,384 columns, got 1,000,002"):
        AudioTable(as_csv(root, f"{header}\na.wav,oboe\n"))


def test_an_error_lists_twenty_columns(root):
    columns = ["x" * 1000, *map(str, range(999))]
    with pytest.raises(ValueError, match=r"it has x{60}\.\.\., 0, 1, .* 18 and 980 more;") as told:
        AudioTable(as_csv(root, ",".join(columns) + "\na.wav\n"))
    assert len(str(told.value)) < 500


@pytest.mark.parametrize(
    "options",
    [{"classes": ["x"] + [f"class {i}" for i in range(9999)]}, {"fold": "fold", "folds": "gone"}],
)
def test_an_error_lists_twenty_names_of_many(root, options):
    rows = [{"path": f"{i}.wav", "label": f"{i}" * 99, "fold": i} for i in range(10_000)]
    with pytest.raises(ValueError, match=r" and 9,980 more") as told:
        AudioTable(rows, root, **options)
    assert len(str(told.value)) < 1000


@pytest.mark.parametrize("path", ["/dev/zero", "pipe", ".", "..", "../gone.wav", "/etc/passwd"])
def test_rows_that_lead_elsewhere_are_read_as_audio_or_named(root, path):
    """Paths may be absolute, or leave the root, as users have them; nothing else is opened."""
    os.mkfifo(root / "pipe")
    table = as_csv(root, f"path,label\na.wav,oboe\n{path},viola\n")
    with pytest.raises(ValueError, match=rf"line 3 of {table}: .* is not "):
        AudioTable(table)
    assert len(AudioTable(table, on_error="skip")) == 1
    inside = as_csv(root, f"path,label\n{root}/a.wav,oboe\n../{root.name}/b.wav,viola\n")
    assert AudioTable(inside).classes == ["oboe", "viola"]
