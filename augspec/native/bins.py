"""The native kernels for spectrograms: statistics, levels, masks and moves of bins and frames.

Their callers, in ``augspec/functional``, have the reference in torch, and ask `can_compute` first.
Every function leaves its input as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from augspec import native

__all__ = [
    "affine",
    "can_compute",
    "least",
    "level",
    "mask",
    "moments",
    "pcen",
    "read",
    "slopes",
]

SMALLEST = torch.finfo(torch.float32).tiny  # logarithms are of normal numbers only


def can_compute(specgram: Tensor, *numbers: Tensor | None) -> bool:
    """Whether the kernels of this module can compute with a batch and its parameters."""
    return specgram.dtype == torch.float32 and native.applies(specgram, *numbers)


def moments(
    specgram: Tensor,
    ends: Tensor | None,
    *,
    shared: str = "channel freq",
    eps: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of cells, over the valid frames and other dimensions.

    Args:
        specgram: The batch.
        ends: Valid frames per example, ``(batch,)``; None is all.
        shared: Dimensions besides the frames that share their numbers: ``"channel freq"``,
            ``"channel"``, ``"freq"`` or ``""``.
        eps: Added to variances, of which deviations are the root; with None there are only means,
            and the second tensor is empty.

    Shape:
        ``(batch, channel, freq, frame)`` to two tensors with 1 for each shared dimension and frame.
    """
    batch, channels, freq, frames = specgram.shape
    shape = [batch, 1 if "channel" in shared else channels, 1 if "freq" in shared else freq, 1]
    mean = specgram.new_empty(shape)
    deviation = specgram.new_empty((0,) if eps is None else shape)
    depth = channels * freq * batch // max(1, mean.numel())
    inner = freq if shared == "channel" else 1
    if mean.numel():
        native.call(
            "augspec_moments", specgram, mean.numel() // inner, depth, inner, frames, batch, ends,
            int(eps is not None), float(eps or 0.0), native.threads(), out=(mean, deviation),
        )  # fmt: skip
    return mean, deviation


def least(specgram: Tensor, ends: Tensor | None) -> Tensor:
    """Return the smallest valid cell of each channel, NaN if there is one, infinity if none.

    Shape:
        ``(batch, channel, freq, frame)`` to ``(batch, channel, 1, 1)``.
    """
    batch, channels, freq, frames = specgram.shape
    out = specgram.new_empty(batch, channels, 1, 1)
    if out.numel():
        native.call(
            "augspec_least", specgram, batch * channels, freq, frames, batch, ends,
            native.threads(), out=out,
        )  # fmt: skip
    return out


def affine(
    specgram: Tensor,
    ends: Tensor | None,
    *,
    before: Tensor | None = None,
    factor: Tensor | None = None,
    after: Tensor | None = None,
    silent: bool = False,
) -> Tensor:
    """Return ``(specgram + before) * factor + after``.

    Args:
        specgram: The batch.
        ends: Valid frames per example, ``(batch,)``; None is all.
        before: Broadcasts with ``specgram``; None is none.
        factor: Broadcasts with ``specgram``; None is none.
        after: Broadcasts with ``specgram``; None is none.
        silent: Make later frames 0 rather than leave them as they are.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.
    """
    out = torch.empty_like(specgram, memory_format=torch.contiguous_format)
    if out.numel():
        given = [part for one in (before, factor, after) for part in _with_strides(one, specgram)]
        native.call(
            "augspec_affine", specgram, *specgram.shape, ends, int(silent), *given,
            native.threads(), out=out,
        )  # fmt: skip
    return out


def _with_strides(values: Tensor | None, specgram: Tensor) -> tuple[Tensor | int | None, ...]:
    if values is None:
        return None, 0, 0, 0, 0
    values = values.contiguous()
    return values, *values.expand(specgram.shape).stride()


def mask(
    specgram: Tensor,
    value: Tensor | float,
    ends: Tensor | None,
    *,
    bands: tuple[Tensor, Tensor] | None = None,
    spans: tuple[Tensor, Tensor] | None = None,
    crossed: bool = False,
) -> Tensor:
    """Copy cells, and put a value into bands of bins and spans of frames.

    Args:
        specgram: The batch.
        value: Value of masked cells, a number or ``(batch, channel, 1, 1)``.
        ends: Frames per example that may be masked, ``(batch,)``; None is all.
        bands: Start and width of each band, ``(batch, band)`` or ``(batch, channel, band)`` int64;
            None is none.
        spans: Start and width of each span, of such a shape; None is none.
        crossed: Mask only the cells in a band and in the span of the same number.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.
    """
    batch, channels, freq, frames = specgram.shape
    out = torch.empty_like(specgram, memory_format=torch.contiguous_format)
    if out.numel():
        if not isinstance(value, Tensor):
            value = specgram.new_full((1, 1, 1, 1), value)
        kinds = [(0, None, None) if one is None else (one[0].shape[-1], *one)
                 for one in (bands, spans)]  # fmt: skip
        some = bands or spans
        groups = batch if some is None else some[0].shape[:-1].numel()
        native.call(
            "augspec_mask", specgram, batch, channels, freq, frames, groups, *kinds[0], *kinds[1],
            int(crossed), value.expand(batch, channels, 1, 1), ends, native.threads(), out=out,
        )  # fmt: skip
    return out


