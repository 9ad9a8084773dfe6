"""Sources of the frames of a feature, and the interface between a feature and its sources.

A feature requests the frames of a few examples at a time. `PlainFrames` cuts them from a waveform,
`CroppedFrames` from a part of each example, and a source in ``augspec/fusion.py`` also changes
pitch and tempo.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from augspec.functional.crop import crop
from augspec.functional.spectrum import frame as cut_frames
from augspec.functional.spectrum import frame_lengths as count_frames
from augspec.native.features import Sound

__all__ = ["CroppedFrames", "FrameSource", "Framing", "PlainFrames"]


@dataclass(frozen=True)
class Framing:
    """How a waveform is cut into frames.

    Args:
        n_fft: Samples of a frame.
        hop_length: Samples from frame to frame.
        center: Pad ``n_fft // 2`` samples on both sides.
        pad_mode: ``"reflect"``, ``"constant"`` or ``"replicate"``.
    """

    n_fft: int
    hop_length: int
    center: bool
    pad_mode: str

    def cut(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pad and cut: ``(batch, channel, time)`` to ``(batch, channel, frame, n_fft)``, a view."""
        return cut_frames(
            waveform,
            self.n_fft,
            self.hop_length,
            center=self.center,
            pad_mode=self.pad_mode,
            lengths=lengths,
        )

    def count(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples."""
        return count_frames(lengths, self.n_fft, self.hop_length, self.center)

    def count_of(self, size: int) -> int:
        """Count the frames of ``size`` samples; 0 or less if none fits.

        The native kernel makes this number. A subclass that cuts other frames must override it;
        otherwise the native kernel is not used.
        """
        padding = 2 * (self.n_fft // 2) if self.center else 0
        return 1 + (size + padding - self.n_fft) // self.hop_length

    def middles(self, size: int, device: torch.device) -> Tensor:
        """Return the middle sample of each frame, ``(frame,)`` int64.

        Raises:
            ValueError: If no frame fits, which only happens without ``center``.
        """
        half = self.n_fft // 2
        room = size - self.n_fft + (2 * half if self.center else 0)
        if room < 0:
            raise ValueError(
                f"`waveform` must have at least n_fft = {self.n_fft} samples without `center`, "
                f"got {size}"
            )
        first = 0 if self.center else half
        return torch.arange(first, first + room + 1, self.hop_length, device=device)


class FrameSource(ABC):
    """Gives a feature the frames of some examples of a batch.

    Args:
        waveform: The batch, ``(batch, channel, time)``.
        framing: How frames are cut.
        size: Samples that the frames of an example span.
        frame_lengths: Valid frames of each example; None means all.
        gain: Factor on the amplitude, ``(batch,)`` or ``(batch, channel)``; None is 1.
    """

    #: Whether `frames` returns windowed frames.
    windowed: ClassVar[bool] = False
    #: Working memory of an example, as a multiple of its frames.
    weight: ClassVar[int] = 1
    #: Lowest and highest frequency of each example's mel filters in Hz, ``(batch,)`` both; None is
    #: the feature's own for all examples, NaN for one.
    mel_range: tuple[Tensor, Tensor] | None = None

    def __init__(
        self,
        waveform: Tensor,
        framing: Framing,
        *,
        size: int,
        frame_lengths: Tensor | None = None,
        gain: Tensor | None = None,
    ) -> None:
        self.waveform = waveform
        self.framing = framing
        self.size = size
        self.frame_lengths = frame_lengths
        self.gain = gain

    @abstractmethod
    def frames(self, some: slice) -> Tensor:
        """Return the frames of some examples, ``(example, channel, frame, n_fft)``."""

    def sound(self) -> Sound | None:
        """Describe the frames' samples for the native kernel; None if it cannot be used."""
        return None

    @property
    def values(self) -> int:
        """Number of values in the frames of one example, times `weight`."""
        frames = 1 + self.size // self.framing.hop_length
        return self.weight * self.waveform.shape[1] * self.framing.n_fft * frames


class PlainFrames(FrameSource):
    """Frames of the waveform as it is, each example padded at its own end if that is known."""

    def __init__(
        self,
        waveform: Tensor,
        framing: Framing,
        lengths: Tensor | None = None,
        *,
        gain: Tensor | None = None,
    ) -> None:
        counts = None if lengths is None else framing.count(lengths)
        size = waveform.shape[-1]
        super().__init__(waveform, framing, size=size, frame_lengths=counts, gain=gain)
        self.lengths = lengths

    def frames(self, some: slice) -> Tensor:
        """Cut the frames: a strided view."""
        ends = None if self.lengths is None else self.lengths[some]
        return self.framing.cut(self.waveform[some], ends)

    def sound(self) -> Sound:
        """Describe the frames' samples for the native kernel."""
        return Sound(
            self.waveform, self.size, ends=self.lengths, valid=self.frame_lengths, gain=self.gain
        )


class CroppedFrames(FrameSource):
    """Frames of a part of each example.

    Args:
        waveform: The batch, ``(batch, channel, time)``.
        framing: How frames are cut.
        start: First sample of each part, ``(batch,)`` int64.
        size: Samples of the parts.
        source_ends: Number of samples of each example that are used; None means all.
        lengths: Valid samples of each part; with them, each is padded at its own end.
        gain: Factor on the amplitude.
    """

    def __init__(
        self,
        waveform: Tensor,
        framing: Framing,
        start: Tensor,
        size: int,
        *,
        source_ends: Tensor | None = None,
        lengths: Tensor | None = None,
        gain: Tensor | None = None,
    ) -> None:
        counts = None if lengths is None else framing.count(lengths)
        super().__init__(waveform, framing, size=size, frame_lengths=counts, gain=gain)
        self.start = start
        self.source_ends = source_ends
        self.lengths = lengths

    def frames(self, some: slice) -> Tensor:
        """Cut the parts, and their frames: a strided view."""
        heard = None if self.source_ends is None else self.source_ends[some]
        part = crop(self.waveform[some], self.start[some], self.size, heard)
        return self.framing.cut(part, None if self.lengths is None else self.lengths[some])

    def sound(self) -> Sound:
        """Describe the frames' samples for the native kernel."""
        return Sound(
            self.waveform,
            self.size,
            heard=self.source_ends,
            ends=self.lengths,
            start=self.start,
            valid=self.frame_lengths,
            gain=self.gain,
        )
