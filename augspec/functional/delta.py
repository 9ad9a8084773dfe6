"""Slopes of features over time."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import compiled
from augspec._constants import constant, tensor_of
from augspec.native import bins

__all__ = ["delta"]


def delta(
    specgram: Tensor,
    width: int = 9,
    order: int = 1,
    mode: str = "interp",
    lengths: Tensor | None = None,
) -> Tensor:
    """Estimate the time derivative by a polynomial fit over ``width`` frames.

    It is Savitzky and Golay's filter, as in ``librosa.feature.delta``. An example shorter than
    ``width`` frames is treated as with ``mode="nearest"``.

    Args:
        specgram: Features of any scale.
        width: Frames of the fit, odd, at least 3.
        order: Order of the derivative and of the polynomial, in [1, width).
        mode: Treatment of the ends: ``"interp"`` uses the slope of the first and last fit,
            ``"nearest"`` repeats the first and last frame.
        lengths: Valid frames of each example; later frames become zeros.

    Shape:
        ``(batch, ..., frame)`` in and out.

    References:
        Savitzky and Golay, "Smoothing and differentiation of data by simplified least
        squares procedures", Analytical Chemistry 36 (8), 1964.
    """
    slope = _native_deltas(specgram, width, (order,), mode, lengths)
    if slope is not None:
        return slope.squeeze(1)
    frames, half = specgram.shape[-1], width // 2
    weights = constant(_fit_weights, width, order, dtype=specgram.dtype, device=specgram.device)
    if lengths is None:
        rows = specgram.reshape(-1, 1, frames)
        if mode == "interp" and frames >= width:
            # The highest derivative of a polynomial is constant over the fit.
            slope = nnf.pad(_fit(rows, weights), (half, half), mode="replicate")
        else:
            slope = _fit(nnf.pad(rows, (half, half), mode="replicate"), weights)
        return slope.reshape(specgram.shape)
    ends = lengths.reshape(-1, *[1] * (specgram.ndim - 1))

    def take(values: Tensor, index: Tensor) -> Tensor:
        return values.gather(-1, index.expand(*values.shape[:-1], -1))

    place = torch.arange(-half, frames + half, device=specgram.device)
    around = take(specgram, torch.minimum(place.clamp(min=0), (ends - 1).clamp(min=0)))
    slope = _fit(around, weights)
    place = torch.arange(frames, device=specgram.device)
    if mode == "interp":
        middle = torch.minimum(place.clamp(min=half), (ends - 1 - half).clamp(min=0))
        slope = take(slope, torch.where(ends >= width, middle, place))
    return torch.where(place < ends, slope, 0.0)


def deltas(
    specgram: Tensor,
    width: int,
    orders: tuple[int, ...],
    mode: str,
    lengths: Tensor | None = None,
) -> Tensor:
    """Stack the results of `delta` of several orders as channels; order 0 is the input itself.

    Shape:
        ``(batch, channel, freq, frame)`` to ``(batch, order * channel, freq, frame)``.
    """
    slopes = _native_deltas(specgram, width, orders, mode, lengths)
    if slopes is not None:
        return slopes.flatten(1, 2)
    parts = [delta(specgram, width, n, mode, lengths) if n else specgram for n in orders]
    return torch.cat(parts, dim=1)


def _native_deltas(
    specgram: Tensor, width: int, orders: tuple[int, ...], mode: str, lengths: Tensor | None
) -> Tensor | None:
    """Compute slopes of several orders, ``(batch, order, ..., frame)``; None if only torch can."""
    if not bins.can_compute(specgram, lengths):
        return None
    weights, number = (
        constant(make, *given, dtype=dtype, device=specgram.device)
        for make, given, dtype in (
            (_all_weights, (width, orders), specgram.dtype),
            (tensor_of, (orders,), torch.int64),
        )
    )
    return bins.slopes(specgram, number, weights, lengths, interpolate=mode == "interp")


def _all_weights(width: int, orders: tuple[int, ...], *, dtype: torch.dtype) -> Tensor:
    """Return the weights of several orders, ``(order, width)``; order 0 has none."""
    none = torch.zeros(width, dtype=dtype)
    return torch.stack([_fit_weights(width, n, dtype=dtype) if n else none for n in orders])


@compiled
def _fit(rows: Tensor, weights: Tensor) -> Tensor:
    """Compute the weighted sum of the frames around each frame, where there are enough."""
    count = rows.shape[-1] - len(weights) + 1
    slope = rows[..., :count] * weights[0]
    for i in range(1, len(weights)):
        slope = torch.addcmul(slope, rows[..., i : i + count], weights[i])
    return slope


def _fit_weights(width: int, order: int, *, dtype: torch.dtype) -> Tensor:
    """Return the weights for the derivative of a polynomial fit, ``(width,)``."""
    place = torch.arange(width, dtype=torch.float64) - width // 2
    powers = place[:, None] ** torch.arange(order + 1, dtype=torch.float64)
    highest: Tensor = torch.linalg.pinv(powers)[order]
    return (highest * math.factorial(order)).to(dtype)
