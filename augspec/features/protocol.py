"""What a feature says of itself to those that use it."""

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
        f"{name}={value!r}" for name, value in settings.items() if not isinstance(value, Tensor)
    )


@runtime_checkable
class HasFrameLengths(Protocol):
    """A feature of waveforms that says how many frames it makes of how many samples.

    Any module with such a method is one. A `augspec.Frontend` then moves labels of frames through
    its transforms of the spectrogram too.
    """

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples, ``(batch,)`` in and out, int64."""
        ...
