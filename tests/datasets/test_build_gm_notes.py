import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from augspec.datasets import GMNotes

SCRIPT = Path(__file__).resolve().parents[2] / "recipes" / "build_gm_notes.py"


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build_gm_notes", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pages(ogg: bytes):
    position = 0
    while position < len(ogg):
        body = position + 27 + ogg[position + 26]
        end = body + sum(ogg[position + 27 : body])
        yield ogg[position:end]
        position = end


def test_checksum_is_the_one_that_libogg_writes(build, tmp_path):
    soundfile.write(tmp_path / "a.ogg", np.sin(np.arange(160_000) / 7), 16_000)
    found = list(pages((tmp_path / "a.ogg").read_bytes()))
    assert len(found) > 3
    for page in found:
        blank = page[:22] + bytes(4) + page[26:]
        assert build.ogg_checksum(blank) == int.from_bytes(page[22:26], "little")


def test_files_of_one_sound_are_equal_byte_for_byte(build, tmp_path):
    tape = 0.5 * np.sin(np.arange(160_000) / 7)
    (tmp_path / "b").mkdir()
    build.encode(tmp_path / "a.ogg", tape)
    build.encode(tmp_path / "b" / "a.ogg", tape)
    assert (tmp_path / "a.ogg").read_bytes() == (tmp_path / "b" / "a.ogg").read_bytes()


def test_codec_keeps_length_and_place(build, tmp_path):
    """A click comes back at its own sample, at any distance from the start."""
    tape = np.zeros(16 * 66_048)
    clicks = np.arange(3_000, tape.size, 66_048)
    decay = np.exp(-np.arange(4_000) / 400) * np.cos(np.arange(4_000))
    for click in clicks:
        tape[click : click + 4_000] = 0.8 * decay
    build.encode(tmp_path / "a.ogg", tape)
    decoded, rate = soundfile.read(tmp_path / "a.ogg")
    assert rate == 16_000
    assert decoded.shape == tape.shape
    for click in clicks:
        assert np.abs(decoded[click - 100 : click + 100]).argmax() == 100


def test_downsampling_keeps_the_band_and_removes_what_would_fold(build):
    time = np.arange(48_000) / 48_000
    for freq, gain in (100.0, 1.0), (4_000.0, 1.0), (7_200.0, 1.0), (8_100.0, 0.0), (12_000.0, 0.0):
        low = build.to_16k(np.sin(2 * np.pi * freq * time).astype(np.float32))[2_000:-2_000]
        assert low.size == 12_000
        assert abs(np.sqrt(2 * np.square(low).mean()) - gain) < 1e-3


def test_missing_soundfont_is_named(build, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["build", "--fluid", str(tmp_path / "none.sf2")])
    with pytest.raises(SystemExit, match=r"--fluid: .*none\.sf2 is missing: apt install"):
        build.main()


def test_missing_fluidsynth_is_named(build, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    with pytest.raises(SystemExit, match="FluidSynth is missing"):
        build.Synth(tmp_path)


def test_sample_in_both_splits_stops_the_build(build):
    train, valid = (build.Program("bass", n, "", 0, 1, s) for n, s in ((1, "train"), (2, "valid")))
    instruments = [build.Instrument(train, "fluid"), build.Instrument(valid, "fluid")]
    build.check_split(instruments, {"fluid": {1: {"a", "b"}, 2: {"c"}}})
    with pytest.raises(SystemExit, match="samples in both splits: b"):
        build.check_split(instruments, {"fluid": {1: {"a", "b"}, 2: {"b"}}})


def test_embedded_note_is_what_the_soundfont_plays(build):
    soundfont = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
    if not soundfont.is_file():
        pytest.skip("the Debian package fluid-soundfont-gm is not installed")
    try:
        synth = build.Synth(soundfont)
    except SystemExit as reason:
        pytest.skip(str(reason))
    notes = GMNotes("valid")
    item = notes[int(np.flatnonzero(notes.instruments == "reed_fluid_065")[4])]
    embedded = item["waveform"][0].double().numpy()
    rendered = synth.play(65, item["pitch"], item["velocity"])
    rendered *= embedded @ rendered / (rendered @ rendered)
    assert np.linalg.norm(embedded - rendered) < 0.1 * np.linalg.norm(embedded)
