"""What a feature says of itself to those that use it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["HasFrameLengths"]


@runtime_checkable
class HasFrameLengths(Protocol):
    """A feature of waveforms that says how many frames it makes of how many samples.

    Any module with such a method is one. A `augspec.Frontend` then moves labels of frames through
    its transforms of the spectrogram too.
    """

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples, ``(batch,)`` in and out, int64."""
        ...
