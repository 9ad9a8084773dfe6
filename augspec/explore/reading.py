"""The state of the page from a config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from augspec import Frontend, features, from_config
from augspec import transforms as T
from augspec._build import check_size
from augspec.config import describe, parse_yaml
from augspec.explore.chain import FEATURES, Setup, Step, to_data
from augspec.explore.controls import controls_of
from augspec.explore.sounds import Folder, Sounds
from augspec.interop._config import WRAPPERS

__all__ = ["read_file", "sample_rate_of", "setup_of"]


def setup_of(obj: Any, sound: str) -> Setup:
    """Make the state from the object of a config.

    Args:
        obj: The result of `augspec.load`: a front end, a transform or features.
        sound: Name of the sound to begin with.

    Raises:
        ValueError: If it is none of these, or holds transforms that need a batch.
    """
    config: dict[str, Any]
    if isinstance(obj, T.RandomTransform):
        on_specgram = any(isinstance(part, T.SpecgramTransform) for part in obj.modules())
        stage = "specgram" if on_specgram else "waveform"
        config = {stage: describe(obj), "features": FEATURES}
    elif isinstance(obj, Frontend):
        config = describe(obj)["Frontend"]
    elif isinstance(obj, nn.Module):
        config = describe(Frontend(features=obj))["Frontend"]
    else:
        raise ValueError(f"a config must be a front end or transforms, got {type(obj).__name__}")
    made = Setup(
        sound,
        waveform=_steps_of(config.get("waveform", [])),
        specgram=_steps_of(config.get("specgram", [])),
        features=_features_of(config["features"]),
        fuse=config.get("fuse", "auto"),
    )
    made.feature_settings().pop("sample_rate", None)  # the rate of the sounds
    return made


def read_file(content: bytes, sounds: Sounds, sound: str) -> Setup:
    """Make the state from a YAML or JSON file that was opened in the page.

    The file may come from another person, so it may only name sounds of the list.

    Args:
        content: The file.
        sounds: The files that a bank may hold.
        sound: Name of the sound to begin with.

    Raises:
        ValueError: If it is not a config of augspec's own classes, or names another file.
    """
    try:
        data = parse_yaml(content.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"the file cannot be read: {error}") from error
    check_size(data)
    _check_files(data, sounds)
    return setup_of(from_config(data), sound)


def _check_files(data: Any, sounds: Sounds) -> None:
    """Raise for configs that would read a file that is not in the list."""
    if isinstance(data, list):
        for own in data:
            _check_files(own, sounds)
    for name, own in data.items() if isinstance(data, Mapping) else ():
        if name in WRAPPERS:
            raise ValueError(f"the explorer knows only augspec's own transforms, got {name}")
        if name == "Bank":
            _check_bank(own, sounds)
        _check_files(own, sounds)


def _check_bank(arguments: Any, sounds: Sounds) -> None:
    given = arguments.get("sounds") if isinstance(arguments, Mapping) else None
    paths = [given] if isinstance(given, str) else given
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError("`sounds` of a Bank must be a list of paths")
    if not isinstance(sounds, Folder):
        raise ValueError("`bank` needs a folder of sounds: start the explorer with one")
    known = {str(sounds.path_of(name)) for name in sounds.names if Path(name).name in _ends(paths)}
    if others := [path for path in paths if path not in known]:
        raise ValueError(f"`sounds` of a Bank must be sounds of the list, got {others[0]!r:.200}")


def _ends(paths: list[str]) -> set[str]:
    """Return the last parts of paths, so that only few of many sounds are compared."""
    return {Path(path).name for path in paths}


def _features_of(config: Any) -> list[dict[str, Any]]:
    found = []
    for one in config if isinstance(config, list) else [config]:
        ((name, arguments),) = one.items()
        if name not in features.__all__:
            raise ValueError(f"the explorer knows only augspec's own features, got {name}")
        found.append({name: dict(arguments)})
    return found


def sample_rate_of(obj: nn.Module) -> int | None:
    """Return the sample rate of a front end, a transform or a feature, or None."""
    for module in obj.modules():
        for name in ("orig_freq", "sample_rate"):
            if isinstance(rate := getattr(module, name, None), int):
                return rate
    return None


def _steps_of(config: Any) -> list[Step]:
    """Make steps from a list, a chain or one transform."""
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
