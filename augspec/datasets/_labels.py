"""The labels of a data set's items: one per item, or several as multi-hot vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augspec.datasets._class_names import class_numbers


class Labels:
    """The class numbers of every item in one array.

    A dense matrix of a million items and 500 classes would take gigabytes.

    Args:
        numbers: Class numbers of each item; one per item unless ``is_multi_hot``.
        count: Number of classes.
        is_multi_hot: Whether an item may have several labels, or none.
    """

    def __init__(self, numbers: Sequence[Sequence[int]], count: int, is_multi_hot: bool) -> None:
        self.is_multi_hot = is_multi_hot
        self._count = count
        self._ends = np.cumsum([len(own) for own in numbers])
        self._numbers = np.array([number for own in numbers for number in own], np.int64)

    def array(self) -> NDArray[Any]:
        """Return the labels of all items: int64, or float32 ``(items, classes)``."""
        if not self.is_multi_hot:
            return self._numbers
        labels = np.zeros((len(self._ends), self._count), np.float32)
        counts = np.diff(self._ends, prepend=0)
        labels[np.repeat(np.arange(len(self._ends)), counts), self._numbers] = 1.0
        return labels

    def of(self, index: int) -> int | Tensor:
        """Return the label of an item: an int, or a float32 tensor ``(classes,)``."""
        numbers = self._numbers[self._ends[index - 1] if index else 0 : self._ends[index]]
        if not self.is_multi_hot:
            return int(numbers[0])
        label = torch.zeros(self._count)
        label[numbers] = 1.0
        return label


def number_labels(
    names: Sequence[Sequence[str]], classes: Sequence[str] | None, said: Callable[[int], str]
) -> tuple[list[str], list[list[int]]]:
    """Return the classes, and the numbers of the labels of each item.

    Args:
        names: Names of the labels of each item.
        classes: All classes, in the order of their numbers; the names, sorted, by default.
        said: Name of an item in an error, by its index.

    Raises:
        TypeError: If ``classes`` is one string.
        ValueError: If ``classes`` has a name twice, or a name is not in it.
    """
    flat = [(place, name) for place, own in enumerate(names) for name in own]
    if not flat and classes is None:
        return [], [[] for _ in names]
    order, numbers = class_numbers(
        [name for _, name in flat], classes, lambda at: said(flat[at][0])
    )
    numbered: list[list[int]] = [[] for _ in names]
    for (place, _), number in zip(flat, numbers.tolist(), strict=True):
        numbered[place].append(number)
    return order, numbered


def split_names(text: str, separator: str) -> list[str]:
    """Return the names between separators, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(separator) if name.strip()))
