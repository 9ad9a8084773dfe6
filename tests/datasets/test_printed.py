"""What is printed of a data set, a sampler and a loader: facts, and no audio is read for them."""

import inspect

import numpy as np
import pytest
import soundfile
import torch
from test_nsynth import NAMES, write_split
from torch.utils.data import DataLoader, Dataset, Sampler, Subset

import augspec
from augspec import datasets, samplers
from augspec.conditions import Corrupted
from augspec.datasets import AudioFolder, GMNotes, NSynth, Shards
from augspec.features import Spectrogram

EVENTS = [("a/0.wav", 0.1, 0.2, "wren"), ("b/1.wav", 0.1, 0.2, "robin")]


@pytest.fixture
def root(tmp_path):
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        samples = np.random.default_rng(number).normal(size=8_000) / 10
        soundfile.write(tmp_path / name / f"{number}.wav", samples, 8_000)
    return tmp_path


def nsynth(root):
    write_split(root, "valid", NAMES)
    return NSynth(root, "valid")


def packed(root):
    return datasets.pack(AudioFolder(root), root / "sounds.packed", progress=False)


def shards(root):
    return Shards(datasets.write_shards(AudioFolder(root), root / "tar", shards=2, progress=False))


def table(root):
    rows = [{"file": "a/0.wav", "label": "wren"}, {"file": "b/1.wav", "label": "robin"}]
    return datasets.AudioTable(rows, path="file", label="label", root=root)


def loader(root):
    batches = DataLoader(AudioFolder(root), batch_size=2)
    return augspec.DeviceLoader(batches, augspec.Frontend(features=Spectrogram()), device="cpu")


SOUNDS = ["Number of examples: 2", "Classes: 2 (a, b)", "Sample rate in Hz: 8000"]
FOLDER = ["Dataset AudioFolder", *SOUNDS, "Root location: {root}"]
CASES = {
    "AudioFolder": (AudioFolder, FOLDER),
    "AudioTable": (
        table,
        ["Dataset AudioTable", "Classes: 2 (robin, wren)", "Root location: {root}"],
    ),
    "Events": (
        lambda root: datasets.Events(AudioFolder(root), EVENTS),
        ["Dataset Events", "Classes: 2 (robin, wren)", "Made from: Dataset AudioFolder"],
    ),
    "GMNotes": (
        lambda _: GMNotes("valid"),
        [
            "Dataset GMNotes",
            "Number of examples: 240",
            "Split: valid",
            "Classes: 10 (bass, brass, flute, guitar, keyboard and 5 more)",
        ],
    ),
    "Indexed": (
        lambda root: datasets.Indexed(Subset(AudioFolder(root), [1])),
        ["Dataset Indexed", "Number of examples: 1", "Made from: Dataset Subset", *FOLDER],
    ),
    "NSynth": (
        nsynth,
        ["Dataset NSynth", "Number of examples: 3", "Split: valid", "Root location: {root}"],
    ),
    "Packed": (packed, ["Dataset Packed", *SOUNDS, "File: {root}/sounds.packed"]),
    "Shards": (shards, ["Dataset Shards", *SOUNDS, "Number of shards: 2"]),
    "Windows": (
        lambda root: datasets.Windows(AudioFolder(root), 0.5),
        ["Dataset Windows", "Number of examples: 4", "Samples of a window: 4000", *FOLDER],
    ),
    "Corrupted": (
        lambda root: Corrupted(AudioFolder(root), "phone", 2),
        ["Dataset Corrupted", "Condition: phone", "Severity: 2", *FOLDER],
    ),
    "WeightedSampler": (
        lambda _: samplers.WeightedSampler([1.0, 2.0], 6),
        ["WeightedSampler", "Indices in an epoch: 6", "Seed: 0"],
    ),
    "BalancedSampler": (
        lambda _: samplers.BalancedSampler([0, 1, 1], num_replicas=3, rank=1),
        ["BalancedSampler", "Indices in an epoch: 1", "Processes: 3", "Rank: 1"],
    ),
    "DeviceLoader": (
        loader,
        ["DeviceLoader", "Number of batches: 1", "Device: cpu", "Batch size: 2", *FOLDER],
    ),
    "EvenLoader": (
        lambda root: shards(root).loader(1),
        ["EvenLoader", "Number of batches: 2", "Batch size: 1", "Made from: Dataset Shards"],
    ),
}


def test_every_public_data_set_and_sampler_has_a_case():
    for module, kind in ((datasets, Dataset), (samplers, Sampler)):
        names = [name for name in module.__all__ if inspect.isclass(getattr(module, name))]
        assert {name for name in names if issubclass(getattr(module, name), kind)} <= CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_facts_are_printed_and_no_audio_is_read(name, root, monkeypatch):
    make, facts = CASES[name]
    thing = make(root)

    def refuse(*_, **__):
        raise AssertionError("audio was read")

    for reader in ("read", "SoundFile", "info", "blocks"):
        monkeypatch.setattr(soundfile, reader, refuse)
    for kind in (AudioFolder, datasets.Packed, GMNotes, NSynth, DataLoader):
        for method in ("__getitem__", "__iter__"):
            if hasattr(kind, method):
                monkeypatch.setattr(kind, method, refuse)
    lines = [line.strip() for line in repr(thing).splitlines()]
    for fact in facts:
        assert any(line.endswith(fact.format(root=root)) for line in lines), (fact, lines)
    assert "object at 0x" not in repr(thing)


def test_what_is_left_out_is_counted_and_a_data_set_of_torch_is_named(root):
    (root / "a" / "broken.wav").write_bytes(b"no audio")
    assert "    Files left out: 1\n" in f"{AudioFolder(root, on_error='skip')}\n"
    pairs = torch.utils.data.TensorDataset(torch.zeros(4, 1, 100), torch.arange(4))
    text = repr(datasets.Indexed(pairs, names=("waveform", "label")))
    assert text.splitlines()[1:3] == [
        "    Number of examples: 4",
        "    Made from: Dataset TensorDataset",
    ]


def test_one_whose_constructor_failed_can_be_printed():
    assert repr(GMNotes.__new__(GMNotes)) == "Dataset GMNotes"
    assert repr(samplers.BalancedSampler.__new__(samplers.BalancedSampler)) == "BalancedSampler"
