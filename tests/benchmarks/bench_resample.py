"""Resampling by a random ratio for every example, beside torchaudio and loops of its peers.

Run ``python tests/benchmarks/bench_resample.py`` on a machine at rest. torchaudio and julius take
one pair of whole rates for the whole batch; the loop over librosa (soxr) draws a ratio for every
example, as ours does. The figures are ratios to torchaudio's log-mel of the same batch, from
interleaved rounds in one process.
"""

import argparse
from collections.abc import Callable

import julius
import librosa
import torch
import torchaudio
from common import print_table
from torch import Tensor, nn

from augspec import functional

SAMPLE_RATE = 16_000
WIDEST = 2 ** (4 / 12)
PACKAGES = ("torchaudio", "librosa", "soxr", "julius")
COPRIME = 17_959  # 2 semitones, and no common factor with the sample rate


def log_mel(waveform: Tensor) -> Callable[[], object]:
    mel = torchaudio.transforms.MelSpectrogram(SAMPLE_RATE, n_fft=1024, hop_length=256, n_mels=64)
    feature = nn.Sequential(mel, torchaudio.transforms.AmplitudeToDB()).to(waveform.device)
    return lambda: feature(waveform)


def contestants(waveform: Tensor, ratio: Tensor) -> dict[str, Callable[[], object]]:
    samples, ratios = waveform[:, 0].cpu().numpy(), ratio.tolist()

    def soxr_loop() -> list[object]:
        return [
            librosa.resample(x, orig_sr=r, target_sr=1.0, res_type="soxr_hq")
            for x, r in zip(samples, ratios, strict=True)
        ]

    return {
        "torchaudio log-mel": log_mel(waveform),
        "ours, 4 semitones": lambda: functional.resample(waveform, ratio, max_ratio=WIDEST),
        "ours, an octave": lambda: functional.resample(waveform, ratio),
        "ours, 44.1 to 16 kHz": lambda: functional.resample_rate(waveform, 44_100, 16_000),
        "torchaudio, 44.1 to 16 kHz": lambda: torchaudio.functional.resample(
            waveform, 44_100, 16_000
        ),
        "julius, 44.1 to 16 kHz": lambda: julius.resample_frac(waveform, 44_100, 16_000),
        "librosa loop (soxr HQ)": soxr_loop,
    }


def main() -> None:
    """Time the contestants and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    time = round(arguments.seconds * SAMPLE_RATE)
    waveform = torch.randn(arguments.batch, 1, time, device=arguments.device)
    ratio = WIDEST ** (2 * torch.rand(arguments.batch, device=arguments.device) - 1)

    title = f"{arguments.batch} x {arguments.seconds:g} s on {arguments.device}"
    reference, quick = "torchaudio log-mel", contestants(waveform, ratio)
    print_table(quick, reference, title, PACKAGES, rounds=arguments.rounds)
    # Tens of times slower: few rounds of its own, beside a second run of the reference and ours.
    slow = {
        **{name: quick[name] for name in (reference, "ours, 4 semitones")},
        "torchaudio, coprime rates": lambda: torchaudio.functional.resample(
            waveform, SAMPLE_RATE, COPRIME
        ),
    }
    print_table(slow, reference, f"{title}, 3 rounds", PACKAGES, rounds=3, warmup=1)


if __name__ == "__main__":
    main()
