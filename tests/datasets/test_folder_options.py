"""Splits, segments, channels, rates, damaged files and foreign formats of `AudioFolder`."""

import re
import sys
import types

import numpy as np
import pytest
import soundfile
import torch
from test_folder import write
from torch.utils.data import DataLoader

from augspec import functional
from augspec.datasets import AudioFolder

pytestmark = pytest.mark.usefixtures("eager_kernels")  # each file has a rate of its own


def ramp(path, length=8_000, rate=8_000, **options):
    """Write a file in which every sample tells its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.arange(length, dtype=np.int16), rate, **options)
    return path


def places(waveform):
    return (waveform * 32_768).round().long()


@pytest.fixture
def sets(tmp_path):
    for name in ("train/oboe/a_1.wav", "train/viola/b_2.wav", "valid/oboe/c_1.wav"):
        write(tmp_path / name)
    write(tmp_path / "valid" / "zither" / "d_2.wav")
    return tmp_path


@pytest.mark.parametrize(
    "split_from", ["folder", re.compile(r"^(\w+)/"), lambda path: path.parts[-3]]
)
def test_splits_share_their_classes(sets, split_from):
    train = AudioFolder(sets, split_from=split_from, split="train")
    valid = AudioFolder(sets, split_from=split_from, split="valid")
    assert train.classes == valid.classes == ["oboe", "viola", "zither"]
    assert (train.labels.tolist(), valid.labels.tolist()) == ([0, 1], [0, 2])
    assert [item["path"].rpartition("/")[2] for item in valid] == ["c_1.wav", "d_2.wav"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"split_from": "folder", "split": "test"}, ValueError, "must be one of train, valid, got"),
        ({"split": "train"}, ValueError, "`split_from` and `split` must be given together"),
        ({"split_from": "folder"}, ValueError, "`split_from` and `split` must be given together"),
        ({"split_from": 3, "split": "x"}, TypeError, '`split_from` must be "folder", a compiled'),
        (
            {"split_from": re.compile("x"), "split": "x"},
            ValueError,
            "must have a group",
        ),
        ({"split_from": re.compile("(x)"), "split": "x"}, ValueError, "find a split in every path"),
        ({"split_from": lambda _: 1, "split": "x"}, TypeError, "`split_from` must return a string"),
        ({"segment": 0}, ValueError, "`segment` must be positive, got 0"),
        ({"sample_rate": -1}, ValueError, "`sample_rate` must be positive, got -1"),
        ({"segment_from": "end"}, ValueError, "`segment_from` must be one of random, start, cent"),
        ({"on_error": "warn"}, ValueError, "`on_error` must be one of raise, skip, got 'warn'"),
    ],
)
def test_bad_arguments_are_named(sets, options, error, message):
    with pytest.raises(error, match=message):
        AudioFolder(sets, **options)


def test_file_outside_of_any_split_is_named(sets):
    write(sets / "stray.wav")
    with pytest.raises(ValueError, match=r"stray\.wav lies directly in `root`.*split"):
        AudioFolder(sets, lambda _: "x", split_from="folder", split="train")


def test_mono_is_the_mean_of_the_channels(tmp_path):
    path = write(tmp_path / "a" / "1.wav", channels=3)
    samples, _ = soundfile.read(path, dtype="float32")
    waveform = AudioFolder(tmp_path, mono=True)[0]["waveform"]
    torch.testing.assert_close(waveform[0], torch.from_numpy(samples.mean(1)))


def test_mixed_rates_are_resampled_on_load(tmp_path):
    """A tone keeps its frequency: the same samples as if it had been made at the new rate."""
    for rate in (8_000, 22_050, 16_000):
        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
        (tmp_path / "a").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "a" / f"{rate}.wav", tone, rate, subtype="FLOAT")
    sounds = AudioFolder(tmp_path, sample_rate=16_000)
    assert sounds.sample_rate == 16_000
    expected = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(16_000) / 16_000)
    for item in sounds:
        middle = item["waveform"][0, 1_000:15_000]
        assert (middle - expected[1_000:15_000]).abs().max() < 1e-3
    assert AudioFolder(tmp_path, sample_rate=16_000)[0]["waveform"].shape == (1, 16_000)
    with pytest.raises(ValueError, match=r"Hz and .* pass `sample_rate` to resample"):
        AudioFolder(tmp_path)


def test_files_of_the_wanted_rate_are_not_touched(tmp_path):
    path = write(tmp_path / "a" / "1.wav", channels=2)
    plain = AudioFolder(tmp_path)[0]["waveform"]
    assert AudioFolder(tmp_path, sample_rate=8_000)[0]["waveform"].equal(plain)
    resampled = AudioFolder(tmp_path, sample_rate=6_000)[0]["waveform"]
    assert resampled.equal(functional.resample_rate(plain[None], 8_000, 6_000)[0])
    assert path.exists()


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
@pytest.mark.parametrize("segment_from", ["random", "start", "center"])
def test_segment_is_a_piece_of_the_file(tmp_path, suffix, segment_from):
    ramp(tmp_path / "a" / f"1.{suffix}")
    sounds = AudioFolder(tmp_path, segment=0.25, segment_from=segment_from, seed=5)
    item = sounds[0]
    first = round(item["start"] * 8_000)
    assert places(item["waveform"])[0].tolist() == list(range(first, first + 2_000))
    if segment_from != "random":
        assert first == {"start": 0, "center": 3_000}[segment_from]


def test_segment_of_a_stereo_ogg_is_where_it_says(tmp_path):
    path = write(tmp_path / "a" / "1.ogg", channels=2, length=80_000)
    whole, _ = soundfile.read(path, dtype="float32")
    item = AudioFolder(tmp_path, segment=1.0, seed=2)[0]
    first = round(item["start"] * 8_000)
    piece = torch.from_numpy(whole[first : first + 8_000].T.copy())
    torch.testing.assert_close(item["waveform"], piece, rtol=0, atol=1e-5)


def test_only_the_segment_is_decoded(tmp_path, monkeypatch):
    ramp(tmp_path / "a" / "1.wav", length=30_000)
    read = []
    original = soundfile.SoundFile.read

    def spy(self, frames=-1, *args, **options):
        read.append(frames)
        return original(self, frames, *args, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", spy)
    AudioFolder(tmp_path, segment=0.01)[0]
    assert read == [80]


def test_random_segments_are_uniform_and_move_with_epoch_seed_and_file(tmp_path):
    for name in "abcd":
        ramp(tmp_path / "x" / f"{name}.wav")
    sounds = AudioFolder(tmp_path, segment=0.5)
    starts = []
    for epoch in range(100):
        sounds.set_epoch(epoch)
        starts.append([item["start"] for item in sounds])
    starts = np.array(starts)
    from scipy import stats

    assert stats.kstest(starts.ravel() / 0.5, "uniform").pvalue > 1e-3
    assert len(np.unique(starts)) > 350
    sounds.set_epoch(7)
    assert [item["start"] for item in sounds] == starts[7].tolist()
    other = AudioFolder(tmp_path, segment=0.5, seed=1)
    assert not np.isclose([item["start"] for item in other], starts[0]).any()


def test_first_and_last_place_are_possible(tmp_path):
    ramp(tmp_path / "x" / "a.wav", length=10)
    sounds = AudioFolder(tmp_path, segment=8 / 8_000)
    seen = set()
    for epoch in range(40):
        sounds.set_epoch(epoch)
        seen.add(int(places(sounds[0]["waveform"])[0, 0]))
    assert seen == {0, 1, 2}


def test_shorter_file_is_read_whole(tmp_path):
    ramp(tmp_path / "x" / "a.wav", length=100)
    item = AudioFolder(tmp_path, segment=1.0)[0]
    assert item["start"] == 0
    assert places(item["waveform"])[0].tolist() == list(range(100))


def test_resampled_segments_all_have_the_same_size(tmp_path):
    for rate in (8_000, 11_025, 22_050, 44_100):
        write(tmp_path / "x" / f"{rate}.wav", rate=rate, length=2 * rate)
    sounds = AudioFolder(tmp_path, segment=0.777, sample_rate=16_000)
    assert {item["waveform"].shape for item in sounds} == {(1, round(0.777 * 16_000))}


def test_workers_that_live_on_hear_of_the_epoch(tmp_path):
    """The place of a segment depends on neither the number of workers nor who reads it."""
    for name in "abcdef":
        ramp(tmp_path / "x" / f"{name}.wav")
    sounds = AudioFolder(tmp_path, segment=0.5)
    loader = DataLoader(sounds, 2, num_workers=2, persistent_workers=True)
    for epoch in (0, 3):
        sounds.set_epoch(epoch)
        mine = [item["start"] for item in sounds]
        assert torch.cat([batch["start"] for batch in loader]).tolist() == mine


def test_skip_leaves_out_what_has_no_header_or_is_cut(sets):
    (sets / "train" / "oboe" / "noise.wav").write_bytes(b"abc" * 100)
    cut = sets / "train" / "viola" / "b_2.wav"
    cut.write_bytes(cut.read_bytes()[:500])
    sounds = AudioFolder(sets, on_error="skip")
    assert len(sounds) == 3
    noise, short = sounds.skipped
    assert noise.path.endswith("train/oboe/noise.wav")
    assert "noise.wav is not audio that soundfile can read" in noise.reason
    assert short.path == str(cut)
    assert "b_2.wav is cut" in short.reason
    assert sounds.classes == ["oboe", "viola", "zither"]
    assert sounds.labels.tolist() == [item["label"] for item in sounds] == [0, 0, 2]


def test_skip_replaces_what_goes_bad_later(sets):
    sounds = AudioFolder(sets, on_error="skip")
    (sets / "train" / "viola" / "b_2.wav").unlink()
    (sets / "valid" / "zither" / "d_2.wav").write_bytes(b"x")
    for _ in range(2):
        assert [sounds[i]["index"] for i in range(4)] == [0, 2, 2, 0]
    assert [skipped.path.rpartition("/")[2] for skipped in sounds.skipped] == ["b_2.wav", "d_2.wav"]
    for path in sets.rglob("*.wav"):
        path.unlink()
    with pytest.raises(ValueError, match="none of the 4 files can be read"):
        sounds[0]


def test_skip_with_nothing_left_is_an_error(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").write_bytes(b"x")
    with pytest.raises(
        ValueError, match=r"must hold a readable audio file, .* 1 that cannot be read"
    ):
        AudioFolder(tmp_path, on_error="skip")


class Samples:
    def __init__(self, data):
        self.data = data


class Decoder:
    """What torchcodec's AudioDecoder does, on a file of 16-bit samples."""

    def __init__(self, path):
        raw = np.fromfile(path, np.int16)
        if len(raw) < 10:
            raise RuntimeError("no audio stream")
        self.samples = torch.from_numpy(raw[None].astype(np.float32) / 32_768)
        self.metadata = types.SimpleNamespace(
            sample_rate=8_000, duration_seconds=len(raw) / 8_000, num_channels=1
        )

    def get_all_samples(self):
        return Samples(self.samples)

    def get_samples_played_in_range(self, start_seconds, stop_seconds=None):
        first = round(start_seconds * 8_000)
        last = None if stop_seconds is None else round(stop_seconds * 8_000)
        return Samples(self.samples[:, first:last])


