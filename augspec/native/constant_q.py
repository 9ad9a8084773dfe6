"""The native kernel of the constant-Q transform: from audio to magnitudes, a channel at a time.

``augspec/features/constant_q.py`` is the reference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from augspec import native
from augspec._constants import constant
from augspec.functional.constant_q import REACH, decimation_filter

__all__ = ["Octave", "can_compute", "constant_q", "fold"]

_CPU = torch.device("cpu")
_TILE = 6  # filters that the kernel multiplies at a time
_LANES = 16  # blocks that it transforms at a time, at most
_SIZES = (512, 1024, 2048)  # samples of a block after its decimation
_LARGEST = 4096  # samples of a block before it, except for a large factor
_MOST = 2**16 // _SIZES[0]  # factor of which a block can be transformed
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
    rows, decimations = [], []
    for octave, factor in zip(octaves, _factors(octaves), strict=True):
        block = 0
        if factor > 1:
            block = _block(time, factor)
            decimations.append((factor, block))
            time = -(-time // factor)
        rows.append((octave.bins, factor, block, octave.n_fft))
    responses = constant(_responses, tuple(decimations), dtype=torch.float32, device=_CPU)
    products = weights.numel() // sum(_size(octave) for octave in octaves)
    native.call(
        "augspec_constant_q", waveform, batch * channels, waveform.shape[-1], lengths, channels,
        torch.tensor(rows, device=_CPU), len(rows), responses, weights, products, hop_length, bins, frames,
        power, native.threads(), out=out,
    )  # fmt: skip
    return out


def can_compute(waveform: Tensor, lengths: Tensor | None, octaves: Sequence[Octave]) -> bool:
    """Whether the kernel can compute the transform of a batch."""
    return (
        waveform.dtype == torch.float32
        and native.applies(waveform, lengths)
        and all(factor <= _MOST for factor in _factors(octaves))
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
    return padded.unflatten(-1, (-1, _TILE)).transpose(1, 2)


def _size(octave: Octave) -> int:
    """Count the weights of an octave for one product."""
    return octave.n_fft // 2 * -(-octave.bins // _TILE) * _TILE


def _factors(octaves: Sequence[Octave]) -> list[int]:
    """Return by how much the rate is divided before each octave."""
    halvings = [0, *(octave.halvings for octave in octaves)]
    return [1 << after - before for before, after in pairwise(halvings)]


def _block(time: int, factor: int) -> int:
    """Choose the samples of a transform, so that the blocks of a sound take the least time."""

    def cost(size: int) -> float:
        blocks = -(-time // factor) / (size - 2 * REACH)
        return math.ceil(math.ceil(blocks) / _LANES) * size * math.log2(size)

    sizes = [size for size in _SIZES if size * factor <= _LARGEST] or [_SIZES[0]]
    return factor * min(sizes, key=cost)


def _responses(decimations: tuple[tuple[int, int], ...], *, dtype: torch.dtype) -> Tensor:
    """Return the responses of the low-pass filters of ``(factor, block)``, over their factors."""
    parts = [torch.zeros(0, dtype=torch.float64)]
    for factor, block in decimations:
        taps = decimation_filter(factor, dtype=torch.float64)
        centred = torch.nn.functional.pad(taps, (0, block - len(taps))).roll(-REACH * factor)
        parts.append(torch.fft.rfft(centred).real / factor)
    return torch.cat(parts).to(dtype)
