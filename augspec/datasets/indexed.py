"""Numbering the items of any data set, and naming the parts of tuples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils.data import Dataset

from augspec._described import Described
from augspec.classes import classes_of
from augspec.datasets._items import attribute_of

__all__ = ["Indexed"]


class Indexed(Described, Dataset[dict[str, Any]]):
    """Return the items of a data set as dictionaries with ``index``, their position in it.

    `augspec.DeviceLoader` needs both. The items of a ``ConcatDataset`` get distinct numbers: each
    of its data sets counts from 0, and two examples with the same number would get the same draws.
    An existing ``index`` of the items is replaced.

    Args:
        dataset: Data set with a length, whose items are dictionaries or tuples.
        names: Names of the parts of a tuple, in its order; ``None`` leaves a part out.

    Attributes:
        classes: Those of ``dataset``, if it has them.
        sample_rate: That of ``dataset``, if it has one.

    Raises:
        ValueError: If the data sets of a ``ConcatDataset`` number their classes differently.
        TypeError: Reading an item raises it if the item is a tuple and ``names`` does not fit, or
            if it is neither a tuple nor a dictionary.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> pairs = TensorDataset(torch.zeros(4, 1, 100), torch.arange(4))
        >>> notes = augspec.datasets.Indexed(pairs, names=("waveform", "label"))
        >>> notes[2]["index"], sorted(notes[2])
        (2, ['index', 'label', 'waveform'])
    """

    def __init__(self, dataset: Any, names: Sequence[str | None] | None = None) -> None:
        self.dataset = dataset
        self.names = None if names is None else tuple(names)
        classes, sample_rate = classes_of(dataset), attribute_of(dataset, "sample_rate")
        # The attributes are missing if they are not known, so that hasattr works.
        if classes is not None:
            self.classes = classes
        if sample_rate is not None:
            self.sample_rate = sample_rate

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        place = range(len(self))[index]
        item = self.dataset[place]
        if isinstance(item, Mapping):
            return {**item, "index": place}
        if not isinstance(item, tuple | list):
            raise TypeError(f"items must be dictionaries or tuples, got {type(item).__name__}")
        if self.names is None or len(self.names) != len(item):
            raise TypeError(f"`names` must name the {len(item)} parts of an item, got {self.names}")
        named = zip(self.names, item, strict=True)
        return {**{name: part for name, part in named if name is not None}, "index": place}
