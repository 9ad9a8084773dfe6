"""The native kernels that move pieces of audio: copies of memory instead of single samples.

Their callers, such as ``augspec/functional/edit.py``, have the reference in torch, and ask
`can_move` first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from augspec import native

__all__ = ["can_move", "loop", "move", "splice", "whole"]


def can_move(waveform: Tensor, *numbers: Tensor | None) -> bool:
    """Whether the kernels of this module can compute with a batch and its parameters."""
    return waveform.dtype == torch.float32 and native.applies(waveform, *numbers)


def move(
    waveform: Tensor,
    source: Tensor,
    until: Tensor | None = None,
    target: Tensor | None = None,
    size: int | None = None,
    value: float = 0.0,
) -> Tensor:
    """Copy pieces of each example to new places.

    What no piece reaches has one value. A piece is cut to the input and to the output.

    Args:
        waveform: The batch.
        source: First sample of each piece, ``(batch, piece)``, or ``(batch, channel, piece)``
            int64.
        until: Sample after each piece, of that shape; None is the end of the waveform.
        target: First sample of each piece in the output, of that shape; None is 0. Along the last
            dimension the pieces follow one another without overlap.
        size: Samples of the output; None is the waveform's.
        value: Value where there is no piece.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, size)``.
    """
    batch, channels, time = waveform.shape
    size = time if size is None else size
    out = waveform.new_empty(batch, channels, size)
    if out.numel():
        groups = source.shape[:-1].numel(), source.shape[-1]
        native.call(
            "augspec_move", waveform, batch * channels, time, *groups, source, until, target, size,
            float(value), native.threads(), out=out,
        )  # fmt: skip
    return out


def loop(sounds: Tensor, size: int, chunk: int, *places: Tensor) -> Tensor:
    """Read rows of samples out of looped sounds.

    Args:
        sounds: Sounds one after the other, each followed by ``chunk`` samples of its beginning.
        size: Samples of a row.
        chunk: Samples that are read at a time.
        *places: Numbers of each row, int64, of one shape: the first sample within the sound; the
            samples of the sound; where it begins in ``sounds``; where it begins when counted from
            its seam; and the sample of the sound behind which a chunk is read from the seam.

    Returns:
        The shape of ``places`` with one more dimension, ``size``.
    """
    shape = places[0].shape
    out = sounds.new_empty(*shape, size)
    if out.numel():
        native.call(
            "augspec_loop", sounds, shape.numel(), size, chunk, *places,
            native.threads(), out=out,
        )  # fmt: skip
    return out


def whole(
    sounds: Tensor,
    size: int,
    origin: Tensor,
    length: Tensor,
    start: Tensor | None = None,
    fade: Tensor | None = None,
) -> Tensor:
    """Read rows that begin with a sound of their own; silence follows.

    Args:
        sounds: Sounds one after the other.
        size: Samples of a row.
        origin: Where the sound of a row begins in ``sounds``, int64, any shape.
        length: Its samples, int64, of that shape.
        start: Sample of the row from which on it fades out, int64, of that shape; None is never.
        fade: Gains from ``start`` on, ``(sample,)``; later samples are silent.

    Returns:
        The shape of ``origin`` with one more dimension, ``size``.
    """
    out = sounds.new_empty(*origin.shape, size)
    if out.numel():
        native.call(
            "augspec_whole", sounds, origin.numel(), size, origin, length, start, fade,
            0 if fade is None else len(fade), native.threads(), out=out,
        )  # fmt: skip
    return out


def splice(waveform: Tensor, start: Tensor, width: Tensor, fade: Tensor) -> Tensor:
    """Shorten each example at several places, one after the other.

    At each place, ``width`` samples fade out while the ``width`` samples after them fade in.
    Silence follows at the end.

    Args:
        waveform: The batch.
        start: First sample of each place in what the places before it left, ``(batch, place)``
            int64.
        width: Samples of each place, int64: ``start + 2 * width`` is at most what is left.
        fade: Gains of what fades in, ``(batch, place, at least width)``.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    batch, channels, time = waveform.shape
    out = torch.empty_like(waveform, memory_format=torch.contiguous_format)
    if out.numel():
        native.call(
            "augspec_splice", waveform, batch * channels, time, *start.shape, start, width, fade,
            fade.shape[-1], native.threads(), out=out,
        )  # fmt: skip
    return out
