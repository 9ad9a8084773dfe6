"""Measure what a data set of 10 million clips costs, part by part, from made-up metadata.

    python tests/long/scale.py --ranks 64
    python tests/long/scale.py --only table --clips 100000 200000 1000000

There is no audio: shards are named and not written, and a file's header is made up. Each part runs
in a process of its own, at each size. The table has its processor time, the memory that it needs
at most and the memory that it keeps, all of one rank of `--ranks`. A part in which what a
clip costs grows with the number of clips is named at the end. It reads the memory from Linux.
"""

import argparse
import contextlib
import csv
import functools
import itertools
import json
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import augspec
from augspec.ablation.analyse import summarise
from augspec.datasets import AudioTable, Shards, Windows, split_by_group
from augspec.datasets._audio import AudioInfo
from augspec.datasets._labels import Labels
from augspec.samplers import BalancedSampler, WeightedSampler
from augspec.visits import Visits

RANKS = 64
WORKERS = 8
BATCH = 256
IN_SHARD = 1_000
CLASSES = 500
#: A cost for each clip that grows by more than this from one size to the next is named.
GROWS = 1.5
#: Less than this for each clip is noise of the measurement, in seconds and bytes.
LEAST = {"seconds": 1e-7, "most": 8.0}


@dataclass(frozen=True)
class Cost:
    """What a part needs at a number of clips."""

    seconds: float  # of the processor
    most: float  # bytes at most, beyond those before
    kept: float  # bytes afterwards, beyond those before


# --- The parts: each gives what it keeps ----------------------------------------------------------


