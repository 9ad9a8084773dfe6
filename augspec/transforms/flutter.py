"""Speed that varies within an example."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from augspec.functional import flutter as flutter_kernels
from augspec.params import Values
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import LogUniform, Place, Uniform, check_rate, setting

__all__ = ["WowFlutter"]


class WowFlutter(WaveformTransform, kernel=flutter_kernels.wow_flutter):
    """Vary the speed of each example periodically, as a tape or a record does.

    Pitch and tempo go up and down together: slowly with the wow of an eccentric record, fast with
    the flutter of a capstan. The mean speed is 1: the start and the end of an example, ``pitch``
    and lengths stay. Labels of frames follow the sound. With a low ``wow_freq`` the speed drifts;
    with 4 to 7 Hz it is a vibrato.

    There is no low-pass filter: frequencies above Nyquist divided by the speed fold back. The
    response is flat within 0.1 dB up to 0.85 of Nyquist.

    Args:
        wow: Range of the largest deviation of the slow variation, as a fraction of the speed,
            uniform: 0.01 is 1 %, a sixth of a semitone. A number is a constant.
        wow_freq: Range of its frequency in Hz, uniform in octaves; a number is a constant.
        flutter: Range of the largest deviation of the fast variation, uniform; a number is a
            constant.
        flutter_freq: Range of its frequency in Hz, uniform in octaves; a number is a constant.
        sample_rate: Sample rate in Hz.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out; lengths stay.

    Raises:
        ValueError: If a range is reversed, ``wow`` or ``flutter`` leaves [0, 0.1], or a frequency
            leaves [0.01, 1000] Hz.

    References:
        IEC 60386, "Method of measurement of speed fluctuations in sound recording and reproducing
        equipment", 1972.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.WowFlutter(wow=0.01, sample_rate=16_000)(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    wow: Uniform = Uniform(default=(0.001, 0.01), at_least=0.0, at_most=0.1, neutral=0.0)
    wow_freq: LogUniform = LogUniform(default=(0.5, 4.0), at_least=0.01, at_most=1000.0, unit="Hz")
    wow_phase = Place()
    flutter: Uniform = Uniform(default=(0.0005, 0.003), at_least=0.0, at_most=0.1, neutral=0.0)
    flutter_freq: LogUniform = LogUniform(
        default=(6.0, 60.0), at_least=0.01, at_most=1000.0, unit="Hz"
    )
    flutter_phase = Place()
    sample_rate: int = setting(check=check_rate, kw_only=True)
    per_channel: bool = setting(default=False, init=False)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(sample_rate=16_000)

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        offset = flutter_kernels.swing_offset(position, lengths, params, self.sample_rate)
        return position + torch.floor(offset).to(torch.int64)
