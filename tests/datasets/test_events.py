"""Onsets and offsets as labels of frames: DESED's and Raven's tables, windows, transforms."""

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.datasets import AudioFolder, Event, Events, Packed, Windows, pack, read_events

RATE = 8_000


@pytest.fixture
def root(tmp_path):
    for name, seconds in (("x/one.wav", 4.0), ("x/two.wav", 2.0), ("y/one.wav", 1.0)):
        path = tmp_path / "audio" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(round(seconds * RATE)), RATE)
    return tmp_path / "audio"


EVENTS = [
    Event("x/one.wav", 0.5, 1.5, "wren"),
    Event("x/one.wav", 1.25, 2.0, "crow"),
    Event("two", 0.0, 2.0, "crow"),
]


def text(path, content, encoding="utf-8"):
    path.write_text(content, encoding=encoding)
    return path


def test_frames_and_weak_labels(root):
    sounds = Events(AudioFolder(root), EVENTS, frame_seconds=0.5)
    assert sounds.classes == ["crow", "wren"]
    one, two, silent = (sounds[place] for place in range(3))
    assert one["frames"].dtype == one["label"].dtype == torch.float32
    assert one["frames"].tolist() == [[0, 0, 1, 1, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0, 0]]
    assert one["label"].tolist() == [1.0, 1.0]
    assert two["frames"].tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]
    assert two["label"].tolist() == [1.0, 0.0]
    assert not silent["frames"].any()
    assert silent["label"].tolist() == [0.0, 0.0]
    assert sounds.unmatched == []


@pytest.mark.parametrize("frame_seconds", [0.01, 0.02, 0.03, 0.25])
def test_a_frame_is_labelled_if_any_part_of_it_sounds(root, frame_seconds):
    random = np.random.default_rng(0)
    onsets = random.uniform(0.0, 3.9, 50)
    for onset, offset in zip(onsets, onsets + random.exponential(0.05, 50), strict=True):
        sounds = Events(
            AudioFolder(root), [Event("x/one", onset, offset, "a")], frame_seconds=frame_seconds
        )
        (frames,) = sounds[0]["frames"]
        edges = np.linspace(0.0, 4.0, len(frames) + 1)
        assert frames.tolist() == ((onset < edges[1:]) & (offset > edges[:-1])).tolist()


def test_windows_have_the_events_that_sound_in_them(root):
    windows = Windows(AudioFolder(root), 1.0)
    sounds = Events(windows, EVENTS, frame_seconds=0.25)
    rows = [item["frames"].tolist() for item in sounds]
    assert rows[0] == [[0, 0, 0, 0], [0, 0, 1, 1]]
    assert rows[1] == [[0, 1, 1, 1], [1, 1, 0, 0]]
    assert rows[2] == rows[3] == [[0] * 4] * 2  # what ends where a window begins is not in it
    assert [item["label"].tolist() for item in sounds][:3] == [[0, 1], [1, 1], [0, 0]]
    whole = Events(AudioFolder(root), EVENTS, frame_seconds=0.25)[0]["frames"]
    assert torch.cat([torch.tensor(row) for row in rows[:4]], -1).equal(whole)


@pytest.mark.parametrize(("seconds", "frames"), [(0.01, 1), (0.3, 1), (0.37, 1), (0.38, 2)])
def test_a_short_sound_has_the_nearest_number_of_frames_and_one_at_least(tmp_path, seconds, frames):
    (tmp_path / "a").mkdir()
    soundfile.write(tmp_path / "a" / "short.wav", np.zeros(round(seconds * RATE)), RATE)
    sounds = Events(AudioFolder(tmp_path), [Event("short", 0.0, 1.0, "a")], frame_seconds=0.25)
    assert sounds[0]["frames"].tolist() == [[1.0] * frames]


def test_an_event_without_length_is_in_one_frame(root):
    for onset, place in ((0.3, 1), (0.5, 2), (0.0, 0)):
        events = [Event("x/one.wav", onset, onset, "a")]
        frames = Events(AudioFolder(root), events, frame_seconds=0.25)[0]["frames"]
        assert frames[0].nonzero().flatten().tolist() == [place]


def test_desed_tables(tmp_path):
    table = text(
        tmp_path / "d.tsv",
        "filename\tonset\toffset\tevent_label\n"
        "Y1.wav\t1.5\t2.25\tSpeech\nY1.wav\t0\t10.0\tDog\nY2.wav\t\t\t\n",
    )
    assert read_events(table) == [("Y1.wav", 1.5, 2.25, "Speech"), ("Y1.wav", 0.0, 10.0, "Dog")]


HEADER = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


def test_raven_tables(tmp_path):
    """Each selection is there once a view; without `Begin File` the table's name tells the file."""
    table = text(
        tmp_path / "rec_7.Table.1.selections.txt",
        f"{HEADER}\tSpecies\n"
        "1\tWaveform 1\t1\t2.0\t3.5\t0.0\t8000.0\twren\n"
        "1\tSpectrogram 1\t1\t2.0\t3.5\t500.0\t8000.0\twren\n"
        "2\tSpectrogram 1\t1\t9.25\t9.75\t500.0\t8000.0\tcrow\n",
    )
    expected = [("rec_7", 2.0, 3.5, "wren"), ("rec_7", 9.25, 9.75, "crow")]
    assert read_events([table]) == expected


