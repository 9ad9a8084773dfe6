"""The time map of a stretch on a GPU: one Triton kernel for one rate, and one for a curve of rates.

Import this module only where Triton is installed. The names and the order of the operations are
those of `augspec.functional.timemap` and `augspec.functional.pace`, and so are the results, bit for
bit: products and sums are not fused (``enable_fp_fusion``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["curved_kernel", "map_curve", "map_time", "nearest", "steady_kernel"]

_BLOCK = 128  # frames of a program


@triton.jit
def nearest(values):  # type: ignore[no-untyped-def]
    """Round to the nearest whole number, halves to the even one; below 2**22."""
    # In this sum the last bit of a float32 stands for 1.
    return (values + 12582912.0) - 12582912.0


@triton.jit
def _floor_divide(dividend, divisor):  # type: ignore[no-untyped-def]
    """Divide integers, rounding down; a divisor below 1 counts as 1."""
    divisor = tl.maximum(divisor, 1)
    quotient = dividend // divisor  # rounded towards zero
    return tl.where(quotient * divisor > dividend, quotient - 1, quotient)


@triton.jit
def _around(plain, last, first, blocks, block):  # type: ignore[no-untyped-def]
    """Look up the onset before each sample and the one after it."""
    place = tl.minimum(tl.maximum(_floor_divide(plain, block), 0), blocks - 1)
    return tl.load(last + place), tl.load(first + place)


@triton.jit
def _copied(plain, before, after, since, until, step, reach):  # type: ignore[no-untyped-def]
    """Do as `augspec.functional.timemap.copy_attacks`."""
    is_since = since < until
    copy = tl.where(is_since, before + since, after - until)
    distance, gap = tl.minimum(since, until).to(tl.float32), (since + until).to(tl.float32)
    half_rate = step.to(tl.float32) * (0.5 / 4294967296.0)
    lean = 1.0 - 2.0 * half_rate
    slope = tl.minimum(tl.div_rn(half_rate, tl.maximum(tl.abs(lean), 1e-3)), 2.0)
    beyond = (tl.minimum(since, until) - reach).to(tl.float32)
    returning = reach.to(tl.float32) - slope * beyond
    shared = slope * (gap * 0.5 - distance)
    copied = distance <= tl.minimum(shared, reach.to(tl.float32))
    excess = tl.maximum(tl.minimum(tl.minimum(distance, shared), returning), 0.0)
    moved = plain + nearest(excess * tl.where(is_since, lean, -lean)).to(tl.int64)
    return tl.where(copied, copy, moved)


@triton.jit  # type: ignore[untyped-decorator]
def steady_kernel(  # type: ignore[no-untyped-def]
    positions, steps, last, first, centers, untils, frames, blocks, n_fft,
    BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """Place ``BLOCK`` frames of a row that has one rate."""
    row = tl.program_id(0).to(tl.int64)
    frame = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = frame < frames
    step = tl.load(steps + row)
    position = tl.load(positions + row * frames + frame, mask=inside, other=0)
    plain = (position + 2147483648) >> 32
    before, after = _around(plain, last + row * blocks, first + row * blocks, blocks, n_fft // 32)
    half = step >> 1
    since = _floor_divide(position + half - before * 4294967296, step)
    until = _floor_divide(half - position + after * 4294967296, step)
    made = _copied(plain, before, after, since, until, step, n_fft // 2)
    tl.store(centers + row * frames + frame, made, mask=inside)
    tl.store(untils + row * frames + frame, until, mask=inside)


@triton.jit
def _at(place, pieces, count):  # type: ignore[no-untyped-def]
    """Do as `augspec.functional.pace.CurvedPace.at`."""
    piece = place * 0
    for later in range(1, count):
        piece += (place >= tl.load(pieces + later)).to(tl.int64)
    pieces += piece
    begin, width = tl.load(pieces), tl.load(pieces + count)
    source, step = tl.load(pieces + 2 * count), tl.load(pieces + 3 * count)
    rise = tl.load(pieces + 4 * count)
    since = place - begin
    passed = tl.minimum(tl.maximum(since, 0), width)
    risen = passed * rise
    here = step + _floor_divide(risen, width)
    bend = _floor_divide(risen, 2 * width) * passed
    return source + passed * step + bend + (since - passed) * here, here


@triton.jit  # type: ignore[untyped-decorator]
def _distance(  # type: ignore[no-untyped-def]
    onset, side: tl.constexpr, place, position, step, pieces, count, n_fft
):
    """Return the output samples from a frame to an onset on one side, and the rate there."""
    far = 64 * n_fft
    distance = place * 0
    for _ in tl.static_range(2):
        ahead = side * onset * 4294967296 - side * position + (step >> 1)
        left = _floor_divide(ahead, step)
        distance += tl.minimum(tl.maximum(left, -far), far)
        position, step = _at(place + side * distance, pieces, count)
    return distance, step


@triton.jit  # type: ignore[untyped-decorator]
def curved_kernel(  # type: ignore[no-untyped-def]
    places, pieces, last, first, centers, untils, frames, count, blocks, n_fft,
    BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """Place ``BLOCK`` frames of a row that has a curve of ``count`` pieces."""
    row = tl.program_id(0).to(tl.int64)
    frame = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = frame < frames
    pieces += row * 5 * count
    place = tl.load(places + frame, mask=inside, other=0)
    position, step = _at(place, pieces, count)
    plain = (position + 2147483648) >> 32
    before, after = _around(plain, last + row * blocks, first + row * blocks, blocks, n_fft // 32)
    since, rate_before = _distance(before, -1, place, position, step, pieces, count, n_fft)
    until, rate_after = _distance(after, 1, place, position, step, pieces, count, n_fft)
    # The mean rate up to the nearer onset.
    mean = (step + tl.where(since < until, rate_before, rate_after)) >> 1
    made = _copied(plain, before, after, since, until, mean, n_fft // 2)
    tl.store(centers + row * frames + frame, made, mask=inside)
    tl.store(untils + row * frames + frame, until, mask=inside)


def map_time(
    position: Tensor, step: Tensor, last: Tensor, first: Tensor, n_fft: int
) -> tuple[Tensor, Tensor]:
    """Do as `augspec.functional.timemap.map_time`."""
    rows, frames = position.shape
    given = (position, step, last, first)
    return _run(steady_kernel, given, rows, frames, (last.shape[1], n_fft))


def map_curve(
    place: Tensor, pieces: Tensor, last: Tensor, first: Tensor, n_fft: int
) -> tuple[Tensor, Tensor]:
    """Do as `augspec.functional.pace.CurvedPace.place`; ``place`` is ``(frame,)``."""
    rows, _, count = pieces.shape
    given = (place, pieces, last, first)
    return _run(curved_kernel, given, rows, len(place), (count, last.shape[1], n_fft))


def _run(
    kernel: Any, given: Sequence[Tensor], rows: int, frames: int, sizes: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Run a kernel for all frames of all rows."""
    centers, until = (given[0].new_empty(rows, frames) for _ in range(2))
    with torch.cuda.device_of(centers):
        kernel[(rows, triton.cdiv(frames, _BLOCK))](
            *(values.contiguous() for values in given),
            centers,
            until,
            frames,
            *sizes,
            BLOCK=_BLOCK,
            num_warps=4,
            enable_fp_fusion=False,
        )
    return centers, until
