"""The text for the copy buttons: the front end as Python and as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from augspec import Frontend, features, to_config
from augspec import transforms as T
from augspec.config import describe
from augspec.explore.chain import Setup
from augspec.explore.sounds import Sounds

__all__ = ["python_of", "yaml_of"]

_WIDTH = 88


def yaml_of(frontend: Frontend) -> str:
    """Write a front end as YAML that `augspec.load` reads."""
    text: str = yaml.safe_dump(
        to_config(frontend), sort_keys=False, default_flow_style=None, allow_unicode=True, width=120
    )
    return text


def python_of(frontend: Frontend, setup: Setup, sounds: Sounds) -> str:
    """Write a program that makes the front end and the draws of the page.

    Args:
        frontend: The front end of the setup.
        setup: The state of the page.
        sounds: Source of its sound.
    """
    # Without defaults: the program is for readers, and runs with this release.
    arguments = describe(frontend, defaults=False)["Frontend"]
    lines = [f"    {name}={_expression(value, 4)},\n" for name, value in arguments.items()]
    read = sounds.code(setup.sound, setup.start)
    imports = "import soundfile\nimport torch\n\n" if "soundfile." in read else ""
    nested = "from torch import nn\n\n" if "nn.Sequential(" in "".join(lines) else ""
    return (
        f"{imports}{nested}import augspec\nfrom augspec import features as F, transforms as T\n\n"
        f"frontend = augspec.Frontend(\n{''.join(lines)})\n\n"
        f"# The draws of the page: the first {setup.draws} of seed {setup.seed}.\n"
        f"{read}"
        f"copies = waveform.expand({setup.draws}, -1, -1)\n"
        f"keys = augspec.example_keys({setup.seed}, 0, range({setup.draws}))\n"
        "params = frontend.make_params(copies, keys=keys)\n"
        "specgrams = frontend.transform(copies, params)\n"
        'sounds = frontend.waveform.transform(copies, params["waveform"])\n'
    )


def _expression(value: Any, indent: int) -> str:
    """Write data of a config as Python, with classes as calls."""
    if isinstance(value, Mapping):
        if len(value) == 1 and (called := _called(next(iter(value)))):
            return _call(called, next(iter(value.values())), indent)
        inside = [f"{name!r}: {_expression(own, indent + 4)}" for name, own in value.items()]
        return _within("{", inside, "}", indent)
    if isinstance(value, list):
        inside = [_expression(own, indent + 4) for own in value]
        if value and all(isinstance(own, int | float) for own in value):
            return f"({', '.join(inside)}{',' * (len(inside) == 1)})"
        if value and isinstance(value[0], Mapping):
            return _chain(value, inside, indent)
        return _within("[", inside, "]", indent)
    return repr(value)


def _chain(config: list[Any], inside: list[str], indent: int) -> str:
    """Write a list of transforms or of features, one per line."""
    is_transforms = next(iter(config[0])) in T.__all__
    pad = " " * (indent + 4)
    body = "".join(f"{pad}{one},\n" for one in inside)
    start, end = ("T.Chain([", "])") if is_transforms else ("nn.Sequential(", ")")
    return f"{start}\n{body}{' ' * indent}{end}"


def _call(called: str, arguments: Any, indent: int) -> str:
    if isinstance(arguments, list):
        return _expression(arguments, indent)
    inside = []
    for name, value in arguments.items():
        text = _expression(value, indent + 4)
        if name == "transforms":  # any list has the same form
            text = text.removeprefix("T.Chain(").removesuffix(")")
        inside.append(f"{name}={text}")
    return _within(f"{called}(", inside, ")", indent)


def _within(start: str, inside: list[str], end: str, indent: int) -> str:
    """Write items in brackets on one line, or one per line if that is too long."""
    line = f"{start}{', '.join(inside)}{end}"
    if len(line) + indent <= _WIDTH and "\n" not in line:
        return line
    pad = " " * (indent + 4)
    return f"{start}\n{''.join(f'{pad}{one},{chr(10)}' for one in inside)}{' ' * indent}{end}"


def _called(name: str) -> str:
    """Return the name of a class in code, or nothing for a plain key."""
    if name in T.__all__:
        return f"T.{name}"
    if name in features.__all__:
        return f"F.{name}"
    return "augspec.Bank" if name == "Bank" else ""