def test_raven_tables_of_several_files_have_times_of_their_own(tmp_path):
    table = text(
        tmp_path / "all.txt",
        f"{HEADER}\tBegin File\tFile Offset (s)\tCall\n"
        "1\tSpectrogram 1\t1\t2.0\t3.5\t0\t8000\ta.wav\t2.0\tx\n"
        "2\tSpectrogram 1\t1\t62.0\t63.5\t0\t8000\tb.wav\t2.0\tx\n",
        "utf-8-sig",
    )
    assert read_events(table, label="Call") == [("a.wav", 2.0, 3.5, "x"), ("b.wav", 2.0, 3.5, "x")]
    with pytest.raises(ValueError, match=r"`label` must be given: .*all\.txt has none of"):
        read_events(table)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "filename,onset,offset,event_label\na.wav,1,0.5,x\n",
            "line 2 of .* offset that is not be",
        ),
        ("filename,onset,offset,event_label\na.wav,-1,0.5,x\n", "line 2 of .* an onset of 0 or mo"),
        ("filename,onset,offset,event_label\na.wav,1,later,x\n", "must have seconds in `offset`"),
        (
            "filename,onset,offset,event_label\na.wav,1,2,\n",
            "line 2 of .* an empty cell for `label`",
        ),
        (
            "filename,onset,offset,event_label\n,1,2,x\n",
            "line 2 of .* an empty cell for `file`",
        ),
        ("filename,onset,offset,class\na.wav,1,2,x\n", "`label` must be a column of"),
        ("file,start,end,class\na.wav,1,2,x\n", r"must have the columns of DESED .* or of Raven"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_events(text(tmp_path / "t.csv", content))


def test_what_does_not_fit_is_named(root):
    folder = AudioFolder(root)
    with pytest.raises(ValueError, match=r"2 files of `dataset` match 'one\.wav'"):
        Events(folder, [Event("one.wav", 0.0, 1.0, "a")])
    with pytest.raises(ValueError, match="`events` must be of files of `dataset`"):
        Events(folder, [Event("three.wav", 0.0, 1.0, "a")])
    with pytest.raises(ValueError, match="`events` must hold at least one event"):
        Events(folder, [])
    with pytest.raises(ValueError, match="`classes` must contain the label of every event"):
        Events(folder, EVENTS, classes=["wren"])
    with pytest.raises(ValueError, match="event 0 must have an onset of 0 or more"):
        Events(folder, [("x/one.wav", 2.0, 1.0, "a")])
    with pytest.raises(TypeError, match="`dataset` must have a `sample_rate`, got list"):
        Events([folder[0]], EVENTS)
    unmatched = Events(folder, [*EVENTS, Event("three.wav", 0.0, 1.0, "owl")]).unmatched
    assert unmatched == ["three.wav"]


def test_labels_follow_through_packing_and_the_device_loader(root, tmp_path):
    """A crop moves the frames, and mixing mixes frames and weak labels."""
    sounds = Events(Windows(AudioFolder(root), 1.0), EVENTS, frame_seconds=0.125)
    packed = pack(sounds, tmp_path / "p", progress=False)
    assert torch.from_numpy(Packed(tmp_path / "p").labels).equal(
        torch.stack([item["label"] for item in sounds])
    )
    assert packed[1]["frames"].equal(sounds[1]["frames"])
    frontend = augspec.Frontend(
        T.Chain([T.RandomCrop(4_000), T.Mixup()]), F.LogMelSpectrogram(RATE, n_mels=20)
    )
    loader = augspec.DeviceLoader(DataLoader(packed, 4), frontend, device="cpu")
    batch = next(iter(loader))
    assert batch["frames"].shape == (4, 2, 4)
    assert batch["label"].shape == (4, 2)
    assert 0.0 <= batch["frames"].min() < batch["frames"].max() <= 1.0


def test_the_weak_label_of_a_crop_is_that_of_what_is_left(tmp_path):
    """From files and a table to a batch: what sounds in the crop is in the label, and no more."""
    random = np.random.default_rng(0)
    events = []
    for number in range(24):
        samples = np.zeros(4 * RATE)
        for label in ("a", "b"):
            onset = random.uniform(0.0, 3.4)
            events.append((f"{number}.wav", onset, onset + 0.5, label))
            samples[round(onset * RATE) : round((onset + 0.5) * RATE)] += 0.2
        (tmp_path / "x").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "x" / f"{number}.wav", samples, RATE)
    sounds = Events(AudioFolder(tmp_path), events, frame_seconds=0.01)
    frontend = augspec.Frontend(T.RandomCrop(RATE), F.LogMelSpectrogram(RATE, n_mels=20))
    loader = augspec.DeviceLoader(DataLoader(sounds, 24), frontend, device="cpu", seed=1)
    batch = next(iter(loader))
    assert (sounds[0]["label"] == 1.0).all()
    left = batch["frames"].amax(-1)
    clear = (batch["frames"].sum(-1) > 1) | (left == 0)
    assert torch.equal(batch["label"][clear], left[clear])
    assert 10 < (batch["label"] == 0.0).sum() < 40


def test_times_near_the_largest_number_are_outside_of_an_item(root):
    far = [("x/one.wav", 1.0, 1.7e308, "a"), ("x/one.wav", 1.6e308, 1.7e308, "b")]
    item = next(item for item in Events(AudioFolder(root), far) if "one" in item["path"])
    assert item["frames"][0].sum() == 0.75 * item["frames"].shape[1]
    assert not item["frames"][1].any()
