"""Playing a part of each example several times."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from augspec import native
from augspec._chunks import by_examples
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
        return _repeat_natively(waveform, (start, width, repeats), fade, mode, lengths)
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


def _repeat_natively(
    waveform: Tensor,
    part: tuple[Tensor, Tensor, Tensor],
    fade: Tensor,
    mode: RepeatMode,
    lengths: Tensor | None,
) -> Tensor:
    """Do as `repeat_part`: copy whole pieces, and compute only crossfades.

    Args:
        waveform: The batch.
        part: First sample, width and repeats of the part.
        fade: Samples of a crossfade.
        mode: What follows the repeats.
        lengths: Valid samples per example; None means all.
    """
    out = torch.empty_like(waveform, memory_format=torch.contiguous_format)
    if not out.numel():
        return out
    fade = torch.minimum(fade, part[1]).clamp(min=0)
    gains = _fade_in(torch.arange(int(fade.max())), fade[:, None], waveform.dtype)
    native.call(
        "augspec_repeat", waveform, *waveform.shape, *part, fade, gains, gains.shape[-1],
        ends_of(waveform, lengths), int(mode == "replace"), native.threads(), out=out,
    )  # fmt: skip
    return out


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
