"""Labels and drawn parameters in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from augspec.frontend import Frontend
from augspec.transforms.choice import SomeOf
from augspec.transforms.policy import RandAugment

__all__ = ["describe_label", "describe_params"]

# Classes with less weight than this are left out of a title.
_LEAST_WEIGHT = 0.005
# Characters of a line: as many as fit above one of several spectrograms.
_WIDTH = 32


def describe_label(label: Any, classes: Sequence[str] | None = None) -> str:
    """Name a label: a class, or the classes of ``(classes,)`` weights with their weights."""
    values = torch.as_tensor(label)
    if values.ndim == 0:
        return _class_name(int(values), classes)
    weights = {place: float(weight) for place, weight in enumerate(values)}
    kept = sorted((-weight, place) for place, weight in weights.items() if weight >= _LEAST_WEIGHT)
    if len(kept) == 1:
        return _class_name(kept[0][1], classes)
    return " + ".join(f"{-weight:.2f} {_class_name(place, classes)}" for weight, place in kept)


def _class_name(place: int, classes: Sequence[str] | None) -> str:
    return str(place) if classes is None else str(classes[place])


def describe_params(transform: nn.Module, params: Any) -> str:
    """Describe one example's params, one line per transform.

    Args:
        transform: The transform, chain or front end that drew them.
        params: The params of one example, batch dimension 1.
    """
    return "\n".join(_lines(transform, params))


def _lines(transform: Any, params: Any) -> Iterator[str]:
    if isinstance(transform, Frontend):
        yield from _lines(transform.waveform, params["waveform"])
        yield from _lines(transform.specgram, params["specgram"])
    elif isinstance(params, list):
        for part, own in zip(transform, params, strict=True):
            yield from _lines(part, own)
    elif "options" in params and bool(params["applied"]):
        for part, own in _chosen(transform, params):
            yield from _lines(part, own)
    else:
        yield from _wrap(f"{type(transform).__name__}:", _values(transform, params))


def _chosen(transform: Any, params: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Return the transforms that were applied to one example, in order, with their params."""
    parts, choice, options = list(transform), params["choice"].flatten().tolist(), params["options"]
    if isinstance(transform, SomeOf):  # a mark for each option
        choice = [place for place, picked in enumerate(choice) if picked]
    for step, place in enumerate(choice):
        own = options[step] if isinstance(transform, RandAugment) else options  # drawn at each step
        yield parts[place], own[place]


def _values(transform: Any, params: dict[str, Tensor]) -> list[str]:
    if not getattr(transform, "sets_shape", False) and not bool(params["applied"].all()):
        return ["not applied"]
    named = [
        f"{name} {', '.join(map(_number, values.flatten().tolist()))}"
        for name, values in params.items()
        if isinstance(values, Tensor)  # not the params of a transform inside
        if values.is_floating_point() or (values.dtype == torch.int64 and not _is_key(values))
    ]
    return named or ["applied"]


def _is_key(values: Tensor) -> bool:
    """Return whether whole numbers are keys of noise, which use the full range."""
    return bool((values.abs() >= 2**31).any())


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000.0 else f"{value:.0f}"


def _wrap(line: str, values: list[str]) -> Iterator[str]:
    """Break lines between values, never inside one."""
    for place, value in enumerate(values):
        piece = value if place == len(values) - 1 else f"{value},"
        if len(line) + 1 + len(piece) > _WIDTH:
            yield line
            line = piece
        else:
            line = f"{line} {piece}"
    yield line
