"""Mean and standard deviation of a data set's features."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Statistics(NamedTuple):
    """Arguments of `augspec.features.Normalize`: one number each, or one for each bin."""

    mean: float | list[float]
    std: float | list[float]


def mean_std(
    dataset: Dataset[dict[str, Any]],
    features: nn.Module,
    *,
    per_bin: bool = False,
    batch_size: int = 32,
    workers: int = 0,
    device: torch.device | str = "cpu",
) -> Statistics:
    """Compute mean and standard deviation of the features of a whole data set, in one pass.

    Items may have different lengths: padding is ignored. Sums are in float64; the result does not
    depend on the size of the batches.

    Args:
        dataset: The training set.
        features: One of `augspec.features`, or several in a ``Sequential``; or a
            `augspec.Frontend`, of which only the features are used.
        per_bin: Give one number for each bin instead of one for all.
        batch_size: Number of items to compute at a time.
        workers: Processes that decode; 0 decodes in this one.
        device: Where to compute.

    Raises:
        ValueError: If ``dataset`` is empty or a feature is not finite.

    Example:
        >>> from augspec import features as F
        >>> from augspec.datasets import GMNotes, mean_std
        >>> notes = torch.utils.data.Subset(GMNotes("valid"), range(0, 240, 40))
        >>> log_mel = F.LogMelSpectrogram(16_000, n_mels=40)
        >>> normalized = torch.nn.Sequential(log_mel, F.Normalize(*mean_std(notes, log_mel)))
    """
    from augspec.frontend import Frontend  # here, because it imports this package

    frontend = Frontend(features=getattr(features, "features", features)).to(device).eval()
    loader = DataLoader(dataset, int(batch_size), num_workers=int(workers), collate_fn=_waveforms)
    count, mean, square = torch.zeros(3, 1, dtype=torch.float64).unbind()
    for batch in loader:
        with torch.no_grad():
            made = frontend(batch["waveform"].to(device), batch["lengths"].to(device))
        values = _valid(*made).to("cpu", torch.float64)  # (bins, values)
        values = values if per_bin else values.reshape(1, -1)
        # Chan, Golub and LeVeque, "Updating formulae", 1979: exact where the mean is far from 0.
        own, own_mean = values.shape[1], values.mean(1)
        difference, total = own_mean - mean, count + own
        square = square + (values - own_mean[:, None]).square().sum(1)
        square = square + difference.square() * count * own / total
        mean, count = mean + difference * own / total, total
    if count == 0:
        raise ValueError("`dataset` must hold at least one item")
    std = (square / count).sqrt()
    if not (mean.isfinite() & std.isfinite()).all():
        raise ValueError(f"`features` must be finite, got mean {mean} and deviation {std}")
    if per_bin:
        return Statistics(mean.tolist(), std.tolist())
    return Statistics(float(mean), float(std))


def _valid(specgram: Tensor, lengths: Tensor) -> Tensor:
    """Return the values of all frames outside the padding, ``(freq, value)``."""
    inside = torch.arange(specgram.shape[-1], device=lengths.device) < lengths[:, None]
    frames = specgram.permute(2, 0, 3, 1)[:, inside]  # (freq, frames, channel)
    return frames.flatten(1)


def _waveforms(items: list[dict[str, Any]]) -> dict[str, Any]:
    from augspec.batches import collate

    kept = ("waveform", "lengths")
    return collate([{name: item[name] for name in kept if name in item} for item in items])
