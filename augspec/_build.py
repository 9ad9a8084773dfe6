"""Making the objects of a config, with errors that name the place of a mistake."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from augspec._names import nearest

__all__ = ["PLAIN", "Builder", "check_size"]

_MAX_DEPTH = 50
_MAX_VALUES = 100_000  # aliases let a short YAML file describe more than fits into memory
# Arguments for transforms or features, in which a plain name is a class and a list is a chain.
_PARTS = ("waveform", "features", "specgram", "body", "noise_transform")
PLAIN = (bool, int, float, str, type(None))


def check_size(config: Any) -> None:
    """Raise for a config that is nested too deeply or too large, without recursion."""
    left, values = [(config, 0)], 0
    while left:
        value, depth = left.pop()
        values += 1
        if depth > _MAX_DEPTH:
            raise ValueError(f"`config` must not be nested more than {_MAX_DEPTH} deep")
        if values > _MAX_VALUES:
            raise ValueError(f"`config` must not hold more than {_MAX_VALUES} values")
        if isinstance(value, Mapping | list | tuple):
            inside = value.values() if isinstance(value, Mapping) else value
            left += [(own, depth + 1) for own in inside]


@dataclass(frozen=True)
class Builder:
    """Make the objects of a config.

    Args:
        classes: Classes that configs can name.
        wrappers: Other names: functions of the arguments and the place.
        chains: Whether a list is a chain of transforms.
        defaults: Default arguments for every class that takes them; a config overrides them.
    """

    classes: Mapping[str, type]
    wrappers: Mapping[str, Callable[[Any, str], Any]] = field(default_factory=dict)
    chains: bool = True
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def make(self, config: Any, place: str) -> Any:
        """Make the required object at ``place``."""
        if isinstance(config, list) and self.chains:
            return self._make_list(config, place)
        if isinstance(config, str):
            config = {config: {}}
        if not isinstance(config, Mapping) or len(config) != 1:
            raise ValueError(
                f"{place or '`config`'} must be a mapping of one class to its arguments, "
                f"got {_brief(config)}"
            )
        ((name, arguments),) = config.items()
        if name not in self.classes and name not in self.wrappers:
            where = f"{place}: " if place else ""
            known = [*self.classes, *self.wrappers]
            raise ValueError(
                f"{where}there is no class {name!r}{nearest(str(name), known, always=True)}"
            )
        place = f"{place}.{name}" if place else name
        if name in self.wrappers:
            return self.wrappers[name](arguments, place)
        kind = self.classes[name]
        if kind is nn.Sequential:
            if not isinstance(arguments, list):
                raise ValueError(f"{place} must be a list, got {_brief(arguments)}")
            return nn.Sequential(*self._make_each(arguments, place))
        if name == "Chain" and isinstance(arguments, list):
            arguments = {"transforms": arguments}
        return self.call(kind, {} if arguments is None else arguments, place)

    def _make_list(self, config: list[Any], place: str) -> Any:
        """Make a chain of transforms or a sequence of features, depending on the first entry."""
        from augspec.transforms import Chain, RandomTransform

        parts = self._make_each(config, place)
        if not parts or isinstance(parts[0], RandomTransform):
            return _construct(Chain, {"transforms": parts}, place or "Chain")
        return nn.Sequential(*parts)

    def _make_each(self, config: list[Any], place: str) -> list[Any]:
        return [self.make(own, f"{place}[{i}]") for i, own in enumerate(config)]

    def call(self, kind: type, arguments: Any, place: str) -> Any:
        """Make an object of a class; arguments that are already objects stay as they are."""
        if not isinstance(arguments, Mapping):
            raise ValueError(
                f"{place} must have a mapping of arguments by name, got {_brief(arguments)}"
            )
        known = {
            name: argument
            for name, argument in inspect.signature(kind).parameters.items()
            if argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)
        }
        arguments = {name: v for name, v in self.defaults.items() if name in known} | {**arguments}
        for name in arguments:
            if name not in known:
                raise ValueError(
                    f"{place} has no argument `{name}`{nearest(str(name), known, always=True)}"
                )
        for name, argument in known.items():
            if argument.default is argument.empty and name not in arguments:
                raise ValueError(f"{place} needs the argument `{name}`")
        values = {
            name: self._from_data(value, f"{place}.{name}", name)
            for name, value in arguments.items()
        }
        return _construct(kind, values, place)

    def _from_data(self, value: Any, place: str, argument: str) -> Any:
        if argument in _PARTS and value is not None:
            return self.make(value, place)
        if argument == "transforms":
            if not isinstance(value, list):
                raise ValueError(f"{place} must be a list, got {_brief(value)}")
            return self._make_each(value, place)
        if isinstance(value, Mapping) and len(value) == 1 and str(next(iter(value)))[:1].isupper():
            return self.make(value, place)  # arguments have small letters, classes a capital
        return value


def _construct(kind: type, arguments: dict[str, Any], place: str) -> Any:
    try:
        return kind(**arguments)
    # A Bank reads files, and torch raises RuntimeError if memory is exhausted.
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"{place}: {error}{_hint(arguments)}") from error


def _hint(arguments: Mapping[str, Any]) -> str:
    """Return a hint about numbers that YAML reads as text."""
    for name, value in arguments.items():
        if isinstance(value, str) and re.fullmatch(
            r"[-+]?\d+(\.\d*)?e[-+]?\d+", value, re.IGNORECASE
        ):
            return f"; `{name}` is text: YAML needs a point and a sign in a number, as in 1.0e-5"
    return ""


def _brief(value: Any) -> str:
    return f"{value!r:.60}" if isinstance(value, PLAIN) else f"a {type(value).__name__}"
