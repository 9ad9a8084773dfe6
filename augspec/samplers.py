"""Samplers for rare classes, over any number of processes, and weights for a loss.

Every process draws the same order from the seed and the epoch, and takes its part of it. An example
that is sampled again gets new draws each time, because `augspec.DeviceLoader` counts visits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, distributed
from torch.utils.data import Sampler

from augspec._described import Described
from augspec.classes import as_count

__all__ = ["BalancedSampler", "WeightedSampler", "class_weights"]

# Rows of labels, or drawn indices, that are converted at a time. A conversion takes several times
# the memory of the values, and there may be millions.
_AT_ONCE = 1024


class WeightedSampler(Described, Sampler[int]):
    """Draw examples with replacement, in proportion to their weights, over several processes.

    It works like ``torch.utils.data.WeightedRandomSampler``, for one or several processes, and is
    reproducible: the order depends on the seed and the epoch, which `augspec.DeviceLoader` sets.

    Args:
        weights: Weight of each example, not negative.
        num_samples: Examples in an epoch of all processes together; None takes the number of
            weights. It is rounded up, so that all processes draw equally many.
        num_replicas: Number of processes; None takes it from ``torch.distributed``.
        rank: Number of this process; None takes it from ``torch.distributed``.
        seed: Seed of the order, the same in every process.

    Raises:
        ValueError: If a weight is negative or not finite, all are 0, or ``rank`` is out of range.

    Example:
        >>> sampler = augspec.samplers.WeightedSampler([0.0, 1.0, 0.0, 1.0], num_samples=6)
        >>> set(sampler) <= {1, 3}, len(sampler)
        (True, 6)
    """

    #: Tells `augspec.DeviceLoader` that processes may draw the same example.
    replacement = True
    _printed = {
        "Indices in an epoch": "num_samples",
        "Processes": "num_replicas",
        "Rank": "rank",
        "Seed": "seed",
    }

    def __init__(
        self,
        weights: ArrayLike | Tensor,
        num_samples: int | None = None,
        *,
        num_replicas: int | None = None,
        rank: int | None = None,
        seed: int = 0,
    ) -> None:
        values = torch.as_tensor(np.asarray(weights), dtype=torch.float64).reshape(-1)
        if not len(values) or not bool((values >= 0).all()) or not 0 < float(values.sum()) < 1e300:
            raise ValueError("`weights` must be non-negative and finite, and not all 0")
        ready = distributed.is_available() and distributed.is_initialized()
        if num_replicas is None:
            num_replicas = distributed.get_world_size() if ready else 1
        if rank is None:
            rank = distributed.get_rank() if ready else 0
        self.num_replicas = as_count("num_replicas", num_replicas, 1)
        self.rank = as_count("rank", rank)
        if self.rank >= self.num_replicas:
            raise ValueError(f"`rank` must be less than `num_replicas`, {num_replicas}, got {rank}")
        total = len(values) if num_samples is None else as_count("num_samples", num_samples, 1)
        self.num_samples = -(-total // self.num_replicas)
        self.seed = int(seed)
        self.epoch = 0
        self._sums = values.cumsum(0)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next order."""
        self.epoch = int(epoch)

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed((self.seed + 1_000_003 * self.epoch) % (1 << 63))
        count = self.num_samples * self.num_replicas
        places = torch.rand(count, generator=generator, dtype=torch.float64)
        # Only this process's part is looked up, which is most of the work.
        places = places[self.rank :: self.num_replicas] * self._sums[-1]
        # A value on a border belongs to the example above it, so that an example of weight 0 is
        # never drawn.
        drawn = torch.searchsorted(self._sums, places, right=True)
        drawn = drawn.clamp(max=int(torch.searchsorted(self._sums, self._sums[-1])))
        return itertools.chain.from_iterable(part.tolist() for part in drawn.split(_AT_ONCE))


