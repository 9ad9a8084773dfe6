"""Transforms, features and front ends as plain data, for files that a reader can edit.

An object is a mapping of its class to the arguments of its constructor. In a hand-written file,
arguments may be left out and get their defaults, and a class without arguments may be its name
alone. `to_config` writes all values and the version of the format, so that changed defaults of a
later release do not change the meaning of a config. For the transforms or features of a front end,
a list is a chain of transforms or a sequence of features:

.. code-block:: yaml

    Frontend:
      waveform:
        - TimeStretch: {rate: [0.8, 1.25]}
        - PitchShift: {semitones: [-2.0, 2.0], p: 0.8}
        - PolarityInversion
      features:
        - LogMelSpectrogram: {sample_rate: 16000, n_fft: 1024, hop_length: 256, n_mels: 64}
        - Normalize
      specgram:
        - TimeMask: {max_width: 40}

A peer's transform is named inside of its wrapper, ``FromAudiomentations``,
``FromTorchAudiomentations`` or ``FromTorchaudio`` (see `augspec.interop`):

.. code-block:: yaml

    - FromAudiomentations: {peer: {Gain: {min_gain_db: -6.0, p: 1.0}}, sample_rate: 16000}

The version, ``version: 1``, is a key beside the class. A config without it is read as version 1. A
version that this release does not know is an error.

A file never runs code. It can only name classes of augspec, classes that were passed to
`augspec.config.register`, and, in a wrapper, the public transforms of its library.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from augspec._build import PLAIN, Builder, check_size
from augspec.interop._config import WRAPPERS

__all__ = ["from_config", "load", "register", "to_config"]

Class = TypeVar("Class", bound=type)

#: The format's version. It is increased when the meaning of an argument or a value changes;
#: `_TRANSLATIONS` then holds the translation from the previous version.
VERSION = 1
_TRANSLATIONS: dict[int, Callable[[Any], Any]] = {}

_registered: dict[str, type] = {}


def register(kind: Class) -> Class:
    """Let configs name your own class; usable as a decorator.

    The class must store each argument of its constructor as an attribute of the same name.

    Args:
        kind: The class; configs call it by its name.

    Raises:
        ValueError: If another class has that name.

    Example:
        >>> from augspec import config, transforms as T
        >>> @config.register
        ... class QuietGain(T.Gain):
        ...     pass
        >>> config.to_config(QuietGain(-6.0))
        {'version': 1, 'QuietGain': {'gain_db': [-6.0, -6.0], 'p': 1.0, 'per_channel': False}}
    """
    if kind.__name__ in WRAPPERS:
        raise ValueError(f"`kind` must have a unique name, but {kind.__name__} wraps a peer")
    taken = _classes().get(kind.__name__, kind)
    # A module that is imported again, as in a notebook, may define its class again.
    if (taken.__module__, taken.__qualname__) != (kind.__module__, kind.__qualname__):
        raise ValueError(f"`kind` must have a unique name, but {taken!r} is {kind.__name__}")
    _registered[kind.__name__] = kind
    return kind


def _classes() -> dict[str, type]:
    """List the classes that configs can name."""
    # Imported here, because these modules may register classes while they are imported.
    from augspec import features, transforms
    from augspec.bank import Bank
    from augspec.features.presets import CLASSES
    from augspec.frontend import Frontend

    found: dict[str, type] = {
        name: value
        for module in (transforms, features)
        for name in module.__all__
        if inspect.isclass(value := getattr(module, name)) and not inspect.isabstract(value)
    }
    found |= {kind.__name__: kind for kind in CLASSES}
    return {**found, "Bank": Bank, "Frontend": Frontend, "Sequential": nn.Sequential, **_registered}


def is_known(kind: type) -> bool:
    """Return whether configs can name a class."""
    return _classes().get(kind.__name__) is kind


def _wraps(obj: Any) -> bool:
    """Return whether an object is a peer's transform in a wrapper of ours."""
    # If a peer's module is not imported, no object of it can exist.
    return type(obj).__name__ in WRAPPERS and type(obj).__module__.startswith("augspec.interop.")


def to_config(obj: Any) -> dict[str, Any]:
    """Describe a transform, a feature or a front end as plain data.

    Args:
        obj: An instance of a class of augspec, or of one given to `augspec.config.register`, or an
            ``nn.Sequential`` of those. A peer's transform can be described if its wrapper was made
            by `from_config`.

    Returns:
        Plain data for JSON and YAML. It has the class with all its arguments, and the version of
            the format. `from_config` makes an equal object of it.

    Raises:
        TypeError: If a part or an argument cannot be described.

    Example:
        >>> from augspec import transforms as T
        >>> to_config(T.PolarityInversion(p=0.8))
        {'version': 1, 'PolarityInversion': {'p': 0.8}}
    """
    return {"version": VERSION, **describe(obj)}


