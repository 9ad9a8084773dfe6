import multiprocessing
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from augspec.datasets import AudioFolder


def write(path: Path, channels: int = 1, rate: int = 8_000, length: int = 800, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(len(str(path.name))).uniform(-0.5, 0.5, (length, channels))
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "snare" / "b.wav")
    write(tmp_path / "kick" / "deep" / "a.wav")
    write(tmp_path / "kick" / "z.wav")
    write(tmp_path / "kick" / ".hidden.wav")
    write(tmp_path / ".trash" / "x.wav")
    (tmp_path / "notes.txt").write_text("not audio")
    return tmp_path


def test_files_are_sorted_and_labelled_by_their_own_folder(root):
    sounds = AudioFolder(root)
    assert [Path(item["path"]).relative_to(root).as_posix() for item in sounds] == [
        "kick/deep/a.wav",
        "kick/z.wav",
        "snare/b.wav",
    ]
    assert sounds.classes == ["deep", "kick", "snare"]
    assert sounds.labels.tolist() == [item["label"] for item in sounds] == [0, 1, 2]
    assert [item["index"] for item in sounds] == [0, 1, 2]
    assert [item["path"] for item in sounds] == sounds.paths
    assert sounds.sample_rate == 8_000


def test_item_holds_the_samples(root):
    item = AudioFolder(root)[2]
    samples, _ = soundfile.read(root / "snare" / "b.wav", dtype="float32")
    assert item["waveform"].equal(torch.from_numpy(samples)[None])
    assert set(item) == {"waveform", "label", "index", "path"}


def test_stereo_stays_stereo(tmp_path):
    path = write(tmp_path / "a" / "1.wav", channels=2)
    samples, _ = soundfile.read(path, dtype="float32")
    assert AudioFolder(tmp_path)[0]["waveform"].equal(torch.from_numpy(samples.T.copy()))


@pytest.mark.parametrize("name", ["a.wav", "a.WAV", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.au"])
def test_formats_that_soundfile_reads(tmp_path, name):
    path = write(tmp_path / "x" / name, length=8_000)
    samples, _ = soundfile.read(path, dtype="float32")
    waveform = AudioFolder(tmp_path)[0]["waveform"]
    # mpg123 rounds the last bit by where its buffer lies
    torch.testing.assert_close(waveform, torch.from_numpy(samples)[None], rtol=0, atol=2e-7)


def test_pattern_takes_group_1_of_the_file_name(tmp_path):
    for name in ("oboe_1.wav", "viola_7.wav", "oboe_2.wav"):
        write(tmp_path / "harp_9" / name)
    sounds = AudioFolder(tmp_path, re.compile(r"([a-z]+)_\d"))
    assert sounds.classes == ["oboe", "viola"]
    assert sounds.labels.tolist() == [0, 0, 1]


def test_function_gets_the_path(root):
    sounds = AudioFolder(root, lambda path: path.relative_to(root).parts[0])
    assert sounds.classes == ["kick", "snare"]
    assert sounds.labels.tolist() == [0, 0, 1]


def test_missing_root_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"`root` must be an existing folder, got .*nowhere"
    ):
        AudioFolder(tmp_path / "nowhere")


def test_folder_without_audio_is_an_error(tmp_path):
    (tmp_path / "readme.txt").touch()
    with pytest.raises(ValueError, match=r"`root` must hold audio files .*\.wav.* with none"):
        AudioFolder(tmp_path)


def test_file_outside_a_class_folder_is_named(root):
    write(root / "stray.wav")
    with pytest.raises(ValueError, match=r"stray\.wav lies directly in `root`"):
        AudioFolder(root)


def test_pattern_that_does_not_match_is_named(root):
    with pytest.raises(
        ValueError, match=r"`label_from` must find a label .*finds none in 'a\.wav'"
    ):
        AudioFolder(root, re.compile(r"(\d+)"))


def test_group_that_does_not_take_part_is_named(root):
    with pytest.raises(ValueError, match=r"finds none in 'a\.wav'"):
        AudioFolder(root, re.compile(r"(\d+)?[a-z]\.wav"))


def test_pattern_without_a_group_is_an_error(root):
    with pytest.raises(ValueError, match="`label_from` must have a group"):
        AudioFolder(root, re.compile("kick"))


@pytest.mark.parametrize("label_from", ["(kick)", None, 3])
def test_other_label_from_is_an_error(root, label_from):
    with pytest.raises(TypeError, match=r'`label_from` must be "folder", a compiled pattern'):
        AudioFolder(root, label_from)


def test_function_must_return_a_string(root):
    with pytest.raises(TypeError, match=r"`label_from` must return a string, got 5 for .*a\.wav"):
        AudioFolder(root, lambda _: 5)


def test_two_sampling_rates_are_an_error(root):
    write(root / "snare" / "fast.wav", rate=16_000)
    with pytest.raises(ValueError, match=r"fast\.wav has 16000 Hz and .*a\.wav has 8000 Hz"):
        AudioFolder(root)


def test_file_that_is_not_audio_is_named(root):
    (root / "snare" / "noise.wav").write_bytes(b"abc" * 100)
    with pytest.raises(ValueError, match=r"noise\.wav is not audio that soundfile can read"):
        AudioFolder(root)


def test_file_without_samples_is_named(tmp_path):
    write(tmp_path / "a" / "nothing.wav", length=0)
    with pytest.raises(ValueError, match=r"nothing\.wav holds no audio"):
        AudioFolder(tmp_path)[0]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff"])
def test_cut_file_is_named(tmp_path, name):
    path = write(tmp_path / "x" / name, length=64_000)
    sounds = AudioFolder(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"{name} (is cut|cannot be decoded)"):
        sounds[0]


def test_wav_from_a_pipe_is_not_taken_for_cut(tmp_path):
    """A writer that cannot seek leaves the size open; so do ffmpeg's pipes."""
    path = write(tmp_path / "x" / "pipe.wav")
    raw = bytearray(path.read_bytes())
    position = raw.index(b"data") + 4
    raw[4:8] = raw[position : position + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(raw)
    assert AudioFolder(tmp_path)[0]["waveform"].shape == (1, 800)


def test_chunks_around_the_data_do_not_disturb(tmp_path):
    path = write(tmp_path / "x" / "a.wav")
    raw = path.read_bytes()
    position = raw.index(b"data")
    odd = b"junk\x03\x00\x00\x00abc\x00"
    path.write_bytes(raw[:position] + odd + raw[position:] + odd)
    assert AudioFolder(tmp_path)[0]["waveform"].shape == (1, 800)


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_default_collate_in_workers(root, method):
    sounds = AudioFolder(root, lambda path: path.parent.name)  # a lambda cannot be pickled
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    batches = list(DataLoader(sounds, 2, num_workers=2, multiprocessing_context=method))
    assert torch.cat([batch["index"] for batch in batches]).tolist() == [0, 1, 2]
    assert batches[0]["waveform"].shape == (2, 1, 800)
    assert batches[0]["path"] == [sounds[0]["path"], sounds[1]["path"]]
