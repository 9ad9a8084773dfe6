"""One run: train an arm with a seed, keep a checkpoint an epoch, score it once at the end."""

from __future__ import annotations

import json
import logging
import math
import resource
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

import augspec
from augspec.ablation import musicnn  # noqa: F401 -- timm knows the network by its name from here on
from augspec.ablation.analyse import score
from augspec.ablation.average import Average
from augspec.ablation.data import Batch, Data, Notes, Progress, labels_of, make_loader
from augspec.ablation.files import write_whole
from augspec.ablation.images import ImageLoader, Images, split_features
from augspec.ablation.plan import IMAGES, TAGS, Config, make_frontend
from augspec.ablation.tags import score_tags

logger = logging.getLogger(__name__)

Run = dict[str, Any]  # what OUT/runs/NAME.json holds
Batches = augspec.DeviceLoader | ImageLoader


@dataclass
class Training:
    """What goes on from epoch to epoch, and is in a checkpoint."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: Average | None = None
    losses: list[float] = field(default_factory=list)  # a mean an epoch
    seconds: list[float] = field(default_factory=list)

    @property
    def scored(self) -> nn.Module:
        """What is scored and kept: the network, or the average of its weights."""
        return self.model if self.average is None else self.average.model

    def save(self, path: Path) -> None:
        """Write a checkpoint whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "losses": self.losses,
            "seconds": self.seconds,
        }
        if self.average is not None:
            state["average"] = self.average.held.state_dict()
        write_whole(path, lambda part: torch.save(state, part))

    def load(self, path: Path) -> bool:
        """Go on from a checkpoint, if there is one; say if it cannot be read.

        One that is damaged (a disk that lost what it had been given) costs its epochs and not the
        run: it is named, put aside, and the run begins anew.
        """
        if not path.is_file():
            return True
        try:
            with zipfile.ZipFile(path) as file:  # which torch.load does not compare checksums of
                if file.testzip() is not None:
                    raise ValueError(f"{file.testzip()} has another checksum")
            state = torch.load(path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            if self.average is not None:
                self.average.held.load_state_dict(state["average"])
            self.losses, self.seconds = state["losses"], state["seconds"]
        except (OSError, MemoryError, torch.OutOfMemoryError):
            raise  # of the machine: the checkpoint may be whole
        except Exception as error:  # of zipfile, of pickle or of torch, by where it was cut
            aside = path.replace(path.with_name("damaged-checkpoint.pt"))
            logger.warning(
                "%s is damaged (%s); it is now %s, and its run begins anew",
                path,
                str(error).split("\n")[0],
                aside.name,
            )
            return False
        return True


def train(
    config: Config,
    data: Data,
    fabric: Fabric,
    folder: Path,
    weights: str | None,
    progress: Progress,
) -> Run | None:
    """Train one arm with one seed and score it.

    The seed governs the initial weights, the order of the notes and the draws of the augmentation,
    so that arms are paired by seed: in each step they see the same notes with the same weights.
    A run that was killed goes on from the last whole epoch, and ends with the numbers that it would
    have had.

    Args:
        config: See `augspec.ablation.plan`.
        data: The notes.
        fabric: Where and how to compute; ``fabric.launch()`` has been called.
        folder: The run's own, for checkpoint and weights.
        weights: File of pretrained weights, if the config names one.
        progress: Told of every step.

    Returns:
        The record of the run; None in processes other than the first.
    """
    frontend = make_frontend(config["transforms"], config["features"], config["arm"])
    more: Run = {}
    batches: Batches
    scored: Batches
    if config["transforms"] == IMAGES:
        batches, scored, more = _use_images(config, data, fabric, frontend, folder, progress)
    else:
        batches = augspec.DeviceLoader(
            _make_loader(config, data, data.train, fabric),
            frontend,
            device=fabric.device,
            seed=config["seed"],
            num_classes=len(data.classes) if config["task"] != "pitch" else None,
        )
        scored = augspec.DeviceLoader(make_loader(data.valid, 64), frontend, device=fabric.device)
    training = _make_training(config, len(data.classes), len(batches), weights)
    if not training.load(folder / "checkpoint.pt"):  # some of it may be half loaded
        training = _make_training(config, len(data.classes), len(batches), weights)
    model, optimizer = fabric.setup(training.model, training.optimizer)
    frontend.train()
    for epoch in range(len(training.losses), config["epochs"]):
        started = time.perf_counter()
        loss = _train_epoch(config, epoch, batches, fabric, model, optimizer, training, progress)
        if training.average is not None:
            training.average.after_epoch(training.model, epoch)
        mean: Any = fabric.all_reduce(loss, reduce_op="mean")
        if not math.isfinite(float(mean)):
            raise ValueError(
                f"the training loss of epoch {epoch + 1} is {float(mean)}: take a lower "
                "learning_rate, or --precision 32-true"
            )
        training.losses.append(float(mean))
        training.seconds.append(time.perf_counter() - started)
        if fabric.is_global_zero and epoch + 1 < config["epochs"]:
            training.save(folder / "checkpoint.pt")
        fabric.barrier()
    if not fabric.is_global_zero:
        return None
    started = time.perf_counter()
    # Scored once, at the end: with no choice made on the scored notes, none can flatter.
    frontend.eval()
    scores = evaluate(training.scored, scored, data.classes, config["task"])
    scoring = time.perf_counter() - started
    save_weights(training.scored, config, data.classes, folder / "model.safetensors")
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    return {
        "config": config,
        "losses": training.losses,
        **scores,
        **more,
        "seconds": sum(training.seconds) + scoring + more.get("seconds_writing", 0.0),
        "seconds_per_epoch": float(np.median(training.seconds)),
        "peak_memory_mb": _peak_memory(fabric.device),
    }


def _make_loader(
    config: Config, data: Data, notes: Notes | Images, fabric: Fabric
) -> DataLoader[Batch]:
    whole = config["batch_size"]
    parts = fabric.world_size * config["accumulate"]
    if whole % parts or whole > len(notes):
        raise ValueError(
            f"--batch-size {whole} must be a multiple of devices * nodes * accumulate, here "
            f"{parts}, and at most the number of training notes, {len(notes)}"
        )
    return make_loader(
        notes,
        whole // parts,
        config["seed"],
        whole=whole,
        rank=fabric.global_rank,
        world=fabric.world_size,
        labels=labels_of(data.train) if config.get("sampling") == "balanced" else None,
    )


def _use_images(
    config: Config,
    data: Data,
    fabric: Fabric,
    frontend: augspec.Frontend,
    folder: Path,
    progress: Progress,
) -> tuple[ImageLoader, ImageLoader, Run]:
    """Write the notes as pictures, and read those; the record says what they cost."""
    feature, normalize = split_features(frontend)
    train, valid = (
        Images(notes, feature, folder / "images" / part, progress)
        for part, notes in (("train", data.train), ("valid", data.valid))
    )
    batches = ImageLoader(_make_loader(config, data, train, fabric), normalize, fabric.device)
    scored = ImageLoader(make_loader(valid, 64), normalize, fabric.device)
    cost = {
        "seconds_writing": train.seconds + valid.seconds,
        "bytes_written": train.bytes + valid.bytes,
    }
    return batches, scored, cost


def _make_training(config: Config, classes: int, batches: int, weights: str | None) -> Training:
    torch.manual_seed(config["seed"])
    model = augspec.create_backbone(config["backbone"], num_classes=classes, checkpoint=weights)
    model = model.to(memory_format=torch.channels_last)  # twice as fast on a CPU
    optimizer = torch.optim.AdamW(
        model.parameters(), config["learning_rate"], weight_decay=config["weight_decay"]
    )
    steps = config["epochs"] * batches // config["accumulate"]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        config["learning_rate"],
        total_steps=steps,
        pct_start=_rise(config["warm_up"], steps),
    )
    kind = config.get("average")
    average = None if kind is None else Average(kind, model, config["epochs"])
    return Training(model, optimizer, schedule, average)


