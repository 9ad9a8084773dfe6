"""Reading parts of the items of any data set that can."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Subset


def can_give_parts(dataset: Any) -> bool:
    """Say whether a data set, or the one that a ``Subset`` is of, has ``part`` and ``lengths``."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return hasattr(dataset, "part") and hasattr(type(dataset), "part")


def lengths_of(dataset: Any) -> NDArray[np.int64]:
    """Return the samples a channel of every item."""
    if isinstance(dataset, Subset):
        return lengths_of(dataset.dataset)[np.asarray(dataset.indices, np.int64)]
    return np.asarray(dataset.lengths, np.int64)


def labels_of(dataset: Any) -> NDArray[Any] | None:
    """Return the labels of every item, if the data set tells them."""
    if isinstance(dataset, Subset):
        labels = labels_of(dataset.dataset)
        return None if labels is None else labels[np.asarray(dataset.indices, np.int64)]
    labels = getattr(dataset, "labels", None)
    return None if labels is None else np.asarray(labels)


def part_of(dataset: Any, index: int, start: int, size: int) -> dict[str, Any]:
    """Give an item with ``size`` samples from ``start``, fewer where it ends."""
    while isinstance(dataset, Subset):
        dataset, index = dataset.dataset, int(dataset.indices[index])
    item: dict[str, Any] = dataset.part(index, start, size)
    return item
