"""Removal of pieces of a sound."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec.compat.torch_audiomentations._base import ObjectDict
from augspec.compat.torch_audiomentations._transform import Transform
from augspec.functional.checks import check_count, check_positive
from augspec.functional.shapes import span_start
from augspec.native import pieces

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
    _needs_copy: ClassVar[bool] = False

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
        most = self._most(sample_rate)
        draw = self.draw(len(samples))
        pieces = range(self.num_time_intervals)
        halves = [draw.integers(f"width_{i}", 0, most) for i in pieces]
        starts = [draw.uniform(f"start_{i}") for i in pieces]
        for name, values in (("splice_lengths", halves), ("splice_starts", starts)):
            drawn = torch.stack(values, 1) if values else torch.zeros(len(samples), 0)
            self.transform_parameters[name] = drawn.to(samples.device, non_blocking=True)

    def _most(self, sample_rate: int | None) -> int:
        """Return the upper bound, in samples, of half of a piece."""
        return max(1, int((sample_rate or 0) * self.max_width * 1e-3) // 2)

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Remove the pieces one after the other, in all rows at once."""
        time, most = samples.shape[-1], self._most(sample_rate)
        halves = self.transform_parameters["splice_lengths"].clamp(min=0, max=most)
        place = self.transform_parameters["splice_starts"]
        starts, halves, left = _fit_pieces(place, halves, time)
        near = torch.arange(min(most, time), device=samples.device)
        fades = 0.5 - 0.5 * torch.cos(torch.pi * near / halves.clamp(min=1).unsqueeze(-1))
        if pieces.can_move(samples, starts, halves, fades):
            out = pieces.splice(samples, starts, halves, fades)
        else:
            out = _splice(samples, starts, halves, fades)
            out = out.masked_fill(_after(left, time)[:, None], 0.0)
        if targets is not None and targets.shape[-2] > 1:
            heard = _heard(starts, halves, time)
            targets = _move_frames(targets, heard, _after(left, time))
        return self._move(out, targets, sample_rate, target_rate)


def _fit_pieces(place: Tensor, halves: Tensor, time: int) -> tuple[Tensor, Tensor, Tensor]:
    """Fit each piece into what the pieces before it left.

    Args:
        place: Place of each piece in [0, 1), ``(row, piece)``.
        halves: Samples of half of each piece, int64.
        time: Samples of a row.

    Returns:
        First sample and half width of each piece, and the samples of each row that are left.
    """
    left = torch.full(halves.shape[:1], time, device=halves.device)
    starts, fitting = torch.empty_like(halves), torch.empty_like(halves)
    for i in range(halves.shape[1]):
        half = torch.minimum(halves[:, i], left // 2)
        starts[:, i], fitting[:, i] = span_start(place[:, i], left - 2 * half), half
        left = left - half
    return starts, fitting, left


def _splice(samples: Tensor, starts: Tensor, halves: Tensor, fades: Tensor) -> Tensor:
    """Do as `augspec.native.pieces.splice`, but leave what follows the end."""
    time, most = samples.shape[-1], fades.shape[-1]
    place = torch.arange(time, device=samples.device)
    row, near = torch.arange(len(samples), device=samples.device), place[:most]
    out = samples
    for start, half, fade in zip(starts.unbind(1), halves.unbind(1), fades.unbind(1), strict=True):
        first, width = start[:, None], half[:, None]
        # Move whole rows, and compute the fade only around the seam.
        after = nnf.pad(out, (0, most)).unfold(-1, time, 1)[row, :, half]
        seam = (first + near).clamp(max=time - 1)[:, None].expand(-1, samples.shape[1], -1)
        old, new = out.gather(-1, seam), after.gather(-1, seam)
        joined = torch.lerp(old, new, fade.to(out.dtype)[:, None])
        joined = torch.where((near < width)[:, None], joined, new)
        is_before = (place < first)[:, None]
        out = torch.where(is_before, out, after.scatter(-1, seam, joined))
    return out


def _heard(starts: Tensor, halves: Tensor, time: int) -> Tensor:
    """Return the input sample that sounds at each output sample, ``(row, time)``."""
    place = torch.arange(time, device=starts.device)
    heard = place.expand(len(starts), time)
    for start, half in zip(starts.unbind(1), halves.unbind(1), strict=True):
        first, width = start[:, None], half[:, None]
        jump = (place - first >= width // 2) & (width > 0)
        later = (place + width).clamp(max=time - 1)
        heard = torch.where(jump, heard.take_along_dim(later, -1), heard)
    return heard


def _after(left: Tensor, time: int) -> Tensor:
    """Return which samples of each row lie after its end."""
    return torch.arange(time, device=left.device) >= left[:, None]


def _move_frames(targets: Tensor, heard: Tensor, silent: Tensor) -> Tensor:
    """Take for each frame the one that sounds in its middle, or zero in silence."""
    count, time = targets.shape[-2], heard.shape[-1]
    middle = (2 * torch.arange(count, device=targets.device) + 1) * time // (2 * count)
    source = heard[:, middle] * count // time
    moved = targets.take_along_dim(source[:, None, :, None], -2)
    return moved.masked_fill(silent[:, middle][:, None, :, None], 0)
