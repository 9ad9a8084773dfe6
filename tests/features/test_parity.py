"""The features against torchaudio and librosa, in float64.

torchaudio makes its windows and filters in torch's default dtype and rounds them to float32 unless
that is float64: the oracle is built under a float64 default and is float64 throughout. librosa
computes in float64 when it gets float64 audio and is asked for float64 filters.
"""

from collections.abc import Callable

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augspec import features

SAMPLE_RATE = 16_000
NUMPY_PAD_MODES = {"reflect": "reflect", "constant": "constant", "replicate": "edge"}

pytestmark = [
    pytest.mark.filterwarnings("ignore:At least one mel filterbank has all zero values"),
    pytest.mark.filterwarnings("ignore:.*mel filters lie between"),
    pytest.mark.filterwarnings("ignore:Empty filters detected"),
]


@pytest.fixture(scope="module")
def waveform() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 2, 3001, generator=generator, dtype=torch.float64)


def torchaudios(make: Callable[..., nn.Module], **arguments: object) -> nn.Module:
    torch.set_default_dtype(torch.float64)
    try:
        return make(**arguments)
    finally:
        torch.set_default_dtype(torch.float32)


def assert_equal(ours: Tensor, theirs: Tensor | np.ndarray) -> None:
    theirs = torch.as_tensor(theirs)
    assert ours.dtype == theirs.dtype == torch.float64
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-12)


FRAMINGS = pytest.mark.parametrize(
    "framing",
    [
        {},
        {"n_fft": 1024, "hop_length": 256},
        {"n_fft": 512, "win_length": 400, "hop_length": 160},
        {"n_fft": 513, "win_length": 301, "hop_length": 77},
        {"n_fft": 512, "win_length": 512, "hop_length": 700},
        {"n_fft": 256, "center": False},
        {"n_fft": 256, "pad_mode": "constant"},
        {"n_fft": 257, "pad_mode": "replicate"},
    ],
    ids=str,
)
POWERS = pytest.mark.parametrize("power", [1.0, 2.0, 0.6])


@POWERS
@FRAMINGS
def test_spectrogram_is_torchaudios(waveform, framing, power, torchaudio):
    theirs = torchaudios(torchaudio.transforms.Spectrogram, power=power, **framing)
    assert_equal(features.Spectrogram(power=power, **framing)(waveform), theirs(waveform))


@POWERS
@FRAMINGS
def test_spectrogram_is_librosas(waveform, framing, power):
    ours = features.Spectrogram(power=power, **framing)
    spectrum = librosa.stft(
        waveform.numpy(),
        n_fft=ours.n_fft,
        hop_length=ours.hop_length,
        win_length=ours.win_length,
        center=ours.center,
        pad_mode=NUMPY_PAD_MODES[ours.pad_mode],
    )
    assert_equal(ours(waveform), np.abs(spectrum) ** power)


MELS = pytest.mark.parametrize(
    "mels",
    [
        {},
        {"n_mels": 64, "f_min": 60.0, "f_max": 7600.0},
        {"n_mels": 40, "norm": "slaney"},
        {"n_mels": 80, "mel_scale": "slaney"},
        {"n_mels": 17, "mel_scale": "slaney", "norm": "slaney", "f_min": 1500.0, "f_max": 2500.0},
        {"n_mels": 1},
    ],
    ids=str,
)
EVEN_FRAMING = {"n_fft": 512, "win_length": 400, "hop_length": 160}


@POWERS
@MELS
def test_mel_spectrogram_is_torchaudios(waveform, mels, power, torchaudio):
    arguments = {"sample_rate": SAMPLE_RATE, "power": power, **EVEN_FRAMING, **mels}
    theirs = torchaudios(torchaudio.transforms.MelSpectrogram, **arguments)
    assert_equal(features.MelSpectrogram(**arguments)(waveform), theirs(waveform))