@pytest.fixture
def m4a(tmp_path):
    (tmp_path / "a").mkdir()
    np.arange(8_000, dtype=np.int16).tofile(tmp_path / "a" / "x.m4a")
    return tmp_path


@pytest.fixture
def torchcodec(monkeypatch):
    decoders = types.ModuleType("torchcodec.decoders")
    decoders.AudioDecoder = Decoder
    monkeypatch.setitem(sys.modules, "torchcodec", types.ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", decoders)


@pytest.mark.usefixtures("torchcodec")
def test_torchcodec_reads_the_other_formats(m4a):
    sounds = AudioFolder(m4a)
    assert (sounds.sample_rate, sounds.durations.tolist()) == (8_000, [1.0])
    assert places(sounds[0]["waveform"])[0].tolist() == list(range(8_000))
    item = AudioFolder(m4a, segment=0.1)[0]
    first = round(item["start"] * 8_000)
    assert places(item["waveform"])[0].tolist() == list(range(first, first + 800))


@pytest.mark.usefixtures("torchcodec")
def test_damaged_file_of_another_format_is_named(m4a):
    (m4a / "a" / "y.m4a").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"y\.m4a is not audio that torchcodec can read \(no au"):
        AudioFolder(m4a)
    assert len(AudioFolder(m4a, on_error="skip")) == 1


