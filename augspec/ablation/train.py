"""One run: train an arm with a seed, save a checkpoint per epoch, score once at the end."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
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

if TYPE_CHECKING:
    from lightning.fabric import Fabric

logger = logging.getLogger(__name__)

Run = dict[str, Any]  # the content of OUT/runs/NAME.json
Batches = augspec.DeviceLoader | ImageLoader


@dataclass
class Training:
    """The state of a training, which a checkpoint holds."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: Average | None = None
    losses: list[float] = field(default_factory=list)  # one mean per epoch
    seconds: list[float] = field(default_factory=list)

    @property
    def scored(self) -> nn.Module:
        """The model that is scored and saved: the network, or the average of its weights."""
        return self.model if self.average is None else self.average.model

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
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
        """Resume from a checkpoint, if there is one; log if it cannot be read.

        A damaged checkpoint (after a disk error) only costs its epochs: it is logged and renamed,
        and the run starts again.

        Returns:
            False if the checkpoint is damaged.
        """
        if not path.is_file():
            return True
        try:
            with zipfile.ZipFile(path) as file:  # torch.load does not check the checksums
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
            raise  # an error of the machine: the checkpoint may be good
        except Exception as error:  # from zipfile, pickle or torch
            aside = path.replace(path.with_name("damaged-checkpoint.pt"))
            logger.warning(
                "%s is damaged (%s); it is now %s, and its run starts again",
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

    The seed determines the initial weights, the order of the notes and the draws of the
    augmentation. So arms are paired by seed: they have the same initial weights, and the same notes
    in each step. A run that was killed resumes from the last complete epoch and gives the same
    results.

    Args:
        config: See `augspec.ablation.plan`.
        data: The notes.
        fabric: Where and how to compute; ``fabric.launch()`` has been called.
        folder: Folder of the run, for checkpoint and weights.
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
    if not training.load(folder / "checkpoint.pt"):  # the state may be partly loaded
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
                f"the training loss of epoch {epoch + 1} is {float(mean)}: use a lower "
                f"learning_rate, or --precision 32-true"
            )
        training.losses.append(float(mean))
        training.seconds.append(time.perf_counter() - started)
        if fabric.is_global_zero and epoch + 1 < config["epochs"]:
            training.save(folder / "checkpoint.pt")
        fabric.barrier()
    started = time.perf_counter()
    if training.average is not None:  # in every process, because samplers may talk to one another
        _settle(training.average, config, batches)
    if not fabric.is_global_zero:
        return None
    # Score only once, at the end: selecting an epoch on the scored notes would bias the score.
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
    """Write the notes as pictures, and read those; the record holds their cost."""
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
    """Return the fraction of the steps in which the learning rate rises.

    `OneCycleLR` divides by the steps of the rise minus one, so a rise of one step, such as 0.2 of
    five, is extended to a step and a half.
    """
    if warm_up * steps != 1.0:
        return warm_up
    return 1.5 / steps if steps > 1 else 0.5


def _begin_epoch(config: Config, epoch: int, batches: Batches) -> None:
    torch.manual_seed(config["seed"] + 1_000_003 * (epoch + 1))  # seed of dropout, if there is any
    batches.set_epoch(epoch)


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
    _begin_epoch(config, epoch, batches)
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


def _settle(average: Average, config: Config, batches: Batches) -> None:
    """Go through the notes once more, for the batch norm statistics of the average weights."""
    _begin_epoch(config, config["epochs"], batches)
    average.settle(batch["specgram"] for batch in batches)


def targets_of(batch: dict[str, Any], task: str) -> Tensor:
    """Return the target classes of a batch; a shifted pitch is rounded to the nearest semitone."""
    target: Tensor = batch["label"]
    if task == "pitch":
        target = batch["pitch"].round().clamp(0, 127).long()
    return target


def loss_of(logits: Tensor, targets: Tensor, task: str) -> Tensor:
    """Return the loss: binary cross-entropy for tags, cross-entropy for other tasks."""
    if task == TAGS:
        return nn.functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))
    return nn.functional.cross_entropy(logits, targets)


@torch.no_grad()
def evaluate(model: nn.Module, batches: Batches, classes: list[str], task: str) -> Run:
    """Classify every note from its plain features; keep each prediction for the analysis.

    For tags the score of each is kept, and ``predictions`` are those above one half.
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
        # Round to four significant digits, because the order of small scores matters.
        scores = [[float(f"{one:.4g}") for one in row] for row in logits.sigmoid().tolist()]
        return {**score_tags(found["labels"], scores, classes), **found, "scores": scores}
    probability, guess = logits.softmax(-1).max(-1)
    found["predictions"] = guess.tolist()
    found["confidences"] = [round(value, 5) for value in probability.tolist()]
    return {**score(found["labels"], found["predictions"], classes), **found}


def _places(row: Tensor) -> list[int]:
    """Return the numbers of the tags of a sound."""
    places: list[int] = row.nonzero()[:, 0].tolist()
    return places


def save_weights(model: nn.Module, config: Config, classes: list[str], path: Path) -> None:
    """Save the weights with config and classes, so that the file is enough to use them."""
    held = {name: value.contiguous() for name, value in model.state_dict().items()}
    about = {"config": json.dumps(config), "classes": json.dumps(classes)}
    write_whole(path, lambda part: save_file(held, part, about))


def _peak_memory(device: torch.device) -> float:
    """Return the peak memory of this process so far, in MB: the GPU's if there is one.

    On Windows, where Python does not know that of the process, it is 0.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return 0.0
    import resource  # here, because Windows has no such module

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
