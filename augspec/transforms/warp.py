"""Changes of time, pitch and level in a form that a spectrogram can compute.

A phase vocoder changes the time of each magnitude and keeps its value. So a magnitude feature can
compute a transform that is written as a `Warp`, without an intermediate waveform: see
``augspec/fusion.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from augspec.functional.sinc import ONE
from augspec.params import Values
from augspec.transforms.base import WaveformTransform

__all__ = ["FusableTransform", "Warp"]


class Warp(NamedTuple):
    """Where each output sample comes from, and how loud it is.

    Output sample ``n`` of an example sounds as the input at ``offset + n * rate``, played ``ratio``
    times as high, ``gain`` times as loud.

    Args:
        size: Samples of the output.
        ends: Samples of the output that hold sound, ``(batch,)`` int64.
        source_ends: Samples of the input that may be heard, ``(batch,)`` int64; None is all.
        offset: Input position of output sample 0 in units of 2**-32 samples, ``(batch,)`` int64;
            None is 0.
        rate: Input samples per output sample, ``(batch,)`` float32; None is 1.
        ratio: Ratio of frequencies, ``(batch,)`` or ``(batch, channel)`` float32; None is 1.
        ratio_range: Smallest and largest ratio that can occur.
        gain: Factor on the amplitude, ``(batch,)`` or ``(batch, channel)``; None is 1.
        mel_range: Lowest and highest frequency of the feature's mel filters in Hz, both
            ``(batch,)``, NaN for the feature's own; None is the feature's own for all.
    """

    size: int
    ends: Tensor
    source_ends: Tensor | None = None
    offset: Tensor | None = None
    rate: Tensor | None = None
    ratio: Tensor | None = None
    ratio_range: tuple[float, float] = (1.0, 1.0)
    gain: Tensor | None = None
    mel_range: tuple[Tensor, Tensor] | None = None

    @staticmethod
    def identity(waveform: Tensor, lengths: Tensor | None) -> Warp:
        """Map a batch to itself."""
        batch, _, time = waveform.shape
        ends = lengths
        if ends is None:
            ends = torch.full((batch,), time, dtype=torch.int64, device=waveform.device)
        return Warp(time, ends, lengths)

    def amplify(self, gain: Tensor) -> Warp:
        """Make each example ``gain`` times as loud."""
        return self._replace(gain=gain if self.gain is None else _times(self.gain, gain))

    def transpose(self, ratio: Tensor, ratio_range: tuple[float, float]) -> Warp:
        """Play each example ``ratio`` times as high."""
        low, high = self.ratio_range
        return self._replace(
            ratio=ratio if self.ratio is None else _times(self.ratio, ratio),
            # An example that is not picked keeps its pitch.
            ratio_range=(low * min(ratio_range[0], 1.0), high * max(ratio_range[1], 1.0)),
        )

    def stretch(self, rate: Tensor, size: int, ends: Tensor) -> Warp:
        """Play each example ``rate`` times as fast; the result has ``size`` and ``ends``."""
        return self.close()._replace(
            size=size,
            ends=ends,
            rate=rate if self.rate is None else self.rate * rate,
        )

    def cut(self, start: Tensor, size: int, ends: Tensor) -> Warp:
        """Start each example at ``start``; ``size`` and ``ends`` are those of the result."""
        warp = self.close() if size > self.size else self
        return warp._replace(size=size, ends=ends, offset=self._source_position(start))

    def close(self) -> Warp:
        """Silence what earlier steps cut off, so that no later step makes it audible again."""
        if self.offset is None and self.rate is None:
            return self  # nothing was cut off
        heard = self._source_position(torch.full_like(self.ends, self.size)) >> 32
        if self.source_ends is not None:
            heard = torch.minimum(self.source_ends, heard)
        return self._replace(source_ends=heard)

    def _source_position(self, position: Tensor) -> Tensor:
        """Return the input position of an output position, in units of 2**-32 samples."""
        moved = position * (ONE if self.rate is None else (self.rate * ONE).to(torch.int64))
        return moved if self.offset is None else self.offset + moved


def _times(a: Tensor, b: Tensor) -> Tensor:
    """Multiply two factors; one may be per example and the other per channel."""
    rank = max(a.ndim, b.ndim)
    return a.reshape(a.shape + (1,) * (rank - a.ndim)) * b.reshape(b.shape + (1,) * (rank - b.ndim))


class FusableTransform(WaveformTransform, ABC):
    """A waveform transform that a magnitude feature can compute by itself."""

    #: Whether only a feature can compute it; on a waveform it is then the identity.
    in_feature_only: ClassVar[bool] = False
    #: Whether every kept sample is a sample of the input, so that tempo and pitch stay.
    keeps_samples: ClassVar[bool] = False

    @property
    def fusable(self) -> bool:
        """Whether a feature can compute it with the settings of this instance."""
        return True

    def check_feature(self, feature: nn.Module) -> None:
        """Raise ``ValueError`` unless a feature can compute it with these settings."""

    @abstractmethod
    def warp(self, warp: Warp, params: Values) -> Warp:
        """Append the transform to ``warp``; examples that are not picked have neutral params."""
