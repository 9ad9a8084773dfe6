"""Moving the bins and frames of a spectrogram: warps, resized crops, shifts."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_specgram
from augspec.functional.shapes import span_start
from augspec.functional.spectrum import valid_frames
from augspec.native import bins

__all__ = ["frequency_shift"]


def read_between(
    specgram: Tensor,
    *,
    bin_places: Tensor | None = None,
    frame_places: Tensor,
    ends: Tensor,
    fill: Tensor | None = None,
    written: Tensor | None = None,
) -> Tensor:
    """Read each example between its bins and frames, by linear interpolation.

    Args:
        specgram: The batch.
        bin_places: Positions to read, in bins, ``(batch, freq)``; None is the bins themselves.
        frame_places: Positions to read, in frames, ``(batch, frame)``.
        ends: Valid frames per example, ``(batch,)``.
        fill: Value outside, ``(batch, channel, 1, 1)`` or ``(1, 1, 1, 1)``; None repeats the first
            and the last frame, and is for frames alone.
        written: Frames that are changed, ``(batch,)``: later ones stay as they are. None is all.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.
    """
    if bins.can_compute(specgram, bin_places, frame_places, ends, fill, written):
        return bins.read(
            specgram, bins=bin_places, frames=frame_places, ends=ends, fill=fill, written=written
        )
    moved = specgram
    if bin_places is not None and fill is not None:
        moved = interpolate_bins(moved, bin_places, fill)
    moved = interpolate_at(moved, frame_places, ends=ends, fill=fill)
    if written is None:
        return moved
    return torch.where(valid_frames(specgram, written), moved, specgram)


def interpolate_at(
    specgram: Tensor,
    place: Tensor,
    *,
    ends: Tensor | None = None,
    fill: Tensor | None = None,
) -> Tensor:
    """Read each example between its frames, by linear interpolation.

    Args:
        specgram: The batch.
        place: Positions to read, in frames, ``(batch, size)``.
        ends: Valid frames per example, ``(batch,)``; None is all.
        fill: Value outside; broadcasts with ``specgram``; None repeats the first and the last
            frame.

    Shape:
        ``(batch, ..., frame)`` to ``(batch, ..., size)``.
    """
    check_parameter("place", place, specgram, "batch size")
    if ends is not None:
        check_parameter("ends", ends, specgram, "batch", kind="int64")
    shape = (len(place), *[1] * (specgram.ndim - 2), place.shape[-1])
    size = (*specgram.shape[:-1], place.shape[-1])
    last = specgram.new_full((1,), specgram.shape[-1] - 1, dtype=torch.int64)
    last = last if ends is None else (ends - 1)[:, None]

    def read(index: Tensor) -> Tensor:
        return specgram.gather(-1, index.reshape(shape).expand(size))

    low = torch.floor(place)
    part = (place - low).reshape(shape).to(specgram.dtype)
    places = torch.stack([low.long(), low.long() + 1])
    known = torch.minimum(places, last).clamp(min=0)
    if fill is None:
        return torch.lerp(read(known[0]), read(known[1]), part)
    inside = (known == places).reshape(2, *shape)
    below_share, above_share = (1.0 - part) * inside[0], part * inside[1]
    out = (1.0 - below_share - above_share) * fill
    out = torch.addcmul(out, read(known[0]), below_share)
    return torch.addcmul(out, read(known[1]), above_share)


def interpolate_bins(specgram: Tensor, place: Tensor, fill: Tensor) -> Tensor:
    """Read each example between its bins: `interpolate_at` as a matrix product.

    Args:
        specgram: The batch, floating point.
        place: Positions to read, in bins, ``(batch, size)``.
        fill: Value outside; broadcasts with ``specgram``.

    Shape:
        ``(batch, channel, freq, frame)`` to ``(batch, channel, size, frame)``.
    """
    check_specgram(specgram)
    check_parameter("place", place, specgram, "batch size")
    bins = torch.arange(specgram.shape[-2], device=place.device)
    shares = (1.0 - (place[..., None] - bins).abs()).clamp(min=0.0).to(specgram.dtype)[:, None]
    outside = 1.0 - shares.sum(-1, keepdim=True)
    return shares @ specgram + outside * fill


def time_warp_places(
    center: Tensor, warp: Tensor, max_warp: int, lengths: Tensor, frames: int, dtype: torch.dtype
) -> Tensor:
    """Return the source of each frame if one frame is moved and the ends stay.

    For an example of at most ``2 * max_warp`` frames the warp is reduced to fit.

    Args:
        center: The moved frame, in [0, 1), ``(batch,)``: 0 is the first that may move.
        warp: Its move, in [0, 1), ``(batch,)``: 0 is ``max_warp`` frames earlier, 0.5 is no move.
        max_warp: Largest move in frames.
        lengths: Valid frames per example, ``(batch,)``.
        frames: Frames of the result.
        dtype: The result's dtype.

    Returns:
        ``(batch, frames)``; frames after ``lengths`` come from the last.
    """
    for name, part in (("center", center), ("warp", warp)):
        check_parameter(name, part, lengths, "batch")
    most = torch.clamp((lengths - 1) // 2, 0, max_warp)
    source = most + span_start(center, lengths - 1 - 2 * most)
    target = source + span_start(warp, 2 * most) - most
    last = lengths - 1
    source, target, last = (x.to(dtype)[:, None] for x in (source, target, last))
    frame = torch.arange(frames, device=lengths.device, dtype=dtype)
    left = frame * (source / target.clamp(min=1.0))
    right = source + (frame - target) * ((last - source) / (last - target).clamp(min=1.0))
    moved = torch.where(frame <= target, left, right)
    return torch.minimum(moved, last)


def resize_places(
    scale: Tensor,
    start: Tensor,
    virtual_scale: float,
    sizes: Tensor,
    count: int,
    dtype: torch.dtype,
) -> Tensor:
    """Return the source of each bin or frame if a part of a larger canvas is resized.

    Args:
        scale: Size of the part as a multiple of the example's, ``(batch,)``.
        start: Its position, in [0, 1), ``(batch,)``: 0 is the beginning of the canvas.
        virtual_scale: Size of the canvas, with the example in its middle, as a multiple.
        sizes: Bins or valid frames of each example, ``(batch,)``.
        count: Bins or frames of the result.
        dtype: The result's dtype.

    Returns:
        ``(batch, count)``; positions outside an example are negative or at least its size.
    """
    for name, part in (("scale", scale), ("start", start)):
        check_parameter(name, part, sizes, "batch")
    canvas = (sizes.float() * virtual_scale).long()
    part = torch.minimum((sizes * scale).long(), canvas).clamp(min=1)
    first = span_start(start, (canvas - part).clamp(min=0)) - (canvas - sizes) // 2
    step = (part - 1).to(dtype) / (sizes - 1).clamp(min=1)
    place = torch.arange(count, device=sizes.device)
    return first[:, None] + place * step[:, None]


def frequency_shift(specgram: Tensor, shift: Tensor, fill: Tensor) -> Tensor:
    """Move each example up by its own number of bins, and fill the edge with ``fill``.

    Args:
        specgram: The batch.
        shift: Bins, ``(batch,)`` int64; positive is up.
        fill: Value at the edge; broadcasts with ``specgram``.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.
    """
    return shift_bins(specgram, shift, fill)


def shift_bins(
    specgram: Tensor, shift: Tensor, fill: Tensor, lengths: Tensor | None = None
) -> Tensor:
    """Do as `frequency_shift` with the valid frames; later ones stay as they are."""
    check_specgram(specgram, lengths)
    check_parameter("shift", shift, specgram, "batch", kind="int64")
    source = torch.arange(specgram.shape[-2], device=specgram.device) - shift[:, None]
    if fill.shape[-2:] == (1, 1) and bins.can_compute(specgram, shift, fill, lengths):
        return bins.read(specgram, bins=source.to(fill.dtype), fill=fill, written=lengths)
    index = source.clamp(0, specgram.shape[-2] - 1)[:, None, :, None].expand(specgram.shape)
    moved = specgram.gather(-2, index)
    inside = (source >= 0) & (source < specgram.shape[-2])
    moved = torch.where(inside[:, None, :, None], moved, fill)
    return (
        moved if lengths is None else torch.where(valid_frames(specgram, lengths), moved, specgram)
    )
