"""Transforms by name, from dictionaries and YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from torch import nn

__all__ = ["from_dict", "from_yaml"]


def from_dict(config: Mapping[str, Any]) -> nn.Module:
    """Make a transform from ``{"transform": name, "params": {argument: value}}``.

    The ``transforms`` of a Compose, OneOf or SomeOf are also such dictionaries. Only names of this
    package are known.

    Args:
        config: What to make.

    Raises:
        ValueError: If the name is missing or not known, or ``params`` is not a dictionary.

    Example:
        >>> from augspec.compat.torch_audiomentations import from_dict
        >>> from_dict({"transform": "Gain", "params": {"min_gain_in_db": -12.0}}).max_gain_in_db
        6.0
    """
    from augspec.compat import torch_audiomentations as package

    if not isinstance(config, Mapping) or "transform" not in config:
        raise ValueError(f"`config` must have a `transform`, its name, got {config!r:.80}")
    name, params = config["transform"], config.get("params") or {}
    made = getattr(package, name, None) if name in package.__all__ else None
    if not isinstance(made, type) or not issubclass(made, nn.Module):
        raise ValueError(f"`transform` must be the name of a transform, got {name!r}")
    if not isinstance(params, Mapping):
        raise ValueError(f"`params` of {name} must be a dictionary, got {params!r:.80}")
    arguments = dict(params)
    if issubclass(made, package.BaseCompose):
        arguments["transforms"] = [from_dict(part) for part in arguments.get("transforms", [])]
    return made(**arguments)


def from_yaml(file_yml: str | PathLike[str]) -> nn.Module:
    """Make a transform from a YAML file with a dictionary for `from_dict`.

    Args:
        file_yml: The file.

    Raises:
        ValueError: As `from_dict`.
    """
    return from_dict(yaml.safe_load(Path(file_yml).read_text(encoding="utf-8")))
