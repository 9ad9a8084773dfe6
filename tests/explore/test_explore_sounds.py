"""What can be picked, and that nothing else can be read."""

import os
import sys

import numpy as np
import pytest
import soundfile
import torch

from augspec import transforms as T
from augspec.explore.chain import new_step
from augspec.explore.sounds import SECONDS, Folder, Notes, open_sounds

NAMES = ["<script>alert(1)<&>.wav", "deep/deeper/low.flac", "inside.wav", "tone.wav"]


def test_a_folder_lists_what_is_sound_and_inside(folder):
    assert open_sounds(folder).names == NAMES


def test_a_file_is_the_only_choice(folder):
    sounds = open_sounds(folder / "tone.wav")
    assert sounds.names == ["tone.wav"]
    with pytest.raises(ValueError, match="must be one of the sounds"):
        sounds.read("deep/deeper/low.flac")


def test_the_embedded_notes_are_one_of_each_family():
    notes = open_sounds(None)
    assert len(notes.names) == 10
    assert notes.read("guitar").shape == (1, 64_000)
    assert notes.seconds("flute") == 4.0


@pytest.mark.parametrize(
    "name",
    [
        "../secret.wav",
        "deep/../../secret.wav",
        "link.wav",
        "loop.wav",
        "notes.txt",
        ".hidden.wav",
        "",
        ".",
        "tone.wav\0",
        "/etc/passwd",
        "deep",
        None,
        ["tone.wav"],
    ],
)
def test_nothing_else_is_read(folder, name):
    sounds = open_sounds(folder)
    for use in (sounds.read, sounds.seconds, sounds.code, sounds.path_of):
        with pytest.raises(ValueError, match="must be"):
            use(name)


def test_an_absolute_path_is_refused_even_inside(folder):
    with pytest.raises(ValueError, match="must be one of the sounds"):
        open_sounds(folder).read(str(folder / "tone.wav"))


def test_a_file_that_becomes_a_link_outwards_is_refused(folder):
    sounds = open_sounds(folder)
    (folder / "tone.wav").unlink()
    (folder / "tone.wav").symlink_to(folder.parent / "secret.wav")
    with pytest.raises(ValueError, match="must be a file inside the folder"):
        sounds.read("tone.wav")


def test_the_rate_is_that_of_the_first_file_unless_given(folder):
    sounds = open_sounds(folder)
    assert sounds.sample_rate == 8_000
    assert sounds.read("tone.wav").shape == (1, 8_000)
    assert open_sounds(folder, 16_000).read("tone.wav").shape == (1, 16_000)
    assert open_sounds(folder, 16_000).read(NAMES[0]).shape == (2, 32_000)


@pytest.mark.parametrize("start", [0.0, 3.5, 99.0, -1.0, float("nan"), float("inf")])
def test_a_long_sound_is_heard_in_part(folder, start):
    samples = np.linspace(-1.0, 1.0, 8_000 * (SECONDS + 5), dtype=np.float32)
    soundfile.write(folder / "long.wav", samples, 8_000, subtype="FLOAT")
    heard = Folder(folder, "long.wav").read("long.wav", start)
    first = 28_000 if start == 3.5 else min(len(samples) - 1, 8_000 * 99) if start > 4 else 0
    expected = torch.from_numpy(samples[first : first + 8_000 * SECONDS])
    assert torch.equal(heard[0], expected)


def run(code):
    names = {}
    exec(compile(f"import soundfile, torch, augspec\n{code}", "copied", "exec"), names)  # noqa: S102
    return names["waveform"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_the_code_reads_the_same_sound(folder, name, rate):
    sounds = open_sounds(folder, rate)
    assert torch.equal(run(sounds.code(name, 0.25)), sounds.read(name, 0.25))


@pytest.mark.parametrize("rate", [None, 8_000])
def test_the_code_reads_the_same_note(rate):
    notes = Notes(rate)
    assert torch.equal(run(notes.code("organ")), notes.read("organ"))


@pytest.mark.parametrize("path", ["missing", "sounds/notes.txt", "empty"])
def test_what_holds_no_sound_is_an_error(folder, path):
    (folder.parent / "empty").mkdir()
    with pytest.raises(ValueError, match="there is no|not audio"):
        open_sounds(folder.parent / path)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_no_text_is_left_out(folder):
    os.link(folder / "tone.wav", os.fsencode(folder) + b"/\xff.wav")
    assert open_sounds(folder).names == NAMES


def test_a_broken_first_file_is_passed_over(folder):
    (folder / "0.wav").write_bytes(b"RIFF and no more")
    (folder / "1.flac").write_bytes(b"")
    sounds = open_sounds(folder)
    assert sounds.names[:2] == ["0.wav", "1.flac"]  # listed, so that one sees that they are broken
    assert (sounds.first, sounds.sample_rate) == (NAMES[0], 8_000)
    with pytest.raises(ValueError, match=r"0\.wav"):
        sounds.read("0.wav")
    noise = new_step(T.BackgroundNoise, "waveform", sounds, sounds.sample_rate)
    assert noise.values["bank"] == [NAMES[0]]


def test_a_folder_of_broken_files_is_an_error(tmp_path):
    (tmp_path / "0.wav").write_bytes(b"RIFF and no more")
    with pytest.raises(ValueError, match=r"no file of the folder can be read; the first: .*0\.wav"):
        open_sounds(tmp_path)


def test_recordings_can_be_picked_and_the_oldest_make_room(tmp_path, monkeypatch):
    sounds = open_sounds(None, 8_000)
    waveforms = [torch.full((1, 4_000), level / 10) for level in range(9)]
    names = [sounds.record(waveform) for waveform in waveforms]
    assert names[0] == "recording-1"
    assert sounds.choices[0] == "recording-9"
    assert sounds.seconds("recording-9") == 0.5
    assert torch.equal(sounds.read("recording-9"), waveforms[-1])
    with pytest.raises(ValueError, match="must be one of the sounds of the list"):
        sounds.read("recording-1")
    monkeypatch.chdir(tmp_path)
    soundfile.write("recording-9.wav", waveforms[-1].numpy().T, 8_000, subtype="FLOAT")
    assert torch.equal(run(sounds.code("recording-9")), waveforms[-1])