@FRAMINGS
def test_mel_spectrogram_has_torchaudios_defaults(waveform, framing, torchaudio):
    # torchaudio misplaces the bins of an odd frame (see `mel_filterbank`); librosa does not.
    framing = {**framing, "n_fft": framing.get("n_fft", 400) // 2 * 2}
    theirs = torchaudios(torchaudio.transforms.MelSpectrogram, **framing)
    assert_equal(features.MelSpectrogram(**framing)(waveform), theirs(waveform))


@POWERS
@MELS
@pytest.mark.parametrize("n_fft", [512, 513])
@pytest.mark.parametrize("pad_mode", NUMPY_PAD_MODES)
def test_mel_spectrogram_is_librosas(waveform, mels, power, n_fft, pad_mode):
    arguments = {**EVEN_FRAMING, "n_fft": n_fft, "pad_mode": pad_mode, **mels}
    ours = features.MelSpectrogram(SAMPLE_RATE, power=power, **arguments)
    theirs = librosa.feature.melspectrogram(
        y=waveform.numpy(),
        sr=SAMPLE_RATE,
        n_fft=ours.n_fft,
        hop_length=ours.hop_length,
        win_length=ours.win_length,
        pad_mode=NUMPY_PAD_MODES[pad_mode],
        power=power,
        n_mels=ours.n_mels,
        fmin=ours.f_min,
        fmax=ours.f_max,
        htk=ours.mel_scale == "htk",
        norm=ours.norm,
        dtype=np.float64,
    )
    assert_equal(ours(waveform), theirs)


def test_log_mel_spectrogram_is_torchaudios(waveform, torchaudio):
    mel = torchaudios(torchaudio.transforms.MelSpectrogram, n_fft=1024, n_mels=64)
    decibel = torchaudio.transforms.AmplitudeToDB("power")
    ours = features.LogMelSpectrogram(n_fft=1024, n_mels=64)
    assert_equal(ours(waveform), decibel(mel(waveform)))
    clipped = features.LogMelSpectrogram(n_fft=1024, n_mels=64, top_db=20.0)
    decibel = torchaudio.transforms.AmplitudeToDB("power", top_db=20.0)
    assert_equal(clipped(waveform), decibel(mel(waveform)))


@pytest.mark.parametrize("top_db", [None, 30.0])
@pytest.mark.parametrize("ref", [1.0, 0.25, "max"])
def test_log_mel_spectrogram_is_librosas(waveform, ref, top_db):
    ours = features.LogMelSpectrogram(n_fft=1024, n_mels=64, ref=ref, top_db=top_db)
    power = features.MelSpectrogram(n_fft=1024, n_mels=64)(waveform).numpy()
    reference = np.max if ref == "max" else ref
    theirs = [librosa.power_to_db(example, ref=reference, top_db=top_db) for example in power]
    assert_equal(ours(waveform), np.stack(theirs))


@pytest.mark.parametrize("top_db", [None, 80.0, 10.0])
@pytest.mark.parametrize("stype", ["power", "magnitude"])
def test_amplitude_to_db_is_torchaudios(waveform, stype, top_db, torchaudio):
    specgram = features.Spectrogram()(waveform)
    theirs = torchaudio.transforms.AmplitudeToDB(stype, top_db)
    assert_equal(features.AmplitudeToDB(stype, top_db)(specgram), theirs(specgram))


@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("log_mels", [True, False])
def test_mfcc_is_torchaudios(waveform, log_mels, norm, torchaudio):
    arguments = {
        "n_mfcc": 13,
        "norm": norm,
        "log_mels": log_mels,
        "melkwargs": {"n_fft": 512, "n_mels": 40, "norm": "slaney"},
    }
    theirs = torchaudios(torchaudio.transforms.MFCC, **arguments)
    ours = features.MFCC(**arguments)(waveform)
    # Coefficients cancel to near zero; what counts is the error beside the largest.
    torch.testing.assert_close(ours, theirs(waveform), rtol=1e-6, atol=1e-9)


def test_mfcc_is_librosas(waveform):
    mel = {"n_fft": 512, "hop_length": 128, "n_mels": 40}
    ours = features.MFCC(n_mfcc=20, melkwargs={**mel, "mel_scale": "slaney", "norm": "slaney"})(
        waveform
    )
    theirs = [
        librosa.feature.mfcc(
            y=example, sr=SAMPLE_RATE, n_mfcc=20, pad_mode="reflect", dtype=np.float64, **mel
        )
        for example in waveform.numpy()
    ]
    torch.testing.assert_close(ours, torch.from_numpy(np.stack(theirs)), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "make",
    [features.Spectrogram, features.MelSpectrogram, features.LogMelSpectrogram, features.MFCC],
)
def test_float32_is_close_to_float64(waveform, make):
    feature = make()
    double = feature(waveform)
    error = (feature(waveform.float()).double() - double).abs().max() / double.abs().max()
    assert error < 4e-6  # 2.1e-6 with the Fourier transform of some processors


def test_a_module_cast_to_another_dtype_computes_with_exact_tables(waveform):
    feature = features.MFCC(melkwargs={"n_mels": 40})
    double, single = feature(waveform), feature(waveform.float())
    assert torch.equal(feature.double()(waveform), double)
    assert torch.equal(feature.half()(waveform.float()), single)
