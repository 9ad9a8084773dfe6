"""A full or read-only disk: an error that names the file, and nothing is lost."""

import errno

import pytest
from disk import no_file_beyond, small_disk
from test_nsynth_archive import make_archive, read
from test_packed import Sounds

from augspec.datasets import Packed, pack


@pytest.mark.parametrize("size", [3000, 5000, 20_000])
def test_a_pack_that_filled_the_disk_goes_on_later(tmp_path, size):
    expected = pack(Sounds(30), tmp_path / "whole.packed", progress=False).path.read_bytes()
    path = tmp_path / "sounds.packed"
    with no_file_beyond(size), pytest.raises(OSError, match=r"sounds\.packed\.partial") as caught:
        pack(Sounds(30), path, progress=False)
    assert caught.value.errno == errno.EFBIG
    assert not path.exists()
    pack(Sounds(30), path, progress=False)
    assert path.read_bytes() == expected
    assert {file.name for file in tmp_path.iterdir()} == {"whole.packed", "sounds.packed"}


def test_a_pack_on_a_full_disk_goes_on_when_there_is_room(tmp_path):
    expected = pack(Sounds(30), tmp_path / "whole.packed", progress=False).path.read_bytes()
    with small_disk(tmp_path / "small", 16_384) as enlarge:
        path = tmp_path / "small" / "sounds.packed"
        with pytest.raises(OSError, match=r"sounds\.packed\.partial") as caught:
            pack(Sounds(30), path, progress=False)
        assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
        assert not path.exists()
        enlarge()
        pack(Sounds(30), path, progress=False)
        assert path.read_bytes() == expected


def test_tables_that_do_not_fit_leave_the_audio(tmp_path):
    """The last bytes of a packed file are its tables: all audio is there when they fail."""
    expected = pack(Sounds(30), tmp_path / "whole.packed", progress=False).path.read_bytes()
    path = tmp_path / "sounds.packed"
    size = len(expected) - 200
    with no_file_beyond(size), pytest.raises(OSError, match=r"sounds\.packed\.partial"):
        pack(Sounds(30), path, progress=False)
    sounds = Sounds(30)
    sounds.read = []
    get = sounds.__getitem__

    class Watched(Sounds):
        def __getitem__(self, index):
            sounds.read.append(index)
            return get(index)

    Watched.__name__ = "Sounds"  # the journal keeps the name of the class
    pack(Watched(30), path, progress=False)
    assert sounds.read == list(range(30))  # to see that it is the same data set
    assert path.read_bytes() == expected


def test_an_archive_that_filled_the_disk_is_taken_up_again(tmp_path):
    make_archive(tmp_path)
    with no_file_beyond(200_000), pytest.raises(OSError, match="File too large"):
        read(tmp_path)
    assert not (tmp_path / "nsynth-train" / "audio.packed").exists()
    assert len(read(tmp_path)) == 3
    Packed(tmp_path / "nsynth-train" / "audio.packed", verify=True)


def test_a_read_only_place_is_named(tmp_path):
    """Not even root can write below /sys; elsewhere root may write whatever the mode is."""
    with pytest.raises(OSError, match=r"/sys/kernel/sounds\.packed"):
        pack(Sounds(), "/sys/kernel/sounds.packed", progress=False)
    with pytest.raises(OSError, match=r"none/sounds\.packed"):
        pack(Sounds(), tmp_path / "none" / "sounds.packed", progress=False)
