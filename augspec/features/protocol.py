"""The protocol by which a feature reports its number of frames."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["HasFrameLengths"]


@runtime_checkable
class HasFrameLengths(Protocol):
    """A feature of waveforms that reports how many frames it makes of a number of samples.

    Any module with this method is one. `augspec.Frontend` then also moves labels of frames through
    its transforms of the spectrogram.
    """

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples, ``(batch,)`` in and out, int64."""
        ...
