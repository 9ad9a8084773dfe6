"""What it costs to move formants, beside torchaudio's log-mel and our own pitch shift.

Run ``python tests/benchmarks/bench_formant.py`` on a machine at rest. No peer moves formants in a
batch. Every example has its own parameter; the figures are ratios to torchaudio's log-mel of the
same batch, from interleaved rounds in one process.
"""

import argparse

import torch
import torchaudio
from common import print_table
from torch import nn

from augspec import functional

SAMPLE_RATE = 16_000


def main() -> None:
    """Time the contestants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    time = round(arguments.seconds * SAMPLE_RATE)
    waveform = torch.randn(arguments.batch, 1, time, device=arguments.device)
    draw = torch.rand(arguments.batch, device=arguments.device)
    semitones, alpha, rate = 8 * draw - 4, 0.9 + 0.2 * draw, 1.25 ** (2 * draw - 1)
    mel = torchaudio.transforms.MelSpectrogram(SAMPLE_RATE, n_fft=1024, hop_length=256, n_mels=64)
    feature = nn.Sequential(mel, torchaudio.transforms.AmplitudeToDB()).to(arguments.device)
    span = {"min_semitones": -4.0, "max_semitones": 4.0}

    title = f"{arguments.batch} x {arguments.seconds:g} s on {arguments.device}"
    print_table(
        {
            "torchaudio log-mel": lambda: feature(waveform),
            "pitch_shift": lambda: functional.pitch_shift(waveform, semitones, **span),
            "pitch_shift, preserve_formants": lambda: functional.pitch_shift(
                waveform, semitones, preserve_formants=True, **span
            ),
            "pitch_and_tempo": lambda: functional.pitch_and_tempo(
                waveform, semitones, rate, **span
            ),
            "formant_shift": lambda: functional.formant_shift(waveform, semitones),
            "vtlp": lambda: functional.vtlp(waveform, alpha),
        },
        "torchaudio log-mel",
        title,
        ("torchaudio",),
        rounds=arguments.rounds,
    )


if __name__ == "__main__":
    main()
