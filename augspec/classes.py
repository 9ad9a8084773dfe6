"""The names of the classes of a data set, and whether those of two data sets agree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch.utils.data import ConcatDataset

from augspec.functional.checks import as_whole

__all__ = ["as_count", "check_classes", "check_num_classes", "classes_of"]


def classes_of(dataset: Any) -> list[str] | None:
    """Return the ``classes`` of a data set, or of the data set inside a ``Subset`` or similar.

    A ``datasets.Dataset`` of Hugging Face has them in the feature ``label``.

    Returns:
        The names in the order of their numbers; None if the data set has none.

    Raises:
        ValueError: If the data sets of a ``ConcatDataset`` number their classes differently.
    """
    while not hasattr(dataset, "classes") and hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    if isinstance(dataset, ConcatDataset):
        told = [names for part in dataset.datasets if (names := classes_of(part)) is not None]
        for names in told[1:]:
            check_classes(told[0], names, "the first data set", "another one")
        return told[0] if told else None
    features = getattr(dataset, "features", None)
    columns = features if isinstance(features, dict) else {}
    of_label = next((columns[name] for name in ("label", "labels") if name in columns), None)
    names = getattr(dataset, "classes", getattr(of_label, "names", None))
    return [str(name) for name in names] if isinstance(names, Iterable) else None


def check_classes(
    own: list[str], other: list[str], first: str = "train", second: str = "valid"
) -> None:
    """Raise a ValueError unless two data sets give the same numbers to the same classes."""
    if own == other:
        return
    pairs = zip(own, other, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(own), len(other)))
    names = [repr(names[place]) if place < len(names) else "no class" for names in (own, other)]
    raise ValueError(
        f"`classes` must be the same: number {place} is {names[0]} in {first} and {names[1]} in "
        f"{second}; give both data sets the classes of the first, classes=train.classes"
    )


def check_num_classes(dataset: Any, num_classes: int | None) -> None:
    """Raise a ValueError if a data set has another number of classes than the model."""
    names = None if num_classes is None else classes_of(dataset)
    if names is not None and len(names) != num_classes:
        raise ValueError(
            f"`num_classes` must be the number of classes of the data set, {len(names)} "
            f"({', '.join(names[:5])}{', ...' if len(names) > 5 else ''}), got {num_classes}; if "
            f"the data set lacks some classes, open it with classes=train.classes"
        )


def as_count(name: str, value: Any, at_least: int = 0) -> int:
    """Convert an integer of Python, NumPy or torch to a Python int.

    Raises:
        TypeError: If it is not an integer.
        ValueError: If it is less than ``at_least``.
    """
    number = as_whole(value)
    if number is None:
        raise TypeError(f"`{name}` must be an int, got {value!r}")
    if number < at_least:
        raise ValueError(f"`{name}` must be {at_least} or more, got {value}")
    return number
