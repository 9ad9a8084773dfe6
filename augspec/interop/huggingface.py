"""Hugging Face: waveforms from ``datasets``, and a model and a collator for ``Trainer``."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from augspec import functional
from augspec.batches import Batch, collate
from augspec.classes import check_classes, classes_of
from augspec.datasets._containers import HEAD, foreign, read_head
from augspec.interop._audio_classifier import AudioClassifier

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
    """Return a Hugging Face data set whose rows have ``waveform`` and ``index``.

    When a row is read, soundfile decodes its file or bytes (``Audio(decode=False)`` and
    ``with_transform``), so that torchcodec is not needed; other rates are resampled. ``index`` is a
    column: it stays with its row through ``shuffle``, ``select`` and ``train_test_split``, and so
    does the augmentation. A streamed data set has no row numbers; its ``index`` is a hash of the
    audio's bytes, or of the path of a file.

    Args:
        dataset: A ``Dataset``, an ``IterableDataset`` (``streaming=True``), or a dictionary of
            either, with a column of audio; an existing ``index`` column is kept.
        sample_rate: Sample rate of the waveforms in Hz.
        audio: Name of the column: an ``Audio`` feature, or paths.

    Returns:
        The data set; a row has ``waveform`` ``(channel, time)`` instead of ``audio``.

    Raises:
        TypeError: If ``dataset`` is none of those.
        ValueError: If the column is missing, or an ``index`` occurs twice. Reading a row raises it
            if its audio cannot be decoded.
    """
    if isinstance(dataset, datasets.DatasetDict | datasets.IterableDatasetDict):
        splits = {name: with_waveform(own, sample_rate, audio) for name, own in dataset.items()}
        return type(dataset)(splits)
    if not isinstance(dataset, datasets.Dataset | datasets.IterableDataset):
        raise TypeError(
            f"`dataset` must be a datasets.Dataset, got {type(dataset).__name__}; streamed data "
            f"sets and dictionaries of splits are also accepted"
        )
    names = dataset.column_names
    if names is not None and audio not in names:
        raise ValueError(f"`audio` must be one of {names}, got {audio!r}")
    if isinstance(dataset, datasets.IterableDataset):
        if names is not None:
            dataset = dataset.cast_column(audio, datasets.Audio(decode=False))
        return dataset.map(_StreamDecoder(sample_rate, audio), remove_columns=[audio])
    dataset = dataset.cast_column(audio, datasets.Audio(decode=False))
    if "index" not in dataset.column_names:
        dataset = dataset.add_column("index", list(range(len(dataset))))
    else:
        _check_distinct(dataset["index"])
    return dataset.with_transform(_Decoder(sample_rate, audio))


def _check_distinct(index: Sequence[int]) -> None:
    values, counts = np.unique(np.asarray(index), return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"`index` {values[counts > 1][0]} belongs to several rows, which would get the same "
            'draws: remove the column with dataset.remove_columns("index") to get a new one'
        )


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


class _StreamDecoder:
    """The function of `with_waveform` for one streamed row."""

    def __init__(self, sample_rate: int, audio: str) -> None:
        self.sample_rate = sample_rate
        self.audio = audio

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        item = row[self.audio]
        item = {"path": item, "bytes": None} if isinstance(item, str) else item
        content = item["bytes"] if item["bytes"] is not None else str(item["path"]).encode()
        number = hashlib.blake2b(content, digest_size=8).digest()
        index = int.from_bytes(number, "little", signed=True)
        return {"waveform": _decode(item, self.sample_rate), "index": row.get("index", index)}


def _decode(item: Mapping[str, Any], sample_rate: int) -> Tensor:
    source = item["path"] if item["bytes"] is None else io.BytesIO(item["bytes"])
    try:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(
            f"{item['path'] or 'bytes'} cannot be decoded: {error}" + _remedy(item)
        ) from error
    waveform = torch.from_numpy(samples.T.copy())
    if rate == sample_rate:
        return waveform
    # Keep kernels eager: they would compile again for every length of file.
    with torch.compiler.set_stance("force_eager"):
        return functional.resample_rate(waveform[None], rate, sample_rate)[0]


def _remedy(item: Mapping[str, Any]) -> str:
    """Return the advice for audio of a format that soundfile does not read."""
    try:
        head = (
            read_head(Path(item["path"])) if item["bytes"] is None else bytes(item["bytes"][:HEAD])
        )
    except OSError:
        return ""
    container = foreign(head)
    if container is None:
        return ""
    return f"; it is {container.name}, which soundfile does not read: convert it to flac or wav"


class Collator:
    """Collate rows to the input of `AudioClassifier`; a ``data_collator`` for ``Trainer``.

    Waveforms are padded by `augspec.collate`. Only ``index`` and the label are kept besides,
    because a ``Trainer`` passes all keys of the collator to its model. A label that is a list of
    numbers, one for each class, stays one row of ``labels``.

    Args:
        label: Name of the label's column; rows without it are for prediction.
        size: Samples to pad to; see `augspec.collate`.
        label2id: Number of each label, for a column of names.

    Raises:
        ValueError: While collating, if a label is a name that ``label2id`` lacks.
    """

    def __init__(
        self,
        label: str = "label",
        size: int | None = None,
        label2id: Mapping[str, int] | None = None,
    ) -> None:
        self.label = label
        self.size = size
        self.label2id = label2id

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> Batch:
        """Collate the examples of a batch."""
        names = ("waveform", "lengths", "index")
        kept = [{name: row[name] for name in names if name in row} for row in examples]
        for row, example in zip(kept, examples, strict=True):
            if self.label in example:
                row["label"] = self._number(example[self.label])
        batch = collate(kept, self.size)
        if "label" in batch:
            batch["labels"] = batch.pop("label")
        return batch

    def _number(self, label: Any) -> Any:
        if not isinstance(label, str):
            return label
        if self.label2id is None or label not in self.label2id:
            raise ValueError(
                f"`{self.label}` must hold numbers, got {label!r}: pass Collator a label2id that "
                f"has it, or make the column a ClassLabel with dataset.class_encode_column"
            )
        return self.label2id[label]


class EpochCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Set the epoch of an `AudioClassifier`; one of the ``callbacks`` of a ``Trainer``.

    If the data sets of training and evaluation have a ``ClassLabel``, it also compares the class
    names and raises a ``ValueError`` if they differ.
    """

    def on_epoch_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **others: Any
    ) -> None:
        """Set the epoch, counted from 0."""
        for module in model.modules():
            if isinstance(module, AudioClassifier):
                module.set_epoch(int(state.epoch or 0.0), others.get("train_dataloader"))

    def on_prediction_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Compare the classes of training and evaluation."""
        loaders = [others.get("train_dataloader"), others.get("eval_dataloader")]
        train, valid = (classes_of(getattr(loader, "dataset", None)) for loader in loaders)
        if train is not None and valid is not None:
            check_classes(train, valid)
