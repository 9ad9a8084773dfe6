"""Which augmentation of the waveform helps, by how much, and what does it cost?

Trains the same backbone once for each arm and seed, on log-mel spectrograms that are made from
augmented waveforms in every step, and compares each arm with the arm ``none``. Scores are of
instruments that training has never seen.

    python recipes/ablation.py --data gm-notes --arms none,pitch,stretch,all
    python recipes/ablation.py --data nsynth --root DIR --seeds 3

writes one JSON a run to OUT/runs, and OUT/summary.csv, OUT/figure.png and OUT/report.html. A run
that is finished is not repeated: after Ctrl-C the same command goes on. Read from top to bottom.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shlex
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_report import Run, report, write
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import nn
from torch.utils.data import DataLoader, Dataset

import augspec
from augspec import features as F
from augspec import transforms as T

Notes = Dataset[dict[str, Any]] | list[dict[str, Any]]

# --- The arms: what is done to a waveform in training ---------------------------------------------
# Ranges are narrow on purpose. A note's family is told by its attack and its spectrum, and every
# augmentation distorts one of the two: in probes on nsynth, 4 semitones together with stretch, crop
# and gain lost 7 points of macro recall.
ARMS: dict[str, list[T.RandomTransform]] = {
    "none": [],
    # Level says little about the family; the notes differ by about this much in it already.
    "gain": [T.Gain((-6.0, 6.0))],
    # Half a second of 4 s: where the note begins moves, most attacks stay in.
    "crop": [T.RandomCrop(56_000)],
    # Each instrument is there at few pitches. A semitone moves formants by 6 %: the same one still.
    "pitch": [T.PitchShift((-1.0, 1.0))],
    # Slower and faster decays, the same spectrum.
    "stretch": [T.TimeStretch((0.9, 1.1))],
    "all": [
        T.TimeStretch((0.9, 1.1)),
        T.PitchShift((-1.0, 1.0)),
        T.RandomCrop(56_000),
        T.Gain((-6.0, 6.0)),
    ],
}

# --- Hyperparameters, the same for every arm ------------------------------------------------------
SAMPLE_RATE = 16_000  # of both data sets
N_FFT = 1024  # 64 ms: tells harmonics of the lowest notes apart
HOP_LENGTH = 512  # 32 ms; 16 ms doubles the cost of the backbone
N_MELS = 64  # 128 doubles the cost, too
# Mean and standard deviation in dB of the training notes' log-mel, between those of the two data
# sets (gm-notes -40 and 37, nsynth -33 and 37): fixed numbers, so that level stays a cue.
# (Normalising each example by itself would make the arm "gain" a second "none".)
MEAN_DB, STD_DB = -36.0, 37.0
BATCH_SIZE = 32
LEARNING_RATE = 2e-3  # peak of one cycle of AdamW, usual for a small network from scratch
WEIGHT_DECAY = 0.05
WARM_UP = 0.2  # share of the steps in which the learning rate rises
PRELOAD = 8_000  # notes that are held in memory at most, 2 GB; beyond that workers read files


def make_frontend(arm: str) -> augspec.Frontend:
    """Make the arm's front end; in ``eval()`` all arms give the same plain features."""
    log_mel = F.LogMelSpectrogram(
        sample_rate=SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS
    )
    return augspec.Frontend(
        waveform=T.Chain(ARMS[arm]), features=nn.Sequential(log_mel, F.Normalize(MEAN_DB, STD_DB))
    )


# --- Data -----------------------------------------------------------------------------------------


def load(options: argparse.Namespace, split: str, progress: Progress) -> tuple[Notes, list[str]]:
    """Open a split, read it into memory if it is small, and name its classes."""
    notes: augspec.datasets.NSynth | augspec.datasets.GMNotes
    if options.data == "nsynth":
        notes = augspec.datasets.NSynth(options.root, split)
    else:
        notes = augspec.datasets.GMNotes(split)
    chosen = range(0, len(notes), 8 if options.smoke else 1)
    if len(chosen) > PRELOAD:
        return notes, list(notes.classes)
    task = progress.add_task(f"reading {split}", total=len(chosen))
    examples = []
    for index in chosen:
        examples.append(notes[index])
        progress.advance(task)
    progress.remove_task(task)
    return examples, list(notes.classes)


