"""Wrapped transforms of other libraries in configs.

A name is looked up only among the public transforms of the wrapper's library.
"""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from augspec._build import Builder

if TYPE_CHECKING:
    from augspec.interop._peer import PeerTransform

__all__ = ["WRAPPERS"]

# Transforms that need a function, which a file cannot hold.
_NEED_FUNCTIONS = {"Lambda"}


def _make(module: str, name: str, arguments: Any, place: str) -> PeerTransform:
    """Make the wrapper ``name`` of ``augspec.interop.<module>`` around the peer in ``arguments``.

    Raises:
        ValueError: If the library is not installed, or a name or an argument is not known.
    """
    try:
        own = importlib.import_module(f"augspec.interop.{module}")
    except ImportError as error:
        raise ValueError(f"{place}: {error}") from error
    if not isinstance(arguments, Mapping) or not isinstance(arguments.get("peer"), Mapping | str):
        raise ValueError(
            f"{place} needs the argument `peer`: a transform of {module}, by its name or as a "
            "mapping of its class to its arguments"
        )
    peer = arguments["peer"]
    peer = {peer: {}} if isinstance(peer, str) else peer
    # Without `output_type` torch-audiomentations warns, and fails inside a Compose.
    inside = Builder(_transforms(own), chains=False, defaults={"output_type": "dict"})
    made = inside.make(peer, f"{place}.peer")
    wrapped: PeerTransform = Builder({}).call(
        getattr(own, name), {**arguments, "peer": made}, place
    )
    wrapped._peer_config = copy.deepcopy(dict(peer))
    return wrapped


def _transforms(own: Any) -> dict[str, type]:
    """List the public transforms of the library that a module of `augspec.interop` wraps."""
    public = importlib.import_module(own.PUBLIC)
    return {
        name: value
        for name in getattr(public, "__all__", vars(public))
        if inspect.isclass(value := getattr(public, name))
        and issubclass(value, own.BASES)
        and not name.startswith("_")
        and name not in _NEED_FUNCTIONS
    }


def _wrapper(name: str) -> Callable[[Any, str], PeerTransform]:
    module = _MODULES[name]
    return lambda arguments, place: _make(module, name, arguments, place)


_MODULES = {
    "FromAudiomentations": "audiomentations",
    "FromTorchAudiomentations": "torch_audiomentations",
    "FromTorchaudio": "torchaudio",
}
#: Function for each wrapper, of its arguments in a config and their path in it.
WRAPPERS = {name: _wrapper(name) for name in _MODULES}
