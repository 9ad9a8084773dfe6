import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from augspec.datasets import NSynth

REAL = Path(__file__).resolve().parents[3] / "shared" / "nsynth"
OFFICIAL = ("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string")


def write_note(folder: Path, name: str, seed: int = 0, length: int = 64_000) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).integers(-20_000, 20_000, length, dtype=np.int16)
    soundfile.write(folder / f"{name}.wav", samples, 16_000)
    return folder / f"{name}.wav"


def record(name: str) -> dict[str, object]:
    instrument, pitch, velocity = name.rsplit("-", 2)
    family, source, _ = instrument.rsplit("_", 2)
    return {
        "instrument_family_str": family,
        "instrument_source_str": source,
        "instrument_str": instrument,
        "pitch": int(pitch),
        "velocity": int(velocity),
        "sample_rate": 16_000,
    }


def write_split(root: Path, split: str, names: list[str], bare: bool = False) -> Path:
    folder = root / f"nsynth-{split}"
    for seed, name in enumerate(names):
        write_note(folder / "audio", name, seed)
    examples = {name: {} if bare else record(name) for name in names}
    (folder / "examples.json").write_text(json.dumps(examples))
    return folder


NAMES = ["vocal_acoustic_003-060-100", "bass_synthetic_009-030-025", "reed_electronic_001-077-127"]


def test_item_holds_the_samples_and_the_metadata(tmp_path):
    folder = write_split(tmp_path, "train", NAMES)
    notes = NSynth(tmp_path, "train")
    item = notes[2]
    samples, _ = soundfile.read(folder / "audio" / f"{NAMES[0]}.wav", dtype="float32")
    assert item.pop("waveform").equal(torch.from_numpy(samples)[None])
    assert item == {
        "label": 9,
        "index": 2,
        "instrument": "vocal_acoustic_003",
        "pitch": 60,
        "velocity": 100,
        "path": str(folder / "audio" / f"{NAMES[0]}.wav"),
    }


def test_notes_are_in_the_order_of_their_names(tmp_path):
    write_split(tmp_path, "train", NAMES)
    notes = NSynth(tmp_path, "train")
    assert [Path(notes[i]["path"]).stem for i in range(3)] == sorted(NAMES)
    assert notes.labels.tolist() == [0, 7, 9]
    assert notes.instruments.tolist() == [name.rsplit("-", 2)[0] for name in sorted(NAMES)]
    assert notes.pitches.tolist() == [30, 77, 60]
    assert notes.velocities.tolist() == [25, 127, 100]


def test_labels_follow_the_official_order_and_synth_lead_comes_last(tmp_path):
    names = [f"{family}_synthetic_000-060-100" for family in (*OFFICIAL, "vocal", "synth_lead")]
    write_split(tmp_path, "train", names)
    write_split(tmp_path, "valid", names[:-1])
    train, valid = NSynth(tmp_path, "train"), NSynth(tmp_path, "valid")
    assert train.classes == [*OFFICIAL, "vocal", "synth_lead"]
    assert valid.classes == train.classes[:10]
    for notes in train, valid:
        for i, instrument in enumerate(notes.instruments):
            assert notes.classes[notes.labels[i]] == instrument.removesuffix("_synthetic_000")


def test_labels_do_not_depend_on_which_families_a_split_has(tmp_path):
    write_split(tmp_path, "test", ["reed_acoustic_000-060-100"])
    notes = NSynth(tmp_path, "test")
    assert notes.labels.tolist() == [7]
    assert len(notes.classes) == 10


def test_missing_fields_come_from_the_name(tmp_path):
    write_split(tmp_path / "full", "train", NAMES)
    write_split(tmp_path / "bare", "train", NAMES, bare=True)
    full, bare = NSynth(tmp_path / "full", "train"), NSynth(tmp_path / "bare", "train")
    for one, other in zip(full, bare, strict=True):
        assert one.pop("waveform").equal(other.pop("waveform"))
        assert {**one, "path": ""} == {**other, "path": ""}
    assert bare.sample_rate == 16_000


