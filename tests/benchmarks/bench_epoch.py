"""What augmentation costs in training: steps on features computed beforehand, or made on the fly.

Run ``python tests/benchmarks/bench_epoch.py --root DIR`` with the folder of NSynth, or without
``--root`` on the notes that come with the package. All notes are in memory, as samples or as
features. Every arm has a model of its own; steps of all arms take turns in one process, so that a
busy machine slows all of them alike, and the front end is timed alone beside them. ``--epoch``
times whole epochs of the training notes rather than steps.

With ``--workers 2`` the notes are read in processes of the loader, for all arms the same; the arm
that was computed beforehand then hands on its features in place of the samples. ``--busy 2`` adds
processes that compute all the time.

The recipe crops 3.5 of 4 s, so that its network sees an eighth fewer frames than the features
computed beforehand have; a crop of 64,000 leaves as many. Both are timed.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from common import compare, print_table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import augspec
from augspec import features as F
from augspec import transforms as T


def all_four(size: int) -> list[T.RandomTransform]:
    return [
        T.TimeStretch((0.9, 1.1)),
        T.PitchShift((-1.0, 1.0)),
        T.RandomCrop(size),
        T.Gain((-6.0, 6.0)),
    ]


ARMS = {
    "on the fly: plain": [],
    "on the fly: all four, all frames (crop 64,000)": all_four(64_000),
    "on the fly: all four, as in the recipe (crop 56,000)": all_four(56_000),
    "on the fly: all four, all frames, unfused": all_four(64_000),
}
BEFOREHAND = "computed beforehand"


def make_frontend(chain: list[T.RandomTransform], hop: int, fuse: str) -> augspec.Frontend:
    log_mel = F.LogMelSpectrogram(sample_rate=16_000, n_fft=1024, hop_length=hop, n_mels=64)
    return augspec.Frontend(T.Chain(chain), nn.Sequential(log_mel, F.Normalize(-36, 37)), fuse=fuse)


class Notes(Dataset[dict[str, Any]]):
    """Notes in memory, or read again and again where a loader has workers.

    Args:
        notes: What they are read from.
        chosen: Which of them.
        in_memory: Whether to read each once.
        features: What stands in place of their samples, by their place in ``chosen``.
    """

    def __init__(
        self, notes: Any, chosen: list[int], in_memory: bool, features: list[Tensor] | None = None
    ) -> None:
        self.notes, self.chosen, self.features = notes, chosen, features
        self.kept = [self.read(number) for number in range(len(self))] if in_memory else None

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.read(number) if self.kept is None else self.kept[number]

    def read(self, number: int) -> dict[str, Any]:
        """Read a note, whether or not its samples are handed on."""
        note = self.notes[self.chosen[number]]
        found = {"label": note["label"], "index": number}
        if self.features is None:
            return found | {"waveform": note["waveform"]}
        return found | {"specgram": self.features[number]}


def choose(notes: Any, count: int | None) -> list[int]:
    """Choose ``count`` notes, spread over the data set, or all."""
    count = len(notes) if count is None else count
    chosen: list[int] = torch.linspace(0, len(notes) - 1, count).long().tolist()
    return chosen


def forever(make: Callable[[], Any]) -> Iterator[Any]:
    return itertools.chain.from_iterable(make() for _ in itertools.repeat(None))


def make_step(batches: Iterator[Any], backbone: str, device: str) -> Callable[[], None]:
    model = augspec.create_backbone(backbone, num_classes=11).to(device)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)

    def step() -> None:
        batch = next(batches)
        loss = nn.functional.cross_entropy(model(batch["specgram"]), batch["label"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Time a step of every arm, and its front end alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", help="folder that holds nsynth-train")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--hop", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--epoch", action="store_true", help="time epochs rather than steps")
    parser.add_argument("--workers", type=int, default=0, help="processes of the loader")
    parser.add_argument("--busy", type=int, default=0, help="processes that compute meanwhile")
    parser.add_argument("--cpu-time", action="store_true", help="processor time of one thread")
    options = parser.parse_args()
    torch.set_num_threads(1 if options.cpu_time else options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    root, in_memory = options.root, options.workers == 0
    source = augspec.datasets.NSynth(root, "train") if root else augspec.datasets.GMNotes("train")
    chosen = choose(source, None if options.epoch else 2 * options.batch)
    notes = Notes(source, chosen, in_memory)
    steps_a_round = -(-len(notes) // options.batch) if options.epoch else 1

    def loader(examples: Dataset[dict[str, Any]]) -> DataLoader[dict[str, Any]]:
        workers = options.workers
        return DataLoader(
            examples,
            options.batch,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    frontends = {
        name: make_frontend(chain, options.hop, "never" if "unfused" in name else "auto")
        for name, chain in ARMS.items()
    }
    plain = frontends["on the fly: plain"]
    made = [plain(notes[number]["waveform"][None])[0] for number in range(len(notes))]
    features = Notes(source, chosen, in_memory, made)

    features_loader = loader(features)

    def beforehand() -> Iterator[Any]:
        for batch in features_loader:
            yield {name: value.to(options.device) for name, value in batch.items()}

    steps = {BEFOREHAND: make_step(forever(beforehand), options.backbone, options.device)}
    for name, frontend in frontends.items():
        batches = augspec.DeviceLoader(loader(notes), frontend, device=options.device)
        steps[name] = make_step(forever(lambda b=batches: b), options.backbone, options.device)
    what = f"an epoch of {len(notes)} notes by" if options.epoch else "a step of"
    title = f"{options.backbone}, {what} {options.batch} notes, hop {options.hop}"
    rounds = {
        name: lambda step=step: [step() for _ in range(steps_a_round)]
        for name, step in steps.items()
    }
    if options.workers or options.busy:
        title += f", {options.workers} workers, beside {options.busy} busy"
    settings = {"rounds": options.rounds, "clock": clock}
    print_table(rounds, BEFOREHAND, title, ("timm",), busy=options.busy, **settings)

    waveform = torch.stack([notes[number]["waveform"] for number in range(options.batch)])
    waveform = waveform.to(options.device)
    alone = {
        name: lambda frontend=frontend: frontend(waveform) for name, frontend in frontends.items()
    }
    with torch.no_grad():
        timings = compare(alone, **settings)
    print("| front end alone | ms a note |\n|---|---:|")
    for name, timing in timings.items():
        print(f"| {name} | {1e3 * timing.median / options.batch:.2f} |")


if __name__ == "__main__":
    main()
