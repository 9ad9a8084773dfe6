"""Playing a part of each example several times."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from augspec._chunks import by_examples
from augspec._compile import floor_divide
from augspec.functional.checks import check_parameter, check_waveform
from augspec.functional.edit import take
from augspec.functional.shapes import ends_of, like, silence_after
from augspec.native import pieces

__all__ = ["repeat_part"]

RepeatMode = Literal["insert", "replace"]


@by_examples(14)
def repeat_part(
    waveform: Tensor,
    start: Tensor,
    width: Tensor,
    repeats: Tensor,
    fade: Tensor,
    *,
    mode: RepeatMode = "insert",
    lengths: Tensor | None = None,
) -> Tensor:
    """Play a part of each example several times more.

    At every seam the new part is faded in and the old continuation is faded out; the two raised
    cosines sum to 1.

    Args:
        waveform: The batch.
        start: First sample of the part, ``(batch,)`` int64.
        width: Samples of the part, int64, at least 1.
        repeats: Number of repeats of the part, int64.
        fade: Samples of a crossfade, int64; at most ``width`` is used.
        mode: With ``"insert"`` the rest follows the repeats and is cut at the end of the tensor;
            with ``"replace"`` the repeats replace the rest.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out; the parameters are of one shape.
    """
    check_waveform(waveform, lengths)
    parts = {"start": start, "width": width, "repeats": repeats, "fade": fade}
    for name, values in parts.items():
        check_parameter(name, values, waveform, "batch", kind="int64")
    if pieces.can_move(waveform, start, width, repeats, fade, lengths):
        return _repeat_pieces(waveform, (start, width, repeats), fade, mode, lengths)
    start, width, repeats, fade = (like(v, waveform) for v in (start, width, repeats, fade))
    time = torch.arange(waveform.shape[-1], device=waveform.device)
    source, earlier, since = repeated_places(time, start, width, repeats, mode)
    fade = torch.minimum(fade, width)
    gain = _fade_in(since, fade, waveform.dtype)
    new, old = take(waveform, source, lengths), take(waveform, earlier, lengths)
    out = torch.where((since >= 0) & (since < fade), gain * new + (1.0 - gain) * old, new)
    return silence_after(out, lengths) if mode == "replace" else out


def _fade_in(since: Tensor, fade: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the gain of what is faded in, from the samples since the seam."""
    place = ((since + 1).to(dtype) / (fade + 1)).clamp(0.0, 1.0)
    return 0.5 - 0.5 * torch.cos(math.pi * place)


def _repeat_pieces(
    waveform: Tensor,
    part: tuple[Tensor, Tensor, Tensor],
    fade: Tensor,
    mode: RepeatMode,
    lengths: Tensor | None,
) -> Tensor:
    """Do as `repeat_part`, with pieces that are copied whole and computing only crossfades.

    It reads values of the parameters, which would stall a GPU.

    Args:
        waveform: The batch.
        part: First sample, width and repeats of the part.
        fade: Samples of a crossfade.
        mode: What follows the repeats.
        lengths: Valid samples per example; None means all.
    """
    ends = ends_of(waveform, lengths)
    until = ends if mode == "replace" else torch.full_like(ends, waveform.shape[-1])
    out = pieces.move(waveform, *_pieces_of(part, mode, ends, until))
    example, position, fade = _around_seams(part, fade, mode, until)
    start, width, repeats = (value[example] for value in part)
    source, earlier, since = repeated_places(position, start, width, repeats, mode)
    gain = _fade_in(since, fade, waveform.dtype)[:, None]
    new, old = (_values(waveform, example, place, ends[example]) for place in (source, earlier))
    out[example, :, position] = gain * new + (1.0 - gain) * old
    return out


def _pieces_of(
    part: tuple[Tensor, Tensor, Tensor], mode: RepeatMode, ends: Tensor, until: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pieces of the result for `augspec.native.pieces.move`.

    The first piece reaches from the start of the example to the end of the part. The part follows,
    once for each repeat, the last time with the rest if that is inserted.

    Args:
        part: First sample, width and repeats of the part.
        mode: What follows the repeats.
        ends: Where the examples end.
        until: Where the results end.
    """
    start, width, repeats = (value[:, None] for value in part)
    ends, until, end = ends[:, None], until[:, None], start + width
    reached = torch.minimum(floor_divide(until - end, width) + 1, repeats).clamp(min=0)
    number = torch.arange(int(reached.max()) + 2 if len(reached) else 0)
    source = torch.where(number == 0, 0, start)
    target = torch.where(number == 0, 0, end + (number - 1) * width)
    last = torch.where(number > repeats, 0, end)
    if mode == "insert":
        last = torch.where(number == repeats, ends, last)
    else:
        is_rest = number == repeats + 1
        source, last = torch.where(is_rest, target, source), torch.where(is_rest, ends, last)
    return source, torch.minimum(torch.minimum(last, ends), source + until - target), target


def _around_seams(
    part: tuple[Tensor, Tensor, Tensor], fade: Tensor, mode: RepeatMode, until: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """List all samples that are crossfaded.

    Returns:
        Example, position and samples of the crossfade of each.
    """
    start, width, repeats = part
    end, fade = start + width, torch.minimum(fade, width).clamp(min=0)
    seams = torch.where(repeats > 0, repeats + (mode == "replace"), 0)
    seams = torch.minimum(seams, floor_divide(until - end, width) + 1).clamp(min=0)
    count = seams * fade
    example = torch.arange(len(count)).repeat_interleave(count)
    number = torch.arange(len(example)) - (count.cumsum(0) - count)[example]
    fade, width = fade[example], width[example]
    seam = floor_divide(number, fade)
    position = end[example] + seam * width + number - seam * fade
    inside = (position >= 0) & (position < until[example])
    return example[inside], position[inside], fade[inside]


def _values(waveform: Tensor, example: Tensor, place: Tensor, end: Tensor) -> Tensor:
    """Take samples of examples, ``(sample, channel)``; silence outside."""
    values = waveform[example, :, place.clamp(0, waveform.shape[-1] - 1)]
    return torch.where(((place >= 0) & (place < end))[:, None], values, 0.0)


def repeated_places(
    position: Tensor, start: Tensor, width: Tensor, repeats: Tensor, mode: RepeatMode
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the source of each position, and its source without the last seam before it.

    Returns:
        Both sources, and the samples since that seam, negative before the first.
    """
    end = start + width
    count = torch.div(position - end, width, rounding_mode="floor") + 1
    played = torch.minimum(count.clamp(min=0), repeats)
    source = position - played * width
    earlier = torch.where(played > 0, source + width, source)
    since = torch.where(repeats > 0, position - end - (played - 1).clamp(min=0) * width, -1)
    if mode == "replace":
        back = position - end - repeats * width
        over = (back >= 0) & (repeats > 0)
        source, earlier = torch.where(over, position, source), torch.where(over, source, earlier)
        since = torch.where(over, back, since)
    return source, earlier, since
