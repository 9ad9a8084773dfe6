"""Numbers of classes from their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from augspec._names import listing


def class_numbers(
    names: Sequence[str], classes: Iterable[str] | None, said: Callable[[int], str]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the classes and the number of each name.

    Args:
        names: Name of the class of each item.
        classes: All classes, in the order of their numbers; the names, sorted, by default.
        said: Name of an item in an error, by its index.

    Raises:
        TypeError: If ``classes`` is one string.
        ValueError: If ``classes`` has a name twice, or a name is not in it.
    """
    order = sorted(set(names)) if classes is None else check_classes(classes)
    number = {name: place for place, name in enumerate(order)}
    for place, name in enumerate(names):
        if name not in number:
            raise ValueError(
                f"`classes` must contain the label of every item, but {said(place)} has {name!r}; "
                f"it has {listing([*map(repr, order)])}"
            )
    return order, np.array([number[name] for name in names], np.int64)


def check_classes(classes: Iterable[str]) -> list[str]:
    """Return the names of classes as plain strings."""
    if isinstance(classes, str):
        raise TypeError(f"`classes` must be a list of names, got the string {classes!r}")
    order = [str(name) for name in classes]
    twice = [name for name, count in Counter(order).items() if count > 1]
    if twice:
        raise ValueError(f"`classes` must contain each name once, got {twice[0]!r} again")
    if not order:
        raise ValueError("`classes` must have at least one name, got none")
    return order