def read(
    specgram: Tensor,
    *,
    bins: Tensor | None = None,
    frames: Tensor | None = None,
    ends: Tensor | None = None,
    fill: Tensor | None = None,
    written: Tensor | None = None,
) -> Tensor:
    """Read each example between its bins and frames, by linear interpolation.

    Args:
        specgram: The batch.
        bins: Positions to read, in bins, ``(batch, size)``; None is the bins themselves.
        frames: Positions to read, in frames, ``(batch, size)``; None is the frames themselves.
        ends: Frames per example that may be read, ``(batch,)``; given with ``frames``.
        fill: Value outside, ``(batch, channel, 1, 1)``; with None the first and the last frame are
            repeated; given with ``bins``.
        written: Frames that are read; later ones are copied from the same place. None is all.

    Shape:
        ``(batch, channel, freq, frame)`` to ``(batch, channel, size, size)``.
    """
    batch, channels, freq, count = specgram.shape
    new_freq = freq if bins is None else bins.shape[-1]
    new_count = count if frames is None else frames.shape[-1]
    out = specgram.new_empty(batch, channels, new_freq, new_count)
    if out.numel():
        filled = None if fill is None else fill.expand(batch, channels, 1, 1)
        native.call(
            "augspec_read", specgram, batch, channels, freq, count, bins, new_freq, frames,
            new_count, ends, filled, written, native.threads(), out=out,
        )  # fmt: skip
    return out


def slopes(
    specgram: Tensor,
    orders: Tensor,
    weights: Tensor,
    ends: Tensor | None,
    *,
    interpolate: bool,
) -> Tensor:
    """Take weighted sums of the frames around each frame.

    Args:
        specgram: The batch.
        orders: int64, ``(order,)``: with 0 the frames are copied.
        weights: The weights of each order, ``(order, width)``, with an odd width.
        ends: Valid frames per example, ``(batch,)``; later ones have sums of 0. None is all.
        interpolate: Repeat the first and last sum; otherwise the first and last frame.

    Shape:
        ``(batch, ..., frame)`` to ``(batch, order, ..., frame)``.
    """
    batch, *middle, frames = specgram.shape
    out = specgram.new_empty(batch, len(orders), *middle, frames)
    if out.numel():
        native.call(
            "augspec_slopes", specgram, batch, specgram.numel() // (batch * frames), frames, ends,
            len(orders), orders, weights, weights.shape[-1], int(interpolate), native.threads(),
            out=out,
        )  # fmt: skip
    return out


def level(
    specgram: Tensor,
    multiplier: float,
    *,
    bias: float = 0.0,
    amin: float = SMALLEST,
    offset: float = 0.0,
    top_db: float | None = None,
    to_peak: bool = False,
    ends: Tensor | None = None,
    matrix: Tensor | None = None,
) -> Tensor:
    """Return ``multiplier * log10(max(specgram + bias, amin)) + offset``, or products with it.

    Args:
        specgram: The batch.
        multiplier: Of the logarithm to base 10.
        bias: Added to all cells.
        amin: Lower limit, a normal number.
        offset: Added to all levels.
        top_db: Range below the peak of each example, to which levels are clipped.
        to_peak: Make the peak of each example 0.
        ends: Valid frames per example, ``(batch,)``; later ones count as 0. None is all.
        matrix: Matrix with which the bins are multiplied, ``(coefficient, freq)``; None is none.

    Shape:
        ``(batch, channel, freq, frame)`` to the same, or to ``(batch, channel, coefficient,
        frame)``.
    """
    batch, channels, freq, frames = specgram.shape
    rows = freq if matrix is None else len(matrix)
    out = specgram.new_empty(batch, channels, rows, frames)
    if out.numel():
        native.call(
            "augspec_level", specgram, batch, channels, freq, frames, ends, float(multiplier),
            bias, amin, offset, -1.0 if top_db is None else top_db, int(to_peak), rows, matrix,
            native.threads(), out=out,
        )  # fmt: skip
    return out


def pcen(
    specgram: Tensor, settings: Tensor, scale: float, eps: float, initial: float | None
) -> Tensor:
    """Divide each bin by its recent level and compress it: see ``augspec/functional/pcen.py``.

    Args:
        specgram: The batch.
        settings: Weight of the newest frame, gain, bias and exponent, ``(4, freq)``, or ``(4, 1)``
            for all bins.
        scale: Factor on the cells.
        eps: Added to the average, a normal number.
        initial: Value of the average before the first frame; None uses the first frame.

    Shape:
        ``(..., freq, frame)`` in and out.
    """
    out = torch.empty_like(specgram, memory_format=torch.contiguous_format)
    if out.numel():
        frames = specgram.shape[-1]
        native.call(
            "augspec_pcen", specgram, specgram.numel() // frames, frames, settings.shape[-1],
            settings, float(scale), float(eps), -1.0 if initial is None else float(initial),
            native.threads(), out=out,
        )  # fmt: skip
    return out
