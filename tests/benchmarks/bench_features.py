"""Plain features beside torchaudio, nnAudio, torchlibrosa and a loop of librosa.

Run ``python tests/benchmarks/bench_features.py`` on a machine at rest. The figures are ratios to
the first row, from interleaved rounds in one process.
"""

import argparse
from collections.abc import Callable

import librosa
import numpy as np
import torch
import torchaudio
from common import print_table
from nnAudio.features.cqt import CQT1992v2, CQT2010v2
from nnAudio.features.mel import MelSpectrogram as NnAudioMelSpectrogram
from torch import Tensor, nn
from torchlibrosa.stft import LogmelFilterBank
from torchlibrosa.stft import Spectrogram as TorchlibrosaSpectrogram

from augspec import features

SAMPLE_RATE = 16_000
STFT = {"n_fft": 1024, "hop_length": 256}
N_MELS = 64
MEL = {"sample_rate": SAMPLE_RATE, "n_mels": N_MELS, **STFT}
PACKAGES = ("torchaudio", "nnAudio", "torchlibrosa", "librosa")


def librosa_log_mel(waveform: np.ndarray) -> np.ndarray:
    """Compute one example at a time, as a data set would."""
    arguments = {"sr": SAMPLE_RATE, "n_mels": N_MELS, "htk": True, "norm": None, **STFT}
    return np.stack(
        [
            librosa.power_to_db(
                librosa.feature.melspectrogram(y=example, pad_mode="reflect", **arguments)
            )
            for example in waveform
        ]
    )


def log_mel_contestants(waveform: Tensor) -> dict[str, Callable[[], object]]:
    device = waveform.device
    ours = features.LogMelSpectrogram(**MEL).to(device)
    decibel = torchaudio.transforms.AmplitudeToDB("power")
    theirs = nn.Sequential(torchaudio.transforms.MelSpectrogram(**MEL), decibel).to(device)
    nnaudio = NnAudioMelSpectrogram(
        sr=SAMPLE_RATE, n_mels=N_MELS, htk=True, norm=None, verbose=False, **STFT
    ).to(device)
    torchlibrosa = nn.Sequential(
        TorchlibrosaSpectrogram(**STFT),
        LogmelFilterBank(
            sr=SAMPLE_RATE, n_fft=1024, n_mels=N_MELS, fmin=0.0, fmax=8000, top_db=None
        ),
    ).to(device)
    mono, samples = waveform[:, 0], waveform[:, 0].detach().cpu().numpy()
    lengths = torch.full(waveform.shape[:1], waveform.shape[-1], device=device)
    return {
        "torchaudio": lambda: theirs(waveform),
        "augspec": lambda: ours(waveform),
        "augspec, with lengths": lambda: ours(waveform, lengths),
        "nnAudio": lambda: decibel(nnaudio(mono)),
        "torchlibrosa": lambda: torchlibrosa(mono),
        "librosa, a loop": lambda: librosa_log_mel(samples),
    }


def pair(name: str, waveform: Tensor, **arguments: object) -> dict[str, Callable[[], object]]:
    ours = getattr(features, name)(**arguments).to(waveform.device)
    theirs = getattr(torchaudio.transforms, name)(**arguments).to(waveform.device)
    return {"torchaudio": lambda: theirs(waveform), "augspec": lambda: ours(waveform)}


def gradient_contestants(waveform: Tensor) -> dict[str, Callable[[], object]]:
    leaf = waveform.clone().requires_grad_()
    functions = log_mel_contestants(leaf)

    def backward(function: Callable[[], object]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(function().sum(), leaf)

    return {name: backward(functions[name]) for name in ("torchaudio", "augspec")}


def librosa_cqt(waveform: np.ndarray) -> np.ndarray:
    """Compute one example at a time, as a data set would."""
    arguments = {"sr": SAMPLE_RATE, "hop_length": STFT["hop_length"]}
    return np.stack([np.abs(librosa.cqt(example, **arguments)) for example in waveform])


def cqt_contestants(waveform: Tensor) -> dict[str, Callable[[], object]]:
    """84 bins from C1, on an eighth of the batch: the peers take their time."""
    some = waveform[: max(1, len(waveform) // 8)]
    mono, samples = some[:, 0], some[:, 0].cpu().numpy()
    ours = features.CQT(SAMPLE_RATE, STFT["hop_length"]).to(waveform.device)
    peers = {
        kind.__name__: kind(
            sr=SAMPLE_RATE, hop_length=STFT["hop_length"], pad_mode="constant", verbose=False
        ).to(waveform.device)
        for kind in (CQT2010v2, CQT1992v2)
    }
    return {
        "nnAudio CQT2010v2": lambda: peers["CQT2010v2"](mono),
        "nnAudio CQT1992v2": lambda: peers["CQT1992v2"](mono),
        "augspec": lambda: ours(some),
        "librosa, a loop": lambda: librosa_cqt(samples),
    }


def compiled_contestants(waveform: Tensor) -> dict[str, Callable[[], object]]:
    eager = log_mel_contestants(waveform)
    ours = features.LogMelSpectrogram(**MEL).to(waveform.device)
    compiled = torch.compile(ours, fullgraph=True)
    return {
        "torchaudio": eager["torchaudio"],
        "augspec": eager["augspec"],
        "augspec, compiled": lambda: compiled(waveform),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="log-mel only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    time = int(options.seconds * SAMPLE_RATE)
    waveform = 0.1 * torch.randn(options.batch, 1, time, generator=generator)
    waveform = waveform.to(options.device)
    print(f"{options.batch} x {options.seconds:g} s at {SAMPLE_RATE} Hz, {MEL}\n")
    tables = {"log-mel": log_mel_contestants(waveform)}
    if not options.quick:
        tables |= {
            "mel, power": pair("MelSpectrogram", waveform, **MEL),
            "mel, magnitude": pair("MelSpectrogram", waveform, power=1.0, **MEL),
            "spectrogram, power": pair("Spectrogram", waveform, **STFT),
            "spectrogram, magnitude": pair("Spectrogram", waveform, power=1.0, **STFT),
            "log-mel and its gradient": gradient_contestants(waveform),
            "log-mel, compiled": compiled_contestants(waveform),
            "CQT, an eighth of the batch": cqt_contestants(waveform),
        }
    for title, contestants in tables.items():
        reference = next(iter(contestants))
        print_table(contestants, reference, title, PACKAGES, rounds=options.rounds)


if __name__ == "__main__":
    main()
