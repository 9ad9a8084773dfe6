"""What lossy compression does to a waveform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from torch import Tensor

from augspec.functional.codec import check_formats, codec
from augspec.params import Values
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Drawn, Uniform, check_rate, setting

__all__ = ["Codec"]


class Format(Drawn):
    """The index of a format in the setting ``formats``; -1 is none of them."""

    neutral = -1

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw each format with equal chances, int64."""
        return draw.choice(self.name, [1.0] * len(transform.formats))


class Codec(WaveformTransform):
    """Send each example through a lossy codec at its own format and compression level.

    libsndfile encodes and decodes the audio **on the CPU**, also for a batch on a GPU: 20 ms (MP3),
    10 ms (Vorbis) and 45 ms (Opus) for 4 s at 16 kHz on one core. The result is aligned with the
    input (Opus at low bitrates within 0.1 ms). It has no gradient, and ``torch.compile`` breaks the
    graph around it.

    ``compression_level`` is libsndfile's. For MP3 it sets a constant bitrate, linearly from 320 to
    32 kbit/s at sample rates from 32 kHz, from 160 to 8 kbit/s from 16 kHz, and from 64 to 8 kbit/s
    below (rounded to a bitrate of the format). For Opus it sets 256 to 6 kbit/s per channel. For
    Vorbis it is one minus the quality, and the bitrate depends on the sound. GSM 6.10, the
    full-rate codec of the first mobile telephones, has 13 kbit/s at 8 kHz and no level. At another
    sample rate put `Resample` before and after it.

    Args:
        sample_rate: Sample rate in Hz. MP3 has 8000, 11025, 12000, 16000, 22050, 24000, 32000,
            44100 and 48000; Opus 8000, 12000, 16000, 24000 and 48000; Vorbis 8000 to 192000; GSM
            8000.
        formats: Formats to draw from with equal chances: ``"mp3"``, ``"vorbis"``, ``"opus"``,
            ``"gsm"``.
        compression_level: Range, uniform, in [0, 1]; 1 is the smallest file. A number is a
            constant.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a format is unknown or lacks the sample rate, the range is reversed or leaves
            [0, 1], or ``p`` is not in [0, 1].
        RuntimeError: If the installed libsndfile cannot write a format.

    References:
        LAME technical FAQ, "encoder delay", https://lame.sourceforge.io/tech-FAQ.txt; ETSI
        GSM 06.10, "Full rate speech transcoding", 1990.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> speech = 0.1 * torch.randn(4, 1, 8000)
        >>> T.Codec(16_000, formats=("mp3", "opus"))(speech).shape
        torch.Size([4, 1, 8000])
    """

    compilable = False
    differentiable = False
    neutral_is_exact = True

    sample_rate: int = setting(check=check_rate)
    formats: Sequence[str] = setting(default=("mp3", "vorbis"))
    format = Format()
    compression_level: Uniform = Uniform(default=(0.5, 0.95), at_least=0.0, at_most=1.0)
    per_channel: bool = setting(default=False, init=False)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(16_000, ("mp3", "vorbis", "opus"))

    def _validate(self) -> None:
        self.formats = check_formats(self.formats, self.sample_rate)

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        return codec(
            signal,
            params["format"],
            params["compression_level"],
            self.sample_rate,
            formats=self.formats,
            lengths=lengths,
        )
