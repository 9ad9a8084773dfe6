"""The protocol by which a feature reports its number of frames."""

from __future__ import annotations

import inspect
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = ["HasFrameLengths", "show_settings"]


def show_settings(feature: nn.Module) -> str:
    """Show the settings under the names that the constructor has, for ``extra_repr``."""
    names = [*inspect.signature(type(feature)).parameters]
    settings = {name: getattr(feature, name) for name in names if hasattr(feature, name)}
    return ", ".join(
        f"{name}={_in_order(value)!r}"
        for name, value in settings.items()
        if not isinstance(value, Tensor)
    )


def _in_order(value: object) -> object:
    """Sort a dictionary by its keys: a config that was read from a file may have another order."""
    return dict(sorted(value.items())) if isinstance(value, dict) else value


@runtime_checkable
class HasFrameLengths(Protocol):
    """A feature of waveforms that reports how many frames it makes of a number of samples.

    Any module with this method is one. `augspec.Frontend` then also moves labels of frames through
    its transforms of the spectrogram.
    """

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples, ``(batch,)`` in and out, int64."""
        ...
