"""Files under a wrong suffix, as phones and web sites give them out: read right, or told what."""

import io
import sys

import numpy as np
import pytest
import soundfile
import torch
from peers import import_or_skip
from test_segments import make, noise

import augspec
from augspec.conditions.folder import write_copies
from augspec.datasets import AudioFolder, AudioTable, Windows, pack
from augspec.datasets._audio import SUFFIXES, TORCHCODEC_SUFFIXES, needs_torchcodec, read_audio

RATE = 48_000  # which every format has
ALL = sorted(SUFFIXES | TORCHCODEC_SUFFIXES)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One file of every format, rightly named."""
    import_or_skip("torchcodec.decoders")
    root = tmp_path_factory.mktemp("right")
    return {suffix: make(root / f"x{suffix}", noise(RATE // 2), RATE) for suffix in ALL}


@pytest.mark.parametrize("suffix", ALL)
def test_what_a_file_is_decides_how_it_is_read(files, tmp_path, suffix):
    """Under every suffix that there is the same samples come out."""
    content = files[suffix].read_bytes()
    rate = AudioTable([{"path": files[suffix]}], label=None).sample_rate
    expected = read_audio(files[suffix], rate)
    for other in ALL:
        path = tmp_path / f"y{other}"
        path.write_bytes(content)
        assert needs_torchcodec(path) == (suffix in TORCHCODEC_SUFFIXES), other
        assert read_audio(path, rate).equal(expected), other


WRONG = [(".m4a", ".mp3"), (".webm", ".wav"), (".wma", ".mp3"), (".aac", ".ogg"), (".wav", ".m4a")]


@pytest.mark.parametrize(("true", "name"), WRONG)
def test_every_reader_reads_it(files, tmp_path, true, name):
    path = tmp_path / "sounds" / "a" / f"x{name}"
    path.parent.mkdir(parents=True)
    path.write_bytes(files[true].read_bytes())
    table = AudioTable([{"path": files[true]}], label=None)
    expected, rate = table[0]["waveform"], table.sample_rate
    folder = AudioFolder(tmp_path / "sounds")
    size = expected.shape[1]
    assert folder[0]["waveform"].equal(expected)
    assert folder.lengths.tolist() == [size]
    assert AudioFolder(tmp_path / "sounds", on_error="skip")[0]["waveform"].equal(expected)
    torch.testing.assert_close(
        AudioFolder(tmp_path / "sounds", segment=0.1, segment_from="center")[0]["waveform"],
        expected[:, (size - round(0.1 * rate)) // 2 :][:, : round(0.1 * rate)],
    )
    windows = Windows(folder, 0.1)
    torch.testing.assert_close(
        torch.cat([item["waveform"] for item in windows], 1)[:, :size], expected
    )
    packed = pack(folder, tmp_path / "p", dtype="float32", progress=False)
    assert packed[0]["waveform"].equal(expected)
    assert augspec.Bank(tmp_path / "sounds", rate).max_length == size
    list(write_copies(tmp_path / "sounds", tmp_path / "copies", [("noise", 1)]))
    (copy,) = (tmp_path / "copies").rglob("x*")
    assert soundfile.info(copy).frames == size


def test_without_torchcodec_the_error_says_what_it_is(files, tmp_path, monkeypatch):
    """An m4a named .mp3 was "Error in file" of libsndfile, which says nothing of it."""
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    for true, name, said in (
        (".m4a", ".mp3", "an MPEG-4 file (m4a)"),
        (".webm", ".flac", "a Matroska or WebM file"),
        (".wma", ".wav", "a Windows Media file (wma)"),
        (".aac", ".mp3", "an AAC stream (adts)"),
        (".ac3", ".wav", "an AC-3 file"),
        (".wv", ".ogg", "a WavPack file"),
    ):
        folder = tmp_path / true / "a"
        folder.mkdir(parents=True)
        (folder / f"x{name}").write_bytes(files[true].read_bytes())
        with pytest.raises(ImportError) as caught:
            AudioFolder(folder.parent)
        message = str(caught.value)
        assert f"x{name} is of a format that soundfile does not read: it is {said}" in message
        assert "although its name has another suffix; to read it install torchcodec" in message
        (folder / "y.wav").write_bytes(files[".wav"].read_bytes())
        sounds = AudioFolder(folder.parent, on_error="skip")
        assert [item["path"][-5:] for item in sounds] == ["y.wav"]
        assert said in sounds.skipped[0].reason


def test_an_mp3_without_a_tag_is_no_aac(tmp_path):
    """Both begin with eleven ones: the layer tells them apart."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(RATE), RATE, format="MP3")
    content = file.getvalue()
    begin = content.index(b"\xff", 10 if content.startswith(b"ID3") else 0)
    path = tmp_path / "x.mp3"
    for start in {0, begin}:
        path.write_bytes(content[start:])
        assert not needs_torchcodec(path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"ID3", b"RIFF", bytes(40)])
def test_what_tells_nothing_goes_by_its_suffix(tmp_path, content):
    for suffix in (".mp3", ".m4a"):
        (tmp_path / f"x{suffix}").write_bytes(content)
    known = content == b"RIFF"
    assert not needs_torchcodec(tmp_path / "x.mp3")
    assert needs_torchcodec(tmp_path / "x.m4a") != known
