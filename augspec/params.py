"""Drawn parameters as data: exact JSON, and selection of examples.

Params are a tree. Those of a transform are a dictionary of tensors whose first dimension is the
batch; those of a chain are a list; those of a front end are a dictionary of the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from augspec.functional.checks import as_whole

__all__ = ["Params", "params_from_json", "params_to_json", "select"]

Params: TypeAlias = dict[str, Any] | list[Any]
Values: TypeAlias = dict[str, Tensor]  # draws of one transform, by name
Labels: TypeAlias = dict[str, Any]  # labels of examples, by name

_MAX_DEPTH = 100  # of lists and objects: a front end of nested choices has about ten
_DTYPES = {"bool": torch.bool, "float32": torch.float32, "int64": torch.int64}


def _map(function: Callable[[Tensor], Any], params: Any) -> Any:
    if isinstance(params, Tensor):
        return function(params)
    if isinstance(params, dict):
        return {name: _map(function, value) for name, value in params.items()}
    if isinstance(params, list):
        return [_map(function, value) for value in params]
    raise TypeError(f"`params` must be made of dict, list and Tensor, got {type(params).__name__}")


def _tensor_to_data(tensor: Tensor) -> dict[str, Any]:
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in _DTYPES:
        raise TypeError(f"`params` must hold {', '.join(_DTYPES)} tensors, got {dtype}")
    return {"dtype": dtype, "shape": list(tensor.shape), "values": tensor.flatten().tolist()}


def params_to_json(params: Params, *, indent: int | None = None) -> str:
    """Write params as JSON; `params_from_json` restores every value exactly.

    Args:
        params: The result of ``make_params``.
        indent: Spaces of indentation; None writes one line.

    Raises:
        TypeError: If ``params`` holds anything but dictionaries, lists and params tensors.
    """
    # A float32 is written as the shortest decimal of its float64 value, which restores it exactly.
    return json.dumps(_map(_tensor_to_data, params), indent=indent)


def _from_data(data: Any, device: torch.device | str | None, place: str, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError(f"`text`: params must not be nested more than {_MAX_DEPTH} deep")
    inside = depth + 1
    if isinstance(data, list):
        return [_from_data(value, device, f"{place}[{i}]", inside) for i, value in enumerate(data)]
    if not isinstance(data, dict):
        raise ValueError(f"`text`: {place} must be an object or a list, got {data!r:.60}")
    if not isinstance(data.get("dtype"), str):
        return {k: _from_data(value, device, f"{place}.{k}", inside) for k, value in data.items()}
    try:
        tensor = torch.tensor(data["values"], dtype=_DTYPES[data["dtype"]], device=device)
        return tensor.reshape(data["shape"])
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"`text`: {place} is not a tensor's record ({error})") from error


def params_from_json(text: str, *, device: torch.device | str | None = None) -> Params:
    """Read params from the JSON of `params_to_json`.

    Args:
        text: The JSON.
        device: Device of the tensors; None is torch's default device.

    Raises:
        ValueError: If ``text`` is not JSON or not a record of params; the message says where.
    """
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"`text` must be JSON, got an error: {error}") from error
    params: Params = _from_data(data, device, "params")
    return params


def select(params: Params, index: int | slice | Sequence[int] | Tensor) -> Params:
    """Select examples from a batch's params; the batch dimension stays.

    Args:
        params: The result of ``make_params``.
        index: One example, a slice, or a sequence or tensor of examples.

    Example:
        >>> import augspec
        >>> gain = augspec.transforms.Gain((-6.0, 6.0))
        >>> params = gain.make_params(torch.zeros(4, 1, 100))
        >>> select(params, [2, 0])["gain_db"].shape
        torch.Size([2])
    """
    one = None if isinstance(index, Tensor) else as_whole(index)
    where: Any = index if one is None else [one]
    where = list(where) if isinstance(where, range | tuple) else where
    taken: Params = _map(lambda tensor: tensor[where], params)
    return taken