def _rise(warm_up: float, steps: int) -> float:
    """Give the share of the steps in which the learning rate rises.

    `OneCycleLR` divides by the steps of the rise less one: a rise of one step, such as 0.2 of five,
    is made one of a step and a half.
    """
    if warm_up * steps != 1.0:
        return warm_up
    return 1.5 / steps if steps > 1 else 0.5


def _train_epoch(
    config: Config,
    epoch: int,
    batches: Batches,
    fabric: Fabric,
    model: Any,
    optimizer: Any,
    training: Training,
    progress: Progress,
) -> Tensor:
    """Go through the notes once, and return the mean loss."""
    torch.manual_seed(config["seed"] + 1_000_003 * (epoch + 1))  # of dropout, where there is some
    batches.set_epoch(epoch)
    model.train()
    total = torch.zeros((), device=batches.device)
    for number, batch in enumerate(batches, start=1):
        last = number % config["accumulate"] == 0
        with fabric.no_backward_sync(model, enabled=not last):
            logits = model(batch["specgram"])
            loss = loss_of(logits, targets_of(batch, config["task"]), config["task"])
            fabric.backward(loss / config["accumulate"])
        total += loss.detach()
        if last:
            optimizer.step()
            optimizer.zero_grad()
            training.schedule.step()
            if training.average is not None:
                training.average.after_step(training.model)
        progress(
            f"epoch {epoch + 1}", epoch * len(batches) + number, config["epochs"] * len(batches)
        )
    return total / len(batches)


