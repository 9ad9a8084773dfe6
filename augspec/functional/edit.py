"""Moving, reversing, silencing and padding each example."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from augspec import native
from augspec._compile import needs_gradient
from augspec.functional.checks import check_parameters, check_waveform
from augspec.functional.shapes import ends_of, fit, like, silence_after
from augspec.native import pieces, samples

__all__ = ["mute", "pad_to", "shift", "time_reverse"]

PadWhere = Literal["end", "start", "center"]


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
    longest, ends = max(size, waveform.shape[-1]), ends_of(waveform, lengths)
    start = pad_start(ends, size, where)[:, None]
    if pieces.can_move(waveform, ends):
        return pieces.move(waveform, torch.zeros_like(start), ends[:, None], start, longest)
    if where == "end":
        return fit(silence_after(waveform, lengths), longest)
    time = torch.arange(longest, device=waveform.device)
    return take(waveform, time - start[:, None], lengths)


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
            example. 0 is a hard cut; 5 ms avoid the click. An example that is not moved has no
            fade.
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
    out = _shift(waveform, samples, end, rollover, lengths)
    fade = min(fade, size // 2)
    if fade == 0:
        return out
    # Compute only the samples around the seam again, in place. Computing all, or copying the batch,
    # would take about as long as the shift itself.
    seam = torch.remainder(samples, end.clamp(min=1))
    near, gains = _fades_around(seam, end, size, fade, waveform.dtype)
    sound = take(waveform, shifted_places(near, samples, end, rollover), lengths)
    faded = torch.where(near < end, sound * gains, 0.0)
    return out.scatter_(-1, near.expand_as(faded), faded)


def _shift(
    waveform: Tensor, samples: Tensor, end: Tensor, rollover: bool, lengths: Tensor | None
) -> Tensor:
    """Do as `shift` without a fade; parameters have the rank of the waveform."""
    if pieces.can_move(waveform, samples, end):
        return pieces.move(waveform, *_shifted_pieces(samples, end, rollover))
    size = waveform.shape[-1]
    in_rows = rollover and lengths is None and samples.shape[1] == 1
    if in_rows and not needs_gradient(waveform):
        # Copying whole rows of twice the example takes a third of the time of single samples. With
        # gradients such views would need the memory of the audio times its number of samples.
        rows = torch.cat([waveform, waveform], dim=-1).unfold(-1, size, 1)
        example = torch.arange(len(waveform), device=waveform.device)
        return rows[example, :, torch.remainder(-samples, size).flatten()]
    time = torch.arange(size, device=waveform.device)
    source = shifted_places(time, samples, end, rollover)
    return silence_after(take(waveform, source, lengths), lengths)


def _shifted_pieces(samples: Tensor, end: Tensor, rollover: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pieces of a shift for `augspec.native.pieces.move`."""
    if not rollover:
        until = torch.minimum(end, end - samples)  # what would leave the example is cut
        return -samples, until, torch.zeros_like(samples)
    samples = torch.remainder(samples, end.clamp(min=1))
    back, start = end - samples, torch.zeros_like(samples)
    end = end.expand_as(samples)
    both = ((back, start), (end, back), (start, samples))
    source, until, target = (torch.cat(values, dim=-1) for values in both)
    return source, until, target


def _fades_around(
    seam: Tensor, end: Tensor, size: int, fade: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the samples around each seam, and gains that fall before it and rise after it.

    Args:
        seam: First sample after the seam, int64, from 0; at 0 there is none.
        end: Where the example ends: half of that is the longest fall and rise.
        size: Samples of the signal.
        fade: Samples of the fall, and of the rise, at most half of ``size``.
        dtype: dtype of the gains.
    """
    steps = torch.arange(1, fade + 1, device=seam.device)
    distance = torch.cat([steps.flip(0), steps])
    own = torch.div(end, 2, rounding_mode="floor").clamp(max=fade)
    gains = 0.5 - 0.5 * torch.cos(math.pi * (distance.to(dtype) / (own + 1)))
    near = seam + torch.arange(-fade, fade, device=seam.device)
    inside = (near >= 0) & (near < size) & (seam > 0) & (distance <= own)
    return torch.remainder(near, size), torch.where(inside, gains, 1.0)


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
    if samples.can_compute(waveform, lengths):
        return samples.reverse(waveform, ends_of(waveform, lengths))
    if lengths is None:
        return waveform.flip(-1)
    size = waveform.shape[-1]
    time = torch.arange(size, device=waveform.device)
    return take(waveform, like(lengths, waveform) - 1 - time, lengths)


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
    if waveform.numel() and native.applies(waveform, start, width, fade):
        out = torch.empty_like(waveform, memory_format=torch.contiguous_format)
        native.call(
            "augspec_mute", waveform, waveform.shape[:2].numel(), waveform.shape[-1],
            start.numel(), start, width, fade, native.threads(), out=out,
        )  # fmt: skip
        return out
    # int32, because int64 would take twice the memory of the signal.
    start, width, fade = (like(value.to(torch.int32), waveform) for value in (start, width, fade))
    time = torch.arange(waveform.shape[-1], dtype=torch.int32, device=waveform.device)
    depth = torch.minimum(time - start, start + width - 1 - time) + 1  # 1 at the first and the last
    fade = torch.minimum(fade, width // 2)
    gain = depth.clamp(min=0).to(waveform.dtype) / (fade + 1)
    gain = 0.5 + 0.5 * torch.cos(math.pi * gain)
    return torch.where(depth <= 0, waveform, torch.where(depth > fade, 0.0, waveform * gain))


def take(waveform: Tensor, source: Tensor, lengths: Tensor | None) -> Tensor:
    """Take the samples at ``source``; silence outside the example."""
    end = like(ends_of(waveform, lengths), waveform)
    index = source.clamp(0, waveform.shape[-1] - 1).expand(*waveform.shape[:2], source.shape[-1])
    return torch.where((source >= 0) & (source < end), waveform.gather(-1, index), 0.0)
