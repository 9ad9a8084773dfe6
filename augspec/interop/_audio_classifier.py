"""The model of `augspec.interop.huggingface`: a front end and a classifier that take waveforms."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from augspec.batches import Batch, add_specgram, draws
from augspec.classes import as_count
from augspec.config import from_config, to_config
from augspec.frontend import Frontend
from augspec.random import example_keys, fresh_keys
from augspec.visits import Visits

try:
    from transformers import PretrainedConfig
except ImportError as error:
    raise ImportError(
        "augspec.interop.huggingface needs datasets and transformers: "
        'pip install "augspec[frameworks]"'
    ) from error

__all__ = ["AudioClassifier"]

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
Loss = Callable[[Tensor, Tensor], Tensor]


class AudioClassifier(nn.Module):
    """A front end and a classifier in one model that takes waveforms, for ``Trainer``.

    The spectrogram is computed on the model's device, augmented in ``train()`` and plain in
    ``eval()``. The augmentation of an example depends only on ``seed``, ``epoch`` and its
    ``index``. If an example comes several times in an epoch, each time has different draws.
    `EpochCallback` sets the epoch. The front end adds nothing to the ``state_dict``.

    Args:
        frontend: Computes the spectrogram.
        model: Takes ``(batch, channel, freq, frame)`` and returns logits, or an output that has
            ``logits``, as transformers' image classifiers do.
        seed: Seed of the augmentation.
        num_classes: Number of classes, needed if the front end mixes examples; by default that of
            ``label2id``.
        problem_type: ``"single_label_classification"`` is cross entropy, for labels ``(batch,)`` or
            soft labels ``(batch, classes)``. ``"multi_label_classification"``, for examples with
            several classes, is binary cross entropy, for labels ``(batch, classes)``. ``None``
            takes the first for labels ``(batch,)`` and raises for others.
        loss: ``loss(logits, labels)`` that replaces them, such as
            ``nn.CrossEntropyLoss(label_smoothing=0.1)``.
        class_weights: Weight of each class in the loss, ``(classes,)``; see
            `augspec.samplers.class_weights`.
        label2id: Number of each class; it and its reverse are kept in ``config``.

    Attributes:
        config: A ``PretrainedConfig`` with ``problem_type``, ``label2id``, ``id2label`` and, if it
            can be described, the front end.

    Raises:
        ValueError: If ``problem_type`` is neither of the two, ``num_classes`` and ``label2id``
            disagree, or ``class_weights`` and ``loss`` are both given.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        frontend: Frontend,
        model: nn.Module,
        *,
        seed: int = 0,
        num_classes: int | None = None,
        problem_type: str | None = None,
        loss: Loss | None = None,
        class_weights: Tensor | None = None,
        label2id: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        if problem_type not in (None, SINGLE, MULTI):
            raise ValueError(
                f"`problem_type` must be {SINGLE!r} or {MULTI!r}, got {problem_type!r}"
            )
        if num_classes is not None:
            num_classes = as_count("num_classes", num_classes, 1)
        if label2id is not None:
            label2id = {name: as_count("label2id", number) for name, number in label2id.items()}
            num_classes = len(label2id) if num_classes is None else num_classes
            if sorted(label2id.values()) != list(range(num_classes)):
                raise ValueError(
                    f"`label2id` must number {num_classes} classes from 0, got {dict(label2id)}"
                )
        if loss is not None and class_weights is not None:
            raise ValueError(
                "`class_weights` must be None if `loss` is given: put the weights into the loss"
            )
        self.frontend = frontend
        self.model = model
        self.seed = int(seed)
        self.num_classes = num_classes
        self.loss = loss
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.config = _config(problem_type, num_classes, label2id)
        self.epoch = 0
        self._visits = Visits()
        self._visited = 0

    def set_epoch(self, epoch: int, loader: Any = None) -> None:
        """Set the epoch, and count the visits of examples from 0 again.

        Args:
            epoch: Number of the epoch, from 0.
            loader: The loader of the training set, which shows whether processes share examples.
        """
        self.epoch = self._visited = int(epoch)
        self._visits = Visits(loader)

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        index: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Classify waveforms.

        Args:
            waveform: ``(batch, channel, time)``.
            lengths: Valid samples of each example.
            index: Index of each example in the data set; without it the draws come from torch's
                default generator.
            labels: ``(batch,)`` int64 or ``(batch, classes)``.

        Returns:
            ``logits`` ``(batch, classes)``, and with ``labels`` ``loss``.

        Raises:
            ValueError: If labels are ``(batch, classes)`` without a ``problem_type``, or are
                missing and the front end mixes examples.
        """
        batch: Batch = {"waveform": waveform}
        if lengths is not None:
            batch["lengths"] = lengths
        if labels is not None:
            batch["label"] = labels
            self._check_labels(labels)
        elif self.training and self.frontend.acts() and _mixes(self.frontend):
            raise ValueError(
                "`labels` must reach the model if the front end mixes examples: label smoothing of "
                "TrainingArguments removes them, so use "
                "AudioClassifier(loss=nn.CrossEntropyLoss(label_smoothing=0.1))"
            )
        self.frontend.set_epoch(self.epoch)
        mixed = self.num_classes if labels is not None and labels.ndim == 1 else None
        # Class numbers stay numbers, which a loss with weights or smoothing also accepts.
        mixed = mixed if _mixes(self.frontend) else None
        batch = add_specgram(batch, self.frontend, self._keys(waveform, index), num_classes=mixed)
        output: Any = self.model(batch["specgram"])
        logits: Tensor = getattr(output, "logits", output)
        if labels is None:
            return {"logits": logits}
        return {"loss": self._loss(logits, batch["label"]), "logits": logits}

    def _keys(self, waveform: Tensor, index: Tensor | None) -> Tensor | None:
        if not draws(self.frontend):
            return None
        if index is None:
            return fresh_keys(len(waveform), waveform.device)
        if self._visited != self.epoch:  # set by the user
            self.set_epoch(self.epoch)
        return example_keys(self.seed, self.epoch, index, self._visits.views(index))

    def _check_labels(self, labels: Tensor) -> None:
        if labels.ndim == 2 and self.loss is None and self.config.problem_type is None:
            raise ValueError(
                f"`labels` are (batch, classes): set problem_type={MULTI!r} if an example may have "
                f"several classes, or {SINGLE!r} if they are soft labels"
            )
        if labels.ndim == 1 and self.config.problem_type == MULTI and self.loss is None:
            raise ValueError(
                "`labels` must be (batch, classes) for several classes per example, got shape "
                f"{tuple(labels.shape)}"
            )

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.loss is not None:
            return self.loss(logits, labels)
        weights = self.class_weights
        if self.config.problem_type == MULTI:
            labels = labels.to(logits.dtype)
            return nn.functional.binary_cross_entropy_with_logits(logits, labels, weights)
        if labels.ndim == 2:
            labels = labels.to(logits.dtype)
        return nn.functional.cross_entropy(logits, labels, weights)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors``; `from_pretrained` reads them.

        Args:
            folder: Destination; it is created if it is missing.

        Raises:
            TypeError: If the front end cannot be described: see `augspec.to_config`.
        """
        from safetensors.torch import save_model

        Path(folder).mkdir(parents=True, exist_ok=True)
        self.config.augspec = {"frontend": to_config(self.frontend), "seed": self.seed}
        self.config.save_pretrained(folder)
        save_model(self, str(Path(folder, "model.safetensors")))

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], model: nn.Module) -> Self:
        """Load the classifier that `save_pretrained` wrote.

        Args:
            folder: The folder.
            model: A model of the same architecture, such as a new one of `augspec.create_backbone`;
                it gets the weights.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If ``config.json`` is not from `save_pretrained`.
        """
        from safetensors.torch import load_model

        data = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
        if "augspec" not in data:
            raise ValueError(f"{folder} must hold the files of AudioClassifier.save_pretrained")
        made = cls(
            from_config(data["augspec"]["frontend"]),
            model,
            seed=int(data["augspec"]["seed"]),
            problem_type=data.get("problem_type"),
            label2id=data.get("label2id"),
        )
        load_model(made, str(Path(folder, "model.safetensors")))
        return made


def _mixes(frontend: Frontend) -> bool:
    return frontend.waveform.mixes_examples or frontend.specgram.mixes_examples


def _config(
    problem_type: str | None, num_classes: int | None, label2id: Mapping[str, int] | None
) -> Any:
    arguments: dict[str, Any] = {"architectures": ["AudioClassifier"]}
    if problem_type is not None:
        arguments["problem_type"] = problem_type
    if label2id is not None:
        arguments["label2id"] = dict(label2id)
        arguments["id2label"] = {number: name for name, number in label2id.items()}
    elif num_classes is not None:
        arguments["num_labels"] = num_classes
    return PretrainedConfig(**arguments)
