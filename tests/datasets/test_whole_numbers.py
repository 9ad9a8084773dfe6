"""NumPy's integers are as good as Python's wherever a whole number is asked for."""

import lookalikes
import numpy as np
import pytest
import torch

from augspec import features as F
from augspec.datasets import (
    AudioFolder,
    AudioTable,
    GMNotes,
    Shards,
    Windows,
    folds_by_group,
    mean_std,
    pack,
    split_by_group,
    write_shards,
)

N = np.int64


@pytest.fixture
def root(tmp_path):
    for number in range(4):
        lookalikes.sound(tmp_path / "sounds" / "ab"[number % 2] / f"{number}.wav", 0.3)
    return tmp_path / "sounds"


def same(one, other):
    for item, twin in zip(one, other, strict=True):
        assert item["waveform"].equal(twin["waveform"])


@pytest.mark.usefixtures("eager_kernels")
def test_everywhere(root, tmp_path):
    options = {"sample_rate": 8_000, "segment": 1, "seed": 3}
    other = {name: N(value) for name, value in options.items()}
    folder = AudioFolder(root, **options)
    same(folder, AudioFolder(root, **other))
    folder.set_epoch(N(0))
    rows = [{"path": path, "label": N(number)} for number, path in enumerate(folder.paths)]
    same(AudioTable(rows, **options), AudioTable(rows, **other))
    assert AudioTable(rows, classes=range(4)).labels.tolist() == [0, 1, 2, 3]
    assert folder[N(2)]["index"] == 2
    assert GMNotes()[N(2)]["index"] == 2
    whole = AudioFolder(root)
    same(Windows(whole, 1), Windows(whole, N(1), N(1)))
    packed = pack(whole, tmp_path / "p", sample_rate=N(16_000), workers=N(1), progress=False)
    assert packed[N(3)]["index"] == 3
    urls = write_shards(whole, tmp_path / "s", shards=N(2), sample_rate=N(16_000), progress=False)
    shards = Shards(urls, shuffle=N(2), seed=N(5), counts=np.array([2, 2]))
    shards.set_epoch(N(1))
    assert len(list(shards.loader(N(2), num_workers=N(1)))) == len(shards.loader(2)) == 2
    groups = np.array([0, 1, 2, 3])
    assert len(folds_by_group(groups, folds=N(2), seed=N(1))) == 2
    one, twin = split_by_group(groups, seed=7), split_by_group(groups, seed=N(7))
    assert all(map(np.array_equal, one, twin))
    features = F.Spectrogram(n_fft=256)
    items = [{"waveform": torch.ones(1, 500)}]
    assert mean_std(items, features, batch_size=N(2), workers=N(0)) == mean_std(items, features)
