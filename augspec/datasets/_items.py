"""Items of a data set in the form in which they are stored."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def split_item(
    item: dict[str, Any], dtype: np.dtype[Any], number: int
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return the samples of an item, ``(channel, time)``, and all else that JSON can hold.

    ``index`` is left out: where an item is stored tells it.
    """
    if "waveform" not in item:
        raise KeyError(f"item {number} must hold a `waveform`, got {sorted(item)}")
    record = {k: _plain(v) for k, v in item.items() if k not in ("waveform", "index")}
    try:
        json.dumps(record)
    except TypeError as error:
        raise TypeError(
            f"item {number} must hold numbers, strings, lists and tensors, got {record} ({error})"
        ) from error
    return _encode(item["waveform"], dtype, number), record


def _encode(waveform: Any, dtype: np.dtype[Any], number: int) -> NDArray[Any]:
    samples: NDArray[Any] = torch.as_tensor(waveform).detach().cpu().numpy()
    if samples.ndim != 2:
        raise ValueError(
            f"`waveform` of item {number} must be (channel, time), got shape {samples.shape}"
        )
    if samples.dtype == dtype:
        return samples
    if dtype.kind == "f":
        return samples.astype(dtype)
    if samples.dtype.kind != "f":
        raise TypeError(f"`waveform` of item {number} must be float or int16, got {samples.dtype}")
    if not (np.abs(samples) <= 1).all():  # NaN is not
        raise ValueError(
            f"`waveform` of item {number} must be within -1 and 1 to be kept as int16, "
            f"got {samples.min()} to {samples.max()}; use dtype='float32'"
        )
    steps: NDArray[Any] = np.minimum(np.rint(samples * 32_768), 32_767).astype(dtype)
    return steps


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def attribute_of(dataset: Any, name: str) -> Any:
    """Give an attribute of a data set, or of the one that a ``Subset`` is taken from, or None."""
    while not hasattr(dataset, name) and hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    return getattr(dataset, name, None)