@pytest.mark.parametrize(
    "sources", ["acoustic", ["acoustic"], ("acoustic", "acoustic"), {"acoustic"}]
)
def test_sources_keep_only_their_notes(tmp_path, sources):
    write_split(tmp_path, "train", NAMES)
    assert NSynth(tmp_path, "train", sources).instruments.tolist() == ["vocal_acoustic_003"]


def test_files_of_other_sources_may_be_missing(tmp_path):
    folder = write_split(tmp_path, "train", NAMES)
    (folder / "audio" / f"{NAMES[1]}.wav").unlink()
    assert len(NSynth(tmp_path, "train", ["acoustic", "electronic"])) == 2


def test_negative_and_outside_indices(tmp_path):
    write_split(tmp_path, "train", NAMES)
    notes = NSynth(tmp_path, "train")
    assert notes[-1]["index"] == 2
    with pytest.raises(IndexError):
        notes[3]


def test_missing_root_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"`root` must be an existing folder, got .*nowhere"
    ):
        NSynth(tmp_path / "nowhere", "train")


def test_missing_split_is_named(tmp_path):
    write_split(tmp_path, "train", NAMES)
    with pytest.raises(FileNotFoundError, match=r"nsynth-valid/examples\.json"):
        NSynth(tmp_path, "valid")


@pytest.mark.parametrize("split", ["validation", "", None])
def test_unknown_split_is_named(tmp_path, split):
    with pytest.raises(ValueError, match="`split` must be one of train, valid, test"):
        NSynth(tmp_path, split)


@pytest.mark.parametrize("sources", ["electric", ["acoustic", "electric"], []])
def test_unknown_sources_are_named(tmp_path, sources):
    write_split(tmp_path, "train", NAMES)
    with pytest.raises(ValueError, match=r"`sources` must be some of acoustic, electronic"):
        NSynth(tmp_path, "train", sources)


def test_sources_without_a_note_are_an_error(tmp_path):
    write_split(tmp_path, "train", NAMES[:1])
    with pytest.raises(ValueError, match=r"at least one note of `sources`.*electronic"):
        NSynth(tmp_path, "train", "electronic")


def test_examples_that_name_a_missing_file_fail_when_opened(tmp_path):
    folder = write_split(tmp_path, "train", NAMES)
    (folder / "audio" / f"{NAMES[1]}.wav").unlink()
    with pytest.raises(FileNotFoundError, match=rf"examples.json names 1 files.*{NAMES[1]}\.wav"):
        NSynth(tmp_path, "train")


def test_missing_audio_folder_is_named(tmp_path):
    folder = write_split(tmp_path, "train", NAMES)
    (folder / "audio").rename(folder / "sound")
    with pytest.raises(FileNotFoundError, match="nsynth-train/audio is missing"):
        NSynth(tmp_path, "train")


def test_file_that_goes_away_later_is_named(tmp_path):
    folder = write_split(tmp_path, "train", NAMES[:1])
    notes = NSynth(tmp_path, "train")
    (folder / "audio" / f"{NAMES[0]}.wav").unlink()
    with pytest.raises(FileNotFoundError, match=rf"{NAMES[0]}\.wav does not exist any more"):
        notes[0]


@pytest.mark.parametrize("size", [0, 10, 44, 4_000, 128_043])
def test_cut_wav_is_named(tmp_path, size):
    folder = write_split(tmp_path, "train", NAMES[:1])
    path = folder / "audio" / f"{NAMES[0]}.wav"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=rf"{NAMES[0]}\.wav (is cut|cannot be decoded)"):
        NSynth(tmp_path, "train")[0]