def describe(obj: Any, *, defaults: bool = True) -> dict[str, Any]:
    """Describe an object without the version and, on request, without defaults."""
    kind = type(obj)
    wraps = _wraps(obj)
    if wraps and obj._peer_config is None:
        raise TypeError(
            f"`obj` holds a {kind.__name__} of a transform that was made in Python: to describe "
            f"it, make the wrapper with from_config"
        )
    if not wraps and not is_known(kind):
        raise TypeError(f"`obj` holds a {kind.__name__}, which was not passed to `config.register`")
    if isinstance(obj, nn.Sequential):
        return {"Sequential": [describe(part, defaults=defaults) for part in obj]}
    arguments = {}
    for name, argument in inspect.signature(kind).parameters.items():
        if not hasattr(obj, name):
            raise TypeError(f"`obj` holds a {kind.__name__} without an attribute `{name}`")
        own = obj._peer_config if wraps and name == "peer" else getattr(obj, name)
        value = _to_data(own, f"{kind.__name__}.{name}", defaults)
        if defaults or argument.default is argument.empty or not _equal(value, argument.default):
            arguments[name] = value
    if kind.__name__ == "Chain":
        return {"Chain": arguments.get("transforms", [])}
    if kind.__name__ == "Frontend":
        return {"Frontend": _with_lists(arguments)}
    return {kind.__name__: arguments}


def _with_lists(arguments: dict[str, Any]) -> dict[str, Any]:
    """Write the chains of a front end as lists, and leave out empty ones."""
    for name in ("waveform", "features", "specgram"):
        ((kind, inside),) = arguments[name].items()
        if kind in ("Chain", "Sequential"):
            arguments[name] = inside
    return {name: value for name, value in arguments.items() if value != []}


def _to_data(value: Any, place: str, defaults: bool) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(n): _to_data(own, f"{place}.{n}", defaults) for n, own in value.items()}
    if isinstance(value, list | tuple | nn.ModuleList):
        return [_to_data(own, f"{place}[{i}]", defaults) for i, own in enumerate(value)]
    if is_known(type(value)) or _wraps(value):
        return describe(value, defaults=defaults)
    remedy = (
        f"; put @augspec.config.register above class {type(value).__name__}"
        if isinstance(value, nn.Module)
        else ""
    )
    raise TypeError(f"`obj` must hold plain data, got {type(value).__name__} at {place}{remedy}")


def _equal(value: Any, default: Any) -> bool:
    if isinstance(default, tuple | list):
        return (
            isinstance(value, list)
            and len(value) == len(default)
            and all(_equal(own, other) for own, other in zip(value, default, strict=True))
        )
    return type(value) is type(default) and bool(value == default)


def from_config(config: Mapping[str, Any] | list[Any] | str) -> Any:
    """Make the object that `to_config`, or a hand-written file, describes.

    Args:
        config: A mapping of one class to its arguments, with or without ``version``; a list is a
            chain.

    Raises:
        ValueError: If a class, an argument or the version is not known, or a value is wrong; the
            message names the place and the nearest known names.

    Example:
        >>> from_config({"Gain": {"gain_db": [-3.0, 3.0]}})
        Gain(gain_db=(-3.0, 3.0), p=1.0)
        >>> from_config({"PitchShift": {"semitone": 3.0}})
        Traceback (most recent call last):
        ValueError: PitchShift has no argument `semitone`; nearest: semitones
    """
    check_size(config)
    return Builder(_classes(), WRAPPERS).make(_without_version(config), "")


def _without_version(config: Any) -> Any:
    """Translate a config, or the parts of a list, to this version, and remove the number."""
    if isinstance(config, list):
        return [_without_version(part) for part in config]
    if not isinstance(config, Mapping):
        return config
    config = {name: _without_version(own) for name, own in config.items()}
    # Only beside a class, whose name has a capital; an argument called `version` stays.
    if "version" not in config or not any(str(name)[:1].isupper() for name in config):
        return config
    version = config.pop("version")
    # A file may have anything there, even a mapping, which no table can be asked for.
    is_number = isinstance(version, int | float) and not isinstance(version, bool)
    while is_number and version in _TRANSLATIONS and version < VERSION:
        config, version = _TRANSLATIONS[version](config), version + 1
    if not is_number or version != VERSION:
        raise ValueError(
            f"`version` must be at most {VERSION}, the format of this release, "
            f"got {version!r:.60}: install the release that wrote the config, or a later one"
        )
    return config


def parse_yaml(text: str) -> Any:
    """Read YAML as plain data.

    Raises:
        ValueError: If it is not YAML, for any error of the parser.
    """
    import yaml  # here, because most programs import augspec and read no config

    try:
        return yaml.safe_load(text)
    # The last two come from a tag on a value of another type, such as `!!int ""`.
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        raise ValueError(str(error)) from error


def load(path: str | os.PathLike[str]) -> Any:
    """Make the object that a YAML or JSON file describes; see `from_config`.

    Args:
        path: A file that ends in ``.yaml``, ``.yml`` or ``.json``.

    Raises:
        ValueError: If the file has another suffix, cannot be parsed, or describes no known class.
        OSError: If it cannot be read.
    """
    path = Path(path)
    if path.suffix not in (".yaml", ".yml", ".json"):
        raise ValueError(f"`path` must end in .yaml, .yml or .json, got {str(path)!r}")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
        data = json.loads(text) if path.suffix == ".json" else parse_yaml(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    try:
        return from_config(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
