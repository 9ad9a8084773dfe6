"""Hugging Face: waveforms from ``datasets``, and a model and a collator for ``Trainer``."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import soundfile
import torch
from torch import Tensor, nn

from augspec import functional
from augspec.batches import Batch, add_specgram, collate
from augspec.frontend import Frontend
from augspec.random import example_keys, fresh_keys

try:
    import datasets
    from transformers import TrainerCallback
except ImportError as error:
    raise ImportError(
        "augspec.interop.huggingface needs datasets and transformers: "
        'pip install "augspec[frameworks]"'
    ) from error

__all__ = ["AudioClassifier", "Collator", "EpochCallback", "with_waveform"]


def with_waveform(dataset: Any, sample_rate: int, audio: str = "audio") -> Any:
    """Give a ``datasets.Dataset`` whose rows have ``waveform`` and ``index``.

    Files and bytes are decoded by soundfile when a row is read (``Audio(decode=False)`` and
    ``with_transform``), so that torchcodec is not needed, and resampled where they have another
    rate. ``index`` is a column: it stays with its row through ``shuffle``, ``select`` and
    ``train_test_split``, and so does the augmentation.

    Args:
        dataset: A map-style data set with a column of audio; an ``index`` column of its own is
            kept.
        sample_rate: Sample rate of the waveforms in Hz.
        audio: Name of the column: an ``Audio`` feature, or paths.

    Returns:
        The data set; a row has ``waveform`` ``(channel, time)`` in place of ``audio``.

    Raises:
        TypeError: If ``dataset`` is no ``datasets.Dataset``; take the splits of a ``DatasetDict``
            one by one.
        ValueError: If it has no such column. Reading a row raises it if its audio cannot be
            decoded.
    """
    if not isinstance(dataset, datasets.Dataset):
        raise TypeError(f"`dataset` must be a datasets.Dataset, got {type(dataset).__name__}")
    if audio not in dataset.column_names:
        raise ValueError(f"`audio` must be one of {dataset.column_names}, got {audio!r}")
    dataset = dataset.cast_column(audio, datasets.Audio(decode=False))
    if "index" not in dataset.column_names:
        dataset = dataset.add_column("index", list(range(len(dataset))))
    return dataset.with_transform(_Decoder(sample_rate, audio))


class _Decoder:
    """The transform of `with_waveform`: columns of some rows in, columns out."""

    def __init__(self, sample_rate: int, audio: str) -> None:
        self.sample_rate = sample_rate
        self.audio = audio

    def __call__(self, rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        if self.audio not in rows:
            raise KeyError(
                f"rows must have `{self.audio}`, got {sorted(rows)}; a Trainer drops it unless its "
                "TrainingArguments have remove_unused_columns=False"
            )
        others = {name: values for name, values in rows.items() if name != self.audio}
        waveforms = [_decode(item, self.sample_rate) for item in rows[self.audio]]
        return {"waveform": waveforms, **others}


def _decode(item: Mapping[str, Any], sample_rate: int) -> Tensor:
    source = item["path"] if item["bytes"] is None else io.BytesIO(item["bytes"])
    try:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{item['path'] or 'bytes'} cannot be decoded: {error}") from error
    waveform = torch.from_numpy(samples.T.copy())
    if rate == sample_rate:
        return waveform
    # Eagerly: a kernel would compile anew for every length of file.
    with torch.compiler.set_stance("force_eager"):
        return functional.resample_rate(waveform[None], rate, sample_rate)[0]


class Collator:
    """Collate rows into what `AudioClassifier` takes; a ``data_collator`` for ``Trainer``.

    Waveforms are padded by `augspec.collate`. Besides them only ``index`` and the label are kept:
    a ``Trainer`` gives its model everything that the collator gives.

    Args:
        label: Name of the label's column; rows without it serve for prediction.
        size: Samples to pad to; see `augspec.collate`.
    """

    def __init__(self, label: str = "label", size: int | None = None) -> None:
        self.label = label
        self.size = size

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> Batch:
        """Collate the examples of a batch."""
        names = ("waveform", "lengths", "index", self.label)
        kept = [{name: row[name] for name in names if name in row} for row in examples]
        batch = collate(kept, self.size)
        if self.label in batch:
            batch["labels"] = batch.pop(self.label)
        return batch


class AudioClassifier(nn.Module):
    """A front end and a classifier in one model that takes waveforms, as ``Trainer`` wants it.

    The spectrogram is made on the model's device, augmented in ``train()`` and plain in ``eval()``.
    Each example's augmentation depends on ``seed``, ``epoch`` and its ``index`` alone;
    `EpochCallback` sets the epoch. The front end adds nothing to the ``state_dict``.

    Args:
        frontend: Makes the spectrogram.
        model: Takes ``(batch, channel, freq, frame)`` and returns logits, or an output that has
            ``logits``, as transformers' image classifiers do.
        seed: Seed of the augmentation.
        num_classes: Number of classes, needed where the front end mixes examples.
    """

    def __init__(
        self, frontend: Frontend, model: nn.Module, *, seed: int = 0, num_classes: int | None = None
    ) -> None:
        super().__init__()
        self.frontend = frontend
        self.model = model
        self.seed = seed
        self.num_classes = num_classes
        self.epoch = 0

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
            index: Place of each example in the data set; without it torch's default generator
                draws the augmentation.
            labels: ``(batch,)`` int64 or ``(batch, classes)``.

        Returns:
            ``logits`` ``(batch, classes)``, and with ``labels`` ``loss``, the cross entropy.
        """
        batch: Batch = {"waveform": waveform}
        if lengths is not None:
            batch["lengths"] = lengths
        if labels is not None:
            batch["label"] = labels
        if index is None:
            keys = fresh_keys(len(waveform), waveform.device)
        else:
            keys = example_keys(self.seed, self.epoch, index)
        self.frontend.set_epoch(self.epoch)
        batch = add_specgram(batch, self.frontend, keys, num_classes=self.num_classes)
        output: Any = self.model(batch["specgram"])
        logits: Tensor = getattr(output, "logits", output)
        if labels is None:
            return {"logits": logits}
        return {"loss": nn.functional.cross_entropy(logits, batch["label"]), "logits": logits}


class EpochCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Tell an `AudioClassifier` the epoch; one of the ``callbacks`` of a ``Trainer``."""

    def on_epoch_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **others: Any
    ) -> None:
        """Set the epoch, counted from 0."""
        for module in model.modules():
            if isinstance(module, AudioClassifier):
                module.epoch = int(state.epoch or 0.0)