def shards(clips, ranks, folder):
    """Open the index of shards, and make the loader and three orders of one node."""
    ranks = min(ranks, -(-clips // IN_SHARD))
    counts = {f"shard-{n:06d}.tar": IN_SHARD for n in range(-(-clips // IN_SHARD))}
    (folder / "shards.json").write_text(json.dumps({"items": counts, "sample_rate": 16_000}))
    last = f"{len(counts) - 1:06d}"
    with _rank(0, ranks):
        found = Shards(f"{folder}/shard-{{000000..{last}}}.tar", shuffle=1_000)
        loader = found.loader(BATCH, num_workers=min(WORKERS, len(counts) // ranks))
        for epoch in range(3):
            found.set_epoch(epoch)
            assert len(found) > 0
    return loader


def keys(clips, ranks, _):
    """Make the keys of an epoch of one rank, batch by batch, and one draw of each."""
    for batch in _batches(clips // ranks):
        made = augspec.example_keys(0, 1, batch)
        augspec.random.uniform(made, "Gain", "gain_db", -6.0, 6.0)
    return made


def visits(clips, ranks, _):
    """Count the visits of one rank in an epoch, among all clips."""
    found = Visits()
    for batch in _batches(clips // ranks):
        found.views(batch * ranks)
    return found


def weighted(clips, ranks, _):
    """Draw one rank's part of an epoch by weights."""
    return _drawn(WeightedSampler(np.ones(clips), num_replicas=ranks, rank=ranks - 1))


def balanced(clips, ranks, _):
    """Draw one rank's part of an epoch, with classes in balance."""
    labels = np.arange(clips) % CLASSES
    return _drawn(BalancedSampler(labels, num_replicas=ranks, rank=ranks - 1))


def multi_hot(clips, ranks, _):
    """The same where a clip may have several classes, which are a row of bytes."""
    labels = np.zeros((clips, CLASSES), np.uint8)
    labels[np.arange(clips), np.arange(clips) % CLASSES] = 1
    return _drawn(BalancedSampler(labels, num_replicas=ranks, rank=ranks - 1))


def labels(clips, *_):
    """Keep two labels of each clip, and give those of a few."""
    made = Labels([(n % CLASSES, n % 7) for n in range(clips)], CLASSES, is_multi_hot=True)
    made.of(clips // 2)
    return made


def split(clips, *_):
    """Split by the speaker: 100 clips of each, in classes of 50 speakers."""
    speakers = np.arange(clips) // 100
    return split_by_group(speakers, speakers // 50)


def windows(clips, *_):
    """Cut recordings of ten seconds into windows of one, and look some up."""
    found = Windows(_Recordings(clips // 10), 1.0)
    for index in range(0, len(found), max(1, len(found) // 1_000)):
        found._place(index)
    return found


def table(clips, _, folder):
    """Open a table of files whose headers are made up, without reading one."""
    path = folder / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "speaker"])
        writer.writerows(
            (f"train/{n // 1000:05d}/{n:09d}.wav", f"class {n % CLASSES}", n // 100)
            for n in range(clips)
        )
    return _Table(path, group="speaker")


#: The parts by name, with the most clips that this machine is asked for, or None.
PARTS = {
    "index of shards": (shards, None),
    "keys of an epoch": (keys, None),
    "visits": (visits, None),
    "weighted sampler": (weighted, None),
    "balanced sampler": (balanced, None),
    "balanced, multi-hot": (multi_hot, 2 * 10**6),
    "labels": (labels, None),
    "split by speaker": (split, None),
    "windows": (windows, None),
    "table of files": (table, 10**6),
}


class _Recordings:
    """Recordings of ten seconds, of which only the lengths are asked."""

    sample_rate, classes, segment = 16_000, None, None

    def __init__(self, count):
        self.lengths = np.full(count, 160_000)

    def __len__(self):
        return len(self.lengths)

    def part(self, index, start, size):
        raise NotImplementedError


class _Table(AudioTable):
    """A table whose files all have the same made-up header."""

    def _check(self, file):
        return AudioInfo(16_000, 16_000)


def _batches(count):
    for start in range(0, max(count, 1), BATCH):
        yield torch.arange(start, min(start + BATCH, max(count, 1)))


def _drawn(sampler):
    sampler.set_epoch(1)
    assert sum(1 for _ in sampler) == len(sampler)
    return sampler


@contextlib.contextmanager
def _rank(rank, ranks):
    """Be one of several processes, as WebDataset is told."""
    before = dict(os.environ)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(ranks)}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# --- The report of a study ------------------------------------------------------------------------


def study(arms, seeds, notes, instruments=100):
    """Make up the runs of a study: labels, what was found, and what a run costs."""
    rng = np.random.default_rng(0)
    names = [f"{'abcdefghij'[n % 10]}_{n:03d}" for n in np.arange(notes) % instruments]
    truth = np.arange(notes) % instruments % 10
    classes = [f"c{n}" for n in range(10)]
    every = [_made_run(rng, n % seeds, truth, names, classes) for n in range(arms * seeds)]
    arms = ["none", *(f"arm {n}" for n in range(1, arms))]
    return {arm: every[place * seeds : (place + 1) * seeds] for place, arm in enumerate(arms)}


def _made_run(rng, seed, truth, names, classes):
    found = np.where(rng.random(len(truth)) < 0.7, truth, (truth + 1) % len(classes))
    recall = [float((found[truth == n] == n).mean()) for n in range(len(classes))]
    return {
        "config": {"seed": seed},
        "labels": truth.tolist(),
        "predictions": found.tolist(),
        "confidences": [0.5] * len(truth),
        "instruments": names,
        "classes": classes,
        "recall": dict(zip(classes, recall, strict=True)),
        "accuracy": float((found == truth).mean()),
        "macro_recall": float(np.mean(recall)),
        "losses": [2.0, 1.0],
        "seconds": 1.0,
        "seconds_per_epoch": 0.5,
        "peak_memory_mb": 100.0,
    }


def report(runs, *_):
    """Compare the arms of a study of ``runs`` runs, five seeds an arm, of 1,000 notes."""
    made = study(runs // 5, 5, 1_000)
    return made, summarise(made)


# --- Measuring ------------------------------------------------------------------------------------


def cost(part, size, ranks):
    """Run a part in a process of its own; give what it took."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(part, size, ranks, theirs))
    child.start()
    theirs.close()
    with contextlib.suppress(EOFError):
        return ours.recv()
    child.join()
    if child.exitcode >= 0:
        raise RuntimeError(f"{part.__name__} failed at {size:,}: see above")
    return None  # ended by the kernel, as a rule for its memory


def _measure(part, size, ranks, pipe):
    with tempfile.TemporaryDirectory() as folder:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before, started = _memory("VmRSS"), time.process_time()
        kept = part(size, ranks, Path(folder))
        seconds = time.process_time() - started
        pipe.send(Cost(seconds, _memory("VmHWM") - before, _memory("VmRSS") - before))
        del kept


def _memory(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    raise KeyError(name)


def growing(costs):
    """Give in words whether what each further clip costs grows from one pair of sizes to the next.

    Of further clips, because what a process costs whatever the size would hide it.
    """
    if costs[-1][1] is None:
        return f"more memory than there is at {costs[-1][0]:,}"
    pairs = list(itertools.pairwise(costs))
    for what in ("seconds", "most"):
        further = [
            (getattr(b, what) - getattr(a, what)) / (many - few) for (few, a), (many, b) in pairs
        ]
        for (_, (size, _)), before, after in zip(pairs[1:], further, further[1:], strict=False):
            if after > GROWS * max(before, LEAST[what]):
                return f"{what} for each clip at {size:,} are {after / before:.1f} times as many"
    return None


def measure(parts, sizes, ranks=RANKS, show=print):
    """Measure parts at sizes; print a row of each; give what grows."""
    found = {}
    for name, (part, most) in parts.items():
        asked = [size for size in sizes if most is None or size <= most]
        costs = []
        for size in asked:
            one = cost(part, size, ranks)
            costs.append((size, one))
            if one is None:
                show(f"{name:22s}{size:12,d}  ended by the kernel")
                break
            show(
                f"{name:22s}{size:12,d}{one.seconds:10.2f} s{one.most / 1e6:10.1f} MB"
                f"{one.kept / 1e6:10.1f} MB{one.most / size:10.1f} B{one.kept / size:10.1f} B"
            )
        found[name] = growing(costs)
    return {name: words for name, words in found.items() if words}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[10**5, 10**6, 2 * 10**6, 10**7])
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 200, 1_000])
    parser.add_argument("--ranks", type=int, default=RANKS)
    parser.add_argument("--only", default="", help="parts whose name holds this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "This DataLoader will create")
    show = functools.partial(print, flush=True)
    show(f"{'part':22s}{'clips':>12s}{'time':>12s}{'at most':>13s}{'kept':>13s}{'of each':>12s}")
    parts = {name: part for name, part in PARTS.items() if options.only in name}
    grows = measure(parts, options.clips, options.ranks, show)
    if options.only in "report of a study":
        grows |= measure({"report of a study": (report, None)}, options.runs, options.ranks, show)
    for name, words in grows.items():
        show(f"grows: {name}: {words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