def test_without_torchcodec_the_file_and_the_remedy_are_named(m4a, monkeypatch):
    for name in ("torchcodec", "torchcodec.decoders"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"x\.m4a is of a format .* install torchcodec"):
        AudioFolder(m4a)
    with pytest.raises(ValueError, match=r"1 that cannot be read, .*x\.m4a.* install torchcodec"):
        AudioFolder(m4a, on_error="skip")


def test_without_torchcodec_to_skip_leaves_out_what_needs_it(m4a, monkeypatch):
    for name in ("torchcodec", "torchcodec.decoders"):
        monkeypatch.setitem(sys.modules, name, None)
    write(m4a / "a" / "y.wav")
    sounds = AudioFolder(m4a, on_error="skip")
    assert [item["path"] for item in sounds] == sounds.paths == [str(m4a / "a" / "y.wav")]
    (skipped,) = sounds.skipped
    assert skipped.path.endswith("x.m4a")
    assert "install torchcodec" in skipped.reason


@pytest.mark.parametrize(
    "options",
    [
        {"separator": "+"},
        {"label_from": lambda file: file.parent.name.split("+")},
        {"label_from": re.compile(r"^\d (.*)\.wav"), "separator": ","},
    ],
    ids=["folders", "function", "pattern"],
)
def test_a_file_may_have_several_labels(tmp_path, options):
    for number, labels in enumerate(("dog+rain", "dog", "cat+dog+rain", "rain+rain")):
        write(tmp_path / labels / f"{number} {labels.replace('+', ',')}.wav")
    sounds = AudioFolder(tmp_path, **options)
    assert sounds.classes == ["cat", "dog", "rain"]
    expected = {"0": [0, 1, 1], "1": [0, 1, 0], "2": [1, 1, 1], "3": [0, 0, 1]}
    for item in sounds:
        assert item["label"].dtype == torch.float32
        assert item["label"].tolist() == expected[item["path"].rpartition("/")[2][0]]
    assert sounds.labels.tolist() == [item["label"].tolist() for item in sounds]
    batch = next(iter(DataLoader(sounds, batch_size=4)))
    assert batch["label"].tolist() == sounds.labels.tolist()
    other = AudioFolder(tmp_path, **options, classes=["rain", "dog", "cat"])
    assert other.labels[:, ::-1].tolist() == sounds.labels.tolist()
    with pytest.raises(ValueError, match=r"must contain the label of every item, but .*cat"):
        AudioFolder(tmp_path, **options, classes=["rain", "dog"])
