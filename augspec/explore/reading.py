"""The state of the page from a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from augspec import Frontend, features, to_config
from augspec import transforms as T
from augspec.explore.chain import FEATURES, Setup, Step, to_data
from augspec.explore.controls import controls_of

__all__ = ["sample_rate_of", "setup_of"]


def setup_of(obj: Any, sound: str) -> Setup:
    """Make the state of what a config describes.

    Args:
        obj: What `augspec.load` gave: a front end, a transform or features.
        sound: Name of the sound to begin with.

    Raises:
        ValueError: If it is none of these, or holds what only a batch can go through.
    """
    config: dict[str, Any]
    if isinstance(obj, T.RandomTransform):
        on_specgram = any(isinstance(part, T.SpecgramTransform) for part in obj.modules())
        stage = "specgram" if on_specgram else "waveform"
        config = {stage: to_config(obj), "features": FEATURES}
    elif isinstance(obj, Frontend):
        config = to_config(obj)["Frontend"]
    elif isinstance(obj, nn.Module):
        config = to_config(Frontend(features=obj))["Frontend"]
    else:
        raise ValueError(f"a config must be a front end or transforms, got {type(obj).__name__}")
    made = Setup(
        sound,
        waveform=_steps_of(config.get("waveform", [])),
        specgram=_steps_of(config.get("specgram", [])),
        features=_features_of(config["features"]),
        fuse=config.get("fuse", "auto"),
    )
    made.feature_settings().pop("sample_rate", None)  # that of the sounds
    return made


def _features_of(config: Any) -> list[dict[str, Any]]:
    found = []
    for one in config if isinstance(config, list) else [config]:
        ((name, arguments),) = one.items()
        if name not in features.__all__:
            raise ValueError(f"the explorer knows only augspec's own features, got {name}")
        found.append({name: dict(arguments)})
    return found


def sample_rate_of(obj: nn.Module) -> int | None:
    """Say which sample rate a front end, a transform or a feature is made for, if it does."""
    for module in obj.modules():
        for name in ("orig_freq", "sample_rate"):
            if isinstance(rate := getattr(module, name, None), int):
                return rate
    return None


def _steps_of(config: Any) -> list[Step]:
    """Make steps of a list, of a chain or of one transform."""
    if isinstance(config, list):
        return [_step_of(one) for one in config]
    if list(config) == ["Chain"]:
        return _steps_of(config["Chain"])
    return [_step_of(config)]


def _step_of(config: Mapping[str, Any]) -> Step:
    ((name, arguments),) = config.items()
    if name not in T.__all__:
        raise ValueError(f"the explorer knows only augspec's own transforms, got {name}")
    given = {"transforms": arguments} if isinstance(arguments, list) else dict(arguments)
    values: dict[str, Any] = {}
    for control in controls_of(getattr(T, name)):
        value = given.get(control.name, control.default)
        if control.kind == "steps":
            values[control.name] = _steps_of(value) if value else []
        elif control.kind != "rate":
            values[control.name] = to_data(control, value)
    return Step(name, values)
