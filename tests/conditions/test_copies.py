"""Corrupted copies of a folder of sounds."""

import numpy as np
import pytest
import soundfile
import torch

from augspec.conditions import corrupt, keys_of_names
from augspec.conditions.__main__ import main


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, rate, channels in (("dog/a.wav", 16_000, 1), ("cat/b.flac", 22_050, 2)):
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True)
        soundfile.write(path, 0.1 * rng.normal(size=(rate // 2, channels)), rate)
    return tmp_path / "sounds"


def test_copies_keep_their_places_rates_and_channels(folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = [str(folder), "--out", str(out), "--conditions", "noise-3,quiet"]
    assert main(words) == 0
    assert f"12 files in {out}" in capsys.readouterr().out
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.wav"))
    assert len(names) == 12
    assert "noise-3/dog/a.wav" in names
    assert "quiet-5/cat/b.flac.wav" in names
    assert soundfile.info(out / "noise-3/cat/b.flac.wav").samplerate == 22_050
    samples, _ = soundfile.read(folder / "cat/b.flac", dtype="float64", always_2d=True)
    expected = corrupt(
        torch.from_numpy(samples.T)[None].contiguous(),
        keys_of_names(["cat/b.flac"]),
        "noise",
        3,
        sample_rate=22_050,
    )
    found, _ = soundfile.read(out / "noise-3/cat/b.flac.wav", dtype="float64", always_2d=True)
    assert np.array_equal(found.T, expected[0].numpy())  # the very bytes


def test_what_was_stopped_goes_on(folder, tmp_path):
    words = [str(folder), "--out", str(tmp_path / "out"), "--conditions", "bits-1"]
    assert main(words) == 0
    kept = tmp_path / "out" / "bits-1" / "dog" / "a.wav"
    kept.write_bytes(b"mine")
    (tmp_path / "out" / "bits-1" / "cat" / "b.flac.wav").unlink()
    assert main(words) == 0
    assert kept.read_bytes() == b"mine"
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "--out", "out"], "nowhere"),
        (["sounds", "--out", "sounds/out"], "--out must not lie in the folder that is read"),
        (["sounds", "--out", "out", "--conditions", "loud"], "a condition must be among"),
    ],
)
def test_mistakes_are_said(folder, monkeypatch, capsys, words, message):
    monkeypatch.chdir(folder.parent)
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_no_sound_is_named(folder, tmp_path, capsys):
    (folder / "dog" / "c.wav").write_bytes(b"no sound")
    assert main([str(folder), "--out", str(tmp_path / "out"), "--conditions", "bits-1"]) == 2
    assert "c.wav" in capsys.readouterr().err
