"""Resampling between two fixed sample rates.

For rates with a large common divisor, such as 44.1 and 16 kHz (441 to 160), the filter repeats with
every common period. A period is divided into blocks of about 32 output samples. A block is a matrix
product of the input around it and the block's interpolation matrix; frames of the input that begin
a period apart are a view. Other rates use `resample`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec import native
from augspec._chunks import in_chunks
from augspec._constants import constant
from augspec.functional.sinc import ONE, TAPS, interpolation_matrix

__all__ = ["LONGEST_PERIOD", "by_period"]

_BLOCK = 32  # largest number of output samples per block
LONGEST_PERIOD = 1024  # samples, in and out: matrices of longer periods do not fit into the cache


def by_period(rows: Tensor, period: int, new_period: int, size: int) -> Tensor:
    """Resample rows (row, time) by ``period / new_period``: (row, size)."""
    several = -(-_BLOCK // new_period)  # several short periods are processed together
    period, new_period = several * period, several * new_period
    blocks = -(-new_period // _BLOCK)
    block = -(-new_period // blocks)
    half = TAPS / 2 * max(1.0, period / new_period)
    reach = math.ceil(half) - 1
    width = reach + math.ceil((block - 1) * period / new_period + half) + 1
    # Where the frame of each block begins, in input samples.
    starts = [k * block * period // new_period for k in range(blocks)]
    if native.applies(rows):
        wide = constant(
            _wide_matrices, period, new_period, blocks, reach, width,
            dtype=rows.dtype, device=rows.device,
        )  # fmt: skip
        out = rows.new_empty(len(rows), size)
        native.call(
            "augspec_resample_rate", rows, *rows.shape, period, new_period, blocks, block,
            reach, width, wide, size, native.threads(), out=out,
        )  # fmt: skip
        return out
    matrices = constant(
        _matrices, period, new_period, blocks, reach, width, dtype=rows.dtype, device=rows.device
    )

    # Rows of whole periods, so that frames a period apart continue from each row to the next.
    periods = -(-size // new_period)
    long = (periods + -(-(width + reach) // period)) * period
    count = long // period

    def convolve(some: slice) -> Tensor:
        part = rows[some]
        padded = nnf.pad(part, (reach, max(0, long - reach - part.shape[1])))[:, :long]
        line = nnf.pad(padded.reshape(-1), (0, period + width))
        frames = [line[start:].unfold(0, width, period)[: len(part) * count] for start in starts]
        out = torch.cat([torch.mm(f, m) for f, m in zip(frames, matrices, strict=True)], dim=-1)
        return out[:, :new_period].reshape(len(part), -1)[:, :size]

    return in_chunks(convolve, len(rows), 4 * long, rows.device)


def _wide_matrices(
    period: int, new_period: int, blocks: int, reach: int, width: int, *, dtype: torch.dtype
) -> Tensor:
    """Make `_matrices` with columns of zeros, so that each has as many as the kernel's blocks."""
    matrices = _matrices(period, new_period, blocks, reach, width, dtype=dtype)
    return nnf.pad(matrices, (0, _BLOCK - matrices.shape[-1]))


def _matrices(
    period: int, new_period: int, blocks: int, reach: int, width: int, *, dtype: torch.dtype
) -> Tensor:
    """Make the interpolation matrix of each block of a period: (block, width, output)."""
    ratio = period / new_period
    block = -(-new_period // blocks)
    place = torch.arange(blocks * block).reshape(blocks, block) * period
    origin = torch.arange(blocks)[:, None] * (block * period) // new_period
    offset = (place - origin * new_period) * ONE // new_period
    ratios = torch.full((blocks,), ratio, dtype=dtype)
    return interpolation_matrix(offset, ratios, reach, width, ratio)
