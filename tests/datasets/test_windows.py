"""Windows over long recordings: every sample is in one, and no others are read."""

import math

import numpy as np
import pytest
import soundfile
import torch
from test_nsynth_archive import make_archive, read
from torch.utils.data import DataLoader, Subset

import augspec
from augspec import features as F
from augspec.datasets import AudioFolder, AudioTable, GMNotes, Windows, pack

RATE = 8_000
LENGTHS = [20_000, 3_000, 8_000, 8_001]


@pytest.fixture
def root(tmp_path):
    for number, length in enumerate(LENGTHS):
        path = tmp_path / "ab"[number % 2] / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        samples = np.random.default_rng(number).integers(-9_000, 9_000, length, dtype=np.int16)
        soundfile.write(path, samples, RATE)
    return tmp_path


def check(windows, wholes):
    """Compare the windows with slices of the whole recordings."""
    place = 0
    for recording, whole in enumerate(wholes):
        length = whole.shape[1]
        count = 1 + math.ceil(max(0, length - windows.size) / windows.hop_size)
        for number in range(count):
            item, first = windows[place], number * windows.hop_size
            expected = whole[:, first : first + windows.size]
            assert item["lengths"] == expected.shape[1] > 0
            torch.testing.assert_close(
                item["waveform"][:, : item["lengths"]], expected, rtol=0.0, atol=2e-5
            )
            assert not item["waveform"][:, item["lengths"] :].any()
            assert item["waveform"].shape[1] == windows.size
            assert (item["index"], item["recording"]) == (place, recording)
            assert item["start"] == pytest.approx(first / windows.sample_rate)
            place += 1
        assert first + windows.size >= length  # the last window reaches the end
    assert len(windows) == place
    with pytest.raises(IndexError):
        windows[place]


@pytest.mark.parametrize(("seconds", "hop"), [(1.0, None), (1.0, 0.5), (0.3, 0.1), (10.0, 1.0)])
def test_windows_are_slices_that_leave_nothing_out(root, seconds, hop):
    folder = AudioFolder(root)
    windows = Windows(folder, seconds, hop)
    check(windows, [item["waveform"] for item in folder])
    assert windows.labels.tolist() == [item["label"] for item in windows]
    assert windows.starts.tolist() == [round(item["start"] * RATE) for item in windows]
    assert windows.recordings.tolist() == [item["recording"] for item in windows]
    assert [folder.paths[at] for at in windows.recordings] == [item["path"] for item in windows]
    assert (windows.classes, windows.sample_rate) == (folder.classes, RATE)


@pytest.mark.parametrize("kind", ["table", "packed", "subset", "resampled"])
def test_windows_of_every_data_set(root, tmp_path, kind):
    folder = AudioFolder(root)
    if kind == "table":
        dataset = AudioTable([{"path": path, "label": "x"} for path in folder.paths])
    elif kind == "packed":
        dataset = pack(folder, tmp_path / "p", progress=False)
    elif kind == "subset":
        dataset = Subset(Subset(folder, [3, 0, 2]), [1, 0])
    else:
        dataset = AudioFolder(root, sample_rate=11_025, mono=True)
    windows = Windows(dataset, 0.5, 0.25)
    check(windows, [item["waveform"] for item in dataset])
    if kind == "subset":
        assert windows.labels.tolist() == [item["label"] for item in windows]


def test_windows_of_nsynth_and_of_embedded_notes(tmp_path):
    make_archive(tmp_path)
    notes = read(tmp_path)
    check(Windows(notes, 1.5), [item["waveform"] for item in notes])
    some = Subset(GMNotes("valid"), [5, 100])
    check(Windows(some, 1.5, 1.0), [item["waveform"] for item in some])


def test_only_the_window_is_read(root, monkeypatch):
    counts, original = [], soundfile.SoundFile.read

    def spy(self, frames=-1, *args, **options):
        counts.append(frames)
        return original(self, frames, *args, **options)

    windows = Windows(AudioFolder(root), 0.1)
    monkeypatch.setattr(soundfile.SoundFile, "read", spy)
    windows[7]
    assert counts == [800]


def test_the_padding_of_the_last_window_is_no_sound(root):
    """The device loader takes `lengths` from the batch."""
    windows = Windows(AudioFolder(root), 1.0)
    frontend = augspec.Frontend(features=F.LogMelSpectrogram(RATE, n_mels=20))
    loader = augspec.DeviceLoader(DataLoader(windows, 8), frontend, device="cpu")
    (batch,) = loader
    assert batch["lengths"].tolist() == [8_000, 8_000, 4_000, 8_000, 3_000, 8_000, 1]
    assert batch["specgram_lengths"].tolist()[2] < batch["specgram"].shape[-1]


def test_a_pack_of_windows(root, tmp_path):
    windows = Windows(AudioFolder(root), 1.0)
    packed = pack(windows, tmp_path / "p", progress=False)
    assert packed.labels.tolist() == windows.labels.tolist()
    assert packed[2]["start"] == 2.0
    assert windows.fingerprint(0) != windows.fingerprint(1)


def test_what_cannot_be_cut_is_named(root):
    folder = AudioFolder(root)
    for seconds, hop, message in [
        (0, None, "`seconds` must be positive"),
        (1.0, 0.0, "`hop` must be positive"),
        (1.0, 1.5, r"`hop` must be at most `seconds`, 1\.0, got 1\.5"),
    ]:
        with pytest.raises(ValueError, match=message):
            Windows(folder, seconds, hop)
    with pytest.raises(TypeError, match="`dataset` must be able to return parts.*got list"):
        Windows([folder[0]], 1.0)
    with pytest.raises(ValueError, match="whole recordings, got one with `segment`"):
        Windows(AudioFolder(root, segment=1.0), 1.0)
