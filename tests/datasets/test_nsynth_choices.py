"""Choosing notes: filters, cleaning, splits by instrument, and what a large split costs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_nsynth import record, write_note, write_split
from test_nsynth_archive import make_archive

from augspec.datasets import NSynth, nsynth_article, split_by_group
from augspec.datasets._nsynth_filters import Filters

NAMES = [
    "bass_synthetic_009-030-025",
    "brass_acoustic_046-083-100",
    "brass_acoustic_046-084-100",
    "brass_acoustic_047-084-127",
    "flute_acoustic_001-084-050",
    "reed_electronic_001-077-127",
]


@pytest.fixture
def root(tmp_path):
    folder = write_split(tmp_path, "train", NAMES)
    examples = {name: record(name) for name in NAMES}
    examples[NAMES[0]]["qualities_str"] = ["bright", "tempo-synced"]
    examples[NAMES[4]]["qualities_str"] = ["bright"]
    examples[NAMES[5]]["qualities_str"] = ["dark", "reverb"]
    (folder / "examples.json").write_text(json.dumps(examples))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"families": "brass"}, [1, 2, 3]),
        ({"families": ["bass", "reed"], "sources": "electronic"}, [5]),
        ({"pitch": 84}, [2, 3, 4]),
        ({"pitch": np.int64(84)}, [2, 3, 4]),
        ({"pitch": np.array([77, 83])}, [1, 5]),
        ({"pitch": (77, 83)}, [1, 5]),
        ({"velocity": 127}, [3, 5]),
        ({"velocity": (50, 100)}, [1, 2, 4]),
        ({"qualities": "bright"}, [0, 4]),
        ({"qualities": ["bright", "tempo-synced"]}, [0]),
        ({"qualities": "reverb", "pitch": (0, 127)}, [5]),
        ({"instruments": "brass_acoustic_046"}, [1, 2]),
        ({"instruments": {"flute_acoustic_001", "bass_synthetic_009"}, "velocity": 50}, [4]),
        ({"clean": True}, [0, 1, 3, 4, 5]),
    ],
)
def test_filters_keep_only_their_notes(root, options, places):
    notes = NSynth(root, "train", **options)
    assert [Path(item["path"]).stem for item in notes] == [NAMES[place] for place in places]


def test_what_is_known_of_every_note(root):
    notes = NSynth(root, "train")
    assert notes.sources.tolist() == [name.split("_")[1] for name in NAMES]
    assert notes.families.tolist() == [name.split("_")[0] for name in NAMES]
    assert np.argwhere(notes.qualities).tolist() == [[0, 0], [0, 9], [4, 0], [5, 1], [5, 8]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"families": "tuba"}, "`families` must be some of bass, brass"),
        ({"qualities": ["loud"]}, "`qualities` must be some of bright, dark"),
        ({"instruments": "tuba_acoustic_001"}, "`instruments` must be some of those in"),
        ({"instruments": []}, "`instruments` must be some of"),
        ({"pitch": 128}, r"`pitch` must be a number or a range \(low, high\) from 0 to 127"),
        ({"pitch": (60, 50)}, "`pitch` must be"),
        ({"velocity": (25, 50, 75)}, "`velocity` must be"),
        (
            {"families": "bass", "pitch": 31},
            r"at least one note of `families` \['bass'\] and `pitch` \(31, 31\)",
        ),
    ],
)
def test_filters_that_cannot_be_met_are_named(root, options, message):
    with pytest.raises(ValueError, match=message):
        NSynth(root, "train", **options)


def test_unknown_quality_in_examples_is_named(root):
    path = root / "nsynth-train" / "examples.json"
    path.write_text(json.dumps({NAMES[0]: {"qualities_str": ["loud"]}}))
    with pytest.raises(ValueError, match=r"examples\.json: qualities_str of .* got 'loud'"):
        NSynth(root, "train")


@pytest.mark.parametrize("packed", [False, True])
def test_clean_drops_notes_with_the_same_audio(tmp_path, packed):
    """The first by name is kept; audio of another length or with a bit changed is another."""
    names = [f"organ_electronic_{i:03d}-060-100" for i in range(6)]
    folder = write_split(tmp_path / "plain", "train", names)
    audio = folder / "audio"
    for place, seed in ((1, 7), (3, 7), (4, 7)):
        write_note(audio, names[place], seed)
    raw = bytearray((audio / f"{names[4]}.wav").read_bytes())
    raw[-1] ^= 1
    (audio / f"{names[4]}.wav").write_bytes(raw)
    write_note(audio, names[5], 7, length=63_999)
    root = tmp_path / "plain"
    if packed:
        import tarfile

        with tarfile.open(tmp_path / "nsynth-train.jsonwav.tar.gz", "w:gz") as archive:
            archive.add(folder, "nsynth-train")
        root = tmp_path
    notes = NSynth(root, "train", clean=True, progress=False)
    kept = [Path(item["path"]).stem for item in notes]
    assert kept == [names[place] for place in (0, 1, 2, 4, 5)]
    # after a filter that leaves out the first of the two, the second is all there is
    chosen = NSynth(root, "train", clean=True, instruments=names[3].split("-")[0], progress=False)
    assert len(chosen) == 1


def test_hashes_are_kept_and_used(root):
    NSynth(root, "train", families="brass", clean=True)
    sums = root / "nsynth-train" / "audio.b2sums"
    assert len(sums.read_text().splitlines()) == 2  # the noisy note need not be read
    text = "".join(f"{i // 2:032x}  {name}\n" for i, name in enumerate(NAMES))
    sums.write_text(text)
    assert len(NSynth(root, "train", clean=True)) == 3  # of 0 0 noisy 1 2 2
    assert sums.read_text() == text


def test_select_keeps_classes_and_counts_anew(root):
    notes = NSynth(root, "train")
    some = notes.select([5, 1])
    assert [item["instrument"] for item in some] == ["reed_electronic_001", "brass_acoustic_046"]
    assert [item["index"] for item in some] == [0, 1]
    assert some.labels.tolist() == [7, 1]
    assert some.classes == notes.classes
    assert len(notes.select(notes.pitches == 84)) == 3
    with pytest.raises(ValueError, match="`index` must select at least one note"):
        notes.select([])
    with pytest.raises(IndexError):
        notes.select([6])


def test_split_by_instrument_shares_none_and_keeps_every_family(tmp_path):
    names = [
        f"{family}_acoustic_{i:03d}-{pitch:03d}-100"
        for family, count in (("bass", 10), ("brass", 2), ("flute", 1))
        for i in range(count)
        for pitch in (60, 61)
    ]
    write_split(tmp_path, "train", names)
    notes = NSynth(tmp_path, "train")
    train, valid = notes.split_by_instrument(0.3, seed=1)
    assert not set(train.instruments) & set(valid.instruments)
    assert len(train) + len(valid) == len(names)
    assert np.bincount(valid.labels, minlength=3)[:3].tolist() == [6, 2, 0]
    again = notes.split_by_instrument(0.3, seed=1)[1]
    assert again.instruments.tolist() == valid.instruments.tolist()
    other = notes.split_by_instrument(0.3, seed=2)[1]
    assert set(other.instruments) != set(valid.instruments)


def test_split_by_group_does_not_depend_on_the_order():
    groups = np.array([f"g{i % 37}" for i in range(500)])
    labels = np.array([int(group[1:]) % 3 for group in groups])
    order = np.random.default_rng(0).permutation(500)
    _, held = split_by_group(groups, labels, valid=0.25, seed=3)
    _, other = split_by_group(groups[order], labels[order], valid=0.25, seed=3)
    assert set(groups[held]) == set(groups[order][other])
    assert len(set(groups[held])) == 9  # 3 of 13, 3 of 12 and 3 of 12


def test_bad_splits_are_named():
    with pytest.raises(ValueError, match="`valid` must be between 0 and 1, got 1"):
        split_by_group(["a", "b"], valid=1)
    with pytest.raises(ValueError, match="`labels` must be as many as `groups`, 2, got 1"):
        split_by_group(["a", "b"], [0])


def test_article_has_the_acoustic_notes_and_its_settings(root, tmp_path):
    write_split(tmp_path, "valid", NAMES)
    article = nsynth_article(root)
    assert set(article.train.sources) == set(article.valid.sources) == {"acoustic"}
    assert (article.train.split, article.valid.split) == ("train", "valid")
    specgram = article.features(article.valid[0]["waveform"][None])
    assert specgram.shape == (1, 1, 40, 1 + 64_000 // 256)
    settings = vars(article.features)
    assert (settings["n_fft"], settings["hop_length"]) == (1024, 256)
    assert (settings["f_min"], settings["f_max"]) == (20.0, 8000.0)


def test_a_large_split_costs_few_bytes_a_note(tmp_path):
    """20,000 notes, each with all the fields of the official release."""
    import tracemalloc

    names = [
        f"{family}_synthetic_{i:03d}-{pitch:03d}-{velocity:03d}"
        for family in ("bass", "guitar", "keyboard", "mallet", "vocal")
        for i in range(10)
        for pitch in range(20, 100)
        for velocity in (25, 50, 75, 100, 127)
    ]
    folder = tmp_path / "nsynth-train"
    (folder / "audio").mkdir(parents=True)
    for name in names:
        (folder / "audio" / f"{name}.wav").touch()
    fields = {"qualities": [0] * 10, "qualities_str": ["dark"], "note": 7, "instrument": 9}
    examples = {name: {**record(name), **fields, "note_str": name} for name in names}
    text = json.dumps(examples)
    (folder / "examples.json").write_text(text)
    del examples
    tracemalloc.start()
    notes = NSynth(tmp_path, "train")
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(notes) == len(names) == 20_000
    assert kept < 70 * len(names)
    assert peak < len(text) + 700 * len(names)  # beside the text of the file
    shutil.rmtree(folder)


def test_filters_of_an_archive(tmp_path):
    make_archive(tmp_path, names=NAMES)
    notes = NSynth(tmp_path, "train", pitch=84, velocity=(60, 127), clean=True, progress=False)
    assert notes.instruments.tolist() == ["brass_acoustic_047"]


def test_numbers_of_numpy_are_numbers():
    kept = Filters(None, None, np.int64(60), (np.int64(90), 127), None, None).checked()
    assert (kept.pitch, kept.velocity) == ((60, 60), (90, 127))
    assert type(kept.pitch[0]) is int


def test_a_split_by_instrument_is_that_of_its_groups(tmp_path):
    write_split(tmp_path, "train", [f"bass_acoustic_{n:03d}-060-100" for n in range(20)])
    notes = NSynth(tmp_path, "train")
    expected = split_by_group(notes.instruments, notes.labels)
    for part, index in zip(notes.split_by_instrument(), expected, strict=True):
        assert part.instruments.tolist() == notes.instruments[index].tolist()
