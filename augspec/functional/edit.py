"""Moving, reversing, silencing and repeating parts of each example."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from augspec._chunks import by_examples
from augspec.functional.checks import (
    check_parameter,
    check_parameters,
    check_waveform,
)
from augspec.functional.shapes import ends_of, fit, like, silence_after

__all__ = ["mute", "pad_to", "repeat_part", "shift", "time_reverse"]

PadWhere = Literal["end", "start", "center"]
RepeatMode = Literal["insert", "replace"]


def pad_start(lengths: Tensor, size: int, where: PadWhere) -> Tensor:
    """Return the first sample of each example after padding to ``size``.

    Args:
        lengths: Valid samples per example, ``(batch,)``.
        size: Samples to pad to; a longer example begins at 0.
        where: Where the silence goes: at the ``"end"``, at the ``"start"``, or half of it at each
            with ``"center"``.

    Returns:
        ``(batch,)`` int64.
    """
    missing = (size - lengths).clamp(min=0)
    if where == "end":
        return torch.zeros_like(missing)
    return missing if where == "start" else missing // 2


def pad_to(
    waveform: Tensor, size: int, where: PadWhere = "end", lengths: Tensor | None = None
) -> Tensor:
    """Pad each example with silence to ``size`` samples.

    Args:
        waveform: The batch.
        size: Samples of the result; a longer waveform keeps its time.
        where: Where the silence goes: at the ``"end"``, at the ``"start"``, or half of it at each
            with ``"center"``.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, max(time, size))``.
    """
    check_waveform(waveform, lengths)
    longest = max(size, waveform.shape[-1])
    if where == "end":
        return fit(silence_after(waveform, lengths), longest)
    time = torch.arange(longest, device=waveform.device)
    start = pad_start(ends_of(waveform, lengths), size, where)
    return _take(waveform, time - like(start, waveform), lengths)


def shift(
    waveform: Tensor,
    samples: Tensor,
    *,
    rollover: bool = True,
    fade: int = 0,
    lengths: Tensor | None = None,
) -> Tensor:
    """Move each example later or earlier within its own length.

    Where the end of an example meets its start, or silence, the sound is faded out and in, as in
    audiomentations. Without a fade a tone would have a jump there, which sounds like a click.

    Args:
        waveform: The batch.
        samples: Samples to move by, ``(batch,)`` or ``(batch, channel)`` int64; positive is later.
        rollover: Move the part that leaves at one end to the other end. With False it is lost, and
            silence fills the gap.
        fade: Samples of the raised-cosine fade on each side of that place, at most half of the
            time. 0 is a hard cut; 5 ms avoid the click. An example that is not moved has no fade.
        lengths: Valid samples per example, ``(batch,)``; None means all. Padding becomes silent.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``fade`` is negative.
    """
    check_parameters(waveform, lengths, "int64", samples=samples)
    if fade < 0:
        raise ValueError(f"`fade` must be at least 0 samples, got {fade}")
    size = waveform.shape[-1]
    samples, end = like(samples, waveform), like(ends_of(waveform, lengths), waveform)
    in_rows = rollover and lengths is None and samples.shape[1] == 1
    if in_rows and not waveform.requires_grad:
        # Copying whole rows of twice the example takes a third of the time of single samples. With
        # gradients such views would need the memory of the audio times its number of samples.
        rows = torch.cat([waveform, waveform], dim=-1).unfold(-1, size, 1)
        example = torch.arange(len(waveform), device=waveform.device)
        out = rows[example, :, torch.remainder(-samples, size).flatten()]
    else:
        time = torch.arange(size, device=waveform.device)
        source = shifted_places(time, samples, end, rollover)
        out = silence_after(_take(waveform, source, lengths), lengths)
    fade = min(fade, size // 2)
    if fade == 0:
        return out
    # Compute only the samples around the seam again, in place. Computing all, or copying the batch,
    # would take about as long as the shift itself.
    seam = torch.remainder(samples, end.clamp(min=1))
    near, gains = _fades_around(seam, size, fade, waveform.dtype)
    sound = _take(waveform, shifted_places(near, samples, end, rollover), lengths)
    faded = torch.where(near < end, sound * gains, 0.0)
    return out.scatter_(-1, near.expand_as(faded), faded)


def _fades_around(seam: Tensor, size: int, fade: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the samples around each seam, and gains that fall before it and rise after it.

    Args:
        seam: First sample after the seam, int64, from 0; at 0 there is none.
        size: Samples of the signal.
        fade: Samples of the fall, and of the rise, at most half of ``size``.
        dtype: dtype of the gains.
    """
    place = torch.arange(1, fade + 1, dtype=dtype, device=seam.device) / (fade + 1)
    rise = 0.5 - 0.5 * torch.cos(math.pi * place)
    near = seam + torch.arange(-fade, fade, device=seam.device)
    inside = (near >= 0) & (near < size) & (seam > 0)
    gains = torch.where(inside, torch.cat([rise.flip(0), rise]), 1.0)
    return torch.remainder(near, size), gains


