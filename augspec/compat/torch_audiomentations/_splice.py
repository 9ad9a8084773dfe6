"""Pieces taken out of a sound, the ends joined."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from augspec.compat.torch_audiomentations._base import ObjectDict
from augspec.compat.torch_audiomentations._transform import Transform
from augspec.functional.checks import check_count, check_positive
from augspec.functional.shapes import span_start

__all__ = ["SpliceOut"]


class SpliceOut(Transform):
    """Shorten a row at several random places, with crossfades; silence follows at the end.

    At each place a piece of random width is joined to half of itself: its first half fades out
    while its second half fades in. Frames of targets move as the sound does.

    Args:
        num_time_intervals: Number of pieces.
        max_width: Largest width of a piece in milliseconds; it also stays within what is left.

    References:
        Jain et al., "Spliceout: A simple and efficient audio augmentation method", 2021,
        https://arxiv.org/abs/2110.00046.
    """

    num_time_intervals: int = 8
    max_width: float = 400

    supported_modes: ClassVar[Any] = {"per_batch", "per_example"}

    def _validate(self) -> None:
        check_count("num_time_intervals", self.num_time_intervals)
        check_positive("max_width", self.max_width)

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw half of each width in samples, and places."""
        most = max(1, int((sample_rate or 0) * self.max_width * 1e-3) // 2)
        draw = self.draw(len(samples))
        pieces = range(self.num_time_intervals)
        halves = [draw.integers(f"width_{i}", 0, most) for i in pieces]
        starts = [draw.uniform(f"start_{i}") for i in pieces]
        for name, values in (("splice_lengths", halves), ("splice_starts", starts)):
            drawn = torch.stack(values, 1) if values else torch.zeros(len(samples), 0)
            self.transform_parameters[name] = drawn.to(samples.device, non_blocking=True)

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Take the pieces out, one after the other, in all rows at once."""
        time = samples.shape[-1]
        place = torch.arange(time, device=samples.device)
        heard = place.expand(len(samples), time)  # which sample is heard at each place
        left = torch.full((len(samples),), time, device=samples.device)
        out, moves_frames = samples, targets is not None and targets.shape[-2] > 1
        for half, start in zip(
            self.transform_parameters["splice_lengths"].unbind(1),
            self.transform_parameters["splice_starts"].unbind(1),
            strict=True,
        ):
            half = torch.minimum(half, left // 2)
            first = span_start(start, left - 2 * half)[:, None]
            since, width = place - first, half[:, None]
            later = (place + width).clamp(max=time - 1)
            after = out.take_along_dim(later[:, None], -1)
            fade = 0.5 - 0.5 * torch.cos(torch.pi * since / width.clamp(min=1))
            fade = torch.where(since < 0, 0.0, torch.where(since < width, fade, 1.0))
            fade = torch.where(width > 0, fade, 0.0).to(out.dtype)[:, None]
            out = torch.lerp(out, after, fade)
            if moves_frames:
                jump = (since >= width // 2) & (width > 0)
                heard = torch.where(jump, heard.take_along_dim(later, -1), heard)
            left = left - half
        silent = place >= left[:, None]
        out = out.masked_fill(silent[:, None], 0.0)
        if targets is not None and moves_frames:
            targets = _move_frames(targets, heard, silent)
        return self._move(out, targets, sample_rate, target_rate)


def _move_frames(targets: Tensor, heard: Tensor, silent: Tensor) -> Tensor:
    """Take for each frame the one that is heard in its middle; nothing where there is silence."""
    count, time = targets.shape[-2], heard.shape[-1]
    middle = (2 * torch.arange(count, device=targets.device) + 1) * time // (2 * count)
    source = heard[:, middle] * count // time
    moved = targets.take_along_dim(source[:, None, :, None], -2)
    return moved.masked_fill(silent[:, middle][:, None, :, None], 0)
