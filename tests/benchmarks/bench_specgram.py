"""Spectrogram transforms and mixing beside torchaudio and torchvision.

Run ``python tests/benchmarks/bench_specgram.py`` on a machine at rest. The figures are ratios to
the peer, from interleaved rounds in one process. The peers draw one set of parameters for a whole
batch, or, as torchaudio's ``iid_masks``, a mask for each example; ours draw all for each example.
"""

import argparse
import functools
import time
from collections.abc import Callable

import torch
import torchaudio
from common import print_table
from torch import Tensor
from torchvision.transforms import v2

from augspec import transforms as T

Contestants = dict[str, Callable[[], object]]


def masks(specgram: Tensor) -> Contestants:
    theirs = torchaudio.transforms.TimeMasking(40, iid_masks=True)
    zeros, means = T.TimeMask(40, mask_value=0.0), T.TimeMask(40)
    return {
        "torchaudio, zeros": lambda: theirs(specgram),
        "augspec, zeros": lambda: zeros(specgram),
        "augspec, means": lambda: means(specgram),
    }


def spec_augment(specgram: Tensor) -> Contestants:
    theirs = torchaudio.transforms.SpecAugment(2, 70, 2, 27, iid_masks=True, p=0.2)
    masked, warped = T.SpecAugment("SS", max_warp=0), T.SpecAugment("SS")
    return {
        "torchaudio, no warp": lambda: theirs(specgram),
        "augspec, no warp": lambda: masked(specgram),
        "augspec": lambda: warped(specgram),
    }


def others(specgram: Tensor) -> Contestants:
    cutout, erasing = T.Cutout(16, 40), v2.RandomErasing(1.0)
    return {
        "torchvision RandomErasing, one for a batch": lambda: erasing(specgram),
        "Cutout": lambda: cutout(specgram),
        **{
            type(transform).__name__: functools.partial(transform, specgram)
            for transform in (
                T.FilterAugment(),
                T.FrequencyShift(),
                T.TimeWarp(),
                T.RandomResizeCrop(),
            )
        },
    }


def mixing(waveform: Tensor) -> Contestants:
    label = torch.arange(len(waveform)) % 10
    soft = torch.nn.functional.one_hot(label, 10).float()
    images = waveform.unsqueeze(2)  # torchvision wants (batch, channel, height, width)
    theirs = v2.MixUp(alpha=0.4, num_classes=10)

    def run(transform: T.RandomTransform) -> Callable[[], object]:
        def mix() -> object:
            params = transform.make_params(waveform)
            targets = transform.targets({"label": soft}, params)
            return transform.transform(waveform, params), targets

        return mix

    return {
        "torchvision MixUp, one weight for a batch": lambda: theirs(images, label),
        **{type(t).__name__: run(t) for t in (T.Mixup(0.4), T.CutMix(), T.MixBackground())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="leave out other processes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    specgram = torch.randn(options.batch, 1, 80, 400, generator=generator)
    waveform = torch.randn(options.batch, 1, 64_000, generator=generator)
    clock = time.process_time if options.cpu_time else time.perf_counter
    for title, contestants in {
        "time mask": masks(specgram),
        "SpecAugment SS": spec_augment(specgram),
        "others": others(specgram),
        "mixing": mixing(waveform),
    }.items():
        reference = next(iter(contestants))
        packages = ("torchaudio", "torchvision")
        print_table(contestants, reference, title, packages, rounds=options.rounds, clock=clock)


if __name__ == "__main__":
    main()