def test_file_at_another_rate_is_named(tmp_path):
    folder = write_split(tmp_path, "train", NAMES[:1])
    soundfile.write(folder / "audio" / f"{NAMES[0]}.wav", np.zeros(100), 44_100)
    with pytest.raises(ValueError, match=r"a sampling rate of 16000 Hz .* got 44100 Hz"):
        NSynth(tmp_path, "train")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": ', "is not JSON"),
        ("[]", "must hold a JSON object"),
        ("{}", "at least one note"),
        ('{"note": {}}', "'note' has no instrument_family_str"),
        ('{"bass_acoustic_000-060-100": 3}', "must be an object, got 3"),
        ('{"bass_acoustic_000-060-300": {}}', "velocity of .* from 0 to 127, got '300'"),
        ('{"bass_acoustic_000-060-100": {"pitch": 60.5}}', "pitch of .* from 0 to 127, got 60.5"),
        ('{"bass_acoustic_000-060-100": {"instrument_family_str": "kazoo"}}', "got 'kazoo'"),
        (
            '{"../bass_acoustic_000-060-100": {"instrument_family_str": "bass", "pitch": 1, '
            '"instrument_source_str": "acoustic", "instrument_str": "b", "velocity": 1}}',
            "must be a plain file name",
        ),
        (
            '{"C:bass_acoustic_000-060-100": {"instrument_family_str": "bass", "pitch": 1, '
            '"instrument_source_str": "acoustic", "instrument_str": "b", "velocity": 1}}',
            "must be a plain file name",
        ),
        ('{"bass_acoustic_000-060-100": {"sample_rate": 0}}', "a number of Hz, got 0"),
        ('{"bass_acoustic_000-060-100": {"sample_rate": 2147483648}}', "Hz, got 2147483648"),
        (
            '{"bass_acoustic_000-060-100": {}, "bass_acoustic_000-061-100": {"sample_rate": 8000}}',
            "one sample_rate",
        ),
    ],
)
def test_damaged_examples_are_named(tmp_path, text, message):
    folder = write_split(tmp_path, "train", ["bass_acoustic_000-060-100"])
    write_note(folder / "audio", "bass_acoustic_000-061-100")
    (folder / "examples.json").write_text(text)
    with pytest.raises(ValueError, match=rf"examples\.json.*{message}"):
        NSynth(tmp_path, "train")


@pytest.mark.parametrize("workers", [0, 2])
def test_default_collate_in_workers(tmp_path, workers):
    write_split(tmp_path, "train", NAMES)
    (batch,) = DataLoader(NSynth(tmp_path, "train"), batch_size=3, num_workers=workers)
    assert batch["waveform"].shape == (3, 1, 64_000)
    assert batch["label"].dtype == torch.int64
    assert batch["index"].tolist() == [0, 1, 2]
    assert batch["pitch"].tolist() == [30, 77, 60]
    assert batch["instrument"] == [name.rsplit("-", 2)[0] for name in sorted(NAMES)]


def test_metadata_is_arrays_of_a_few_bytes_a_note(tmp_path):
    names = [f"bass_acoustic_{i:03d}-{p:03d}-100" for i in range(20) for p in range(100)]
    folder = tmp_path / "nsynth-train"
    (folder / "audio").mkdir(parents=True)
    for name in names:
        (folder / "audio" / f"{name}.wav").touch()
    (folder / "examples.json").write_text(json.dumps({name: {} for name in names}))
    assert len(pickle.dumps(NSynth(tmp_path, "train"))) < 70 * len(names)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    if not REAL.is_dir():
        pytest.skip("needs the real NSynth notes of ../shared")
    root = tmp_path_factory.mktemp("nsynth")
    # By hand, because Python 3.11.2, which is Debian's, cannot extract with a filter.
    with tarfile.open(REAL / "nsynth-valid.jsonwav.tar.gz") as archive:
        for member in filter(tarfile.TarInfo.isfile, archive):
            (root / member.name).parent.mkdir(parents=True, exist_ok=True)
            (root / member.name).write_bytes(archive.extractfile(member).read())
    return NSynth(root, "valid")


def test_real_notes(real):
    assert len(real) == 829
    assert np.unique(real.labels).tolist() == list(range(10))
    assert np.unique(real.instruments).size == 19
    for i in range(0, 829, 83):
        item = real[i]
        assert item["waveform"].shape == (1, 64_000)
        assert item["path"].endswith(
            f"{item['instrument']}-{item['pitch']:03d}-{item['velocity']:03d}.wav"
        )
        assert item["instrument"].startswith(real.classes[item["label"]])
