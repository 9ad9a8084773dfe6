"""Splits that keep the examples of a group in one part."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray


def split_by_group(
    groups: ArrayLike, labels: ArrayLike | None = None, *, valid: float = 0.2, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split examples in two so that no group (an instrument, a speaker) is in both parts.

    Accuracy on instruments from the training set says little about other instruments. Groups are
    sorted by a hash of their names and the seed, so that adding examples to a group does not move
    other examples. With ``labels`` the fraction holds for the groups of each label; a label with at
    least two groups has groups in both parts, and a label with one group has it in the first.

    Args:
        groups: Name or number of the group of every example.
        labels: Label of every example; a group has the label of its first example.
        valid: Fraction of the groups in the second part, between 0 and 1.
        seed: Another seed gives another split.

    Returns:
        Indices of the examples of the first part and of the second, ascending.

    Raises:
        ValueError: If ``valid`` is not between 0 and 1 or ``labels`` and ``groups`` differ in
            length.

    Example:
        >>> split_by_group(["oboe", "oboe", "viola", "horn", "viola"], valid=0.34)
        (array([2, 3, 4]), array([0, 1]))
    """
    if not 0 < valid < 1:
        raise ValueError(f"`valid` must be between 0 and 1, got {valid}")
    codes, of_label = _groups_of_labels(groups, labels, seed)
    held: list[int] = []
    for mine in of_label:
        wanted = round(valid * len(mine))
        held += mine[: min(max(wanted, 1), len(mine) - 1)]
    second = np.isin(codes, held)
    return np.flatnonzero(~second), np.flatnonzero(second)


def folds_by_group(
    groups: ArrayLike, labels: ArrayLike | None = None, *, folds: int = 5, seed: int = 0
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split examples into folds for cross-validation; each group is in one fold.

    Groups are sorted by a hash of their names and the seed, and assigned to the folds in turn,
    label by label. So the numbers of groups, in total and per label, differ by at most one between
    folds. Adding examples to a group does not move other examples.

    Args:
        groups: Name or number of the group of every example, such as the speaker.
        labels: Label of every example; a group has the label of its first example.
        folds: Number of folds.
        seed: Another seed gives other folds.

    Returns:
        For each fold the indices of the training examples and of the validation examples,
        ascending.

    Raises:
        ValueError: If ``folds`` is not from 2 to the number of groups, or ``labels`` and ``groups``
            differ in length.

    Example:
        >>> folds_by_group(["oboe", "oboe", "viola", "horn", "viola"], folds=3)[0]
        (array([2, 3, 4]), array([0, 1]))
    """
    codes, of_label = _groups_of_labels(groups, labels, seed)
    order = [group for mine in of_label for group in mine]
    if not 2 <= folds <= len(order):
        raise ValueError(
            f"`folds` must be from 2 to the number of groups, {len(order)}, got {folds}"
        )
    fold = np.empty(len(order), np.int64)
    fold[order] = np.arange(len(order)) % folds
    held = [fold[codes] == number for number in range(folds)]
    return [(np.flatnonzero(~valid), np.flatnonzero(valid)) for valid in held]


def _groups_of_labels(
    groups: ArrayLike, labels: ArrayLike | None, seed: int
) -> tuple[NDArray[np.int64], list[list[int]]]:
    """Number the groups; return each example's number, and each label's numbers sorted by hash."""
    names, first, codes = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    label = np.zeros(len(codes), np.int64) if labels is None else np.asarray(labels)
    if label.ndim > 1:
        raise ValueError(
            f"`labels` must be one label per example, got shape {label.shape}; do not pass "
            f"multi-hot labels"
        )
    if label.shape != codes.shape:
        raise ValueError(f"`labels` must be as many as `groups`, {len(codes)}, got {len(label)}")
    order = sorted(range(len(names)), key=lambda group: _hash(str(names[group]), seed))
    values, label_of = np.unique(label[first], return_inverse=True)
    of_label: list[list[int]] = [[] for _ in values]
    for group in order:
        of_label[label_of[group]].append(group)
    return codes, of_label


def _hash(name: str, seed: int) -> bytes:
    # The name of a file need not be UTF-8.
    text = f"{seed}/{name}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).digest()
