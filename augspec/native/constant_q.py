"""The native kernel of the constant-Q transform: from audio to magnitudes, a channel at a time.

``augspec/features/constant_q.py`` is the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from augspec import native
from augspec._constants import constant
from augspec.functional.constant_q import low_pass_response, period_of

__all__ = ["Octave", "can_compute", "constant_q", "fold"]

_CPU = torch.device("cpu")
_TILE = 6  # filters that the kernel multiplies at a time
_LONGEST = 2**26  # samples of a row, for which there are transforms
_ROUNDING = 1e-9  # beside the largest weight of filters in float64


class Octave(NamedTuple):
    """Bins of an octave, how often its rate is halved, and the samples of its filters."""

    bins: int
    halvings: int
    n_fft: int


def constant_q(
    waveform: Tensor,
    lengths: Tensor | None,
    octaves: Sequence[Octave],
    weights: Tensor,
    hop_length: int,
    power: float,
) -> Tensor:
    """Compute the transform; `can_compute` says whether the kernel is able to.

    Args:
        waveform: The batch.
        lengths: Samples of each example that are heard, ``(batch,)`` int64; None means all.
        octaves: The octaves, the highest first.
        weights: What `fold` returns for their filters.
        hop_length: Samples from frame to frame.
        power: Exponent of the magnitude.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, bin, frame)``.
    """
    batch, channels, time = waveform.shape
    bins, frames = sum(octave.bins for octave in octaves), 1 + time // hop_length
    out = waveform.new_empty(batch, channels, bins, frames)
    if out.numel() == 0:
        return out
    rows, sizes = [], []
    for octave, factor in zip(octaves, _factors(octaves), strict=True):
        period = period_of(time, factor)
        if factor > 1:
            sizes.append(period // factor // 2)
            time = -(-time // factor)
        rows.append((octave.bins, factor, period, octave.n_fft))
    responses = constant(_responses, tuple(sizes), dtype=torch.float32, device=_CPU)
    products = weights.numel() // sum(_size(octave) for octave in octaves)
    native.call(
        "augspec_constant_q", waveform, batch * channels, waveform.shape[-1], lengths, channels,
        torch.tensor(rows, device=_CPU), len(rows), responses, weights, products, hop_length,
        bins, frames, power, native.threads(), out=out,
    )  # fmt: skip
    return out


def can_compute(waveform: Tensor, lengths: Tensor | None) -> bool:
    """Whether the kernel can compute the transform of a batch."""
    return (
        waveform.dtype == torch.float32
        and waveform.shape[-1] <= _LONGEST
        and native.applies(waveform, lengths)
    )


def fold(filters: Sequence[Tensor]) -> Tensor:
    """Put the filters of octaves into the order of the kernel.

    It adds and subtracts the two samples of each pair with the same distance from a frame's middle.
    A filter is multiplied by a number of magnitude 1, so that its real part is that of the sums and
    its imaginary part that of the differences. For a window that is not symmetric the other two
    products follow.

    Args:
        filters: Of each octave, ``(n_fft, 2 * filter)`` float64.

    Shape:
        Returns ``(weight,)``: of each octave ``(product, tile, pair, filter)``.
    """
    octaves = [_pairs(one) for one in filters]
    rest = max(float(one[2:].abs().max() / one.abs().max()) for one in octaves)
    products = 2 if rest < _ROUNDING else 4
    return torch.cat([_tiles(one[:products]).flatten() for one in octaves])


def _pairs(taps: Tensor) -> Tensor:
    """Return the four products' weights of an octave, ``(4, pair, filter)``."""
    half = len(taps) // 2
    # The middle is between two samples, and the first sample comes after the last.
    wave = torch.view_as_complex(taps.unflatten(1, (-1, 2)).contiguous()).roll(-1, dims=0)
    before, after = wave[:half].flip(0), wave[half:]
    turn = torch.polar(torch.ones(()).double(), -0.5 * (before * after).sum(0).angle())
    sums, differences = (after + before) * (0.5 * turn), (after - before) * (0.5 * turn)
    return torch.stack([sums.real, differences.imag, differences.real, sums.imag])


def _tiles(weights: Tensor) -> Tensor:
    padded = torch.nn.functional.pad(weights, (0, -weights.shape[-1] % _TILE))
    tiles: Tensor = padded.unflatten(-1, (-1, _TILE)).transpose(1, 2)
    return tiles


def _size(octave: Octave) -> int:
    """Count the weights of an octave for one product."""
    return octave.n_fft // 2 * -(-octave.bins // _TILE) * _TILE


def _factors(octaves: Sequence[Octave]) -> list[int]:
    """Return by how much the rate is divided before each octave."""
    halvings = [0, *(octave.halvings for octave in octaves)]
    return [1 << after - before for before, after in pairwise(halvings)]


def _responses(sizes: tuple[int, ...], *, dtype: torch.dtype) -> Tensor:
    """Return the responses of low-pass filters at ``sizes`` bins of the new band each."""
    bands = [torch.arange(size, dtype=torch.float64) / size for size in sizes]
    return torch.cat([torch.zeros(0), *map(low_pass_response, bands)]).to(dtype)
