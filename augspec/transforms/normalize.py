"""Transforms that bring every example to a level."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Self

from torch import Tensor

from augspec.functional import level
from augspec.functional.checks import check_flag, check_range, check_sample_rate
from augspec.functional.loudness import loudness_normalize
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform

__all__ = ["LoudnessNormalize", "PeakNormalize", "RMSNormalize"]


class _Normalize(WaveformTransform, ABC):
    def __init__(self, in_eval: bool, p: float, per_channel: bool) -> None:
        super().__init__(p=p, per_channel=per_channel)
        self.in_eval = check_flag("in_eval", in_eval)


class PeakNormalize(_Normalize):
    """Bring the peak of each example to a level; silence stays silence.

    Args:
        peak_db: Largest absolute sample in dB of full scale, drawn uniformly from a range; a number
            is a constant.
        in_eval: Act in ``eval()`` too.
        p: Probability that an example is changed.
        per_channel: Bring each channel to a level of its own rather than the loudest to one.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed or beyond +-200 dB, or ``p`` is not in [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.PeakNormalize(0.0)(torch.tensor([[[0.1, -0.5]]]))
        tensor([[[ 0.2000, -1.0000]]])
    """

    def __init__(
        self,
        peak_db: float | Sequence[float] = 0.0,
        *,
        in_eval: bool = False,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(in_eval, p, per_channel)
        self.peak_db = check_range("peak_db", peak_db, at_least=-200.0, at_most=200.0)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"peak_db": draw.uniform("peak_db", *self.peak_db)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return level.peak_normalize(waveform, params["peak_db"], lengths)


class RMSNormalize(_Normalize):
    """Bring the root mean square of each example to a level; silence stays silence.

    Args:
        rms_db: Root mean square of the valid samples in dB of full scale, drawn uniformly from a
            range; a number is a constant. A full-scale sine has -3.01.
        in_eval: Act in ``eval()`` too.
        p: Probability that an example is changed.
        per_channel: Bring each channel to a level of its own rather than all together to one.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed or beyond +-200 dB, or ``p`` is not in [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> out = T.RMSNormalize(-20.0)(torch.randn(1, 1, 16000))
        >>> round(out.square().mean().sqrt().item(), 4)
        0.1
    """

    def __init__(
        self,
        rms_db: float | Sequence[float] = -20.0,
        *,
        in_eval: bool = False,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(in_eval, p, per_channel)
        self.rms_db = check_range("rms_db", rms_db, at_least=-200.0, at_most=200.0)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"rms_db": draw.uniform("rms_db", *self.rms_db)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return level.rms_normalize(waveform, params["rms_db"], lengths)


class LoudnessNormalize(_Normalize):
    """Bring each example to a loudness in LUFS, as heard rather than as measured.

    The integrated loudness of ITU-R BS.1770-4, K-weighted and gated; see
    `augspec.functional.loudness` for what is exact. An example that is below -70 LUFS throughout,
    as silence is, stays as it is.

    Args:
        lufs: Loudness in LUFS, drawn uniformly from a range; a number is a constant.
        sample_rate: Sample rate in Hz.
        in_eval: Act in ``eval()`` too.
        p: Probability that an example is changed.
        per_channel: Bring each channel on its own to a loudness rather than all together to one.

    Shape:
        ``(batch, channel, time)`` in and out, with at most five channels unless ``per_channel``.

    Raises:
        ValueError: If the range is reversed or beyond +-200, or ``sample_rate`` is not positive.

    References:
        ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and true-peak audio level",
        2015.

    Example:
        >>> import torch
        >>> import augspec
        >>> from augspec import transforms as T
        >>> out = T.LoudnessNormalize(-23.0, sample_rate=16_000)(torch.randn(1, 1, 16000))
        >>> round(augspec.functional.loudness(out, 16_000).item(), 2)
        -23.0
    """

    def __init__(
        self,
        lufs: float | Sequence[float] = (-31.0, -13.0),
        *,
        sample_rate: int,
        in_eval: bool = False,
        p: float = 1.0,
        per_channel: bool = False,
    ) -> None:
        super().__init__(in_eval, p, per_channel)
        self.lufs = check_range("lufs", lufs, at_least=-200.0, at_most=200.0)
        self.sample_rate = check_sample_rate(sample_rate)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls(sample_rate=16_000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"lufs": draw.uniform("lufs", *self.lufs)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return loudness_normalize(waveform, params["lufs"], self.sample_rate, lengths)
