"""Banks: what is decoded, kept, moved and described, and errors that name the file."""

import copy
import pickle

import numpy as np
import pytest
import releases
import soundfile
import torch
from torch._subclasses import FakeTensorMode

import augspec
from augspec import native
from augspec import transforms as T


def tone(freq, sample_rate, seconds=0.5):
    return np.sin(2 * np.pi * freq * np.arange(int(seconds * sample_rate)) / sample_rate)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "street").mkdir()
    soundfile.write(tmp_path / "b.wav", tone(1000, 44_100), 44_100)
    soundfile.write(tmp_path / "a.flac", tone(500, 8000, 0.25), 8000)
    left_and_right = np.stack([tone(2000, 16_000), np.zeros(8000)], 1)
    soundfile.write(tmp_path / "street" / "c.wav", left_and_right, 16_000)
    (tmp_path / "notes.txt").write_text("no audio")
    return tmp_path


def test_files_of_any_rate_are_resampled_and_mixed_down(folder):
    bank = augspec.Bank.from_folder(folder, 16_000)
    assert len(bank) == 3
    assert bank.length_of(torch.arange(3)).tolist() == [4000, 8000, 8000]
    sounds = bank.whole(torch.arange(3))
    for sound, freq, size, level in zip(
        sounds, (500, 1000, 2000), (4000, 8000, 8000), (1.0, 1.0, 0.5), strict=True
    ):
        spectrum = torch.fft.rfft(sound[:size]).abs()
        assert spectrum.argmax().item() * 16_000 / size == freq
        assert sound[200:3800].abs().max().item() == pytest.approx(level, abs=0.01)
    assert not sounds[0, 4000:].any()


def test_sounds_begin_again_where_they_end():
    bank = augspec.Bank([torch.arange(5.0), torch.arange(10.0, 20.0)], 8000)
    taken = bank.take(torch.tensor([[0, 1]]), torch.tensor([[3, 4]]), 8)
    assert taken.tolist() == [[[3, 4, 0, 1, 2, 3, 4, 0], [14, 15, 16, 17, 18, 19, 10, 11]]]
    assert bank.whole(torch.tensor([0])).tolist() == [[0, 1, 2, 3, 4, 0, 0, 0, 0, 0]]


def test_long_sounds_can_be_cut():
    bank = augspec.Bank([torch.ones(100), torch.ones(2, 3)], 100, max_duration=0.1)
    assert bank.length_of(torch.arange(2)).tolist() == [10, 3]
    assert bank.max_length == 10


def test_half_precision_takes_half_of_the_memory_and_little_of_the_sound():
    sound = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    whole, half = (augspec.Bank([sound], 8000, dtype=d) for d in ("float32", "float16"))
    sizes = [len(pickle.dumps(bank)) for bank in (half, whole)]
    assert 2 * 10_000 <= sizes[1] - sizes[0] < 2 * 11_000
    out = half.whole(torch.tensor([0]))
    assert out.dtype == torch.float32
    assert (out - sound).square().mean() < 1e-7


def test_no_cuts_of_a_bank_are_empty():
    bank = augspec.Bank([torch.randn(50)], 8000)
    none = torch.zeros(0, 3, dtype=torch.int64)
    assert bank.take(none, none, 7).shape == (0, 3, 7)


def test_a_bank_is_no_part_of_what_is_moved_sent_round_or_saved():
    transform = T.BackgroundNoise(augspec.Bank([torch.randn(50)], 8000))
    assert not transform.state_dict()
    # Buffers are sent to every process at each step of a distributed training.
    assert not list(transform.parameters())
    assert not list(transform.buffers())
    waveform, keys = torch.randn(2, 1, 90), augspec.example_keys(0, 0, range(2))
    expected = transform(waveform, keys=keys)
    again = pickle.loads(pickle.dumps(transform))  # noqa: S301
    for same in (again, copy.deepcopy(transform), copy.deepcopy(transform).to("meta").half()):
        assert torch.equal(same(waveform, keys=keys), expected)


def test_a_bank_follows_the_audio():
    bank = augspec.Bank([torch.randn(50), torch.randn(70)], 8000)
    sound = torch.zeros(3, dtype=torch.int64, device="meta")
    assert bank.take(sound, sound, 20).device == bank.length_of(sound).device == sound.device
    assert bank.whole(sound).shape == (3, 70)
    # A copy of the bank begins without copies on other devices, which may not be there.
    assert len(bank._copies) == 3
    assert not copy.deepcopy(bank)._copies
    first = bank._copies["_flat", sound.device]
    bank.whole(sound)
    assert bank._copies["_flat", sound.device] is first