def shifted_places(position: Tensor, samples: Tensor, end: Tensor, rollover: bool) -> Tensor:
    """Return the source sample of each position, for an example of ``end`` samples."""
    source = position - samples
    return torch.remainder(source, end.clamp(min=1)) if rollover else source


def time_reverse(waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Play each example backwards, from its own end; padding becomes silent.

    Args:
        waveform: The batch.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_waveform(waveform, lengths)
    if lengths is None:
        return waveform.flip(-1)
    time = torch.arange(waveform.shape[-1], device=waveform.device)
    return _take(waveform, like(lengths, waveform) - 1 - time, lengths)


def mute(waveform: Tensor, start: Tensor, width: Tensor, fade: Tensor) -> Tensor:
    """Silence a stretch of each example, with raised-cosine fades within the stretch.

    Args:
        waveform: The batch.
        start: First sample of the stretch, ``(batch,)`` or ``(batch, channel)`` int64.
        width: Samples of the stretch, int64.
        fade: Samples of each of the two fades, int64; at most half of the width is used.

    Shape:
        ``(batch, channel, time)`` in and out; the parameters are of one shape.
    """
    check_parameters(waveform, None, "int64", start=start, width=width, fade=fade)
    # int32, because int64 would take twice the memory of the signal.
    start, width, fade = (like(value.to(torch.int32), waveform) for value in (start, width, fade))
    time = torch.arange(waveform.shape[-1], dtype=torch.int32, device=waveform.device)
    depth = torch.minimum(time - start, start + width - 1 - time) + 1  # 1 at the first and the last
    fade = torch.minimum(fade, width // 2)
    gain = depth.clamp(min=0).to(waveform.dtype) / (fade + 1)
    gain = 0.5 + 0.5 * torch.cos(math.pi * gain)
    return torch.where(depth <= 0, waveform, torch.where(depth > fade, 0.0, waveform * gain))


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
    start, width, repeats, fade = (like(v, waveform) for v in (start, width, repeats, fade))
    time = torch.arange(waveform.shape[-1], device=waveform.device)
    source, earlier, since = repeated_places(time, start, width, repeats, mode)
    fade = torch.minimum(fade, width)
    place = ((since + 1).to(waveform.dtype) / (fade + 1)).clamp(0.0, 1.0)
    gain = 0.5 - 0.5 * torch.cos(math.pi * place)
    new, old = _take(waveform, source, lengths), _take(waveform, earlier, lengths)
    out = torch.where((since >= 0) & (since < fade), gain * new + (1.0 - gain) * old, new)
    return silence_after(out, lengths) if mode == "replace" else out


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


def _take(waveform: Tensor, source: Tensor, lengths: Tensor | None) -> Tensor:
    """Take the samples at ``source``; silence outside the example."""
    end = like(ends_of(waveform, lengths), waveform)
    index = source.clamp(0, waveform.shape[-1] - 1).expand(*waveform.shape[:2], source.shape[-1])
    return torch.where((source >= 0) & (source < end), waveform.gather(-1, index), 0.0)
