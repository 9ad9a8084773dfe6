"""Folders with links: each file is one item, and nothing from beside the folder gets in."""

import os
from pathlib import Path

import pytest
import soundfile
import torch
from test_folder import write

from augspec.datasets import AudioFolder


def names(sounds):
    return [Path(item["path"]).relative_to(sounds.root).as_posix() for item in sounds]


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "data" / "train" / "dog" / "1.wav")
    write(tmp_path / "data" / "train" / "cat" / "2.wav")
    write(tmp_path / "data" / "valid" / "dog" / "3.wav")
    return tmp_path / "data" / "train"


@pytest.mark.parametrize("target", [".", "..", "../..", "../../..", "../../valid/../.."])
def test_a_link_back_adds_nothing(root, target):
    """`loop -> ..` made one file 41 items; `loop -> ../..` put validation files into train."""
    (root / "dog" / "loop").symlink_to(target)
    sounds = AudioFolder(root)
    assert names(sounds) == ["cat/2.wav", "dog/1.wav"]
    assert sounds.classes == ["cat", "dog"]
    (skipped,) = sounds.skipped
    assert skipped.path == str(root / "dog" / "loop")
    assert "is a link to a folder that contains it" in skipped.reason


def test_a_folder_that_is_linked_twice_is_read_once_under_its_own_name(root):
    (root / "canine").symlink_to("dog")
    (root / "cat" / "all").symlink_to(root / "dog")
    sounds = AudioFolder(root)
    assert names(sounds) == ["cat/2.wav", "dog/1.wav"]
    assert [skipped.path for skipped in sounds.skipped] == [
        str(root / "canine"),
        str(root / "cat" / "all"),
    ]
    assert all(f"was already read, {root / 'dog'}" in skipped.reason for skipped in sounds.skipped)


def test_links_to_each_other_end(root, tmp_path):
    for number in range(6):
        write(tmp_path / "far" / f"f{number}" / "x.wav")
    for one in range(6):
        for other in range(6):
            if one != other:
                (tmp_path / "far" / f"f{one}" / f"to{other}").symlink_to(f"../f{other}")
    (root / "far").symlink_to(tmp_path / "far")
    assert len(AudioFolder(root)) == 2 + 6


def test_a_folder_elsewhere_and_a_linked_root_are_followed(root, tmp_path):
    write(tmp_path / "far" / "4.wav")
    (tmp_path / "far" / "up").symlink_to("..")
    (root / "fox").symlink_to(tmp_path / "far")
    (tmp_path / "here").symlink_to(root)
    sounds = AudioFolder(tmp_path / "here")
    assert names(sounds) == ["cat/2.wav", "dog/1.wav", "fox/4.wav"]
    assert [Path(skipped.path).name for skipped in sounds.skipped] == ["up"]


def test_links_to_nothing_and_to_themselves_are_no_folders(root):
    (root / "dog" / "self").symlink_to("self")
    (root / "dog" / "gone").symlink_to("nowhere")
    assert names(AudioFolder(root)) == ["cat/2.wav", "dog/1.wav"]


def test_a_folder_that_must_not_be_read_is_named_or_left_out(root, monkeypatch):
    """It used to be left out without a word. (A mode would not do: root may read all folders.)"""
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "cat":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="cat"):
        AudioFolder(root)
    sounds = AudioFolder(root, on_error="skip")
    assert names(sounds) == ["dog/1.wav"]
    assert [skipped.path for skipped in sounds.skipped] == [str(root / "cat")]


def test_linked_files_are_items_of_their_own(root):
    """Splits are made of such links."""
    (root / "cat" / "0.wav").symlink_to("2.wav")
    assert names(AudioFolder(root)) == ["cat/0.wav", "cat/2.wav", "dog/1.wav"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_not_utf_8_is_read(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9") / os.fsdecode(b"b\xfcb.wav")
    original = write(tmp_path / "x" / "1.wav")
    path.parent.mkdir()
    path.write_bytes(original.read_bytes())
    samples, _ = soundfile.read(original, dtype="float32")
    sounds = AudioFolder(tmp_path)
    assert sounds[0]["waveform"].equal(torch.from_numpy(samples)[None])
    assert sounds[0]["path"] == str(path)
    assert [os.fsencode(name) for name in sounds.classes] == [b"caf\xe9", b"x"]
    assert AudioFolder(tmp_path, segment=0.05)[0]["waveform"].shape == (1, 400)
