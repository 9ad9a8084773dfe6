"""Ready-made features, beside the published code where a package has it."""

import numpy as np
import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T

NAMES = ("AST", "BEATs", "PaSST", "Whisper", "VGGish", "PANNs")


def sound(time=20_000):
    return 0.1 * torch.randn(1, 1, time, generator=torch.Generator().manual_seed(0))


def close(ours, theirs):
    torch.testing.assert_close(ours.float(), theirs.float(), atol=1e-3, rtol=1e-3)


def test_ast_is_that_of_transformers():
    transformers = pytest.importorskip("transformers")
    waveform = sound()
    extractor = transformers.ASTFeatureExtractor()
    theirs = extractor(waveform.flatten().numpy(), sampling_rate=16_000, return_tensors="pt")
    ours = F.preset("AST")(waveform)[0, 0].T
    close(ours, theirs["input_values"][0, : len(ours)])


def test_whisper_is_that_of_transformers():
    transformers = pytest.importorskip("transformers")
    waveform = torch.nn.functional.pad(sound(), (0, 480_000 - 20_000))
    theirs = transformers.WhisperFeatureExtractor()(
        waveform.flatten().numpy(), sampling_rate=16_000, return_tensors="pt"
    )
    close(F.preset("Whisper")(waveform)[0], theirs["input_features"])


def test_beats_is_kaldis_of_whole_numbers(torchaudio):
    waveform = sound()
    rows = torchaudio.compliance.kaldi.fbank(waveform[0] * 2**15, num_mel_bins=128)
    close(F.preset("BEATs")(waveform)[0, 0].T, (rows - 15.41663) / (2 * 6.55582))


def test_passt_is_that_of_its_formula(torchaudio):
    waveform = sound()
    raised = torch.nn.functional.conv1d(waveform, torch.tensor([[[-0.97, 1.0]]]))[0]
    window = torch.hann_window(800, periodic=False)
    spectrum = torch.stft(raised, 1024, 320, 800, window, return_complex=True)
    banks, _ = torchaudio.compliance.kaldi.get_mel_banks(128, 1024, 32_000, 0, 15_000, 100, -500, 1)
    banks = torch.nn.functional.pad(banks, (0, 1))
    mel = banks @ spectrum.abs().square()
    close(F.preset("PaSST")(waveform)[0], ((mel + 1e-5).log() + 4.5) / 5.0)


def test_vggish_is_that_of_its_formula():
    waveform = sound(8000)
    frames = waveform.double().numpy().ravel()
    frames = np.lib.stride_tricks.sliding_window_view(frames, 400)[::160]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    spectrum = np.abs(np.fft.rfft(frames * window, 512))
    mel = 1127.0 * np.log1p(np.linspace(0, 8000, 257) / 700.0)
    edges = np.linspace(*(1127.0 * np.log1p(np.array([125.0, 7500.0]) / 700.0)), 66)
    lower = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    upper = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0.0, np.minimum(lower, upper))
    theirs = np.log(spectrum @ filters + 0.01)
    close(F.preset("VGGish")(waveform)[0, 0].T, torch.from_numpy(theirs))


def test_panns_is_that_of_librosa():
    librosa = pytest.importorskip("librosa")
    waveform = sound()
    mel = librosa.feature.melspectrogram(
        y=waveform.flatten().numpy(), sr=32_000, n_fft=1024, hop_length=320, n_mels=64, fmin=50,
        fmax=14_000, pad_mode="reflect",
    )  # fmt: skip
    level = librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=None)
    torch.testing.assert_close(
        F.preset("PANNs")(waveform)[0, 0], torch.from_numpy(level), atol=5e-3, rtol=1e-3
    )


@pytest.mark.parametrize("name", NAMES)
def test_examples_stand_for_themselves_and_a_front_end_takes_them(name):
    feature = F.preset(name)
    lengths = torch.tensor([6000, 4321])
    waveform = torch.randn(2, 1, 6000)
    waveform[1, :, 4321:] = 9.0
    first = feature[0]
    whole, counts = first(waveform, lengths)
    alone = first(waveform[1:, :, :4321])
    assert alone.shape[-1] == counts[1]
    torch.testing.assert_close(whole[1:, ..., : counts[1]], alone, atol=1e-4, rtol=1e-4)
    frontend = augspec.Frontend(T.Chain([T.PitchShift(), T.Gain()]), feature)
    made, frames = frontend(waveform, lengths)
    assert made.isfinite().all()
    assert frames.tolist() == counts.tolist()
    frontend.eval()
    assert torch.equal(frontend(waveform), feature(waveform))


@pytest.mark.parametrize("name", NAMES)
def test_a_config_gives_it_back(name):
    config = augspec.to_config(augspec.Frontend(features=F.preset(name)))
    again, waveform = augspec.from_config(config), sound(4000)
    assert torch.equal(again(waveform), F.preset(name)(waveform))


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="`name` must be one of AST, BEATs"):
        F.preset("ResNet")