def test_a_bank_that_is_first_used_in_inference_serves_training():
    with torch.inference_mode():
        bank = augspec.Bank([torch.randn(50)], 8000)
        bank.whole(torch.zeros(1, dtype=torch.int64, device="meta"))
    assert not bank._flat.tensor.is_inference()
    assert not any(held.tensor.is_inference() for held in bank._copies.values())


@releases.counts_launches
@releases.modules_are_constants
def test_a_bank_is_a_constant_of_a_graph():
    transform = T.BackgroundNoise(augspec.Bank([torch.randn(50)], 8000))
    waveform, keys = torch.randn(2, 1, 90), augspec.example_keys(0, 0, range(2))
    whole = torch.compile(transform, fullgraph=True, backend="eager")
    with native.in_torch():  # as in a graph
        expected = transform(waveform, keys=keys)
    for _ in range(2):
        assert torch.equal(whole(waveform, keys=keys), expected)
    with FakeTensorMode():
        fake = torch.empty(2, 1, 90, device="cuda")
        assert transform(fake, keys=torch.empty(2, dtype=torch.int64, device="cuda")).is_cuda
    assert not transform.bank._copies


def test_a_double_bank_gives_doubles():
    bank = augspec.Bank([torch.randn(50)], 8000).double()
    assert bank.whole(torch.tensor([0])).dtype == torch.float64


def test_a_bank_says_what_it_was_made_from(folder):
    files = [folder / "b.wav", folder / "a.flac"]
    bank = augspec.Bank.from_files(files, 8000, max_duration=0.1)
    assert bank.sounds == [str(path) for path in files]
    described = augspec.to_config(T.BackgroundNoise(bank, 10.0))
    again = augspec.from_config(described)
    assert augspec.to_config(again) == described
    assert torch.equal(again.bank.whole(torch.arange(2)), bank.whole(torch.arange(2)))
    whole = augspec.Bank(str(folder), 8000)
    assert whole.sounds == str(folder)
    waveforms = [torch.randn(5), torch.randn(7)]
    kept = augspec.Bank(waveforms, 8000).sounds
    assert all(torch.equal(a, b) for a, b in zip(kept, waveforms, strict=True))
    assert "3 sounds, 1.2 s, sample_rate=8000" in repr(whole)


def test_errors_name_the_file(folder):
    broken, empty = folder / "broken.wav", folder / "empty.wav"
    broken.write_bytes(b"RIFF of nothing")
    soundfile.write(empty, np.zeros((0, 1)), 8000)
    for path, error in (
        (folder / "gone.wav", FileNotFoundError),
        (broken, ValueError),
        (empty, ValueError),
    ):
        with pytest.raises(error, match=path.name):
            augspec.Bank([path], 8000)
    with pytest.raises(FileNotFoundError, match="must be an existing folder or .*nowhere"):
        augspec.Bank.from_folder(folder / "nowhere", 8000)
    (folder / "none").mkdir()
    with pytest.raises(ValueError, match="must be a folder with audio files, got"):
        augspec.Bank.from_folder(folder / "none", 8000)


@pytest.mark.parametrize(
    ("sounds", "settings", "message"),
    [
        ([], {}, "`sounds` must hold at least one sound, got none"),
        ([torch.ones(5), torch.ones(0)], {}, r"`sounds\[1\]` must hold at least one"),
        ([torch.tensor([0.0, torch.nan])], {}, r"`sounds\[0\]` must hold at least one"),
        ([torch.ones(5).long()], {}, r"`sounds\[0\]` must be float, .* got torch.int64"),
        ([torch.ones(1, 1, 5)], {}, r"`sounds\[0\]` must be float, \(time,\) or"),
        ([torch.ones(5)], {"max_duration": 0.0}, "`max_duration` must be positive, in seconds"),
        ([torch.ones(5)], {"dtype": "int8"}, '`dtype` must be "float32" or "float16", got'),
    ],
)
def test_bad_sounds_and_settings_are_named(sounds, settings, message):
    with pytest.raises(ValueError, match=message):
        augspec.Bank(sounds, 8000, **settings)
    with pytest.raises(ValueError, match="`sample_rate` must be a positive number of Hz, got 0"):
        augspec.Bank([torch.ones(5)], 0)