class BalancedSampler(WeightedSampler):
    """Draw examples so that every class comes equally often, over several processes.

    With multi-hot labels an example gets the mean weight of its classes, and an example without a
    class the mean weight of all examples with one; the classes are then balanced only
    approximately.

    Args:
        labels: Class of each example, or ``(example, classes)`` with a 1 for each of its classes;
            `augspec.datasets.AudioFolder` has them in ``labels``.
        num_samples: As in `WeightedSampler`.
        num_replicas: As in `WeightedSampler`.
        rank: As in `WeightedSampler`.
        seed: As in `WeightedSampler`.

    Raises:
        ValueError: If ``labels`` has neither form; and as in `WeightedSampler`.

    Example:
        >>> sampler = augspec.samplers.BalancedSampler([0] * 90 + [1] * 10, num_samples=1000)
        >>> 400 < sum(index >= 90 for index in sampler) < 600
        True
    """

    def __init__(
        self,
        labels: ArrayLike | Tensor,
        num_samples: int | None = None,
        *,
        num_replicas: int | None = None,
        rank: int | None = None,
        seed: int = 0,
    ) -> None:
        values = _check_labels(labels)
        inverse = 1.0 / _counts(values).clamp(min=1.0)
        weights = inverse[values] if values.ndim == 1 else _mean_of_classes(values, inverse)
        super().__init__(weights, num_samples, num_replicas=num_replicas, rank=rank, seed=seed)


def class_weights(labels: ArrayLike | Tensor, num_classes: int | None = None) -> Tensor:
    """Return class weights for a loss: rarer classes get larger weights.

    With ``n`` labels in ``c`` classes, a class with ``k`` of them gets ``n / (c * k)``, which is
    ``"balanced"`` in scikit-learn. The mean over the labels is 1 if every class has examples.

    Args:
        labels: As in `BalancedSampler`.
        num_classes: Number of classes; None is the largest class number plus one, or the number of
            columns. A class without examples has weight 0.

    Returns:
        ``(classes,)`` float32, for ``nn.functional.cross_entropy(weight=)`` or
        `augspec.interop.huggingface.AudioClassifier`.

    Raises:
        ValueError: If ``labels`` has neither form, or a label is not below ``num_classes``.

    Example:
        >>> augspec.samplers.class_weights([0, 0, 0, 1])
        tensor([0.6667, 2.0000])
    """
    counts = _counts(_check_labels(labels), num_classes)
    weights = counts.sum() / (len(counts) * counts.clamp(min=1.0))
    return torch.where(counts > 0, weights, 0.0).to(torch.float32)


def _check_labels(labels: Any) -> Tensor:
    """Return class numbers as int64, or ``(example, classes)`` with ones as bool."""
    values = torch.as_tensor(np.asarray(labels))
    if values.ndim == 2:
        return values if values.dtype == torch.bool else values > 0
    if values.ndim != 1 or values.is_floating_point() or not len(values) or bool(values.min() < 0):
        raise ValueError(
            "`labels` must be class numbers from 0, or (example, classes) with ones, got "
            f"{values.dtype} of shape {tuple(values.shape)}"
        )
    return values.long()


def _counts(labels: Tensor, num_classes: int | None = None) -> Tensor:
    """Count the examples of each class, as float64."""
    least = 0 if num_classes is None else as_count("num_classes", num_classes, 1)
    if labels.ndim == 1:
        counts = labels.bincount(minlength=least)
    else:
        counts = torch.zeros(labels.shape[1], dtype=torch.int64)
        for part in labels.split(_AT_ONCE):
            counts += part.sum(0)
    if num_classes is not None and len(counts) != num_classes:
        raise ValueError(
            f"`labels` must have at most `num_classes` classes, {num_classes}, got {len(counts)}"
        )
    return counts.double()


def _mean_of_classes(labels: Tensor, inverse: Tensor) -> Tensor:
    """Return the mean weight of each example's classes; without a class, the mean of all."""
    # The results are made first: small tensors that are made between large ones and kept let the
    # process grow by the size of the large ones.
    own = torch.empty(len(labels), dtype=torch.int64)
    weights = torch.empty(len(labels), dtype=torch.float64)
    for start in range(0, len(labels), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        own[some] = labels[some].sum(1)
        weights[some] = labels[some].double() @ inverse
    weights = weights / own.clamp(min=1)
    if not bool((own > 0).any()):
        return torch.ones_like(weights)
    return torch.where(own > 0, weights, weights[own > 0].mean())
