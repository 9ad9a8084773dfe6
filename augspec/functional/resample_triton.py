"""Resampling on a GPU: one Triton kernel, which computes its filters itself.

Import this module only where Triton is installed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from augspec.functional.sinc import BETA, ORDERS, TAPS, window_peak

__all__ = ["Filters", "resample_kernel", "resample_rows"]

_TILE = 64  # blocks of one program, which share their second filter
_PART = 16  # input samples of a block that are processed at a time: the smallest for `tl.dot`


class Filters(NamedTuple):
    """The sizes of the two filters of `augspec.functional.resample`.

    Args:
        table: The delay filter over fractions from 0 to 1, (fraction, tap).
        reach: Input samples before a block that the second filter needs.
        width: Input samples of a block that the second filter needs, a multiple of 16.
        block: Output samples of a block.
    """

    table: Tensor
    reach: int
    width: int
    block: int


@triton.jit  # type: ignore[untyped-decorator]
def _series(square, ORDERS: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    """Evaluate the Bessel function I0 at ``2 * sqrt(square)``."""
    total = square * 0.0 + 1.0
    for step in tl.static_range(ORDERS):
        total = 1.0 + total * square / ((ORDERS - step) * (ORDERS - step))
    return total


@triton.jit
def _sinc(distance):  # type: ignore[no-untyped-def]
    """Evaluate ``sin(pi * x) / (pi * x)``: by a series, as a GPU's own sine is too coarse."""
    nearest = tl.floor(distance + 0.5)
    angle = (distance - nearest) * 3.141592653589793
    sine = angle * 0.0 + 1.0
    for step in tl.static_range(7):
        sine = 1.0 - angle * angle / ((14 - 2 * step) * (15 - 2 * step)) * sine
    odd = nearest * 0.5 != tl.floor(nearest * 0.5)
    sine = tl.where(odd, -angle, angle) * sine
    return tl.where(distance == 0.0, 1.0, sine / (distance * 3.141592653589793))


@triton.jit  # type: ignore[untyped-decorator]
def resample_kernel(  # type: ignore[no-untyped-def]
    source, steps, ends, table, out, time, size, tiles, reach, width, max_ratio, peak,
    DELAY: tl.constexpr, PHASES: tl.constexpr, TAPS: tl.constexpr, BETA: tl.constexpr,  # noqa: N803
    ORDERS: tl.constexpr, BLOCK: tl.constexpr, TILE: tl.constexpr, PART: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """Make the outputs of ``TILE`` blocks of one row."""
    row = (tl.program_id(0) // tiles).to(tl.int64)
    step = tl.load(steps + row)
    end = tl.minimum(tl.load(ends + row), time)
    source += row * time
    out += row * size

    # Where the blocks begin in the input: a whole number of samples, and a fraction.
    block = (tl.program_id(0) % tiles).to(tl.int64) * TILE + tl.arange(0, TILE)
    position = block * BLOCK * step
    start = position >> 32
    rest_bits: tl.constexpr = 32 - PHASES
    phase = (position >> rest_bits) & ((1 << PHASES) - 1)
    rest = (position & ((1 << rest_bits) - 1)).to(tl.float32) / (1 << rest_bits)

    # Where the outputs of a block lie after its beginning, in the same two parts.
    offset = tl.arange(0, BLOCK).to(tl.int64) * step
    whole = offset >> 32
    fraction = (offset & 0xFFFFFFFF).to(tl.float32) / 4294967296.0
    ratio = step.to(tl.float32) / 4294967296.0
    stretch = tl.maximum(ratio, 1.0)
    known = (ratio >= 1.1754943508222875e-38) & (ratio <= max_ratio)
    scale = tl.where(known, stretch * peak, float("nan"))

    made = tl.zeros((TILE, BLOCK), dtype=tl.float32)
    for first in range(0, width, PART):
        sample = first + tl.arange(0, PART)
        delayed = tl.zeros((TILE, PART), dtype=tl.float32)
        for tap in range(DELAY):
            low = tl.load(table + phase * DELAY + tap)
            high = tl.load(table + (phase + 1) * DELAY + tap)
            weight = low + rest * (high - low)
            place = start[:, None] + (sample + (tap - reach - (DELAY // 2 - 1)))[None, :]
            heard = tl.load(source + place, mask=(place >= 0) & (place < end), other=0.0)
            delayed += weight[:, None] * heard
        whole_distance = (sample - reach)[:, None] - whole[None, :]
        distance = (whole_distance.to(tl.float32) - fraction[None, :]) / stretch
        inside = 1.0 - (distance * (2.0 / TAPS)) * (distance * (2.0 / TAPS))
        window = _series(tl.maximum(inside, 0.0) * (BETA * BETA / 4), ORDERS)
        weights = tl.where(inside > 0.0, _sinc(distance) * window, 0.0) / scale
        made = tl.dot(delayed, weights, made, input_precision="ieee")

    place = block[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    same = tl.load(source + place, mask=(step == 4294967296) & (place < end), other=0.0)
    made = tl.where(step == 4294967296, same, made)
    made = tl.where(place * tl.maximum(step, 1) < end << 32, made, 0.0)
    tl.store(out + place, made, mask=place < size)


def resample_rows(
    rows: Tensor, step: Tensor, ends: Tensor, size: int, max_ratio: float, filters: Filters
) -> Tensor:
    """Resample every row by its own fixed-point step, as `augspec.functional.resample` does.

    Shape:
        ``rows``: (row, time), float32; ``step`` and ``ends``: (row,), int64; the output is (row,
        size).
    """
    out = rows.new_empty(len(rows), size)
    tiles = triton.cdiv(size, filters.block * _TILE)
    with torch.cuda.device_of(rows):
        resample_kernel[(len(rows) * tiles,)](
            rows.contiguous(),
            step.contiguous(),
            ends.contiguous(),
            filters.table,
            out,
            rows.shape[1],
            size,
            tiles,
            filters.reach,
            filters.width,
            max_ratio * (1 + 1e-6),
            window_peak(BETA),
            DELAY=filters.table.shape[1],
            PHASES=int(math.log2(len(filters.table) - 1)),
            TAPS=TAPS,
            BETA=BETA,
            ORDERS=ORDERS,
            BLOCK=filters.block,
            TILE=_TILE,
            PART=_PART,
            num_warps=4,
        )
    return out
