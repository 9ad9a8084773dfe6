"""How far the fused front end is from the unfused one on real notes, in dB of the log-mel.

Run ``python tests/benchmarks/bench_fused_vs_unfused.py --root DIR`` with the folder of NSynth, or
without ``--root`` on the notes that come with the package. Both ways get the same parameters. Bins
within 60 dB of each note's peak count; frames that reach over an end are apart. The last rows hold
two unfused ways against each other: two passes of the vocoder, as a chain makes them, and one.
"""

import argparse

import torch
from common import environment
from torch import Tensor

import augspec
from augspec import features as F
from augspec import functional
from augspec import transforms as T

LOG_MEL = F.LogMelSpectrogram(sample_rate=16_000, n_fft=1024, hop_length=256, n_mels=64)
RANGE_DB = 60.0
EDGE = 2  # frames at each end that a reflection or a cut reaches
CHAINS: dict[str, list[T.RandomTransform]] = {
    "stretch 0.8 to 1.25": [T.TimeStretch((0.8, 1.25))],
    "stretch 0.9 to 1.1": [T.TimeStretch((0.9, 1.1))],
    "pitch +-4 semitones": [T.PitchShift((-4.0, 4.0))],
    "pitch +-1 semitone": [T.PitchShift((-1.0, 1.0))],
    "speed 0.8 to 1.25": [T.Speed((0.8, 1.25))],
    "crop, gain": [T.RandomCrop(48_000), T.Gain()],
    "stretch, pitch +-4, crop, gain": [
        T.TimeStretch((0.8, 1.25)),
        T.PitchShift((-4.0, 4.0)),
        T.RandomCrop(48_000),
        T.Gain(),
    ],
}


def load(root: str | None, count: int) -> Tensor:
    """Read ``count`` notes from all over the data set, ``(note, 1, time)``."""
    notes = augspec.datasets.NSynth(root, "valid") if root else augspec.datasets.GMNotes("valid")
    chosen = torch.linspace(0, len(notes) - 1, min(count, len(notes))).long().tolist()
    return torch.stack([notes[i]["waveform"] for i in chosen])


def compare_fused(chain: list[T.RandomTransform], waveform: Tensor) -> dict[str, Tensor]:
    """Return fused less unfused in dB."""
    fused, unfused = (augspec.Frontend(T.Chain(chain), LOG_MEL, fuse=f) for f in ("auto", "never"))
    keys = augspec.example_keys(seed=0, epoch=0, index=torch.arange(len(waveform)))
    params = fused.make_params(waveform, keys=keys)
    return difference(fused.transform(waveform, params), unfused.transform(waveform, params))


def compare_passes(waveform: Tensor) -> dict[str, Tensor]:
    """Return one pass of the vocoder less two in dB."""
    draw = torch.Generator().manual_seed(0)
    rate = 0.8 + 0.45 * torch.rand(len(waveform), generator=draw)
    semitones = -4.0 + 8.0 * torch.rand(len(waveform), generator=draw)
    once = functional.pitch_and_tempo(waveform, semitones, rate)
    twice = functional.pitch_shift(functional.time_stretch(waveform, rate), semitones)
    return difference(LOG_MEL(once), LOG_MEL(twice))


def difference(found: Tensor, expected: Tensor) -> dict[str, Tensor]:
    """Return the difference of the loud bins, of frames inside and of those at the edges."""
    frame = torch.arange(found.shape[-1])
    edge = (frame < EDGE) | (frame >= len(frame) - EDGE)
    loud = expected > expected.amax((-2, -1), keepdim=True) - RANGE_DB
    return {"inside": (found - expected)[loud & ~edge], "edge": (found - expected)[loud & edge]}


def print_rows(name: str, parts: list[dict[str, Tensor]]) -> None:
    for key in parts[0]:
        values = torch.cat([part[key] for part in parts]).sort().values
        places = [int(q * (len(values) - 1)) for q in (0.05, 0.5, 0.95)]
        figures = [*values[places].tolist(), float(values.square().mean().sqrt())]
        print(f"| {name} | {key} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |")


def main() -> None:
    """Print the distribution of the difference for every chain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", help="folder that holds nsynth-valid")
    parser.add_argument("--notes", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(2)
    waveform = load(options.root, options.notes)
    print(environment())
    print(f"\n{len(waveform)} notes of {'NSynth' if options.root else 'GMNotes'}, dB\n")
    print("| chain | frames | 5 % | median | 95 % | RMS |\n|---|---|---:|---:|---:|---:|")
    batches = waveform.split(options.batch)
    for name, chain in CHAINS.items():
        print_rows(name, [compare_fused(chain, some) for some in batches])
    print_rows("one vocoder pass, two", [compare_passes(some) for some in batches])


if __name__ == "__main__":
    main()