def targets_of(batch: dict[str, Any], task: str) -> Tensor:
    """Give what a batch is to be classified as; a shifted pitch is that of the nearest semitone."""
    target: Tensor = batch["label"]
    if task == "pitch":
        target = batch["pitch"].round().clamp(0, 127).long()
    return target


def loss_of(logits: Tensor, targets: Tensor, task: str) -> Tensor:
    """Give the loss: of tags each is there or not, of all else one of the classes is right."""
    if task == TAGS:
        return nn.functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))
    return nn.functional.cross_entropy(logits, targets)


@torch.no_grad()
def evaluate(model: nn.Module, batches: Batches, classes: list[str], task: str) -> Run:
    """Classify every note from its plain features; keep each prediction for the analysis.

    Of tags the score of each is kept, and ``predictions`` are those above one half.
    """
    model.eval()
    found: dict[str, list[Any]] = {"instruments": [], "indices": [], "labels": []}
    outputs = []
    for batch in batches:
        outputs.append(model(batch["specgram"]).float().cpu())
        targets = targets_of(batch, task)
        found["labels"] += list(map(_places, targets)) if task == TAGS else targets.tolist()
        found["instruments"] += [str(name) for name in batch["instrument"]]
        found["indices"] += batch["index"].tolist()
    logits = torch.cat(outputs)
    if task == TAGS:
        # Four digits, not four decimals: the order of small scores counts.
        scores = [[float(f"{one:.4g}") for one in row] for row in logits.sigmoid().tolist()]
        return {**score_tags(found["labels"], scores, classes), **found, "scores": scores}
    probability, guess = logits.softmax(-1).max(-1)
    found["predictions"] = guess.tolist()
    found["confidences"] = [round(value, 5) for value in probability.tolist()]
    return {**score(found["labels"], found["predictions"], classes), **found}


def _places(row: Tensor) -> list[int]:
    """Give the numbers of the tags of a sound."""
    places: list[int] = row.nonzero()[:, 0].tolist()
    return places


def save_weights(model: nn.Module, config: Config, classes: list[str], path: Path) -> None:
    """Keep the weights with all that is needed to use them: config and classes are in the file."""
    held = {name: value.contiguous() for name, value in model.state_dict().items()}
    about = {"config": json.dumps(config), "classes": json.dumps(classes)}
    write_whole(path, lambda part: save_file(held, part, about))


def _peak_memory(device: torch.device) -> float:
    """Return the most memory of this process so far, in MB: the GPU's where there is one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
