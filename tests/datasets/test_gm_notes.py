import csv
import hashlib
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from augspec.datasets import GMNotes, gm_notes

FAMILIES = ["bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string"]
FAMILIES.append("vocal")
SUSTAINED = {"brass", "flute", "organ", "reed", "vocal"}


@pytest.fixture(scope="module")
def splits():
    return {"train": GMNotes("train"), "valid": GMNotes("valid")}


@pytest.fixture(scope="module")
def waveforms(splits):
    """Every note, decoded once: (note, time) a split."""
    return {
        name: np.stack([item["waveform"][0].numpy() for item in notes])
        for name, notes in splits.items()
    }


def test_counts(splits):
    assert len(splits["train"]) == 640
    assert len(splits["valid"]) == 240
    programs = set(splits["train"].programs) | set(splits["valid"].programs)
    assert len(programs) == 73
    fonts = {name.split("_")[1] for notes in splits.values() for name in notes.instruments}
    assert fonts == {"fluid", "musescore"}


def test_every_split_has_the_same_number_of_notes_of_each_family(splits):
    for notes, count in (splits["train"], 64), (splits["valid"], 24):
        assert notes.classes == FAMILIES
        assert np.bincount(notes.labels).tolist() == [count] * 10


def test_splits_are_disjoint_by_program_and_each_family_has_programs_in_both(splits):
    train, valid = splits["train"], splits["valid"]
    assert not set(train.programs) & set(valid.programs)
    for label in range(10):
        assert len(set(train.programs[train.labels == label])) >= 3
        assert len(set(valid.programs[valid.labels == label])) >= 2


def test_instruments_have_several_pitches_and_velocities(splits):
    for notes in splits.values():
        for instrument in set(notes.instruments):
            own = notes.instruments == instrument
            assert len(set(notes.pitches[own])) == own.sum() >= 7
            assert set(notes.velocities[own]) == {50, 75, 100, 127}


def test_item_is_like_one_of_nsynth(splits):
    item = splits["valid"][-1]
    assert item["waveform"].dtype == torch.float32
    assert item["index"] == 239
    assert item["instrument"] == "vocal_fluid_054"
    assert item["label"] == 9
    assert {
        k: type(item[k]) for k in ("label", "index", "instrument", "pitch", "velocity", "path")
    } == {
        "label": int,
        "index": int,
        "instrument": str,
        "pitch": int,
        "velocity": int,
        "path": str,
    }
    assert Path(item["path"]).is_file()
    with pytest.raises(IndexError):
        splits["valid"][240]


def test_every_note_is_64000_samples_and_neither_silent_nor_clipped(waveforms):
    for batch in waveforms.values():
        assert batch.shape[1] == 64_000
        peaks = np.abs(batch).max(axis=1)
        assert peaks.max() < 0.9
        assert peaks.min() > 0.01


def test_notes_start_at_once_after_silence(splits, waveforms):
    """An offset in the index, or a delay of the codec, would move every attack."""
    for name, batch in waveforms.items():
        level = np.abs(batch)
        start = (level > 0.1 * level.max(axis=1, keepdims=True)).argmax(axis=1)
        assert np.median(start) < 0.02 * 16_000
        # bowed ensembles swell; nothing else takes longer than a tenth of a second
        slow = np.char.endswith(splits[name].instruments, "musescore_049")
        assert start[~slow].max() < 0.1 * 16_000
        assert start.max() < 0.3 * 16_000
    for path in gm_notes.FOLDER.glob("*.ogg"):
        tape, _ = soundfile.read(path)
        for end in range(0, tape.size, 66_048):
            assert np.abs(tape[end + 512 : end + 1_536]).max() < 1e-3


def test_held_notes_sound_until_they_are_released(splits, waveforms):
    for name, batch in waveforms.items():
        held = [splits[name].classes[label] in SUSTAINED for label in splits[name].labels]
        rms = np.sqrt(np.square(batch[held]).reshape(sum(held), 8, 8_000).mean(axis=2))
        assert (rms[:, 5] > 0.25 * rms[:, :6].max(axis=1)).all()
        assert (rms[:, 7] < 0.5 * rms[:, 5]).all()


def cents_off(waveform: np.ndarray, pitch: int) -> float:
    """Return how far the harmonics lie from those of a MIDI pitch: the shift of the best comb."""
    seconds = 3.0
    segment = waveform[1_600 : 1_600 + int(seconds * 16_000)]
    spectrum = np.abs(np.fft.rfft(segment * np.hanning(segment.size), 1 << 17))
    freqs = np.fft.rfftfreq(1 << 17, 1 / 16_000)
    shifts = np.arange(-100, 101, 2)
    f0 = 440.0 * 2 ** ((pitch - 69) / 12)
    harmonics = f0 * np.arange(1, 1 + min(8, int(7_500 / f0)))
    combs = harmonics * 2 ** (shifts[:, None] / 1200)
    return float(shifts[np.interp(combs, freqs, spectrum).sum(axis=1).argmax()])


