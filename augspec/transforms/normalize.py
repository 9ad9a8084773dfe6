"""Transforms that bring every example to a level."""

from __future__ import annotations

from typing import Self

from augspec.functional import level
from augspec.functional.checks import check_flag
from augspec.functional.loudness import loudness_normalize
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Uniform, check_rate, setting

__all__ = ["LoudnessNormalize", "PeakNormalize", "RMSNormalize"]


class PeakNormalize(WaveformTransform, kernel=level.peak_normalize):
    """Bring the peak of each example to a level; silence stays silence.

    Args:
        peak_db: Largest absolute sample in dB of full scale, drawn uniformly from a range; a number
            is a constant.
        in_eval: Act in ``eval()`` too.
        p: Probability that an example is changed.
        per_channel: Bring each channel to its own level rather than the loudest channel to one.

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

    peak_db: Uniform = Uniform(default=0.0, at_least=-200.0, at_most=200.0, unit="dB")
    in_eval: bool = setting(default=False, check=check_flag, kw_only=True)


class RMSNormalize(WaveformTransform, kernel=level.rms_normalize):
    """Bring the root mean square of each example to a level; silence stays silence.

    Args:
        rms_db: Root mean square of the valid samples in dB of full scale, drawn uniformly from a
            range; a number is a constant. A full-scale sine has -3.01 dB.
        in_eval: Act in ``eval()`` too.
        p: Probability that an example is changed.
        per_channel: Bring each channel to its own level rather than all channels together to one.

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

    rms_db: Uniform = Uniform(default=-20.0, at_least=-200.0, at_most=200.0, unit="dB")
    in_eval: bool = setting(default=False, check=check_flag, kw_only=True)


class LoudnessNormalize(WaveformTransform, kernel=loudness_normalize):
    """Bring each example to a perceived loudness in LUFS.

    The loudness is the integrated, K-weighted and gated one of ITU-R BS.1770-4;
    `augspec.functional.loudness` says how exact it is. An example that is below -70 LUFS
    throughout, such as silence, stays as it is.

    Args:
        lufs: Loudness in LUFS, drawn uniformly from a range; a number is a constant.
        sample_rate: Sample rate in Hz.
        in_eval: Act in ``eval()`` too.
        p: Probability that an example is changed.
        per_channel: Bring each channel to its own loudness rather than all channels together to
            one.

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

    lufs: Uniform = Uniform(default=(-31.0, -13.0), at_least=-200.0, at_most=200.0, unit="LUFS")
    sample_rate: int = setting(check=check_rate, kw_only=True)
    in_eval: bool = setting(default=False, check=check_flag, kw_only=True)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(sample_rate=16_000)
