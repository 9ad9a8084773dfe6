"""Random gain over bands of a spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter
from augspec.functional.shapes import span_start

__all__ = ["band_edges", "band_gain"]


def band_edges(boundary: Tensor, n_bands: Tensor, freq: int, min_width: int) -> Tensor:
    """Divide the bins into bands of at least ``min_width`` bins, if there are enough bins.

    Args:
        boundary: Places in [0, 1), in any order, ``(batch, most - 1)``: only the first ``n_bands -
            1`` are used.
        n_bands: Bands of each example, ``(batch,)`` int64, at most ``most``.
        freq: Number of bins.
        min_width: Smallest width of a band in bins; it is reduced if the bands do not fit.

    Returns:
        ``(batch, most + 1)`` int64: band ``i`` has the bins from entry ``i`` up to ``i + 1``; those
        after the last band are empty and lie at ``freq``.
    """
    check_parameter("n_bands", n_bands, boundary, "batch", kind="int64")
    number = torch.arange(1, boundary.shape[1] + 1, device=boundary.device)
    width = torch.clamp(freq // n_bands, max=min_width)[:, None]
    counts = number < n_bands[:, None]
    places = torch.where(counts, boundary, 2.0).sort(dim=1).values
    room = freq - n_bands[:, None] * width
    edges = span_start(places.clamp(max=1.0), room) + number * width
    edges = torch.where(counts, edges, freq)
    first, last = edges.new_zeros((len(edges), 1)), edges.new_full((len(edges), 1), freq)
    return torch.cat([first, edges, last], dim=1)


def band_gain(edges: Tensor, gain_db: Tensor, freq: int, mode: str) -> Tensor:
    """Return the gain of each bin in dB.

    Args:
        edges: From `band_edges`, ``(batch, band + 1)``.
        gain_db: Gain in dB of each band, or of each edge with ``"linear"``, ``(batch, band + 1)``.
        freq: Number of bins.
        mode: ``"step"`` for one gain in a band, ``"linear"`` for a line from edge to edge.

    Returns:
        ``(batch, freq)``.
    """
    check_parameter("gain_db", gain_db, edges, f"batch {edges.shape[1]}")
    bins = torch.arange(freq, device=edges.device)
    band = (bins >= edges[:, 1:-1, None]).sum(dim=1)
    gain = gain_db.gather(1, band)
    if mode == "step":
        return gain
    low, high = edges.gather(1, band), edges.gather(1, band + 1)
    part = (bins - low).to(gain.dtype) / (high - 1 - low).clamp(min=1)
    return torch.lerp(gain, gain_db.gather(1, band + 1), part)
