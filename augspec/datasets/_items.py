"""The stored form of a data set's items."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Subset

#: Key of a record that lists which of its values were tensors, with dtype and shape. A multi-hot
#: label that was read back as a list would be collated class by class.
TENSORS = "__tensors__"

_DTYPES = {
    name: getattr(torch, name)
    for name in ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8")
} | {"bool": torch.bool}


def split_item(
    item: dict[str, Any], dtype: np.dtype[Any], number: int, over: str = "raise"
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return the samples of an item, ``(channel, time)``, and its other values as JSON data.

    ``index`` is left out, because it follows from the item's position.
    """
    if "waveform" not in item:
        raise KeyError(f"item {number} must hold a `waveform`, got {sorted(item)}")
    others = {name: value for name, value in item.items() if name not in ("waveform", "index")}
    record = {name: _plain(value) for name, value in others.items()}
    tensors = {name: kind for name, value in others.items() if (kind := _kind(value))}
    if tensors:
        record[TENSORS] = tensors
    try:
        json.dumps(record)
    except TypeError as error:
        raise TypeError(
            f"item {number} must hold numbers, strings, lists and tensors, got {record} ({error})"
        ) from error
    return _encode(item["waveform"], dtype, number, over), record


def restore(record: dict[str, Any]) -> dict[str, Any]:
    """Convert values of a record of `split_item` back to tensors.

    Raises:
        ValueError: If the record has another form.
    """
    if type(record) is not dict:
        raise ValueError(f"a record must be a JSON object, got {type(record).__name__}")
    tensors = record.pop(TENSORS, None)
    if tensors is None:
        return record
    try:
        for name, (dtype, shape) in tensors.items():
            record[name] = torch.tensor(record[name], dtype=_DTYPES[dtype]).reshape(shape)
    except (AttributeError, KeyError, OverflowError, RuntimeError, TypeError) as error:
        raise ValueError(f"{TENSORS} must list the tensors of the record ({error!r})") from error
    return record


def _kind(value: Any) -> list[Any] | None:
    """Return dtype and shape of a tensor or array with at least one dimension, else ``None``."""
    if not isinstance(value, Tensor | np.ndarray) or value.ndim == 0:
        return None
    dtype = str(value.dtype).removeprefix("torch.")
    return [dtype, list(value.shape)] if dtype in _DTYPES else None


def _encode(waveform: Any, dtype: np.dtype[Any], number: int, over: str) -> NDArray[Any]:
    samples: NDArray[Any] = torch.as_tensor(waveform).detach().cpu().numpy()
    if samples.ndim != 2:
        raise ValueError(
            f"`waveform` of item {number} must be (channel, time), got shape {samples.shape}"
        )
    if not len(samples):
        raise ValueError(
            f"`waveform` of item {number} must have a channel or more, got shape {samples.shape}"
        )
    if samples.dtype == dtype:
        return samples
    if dtype.kind == "f":
        return samples.astype(dtype)
    if samples.dtype.kind != "f":
        raise TypeError(f"`waveform` of item {number} must be float or int16, got {samples.dtype}")
    peak = float(np.abs(samples).max(initial=0.0))
    if not peak <= 1.0:  # NaN is not
        if over == "raise" or not np.isfinite(peak):
            raise ValueError(
                f"`waveform` of item {number} must be within -1 and 1 to be stored as int16, got "
                f"{samples.min()} to {samples.max()}; pass over='clip' to clip it, as players do "
                f"with a loud mp3, or dtype='float32' to keep it"
            )
        samples = samples.clip(-1.0, 1.0)
    steps: NDArray[Any] = np.minimum(np.rint(samples * 32_768), 32_767).astype(dtype)
    return steps


def check_over(over: str) -> str:
    """Check the argument for samples beyond full scale."""
    if over not in ("raise", "clip"):
        raise ValueError(f"`over` must be raise or clip, got {over!r}")
    return over


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def attribute_of(dataset: Any, name: str) -> Any:
    """Return an attribute of a data set, or of a ``Subset``'s data set, or None."""
    while not hasattr(dataset, name) and hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    return getattr(dataset, name, None)


def fingerprint_of(dataset: Any, index: int) -> str | None:
    """Identify an item without decoding it, if the data set has ``fingerprint``."""
    while isinstance(dataset, Subset) and not hasattr(dataset, "fingerprint"):
        dataset, index = dataset.dataset, dataset.indices[index]
    own = dataset.fingerprint(index) if hasattr(dataset, "fingerprint") else None
    return None if own is None else str(own)