def make_loader(notes: Notes, batch_size: int, seed: int | None) -> DataLoader[dict[str, Any]]:
    """Batch notes: in an order that follows from ``seed``, or all of them in theirs."""
    shuffle = seed is not None
    return DataLoader(
        notes,  # type: ignore[arg-type]
        batch_size=batch_size,
        shuffle=shuffle,
        drop_last=shuffle,  # batch norm does not like a last batch of one
        generator=torch.Generator().manual_seed(seed or 0),
        num_workers=0 if isinstance(notes, list) else min(8, os.cpu_count() or 1),
        pin_memory=torch.cuda.is_available(),
    )


# --- One run --------------------------------------------------------------------------------------


def train(
    config: Run, train_notes: Notes, valid_notes: Notes, classes: list[str], progress: Progress
) -> Run:
    """Train one arm with one seed and score it.

    The seed governs the initial weights, the order of the notes and the draws of the augmentation,
    so that arms are paired by seed: in each step they see the same notes with the same weights.
    """
    started = time.perf_counter()
    arm, seed, epochs = config["arm"], config["seed"], config["epochs"]
    device = torch.device(config["device"])
    torch.manual_seed(seed)
    model = augspec.create_backbone(config["backbone"], num_classes=len(classes)).to(device)
    model = model.to(memory_format=torch.channels_last)  # twice as fast on a CPU
    frontend = make_frontend(arm)
    loader = make_loader(train_notes, config["batch_size"], seed)
    batches = augspec.DeviceLoader(loader, frontend, device=device, seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * len(loader), pct_start=WARM_UP
    )
    losses: list[float] = []
    task = progress.add_task(f"{arm}, seed {seed}", total=epochs * len(loader))
    for epoch in range(epochs):
        model.train()
        frontend.train()
        total = torch.zeros((), device=device)
        for batch in batches:
            loss = nn.functional.cross_entropy(model(batch["specgram"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
            progress.advance(task)
        losses.append(total.item() / len(loader))
        at = f"{arm}, seed {seed}: epoch {epoch + 1}/{epochs}, loss {losses[-1]:.3f}"
        progress.update(task, description=at)
    # Scored once, at the end: with no choice made on the validation notes, none can flatter.
    scores = evaluate(model, frontend, valid_notes, classes, device)
    progress.remove_task(task)
    return {"config": config, "losses": losses, **scores, "seconds": time.perf_counter() - started}


@torch.no_grad()
def evaluate(
    model: nn.Module,
    frontend: augspec.Frontend,
    notes: Notes,
    classes: list[str],
    device: torch.device,
) -> Run:
    """Classify every note from its plain features; keep each prediction for the bootstrap."""
    model.eval()
    frontend.eval()
    labels: list[int] = []
    predictions: list[int] = []
    instruments: list[str] = []
    loader = make_loader(notes, 64, seed=None)
    for batch in augspec.DeviceLoader(loader, frontend, device=device):
        labels += batch["label"].tolist()
        predictions += model(batch["specgram"]).argmax(-1).tolist()
        instruments += [str(name) for name in batch["instrument"]]
    confusion = np.zeros((len(classes), len(classes)), dtype=int)  # rows: what it is
    np.add.at(confusion, (labels, predictions), 1)
    present = confusion.sum(axis=1) > 0
    recall = confusion.diagonal()[present] / confusion.sum(axis=1)[present]
    return {
        "accuracy": float(confusion.trace() / confusion.sum()),
        "macro_recall": float(recall.mean()),
        "recall": dict(zip(np.array(classes)[present].tolist(), recall.tolist(), strict=True)),
        "confusion": confusion.tolist(),
        "classes": classes,
        "labels": labels,
        "predictions": predictions,
        "instruments": instruments,
    }


def versions() -> dict[str, str]:
    """Name what the numbers may depend on."""
    found = {"python": platform.python_version()}
    for name in ("augspec", "torch", "timm", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a clone that is not installed
            found[name] = "not installed"
    return found


# --- The plan -------------------------------------------------------------------------------------


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Compare augmentations of the waveform with none.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", choices=["gm-notes", "nsynth"], default="gm-notes")
    parser.add_argument("--root", help="folder with nsynth-train and nsynth-valid (nsynth only)")
    parser.add_argument("--backbone", default="resnet10t", help="name of a timm model")
    parser.add_argument("--arms", default=",".join(ARMS), help="names, with commas between")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each arm")
    # The training loss is near zero after six epochs of either data set.
    parser.add_argument("--epochs", type=int, default=4, help="passes over the training notes")
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--smoke", action="store_true", help="try it: one seed, one epoch, an eighth of the notes"
    )
    parser.add_argument("--out", type=Path, help="folder of the results (default: out/DATA)")
    options = parser.parse_args(arguments)
    if options.data == "nsynth" and options.root is None:
        parser.error(
            "--data nsynth needs --root DIR, the folder with nsynth-train and nsynth-valid"
        )
    if options.data == "gm-notes" and options.root is not None:
        parser.error("--root is for --data nsynth; the gm-notes are inside augspec")
    for name in ("seeds", "epochs", "batch_size"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be 1 or more")
    asked = [arm.strip() for arm in options.arms.split(",") if arm.strip()]
    unknown = [arm for arm in asked if arm not in ARMS]
    if unknown:
        parser.error(f"--arms: no arm named {', '.join(unknown)}; there are {', '.join(ARMS)}")
    options.arms = list(dict.fromkeys(["none", *asked]))  # the baseline is always there, and first
    if options.smoke:
        options.seeds = options.epochs = 1
    options.out = options.out or Path("out") / options.data
    return options


def plan(options: argparse.Namespace, notes: tuple[int, int]) -> list[Run]:
    """List the configs of all runs: seeds outside, so that early rows are already comparable."""
    return [
        {
            "data": options.data,
            "notes": list(notes),
            "arm": arm,
            "transforms": " ".join(repr(T.Chain(ARMS[arm])).split()),
            "seed": seed,
            "backbone": options.backbone,
            "epochs": options.epochs,
            "batch_size": options.batch_size,
            "device": options.device,
            "learning_rate": LEARNING_RATE,
            "weight_decay": WEIGHT_DECAY,
            "warm_up": WARM_UP,
            "features": {
                "n_fft": N_FFT,
                "hop_length": HOP_LENGTH,
                "n_mels": N_MELS,
                "mean_db": MEAN_DB,
                "std_db": STD_DB,
            },
        }
        for seed in range(options.seeds)
        for arm in options.arms
    ]


def place(config: Run, out: Path) -> Path:
    """Name the file of a run: the same config, the same file."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
    return out / "runs" / f"{config['arm']}-{config['seed']}-{digest}.json"


def command_line() -> str:
    """Give the command that this process was started with."""
    return shlex.join(["python", *sys.argv])


def ablate(options: argparse.Namespace) -> dict[str, list[Run]]:
    """Do every run that is not finished, and return all of them by arm."""
    (options.out / "runs").mkdir(parents=True, exist_ok=True)
    runs: dict[str, list[Run]] = {arm: [] for arm in options.arms}
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        train_notes, classes = load(options, "train", progress)
        valid_notes, _ = load(options, "valid", progress)
        configs = plan(options, (len(train_notes), len(valid_notes)))  # type: ignore[arg-type]
        whole = progress.add_task("runs", total=len(configs))
        for config in configs:
            path = place(config, options.out)
            if path.exists():
                run = json.loads(path.read_text(encoding="utf-8"))
            else:
                run = train(config, train_notes, valid_notes, classes, progress)
                run |= {"versions": versions(), "command": command_line()}
                write(path, json.dumps(run))
                progress.console.print(
                    f"{config['arm']}, seed {config['seed']}: accuracy {run['accuracy']:.3f}, "
                    f"macro recall {run['macro_recall']:.3f}, {run['seconds']:.1f} s"
                )
            runs[config["arm"]].append(run)
            progress.advance(whole)
    return runs


def main() -> int:
    """Run the ablation of the command line."""
    options = parse()
    try:
        runs = ablate(options)
    except KeyboardInterrupt:
        kept = len(list((options.out / "runs").glob("*.json")))
        print(
            f"\nStopped. {kept} finished runs are kept in {options.out / 'runs'}.", file=sys.stderr
        )
        print(f"The same command goes on from there:\n  {command_line()}", file=sys.stderr)
        return 130
    except (FileNotFoundError, ValueError) as error:
        print(f"ablation.py: {error}", file=sys.stderr)
        return 2
    title = f"{options.data}, {options.backbone}, epochs: {options.epochs}, seeds: {options.seeds}"
    report(runs, title, command_line(), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