@pytest.mark.parametrize("family", FAMILIES)
def test_notes_sound_at_their_midi_pitch(splits, waveforms, family):
    off = np.array(
        [
            cents_off(waveforms[name][i], notes.pitches[i])
            for name, notes in splits.items()
            for i in np.flatnonzero(notes.labels == FAMILIES.index(family))[::3]
        ]
    )
    assert np.median(np.abs(off)) <= 8  # singers are flat or sharp by more than organ pipes
    assert np.mean(np.abs(off) <= 25) >= 0.85
    assert np.abs(off).max() <= 50  # nearer to its own pitch than to a neighbour's


def test_no_note_lies_an_octave_above_its_number(splits, waveforms):
    """Of a note an octave too high, only even harmonics would sound."""
    weak = 0
    for name, notes in splits.items():
        for i in range(0, len(notes), 4):
            f0 = 440.0 * 2 ** ((notes.pitches[i] - 69) / 12)
            spectrum = np.square(
                np.abs(np.fft.rfft(waveforms[name][i, 1_600:33_600] * np.hanning(32_000)))
            )
            nearest = np.rint(np.arange(16_001) * 0.5 / f0)
            near = np.abs(np.arange(16_001) * 0.5 - nearest * f0) < 0.2 * f0
            odd = spectrum[near & (nearest % 2 == 1)].sum()
            even = spectrum[near & (nearest % 2 == 0) & (nearest > 0)].sum()
            weak += odd < 0.01 * even
    assert weak == 0


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest correlation of two notes over all delays."""
    spectra = [np.fft.rfft(note / np.linalg.norm(note), 65_536) for note in (one, other)]
    return float(np.abs(np.fft.irfft(spectra[0] * spectra[1].conj())).max())


def test_no_two_notes_are_one_recording(splits, waveforms):
    """Between all instruments of a family, at the pitches that two of them share."""
    instruments = np.concatenate([notes.instruments for notes in splits.values()])
    labels = np.concatenate([notes.labels for notes in splits.values()])
    pitches = np.concatenate([notes.pitches for notes in splits.values()])
    notes = np.concatenate(list(waveforms.values()))[:, :32_000]
    compared = 0
    for i, j in zip(*np.triu_indices(len(notes), 1), strict=True):
        if labels[i] == labels[j] and pitches[i] == pitches[j] and instruments[i] != instruments[j]:
            compared += 1
            assert likeness(notes[i], notes[j]) < 0.97, (instruments[i], instruments[j], pitches[i])
    assert compared > 500


def test_same_note_is_found_alike():
    note = GMNotes("valid")[0]["waveform"][0].numpy()[:32_000]
    assert likeness(note, np.roll(note, 100)) > 0.97


def test_checksums_cover_every_file_and_match():
    lines = (gm_notes.FOLDER / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {path.name: path for path in gm_notes.FOLDER.iterdir() if path.name != "SHA256SUMS"}
    assert sums == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
    }


def test_folder_is_at_most_15_megabytes_and_holds_what_the_index_names():
    assert sum(path.stat().st_size for path in gm_notes.FOLDER.iterdir()) < 15e6
    with (gm_notes.FOLDER / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {path.name for path in gm_notes.FOLDER.glob("*.ogg")}
    assert max(Counter((row["file"], row["start"]) for row in rows).values()) == 1


def test_licences_name_the_authors_and_quote_the_terms():
    text = (gm_notes.FOLDER / "LICENSES.md").read_text()
    for words in (
        "Frank Wen",
        "Michael Cowgill",
        "S. Christian Collins",
        "free of charge",
        '"AS IS"',
    ):
        assert words in text


@pytest.mark.parametrize("split", ["test", "Train", None])
def test_unknown_split_is_named(split):
    with pytest.raises(ValueError, match=r"`split` must be train or valid, got"):
        GMNotes(split)


def test_missing_data_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(gm_notes, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"index\.csv is missing; install augspec again"):
        GMNotes()


def test_damaged_file_is_named(monkeypatch, tmp_path):
    (tmp_path / "index.csv").write_bytes((gm_notes.FOLDER / "index.csv").read_bytes())
    monkeypatch.setattr(gm_notes, "FOLDER", tmp_path)
    notes = GMNotes()
    (tmp_path / f"{notes.instruments[0]}.ogg").write_bytes(b"OggS but no more")
    with pytest.raises(ValueError, match=r"bass_fluid_032\.ogg cannot be decoded"):
        notes[0]


def test_pickle_carries_the_index_and_no_audio(splits):
    notes = splits["valid"]
    assert notes[5]["waveform"].numel()
    data = pickle.dumps(notes)
    assert len(data) < 50_000
    assert pickle.loads(data)[5]["waveform"].equal(notes[5]["waveform"])  # noqa: S301


def test_items_do_not_share_memory():
    notes = GMNotes("valid")
    before = notes[0]["waveform"].clone()
    notes[0]["waveform"].zero_()
    assert notes[0]["waveform"].equal(before)


def test_default_collate_in_workers(splits):
    batches = list(DataLoader(splits["valid"], batch_size=100, num_workers=2))
    assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(240))
    assert batches[0]["waveform"].shape == (100, 1, 64_000)
    assert batches[2]["waveform"][-1].equal(splits["valid"][239]["waveform"])
