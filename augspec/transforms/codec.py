"""What lossy compression does to a waveform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from augspec.functional.checks import check_range, check_sample_rate
from augspec.functional.codec import check_formats, codec
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform

__all__ = ["Codec"]


class Codec(WaveformTransform):
    """Send each example through a lossy codec at its own format and compression level.

    The audio is encoded and decoded by libsndfile **on the CPU**, whatever device the batch is on:
    20 ms (MP3), 10 ms (Vorbis) and 45 ms (Opus) for 4 s at 16 kHz on one core. The result is
    aligned with the input (Opus at low bitrates within 0.1 ms). It has no gradient, and
    ``torch.compile`` breaks the graph around it.

    ``compression_level`` is libsndfile's. For MP3, at a constant bitrate, it goes linearly from
    320 to 32 kbit/s from 32 kHz upwards, from 160 to 8 from 16 kHz, from 64 to 8 below (rounded to
    what the format has); for Opus from 256 to 6 kbit/s a channel; for Vorbis it is one minus the
    quality, whose bitrate depends on the sound.

    Args:
        sample_rate: In Hz. MP3 has 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100 and 48000;
            Opus 8000, 12000, 16000, 24000 and 48000; Vorbis 8000 to 192000.
        formats: Formats to draw from with equal chances: ``"mp3"``, ``"vorbis"``, ``"opus"``.
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
        LAME technical FAQ, "encoder delay", https://lame.sourceforge.io/tech-FAQ.txt.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> speech = 0.1 * torch.randn(4, 1, 8000)
        >>> T.Codec(16_000, formats=("mp3", "opus"))(speech).shape
        torch.Size([4, 1, 8000])
    """

    compilable = False
    differentiable = False
    neutral = {"format": -1}
    neutral_is_exact = True

    def __init__(
        self,
        sample_rate: int,
        formats: Sequence[str] = ("mp3", "vorbis"),
        compression_level: float | Sequence[float] = (0.5, 0.95),
        *,
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.sample_rate = check_sample_rate(sample_rate)
        self.formats = check_formats(formats, sample_rate)
        self.compression_level = check_range(
            "compression_level", compression_level, at_least=0.0, at_most=1.0
        )

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings."""
        return cls(16_000, ("mp3", "vorbis", "opus"))

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "format": draw.choice("format", [1.0] * len(self.formats)),
            "compression_level": draw.uniform("compression_level", *self.compression_level),
        }

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return codec(
            waveform,
            params["format"],
            params["compression_level"],
            self.sample_rate,
            formats=self.formats,
            lengths=lengths,
        )
