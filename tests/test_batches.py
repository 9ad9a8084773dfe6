import pytest
import torch
from torch.utils.data import DataLoader

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.batches import augmenting


def ragged(*sizes):
    generator = torch.Generator().manual_seed(0)
    return [
        {"waveform": torch.randn(1, size, generator=generator), "index": index, "path": f"{index}"}
        for index, size in enumerate(sizes)
    ]


def test_collate_pads_with_zeros_and_says_where_examples_end():
    examples = ragged(300, 500, 200)
    batch = augspec.collate(examples)
    assert list(batch) == ["waveform", "lengths", "index", "path"]
    assert batch["lengths"].dtype == torch.int64
    assert batch["lengths"].tolist() == [300, 500, 200]
    assert batch["index"].tolist() == [0, 1, 2]
    assert batch["path"] == ["0", "1", "2"]
    for row, example in zip(batch["waveform"], examples, strict=True):
        size = example["waveform"].shape[-1]
        assert torch.equal(row[:, :size], example["waveform"])
        assert row.shape == (1, 500)
        assert not row[:, size:].any()
    assert torch.equal(augspec.collate(examples, size=500)["waveform"], batch["waveform"])
    assert augspec.collate(examples, size=640)["waveform"].shape == (3, 1, 640)


def test_the_lengths_of_the_examples_are_kept():
    examples = [example | {"lengths": 100} for example in ragged(300, 500)]
    assert augspec.collate(examples)["lengths"].tolist() == [100, 100]


def test_ragged_examples_come_out_as_if_alone():
    frontend = augspec.Frontend(
        T.Chain([T.Gain((-6.0, 6.0)), T.RandomCrop(1500)]),
        F.MelSpectrogram(n_fft=256, n_mels=20),
    )
    examples = ragged(3000, 5000, 2000)
    loader = DataLoader(examples, batch_size=3, collate_fn=augspec.collate)
    (batch,) = augspec.DeviceLoader(loader, frontend, "cpu")
    single = DataLoader(examples, batch_size=1, collate_fn=augspec.collate)
    for index, alone in enumerate(augspec.DeviceLoader(single, frontend, "cpu")):
        frames = int(alone["specgram_lengths"])
        assert frames == batch["specgram_lengths"][index]
        torch.testing.assert_close(
            batch["specgram"][index, ..., :frames],
            alone["specgram"][0, ..., :frames],
            rtol=1e-4,
            atol=1e-4,
        )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"index": None}, TypeError, "`index` cannot be collated"),
        ({"frames": torch.zeros(3)}, KeyError, "`examples` must all have `frames`, but number 0"),
        ({"index": torch.zeros(2)}, TypeError, "`index` cannot be collated"),
        ({"waveform": torch.zeros(2, 300)}, ValueError, "same number of channels"),
        ({"waveform": torch.zeros(300)}, ValueError, r"`waveform` must be \(channel, time\)"),
    ],
)
def test_collate_names_the_key_at_fault(change, error, message):
    examples = ragged(300, 500)
    examples[1] |= change
    with pytest.raises(error, match=message):
        augspec.collate(examples)


def test_collate_refuses_no_examples_and_a_size_that_would_cut():
    with pytest.raises(ValueError, match="`examples` must hold at least one"):
        augspec.collate([])
    with pytest.raises(KeyError, match="`examples` must all have `waveform`, but number 0"):
        augspec.collate([{"index": 0}])
    with pytest.raises(ValueError, match="`size` must be at least the longest example's 500"):
        augspec.collate(ragged(300, 500), size=499)


def test_augmenting_puts_every_mode_back():
    frontend = augspec.Frontend(T.Chain([T.Gain(6.0), T.PolarityInversion()]), F.Spectrogram(256))
    frontend.waveform.transforms[0].eval()
    modes = [module.training for module in frontend.modules()]
    with augmenting(frontend, False):
        assert not frontend.acts()
    assert [module.training for module in frontend.modules()] == modes
    with augmenting(frontend, True):
        assert [module.training for module in frontend.modules()] == modes
