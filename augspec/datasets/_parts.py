"""Reading parts of the items of data sets that support it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Subset


def can_give_parts(dataset: Any) -> bool:
    """Return whether a data set, or a ``Subset``'s, has ``part`` and ``lengths``."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return hasattr(dataset, "part") and hasattr(type(dataset), "part")


def lengths_of(dataset: Any) -> NDArray[np.int64]:
    """Return the samples per channel of every item."""
    if isinstance(dataset, Subset):
        return lengths_of(dataset.dataset)[np.asarray(dataset.indices, np.int64)]
    return np.asarray(dataset.lengths, np.int64)


def labels_of(dataset: Any) -> NDArray[Any] | None:
    """Return the labels of every item, or None if the data set has none."""
    if isinstance(dataset, Subset):
        labels = labels_of(dataset.dataset)
        return None if labels is None else labels[np.asarray(dataset.indices, np.int64)]
    labels = getattr(dataset, "labels", None)
    return None if labels is None else np.asarray(labels)


def part_of(dataset: Any, index: int, start: int, size: int) -> dict[str, Any]:
    """Return an item with ``size`` samples from ``start``, fewer at its end."""
    while isinstance(dataset, Subset):
        dataset, index = dataset.dataset, int(dataset.indices[index])
    item: dict[str, Any] = dataset.part(index, start, size)
    return item
