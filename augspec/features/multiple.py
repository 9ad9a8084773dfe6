"""Padding or resizing spectrograms to sizes that a network can halve several times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from augspec._door import enter
from augspec.features.protocol import show_settings
from augspec.functional.checks import as_whole, check_count, check_finite, check_specgram
from augspec.native import pieces

_MOST = 4_096  # bins or frames: a larger value would be a mistake


class ToMultiple(nn.Module):
    """Pad or resize a spectrogram so that its bins and its frames are multiples of a number.

    Networks that halve an image several times and join the results (U-Nets, HRNet, DLA), or divide
    it into windows of one size (MaxViT, CoaT), need sizes that are divisible. Put it last, after a
    normalisation: ``nn.Sequential(F.LogMelSpectrogram(), F.Normalize(), F.ToMultiple(32))``.
    (`augspec.create_backbone` adds it for timm's models that need it.)

    Padding adds ``value`` after the last frame and above the highest bin, up to the next multiple.
    Resizing (bilinear, antialiased) goes to the nearest multiple, at least one, and adds no border;
    ``lengths`` then count the frames of the resized spectrogram.

    Args:
        multiple: Bins and frames become multiples of it; or one number for each, ``(bins,
            frames)``, where 1 leaves a size as it is.
        how: ``"pad"`` or ``"resize"``.
        value: Value of the padding, in the units of the spectrogram; 0 is the mean of a normalised
            one.

    Shape:
        ``(batch, channel, freq, frame)`` to the same with other ``freq`` and ``frame``.

    Raises:
        ValueError: If ``multiple`` is not a whole number from 1 to 4096 or two of them, ``how`` is
            not known, or ``value`` is not finite.

    Example:
        >>> import torch
        >>> from augspec.features import ToMultiple
        >>> ToMultiple(32)(torch.randn(4, 1, 80, 251)).shape
        torch.Size([4, 1, 96, 256])
        >>> ToMultiple(224, how="resize")(torch.randn(4, 1, 64, 251)).shape
        torch.Size([4, 1, 224, 224])
    """

    def __init__(
        self,
        multiple: int | Sequence[int],
        how: Literal["pad", "resize"] = "pad",
        value: float = 0.0,
    ) -> None:
        super().__init__()
        one = as_whole(multiple)
        pair: Any = multiple if one is None else (one, one)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"`multiple` must be a whole number or (bins, frames), got {multiple}")
        if how not in ("pad", "resize"):
            raise ValueError(f"`how` must be 'pad' or 'resize', got {how!r}")
        bins, frames = (check_count("multiple", each, 1, _MOST) for each in pair)
        self.multiple = (bins, frames)
        self.how = how
        self.value = check_finite("value", value)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(32)

    def forward(
        self, specgram: Tensor, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Pad or resize; return ``(specgram, lengths)`` when ``lengths`` was passed.

        Args:
            specgram: Features of any scale.
            lengths: Valid frames of each example; padding adds none.

        Shape:
            ``(batch, channel, freq, frame)``, ``lengths`` ``(batch,)`` int64.

        Raises:
            TypeError: If ``specgram`` is not floating point or ``lengths`` not int64.
            ValueError: If a shape differs.
        """
        check_specgram(specgram, lengths)
        made, ends = enter(self._compute, specgram, lengths)
        return made if ends is None else (made, ends)

    def _compute(self, specgram: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        by, (freq, frames) = self.multiple, specgram.shape[-2:]
        if self.how == "pad":
            return pad_to(specgram, (_up(freq, by[0]), _up(frames, by[1])), self.value), lengths
        size = _nearest(freq, by[0]), _nearest(frames, by[1])
        ends = None if lengths is None else -(-lengths * size[1] // frames)
        return resize_to(specgram, size), ends

    def extra_repr(self) -> str:
        """Show the settings under the names that the constructor has."""
        return show_settings(self)


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _nearest(length: int, multiple: int) -> int:
    return max(1, (2 * length + multiple) // (2 * multiple)) * multiple


def pad_to(specgram: Tensor, size: tuple[int, int], value: float = 0.0) -> Tensor:
    """Pad to ``(freq, frame)``, after the last frame and above the highest bin."""
    freq, frames = specgram.shape[-2:]
    if (freq, frames) == size:
        return specgram
    if specgram.numel() and pieces.can_move(specgram):
        rows = torch.arange(freq)[None]  # each bin is a piece
        begin = rows * frames
        sound = specgram.reshape(-1, 1, freq * frames)
        padded = pieces.move(
            sound, begin, begin + frames, rows * size[1], size[0] * size[1], value=value
        )
        return padded.reshape(*specgram.shape[:-2], *size)
    return nn.functional.pad(specgram, (0, size[1] - frames, 0, size[0] - freq), value=value)


def resize_to(specgram: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize to ``(freq, frame)``: bilinear, antialiased."""
    if tuple(specgram.shape[-2:]) == size:
        return specgram
    if len(specgram) == 0:  # `interpolate` refuses an empty batch
        return specgram.new_zeros((*specgram.shape[:2], *size))
    return nn.functional.interpolate(
        specgram, size=size, mode="bilinear", align_corners=False, antialias=True
    )
