"""Resampling with a separate ratio for every example, and between two fixed sample rates.

The output is cut into blocks. Output ``n`` of a block that starts at input position ``i + f``
(``i`` whole, ``f`` a fraction) lies at ``i + f + n * ratio``, so two short filters do the work:

1. the input around ``i`` is advanced by ``f``, one filter for each block;
2. one matrix for each example, the same for all its blocks, interpolates at ``0, ratio,
   2 * ratio, ...`` and is the anti-aliasing filter too.

No step reads single samples: the first reads shifted contiguous rows, the second is a matrix
product. Positions are 32.32 fixed-point integers, exact at any length and on every device.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec import native
from augspec._chunks import in_chunks
from augspec._compile import (
    compiled,
    floor_divide,
    is_launched,
    launches_cost,
    needs_gradient,
    runs_triton,
    triton_op,
)
from augspec._constants import constant, count_up, where_else
from augspec._torch import GRADIENT_COMPILES, graph_break, is_compiling
from augspec.functional.checks import check_parameter, check_waveform, compute_dtype, output_size
from augspec.functional.rates import LONGEST_PERIOD, by_period
from augspec.functional.sinc import BETA, ONE, ORDERS, TAPS, interpolation_matrix, windowed_sinc
from augspec.functional.unchanged import keep_unchanged

__all__ = ["resample", "resample_rate", "resampled_lengths"]

# Taps and Kaiser beta of the first filter: with the second 0.44 dB of droop at 0.9 of Nyquist.
_DELAY_TAPS, _DELAY_BETA = 34, 8.0
_BLOCK = 32  # output samples per block: fewer need more delayed samples, more need a larger matrix
# Fractions tabulated by the delay filter; linear interpolation between them: -104 dB.
_PHASE_BITS = 8
_ROUNDED = 2.0**-20  # more than float32 rounds a ratio by, as a fraction of it


def resample(
    waveform: Tensor,
    ratio: Tensor,
    *,
    size: int | None = None,
    lengths: Tensor | None = None,
    max_ratio: float = 2.0,
) -> Tensor:
    r"""Resample each example by its own ratio: output ``n`` is the input at position ``n * ratio``.

    A ratio above 1 plays faster and higher. It interpolates with a windowed sinc of 32 taps at the
    lower rate: images and aliases lie below -80 dB up to 0.7 of the lower rate's Nyquist frequency
    and below -60 dB up to 0.85; the response is flat within 0.5 dB up to 0.9. A ratio of exactly 1
    returns the input, bit for bit. (On a GPU with TF32 matrix products switched on, rounding noise
    lies near -70 dB.)

    Args:
        waveform: Float audio.
        ratio: Ratio of each example or of each channel, in (0, ``max_ratio``]. For a ratio outside
            this range the result is NaN, because checking values would stall a GPU.
        size: Output time in samples, the input's by default. Samples after the content are zero.
        lengths: Valid samples of each example, all by default; later samples have no effect. For
            the output use `resampled_lengths`.
        max_ratio: Largest expected ratio. It changes the cost but not the result.

    Shape:
        ``waveform``: (batch, channel, time); ``ratio``: (batch,) or (batch, channel); ``lengths``:
        (batch,); the output is (batch, channel, size).

    Raises:
        ValueError: If a shape does not fit, or if ``size`` or ``max_ratio`` is not positive.
        TypeError: If ``waveform`` or ``ratio`` is not of a floating-point type.

    Example:
        >>> waveform = torch.randn(2, 1, 16_000)
        >>> resample(waveform, torch.tensor([0.8, 1.25])).shape
        torch.Size([2, 1, 16000])
    """
    check_waveform(waveform, lengths)
    check_parameter("ratio", ratio, waveform)
    size = output_size(size, waveform)
    if not 0 < max_ratio < math.inf:
        raise ValueError(f"`max_ratio` must be positive, got {max_ratio}")
    step = fixed_point(ratio)
    per_channel = step.dim() == 2
    step = (step if per_channel else step[:, None]).expand(waveform.shape[:2]).reshape(-1)
    return _resample(waveform, step, size, lengths, max_ratio)


def resampled_lengths(lengths: Tensor, ratio: Tensor, size: int | None = None) -> Tensor:
    """Count the valid samples after `resample`: ``ceil(lengths / ratio)``, at most ``size``.

    Args:
        lengths: Valid samples of each example before.
        ratio: Ratio of each example or of each channel (then the longest channel counts).
        size: Output time of `resample`.

    Shape:
        ``lengths``: (batch,); ``ratio``: (batch,) or (batch, channel); the output is (batch,).
    """
    step = fixed_point(ratio)
    if step.dim() == 2:
        step = step.amin(1)
    resampled = -floor_divide(lengths * -ONE, step)  # rounded up
    return resampled if size is None else resampled.clamp(max=size)


def resampled_size(time: int, lowest: float) -> int:
    """Return the samples that hold ``time`` samples after `resample` by any ratio from ``lowest``.

    A ratio is rounded, to float32 as a rule, and may need one sample more than ``lowest`` says.
    """
    return math.ceil(time / lowest * (1.0 + _ROUNDED))


def resample_rate(
    waveform: Tensor, orig_freq: int, new_freq: int, *, lengths: Tensor | None = None
) -> Tensor:
    """Resample from one sample rate to another, with the quality of `resample` or better.

    Args:
        waveform: Float audio at ``orig_freq``.
        orig_freq: Sample rate of the input in Hz.
        new_freq: Sample rate of the output in Hz.
        lengths: Valid samples of each example, all by default; the output's are
            ``ceil(lengths * new_freq / orig_freq)``.

    Shape:
        (batch, channel, time) in, (batch, channel, ceil(time * new_freq / orig_freq)) out.

    Raises:
        ValueError: If a rate is not positive or a shape does not fit.
        TypeError: If ``waveform`` is not of a floating-point type.

    Example:
        >>> resample_rate(torch.randn(2, 1, 44_100), 44_100, 16_000).shape
        torch.Size([2, 1, 16000])
    """
    check_waveform(waveform, lengths)
    for name, freq in (("orig_freq", orig_freq), ("new_freq", new_freq)):
        if freq < 1:
            raise ValueError(f"`{name}` must be a positive number of Hz, got {freq}")
    if orig_freq == new_freq:
        return waveform
    common = math.gcd(orig_freq, new_freq)
    period, new_period = orig_freq // common, new_freq // common
    batch, channel, time = waveform.shape
    size = -(-time * new_period // period)
    if max(period, new_period) > LONGEST_PERIOD or batch == 0:
        step = (orig_freq * ONE + new_freq // 2) // new_freq
        steps = torch.full((batch * channel,), step, device=waveform.device)
        return _resample(waveform, steps, size, lengths, orig_freq / new_freq)
    sound = waveform.to(compute_dtype(waveform))
    if lengths is not None:
        sound = torch.where(_within(time, lengths), sound, 0.0)
    out = by_period(sound.reshape(-1, time), period, new_period, size)
    out = out.reshape(batch, channel, size)
    if lengths is not None:
        out = torch.where(_within(size, -(-lengths * new_period // period)), out, 0.0)
    return out.to(waveform.dtype)


def _within(time: int, lengths: Tensor) -> Tensor:
    return (torch.arange(time, device=lengths.device) < lengths[:, None])[:, None]


def _resample(
    waveform: Tensor, step: Tensor, size: int, lengths: Tensor | None, max_ratio: float
) -> Tensor:
    """Resample every channel by its fixed-point ``step`` (batch * channel,)."""
    batch, channel, time = waveform.shape
    if batch * channel == 0:
        return waveform.new_zeros(batch, channel, size)
    rows = waveform.reshape(-1, time).to(compute_dtype(waveform))
    ends = torch.full_like(step, time)
    if lengths is not None:
        ends = lengths[:, None].expand(batch, channel).reshape(-1)
    if rows.dtype == torch.float32 and native.applies(rows, step, ends):
        out = rows.new_empty(batch, channel, size)
        numbers = (len(rows), time, ends, step, size, float(max_ratio))
        native.call(
            "augspec_resample", rows, *numbers, *filter_constants(),
            native.threads(), out=out,
        )  # fmt: skip
        return out.to(waveform.dtype)
    if rows.dtype == torch.float32 and runs_triton(rows):
        made: Tensor = torch.ops.augspec.resample_rows(rows, step, ends, size, float(max_ratio))
        return made.reshape(batch, channel, size).to(waveform.dtype)
    if lengths is not None:
        inside = torch.arange(time, device=rows.device) < ends[:, None]
        rows = where_else(inside, rows, 0.0)
    resampled = _resample_rows(rows, step, ends, size, max_ratio)
    return resampled.reshape(batch, channel, size).to(waveform.dtype)


def filter_constants() -> tuple[Tensor, int, int, int, int, float]:
    """Return the constants from which the native kernel makes the two filters."""
    table = constant(_delay_table, dtype=torch.float32, device=torch.device("cpu"))
    return table, _DELAY_TAPS, _PHASE_BITS, TAPS, ORDERS, BETA


def fixed_point(ratio: Tensor) -> Tensor:
    """Convert ratios to units of 2**-32, int64: exact for float32, only the exponent changes."""
    ratio = ratio if ratio.dtype == torch.float64 else ratio.float()
    return (ratio * ONE).to(torch.int64)


@triton_op(
    "resample_rows",
    "(Tensor rows, Tensor step, Tensor ends, SymInt size, float max_ratio) -> Tensor",
)
def _by_triton(rows: Tensor, step: Tensor, ends: Tensor, size: int, max_ratio: float) -> Tensor:
    from augspec.functional.resample_triton import Filters, resample_rows  # not everywhere

    table = constant(_delay_table, dtype=rows.dtype, device=rows.device)
    filters = Filters(table, *_needed(max_ratio), _BLOCK)
    return resample_rows(rows, step, ends, size, max_ratio, filters)


@_by_triton.register_fake
def _(rows: Tensor, _step: Tensor, _ends: Tensor, size: int, _max_ratio: float) -> Tensor:
    return rows.new_empty(len(rows), size)


def _needed(max_ratio: float) -> tuple[int, int]:
    """Count the input samples that a block needs: those before it, and all of them."""
    half = TAPS / 2 * max(1.0, max_ratio)  # of the second filter
    reach = math.ceil(half) - 1
    width = reach + math.ceil((_BLOCK - 1) * max_ratio + half)
    return reach, width + -width % 16  # whole vectors


def _resample_rows(rows: Tensor, step: Tensor, ends: Tensor, size: int, max_ratio: float) -> Tensor:
    blocks = -(-size // _BLOCK)
    reach, width = _needed(max_ratio)
    left = reach + _DELAY_TAPS // 2 - 1
    right = width + _DELAY_TAPS - 1

    first = torch.arange(0, blocks * _BLOCK, _BLOCK, device=rows.device)
    position = first * step[:, None]
    valid = (-floor_divide(ends * -ONE, step)).clamp(max=size)
    silence = rows.shape[1] + left  # the padded row is zero from here on
    start = where_else(first < valid[:, None], position >> 32, silence).clamp(0, silence)
    block = count_up(0, _BLOCK, rows.device)
    offset = block * step[:, None]
    ratio = step.to(rows.dtype) / ONE
    matrix = interpolation_matrix(offset, ratio, reach, width, max_ratio)
    table = constant(_delay_table, dtype=rows.dtype, device=rows.device)
    unchanged = step == ONE

    def convolve(part: slice) -> Tensor:
        padded = nnf.pad(rows[part], (left, right))
        origin = torch.arange(0, padded.numel(), padded.shape[1], device=rows.device)[:, None]
        weights = _delay_weights(position[part].reshape(-1), table)
        delayed = _delay(padded.view(-1), (start[part] + origin).view(-1), weights, width)
        out = torch.bmm(delayed.view(-1, blocks, width), matrix[part]).view(-1, blocks * _BLOCK)
        return keep_unchanged(out, rows[part], unchanged[part])

    values = blocks * (width + _DELAY_TAPS)
    out = in_chunks(convolve, len(rows), values, rows.device)
    if out.device.type != "cpu" or is_launched(out) or is_compiling():
        return where_else(
            torch.arange(size, device=out.device) < valid[:, None], out[:, :size], 0.0
        )
    return _silence_after(out, valid)[:, :size].contiguous()


def _silence_after(out: Tensor, valid: Tensor) -> Tensor:
    """Zero the filter's tail in the block where the content ends; later blocks are already zero.

    This is for CPUs, where writing all blocks is slow; other devices write all, with fewer
    launches.
    """
    row = torch.arange(len(out), device=out.device)
    blocks = out.view(len(out), -1, _BLOCK)
    last = (valid // _BLOCK).clamp(max=blocks.shape[1] - 1)
    edge = last[:, None] * _BLOCK + torch.arange(_BLOCK, device=out.device)
    blocks[row, last] = torch.where(edge < valid[:, None], blocks[row, last], 0.0)
    return out


def _delay_table(*, dtype: torch.dtype) -> Tensor:
    """Tabulate the delay filter over fractions 0 to 1, (fraction, tap)."""
    tap = torch.arange(1 - _DELAY_TAPS // 2, _DELAY_TAPS // 2 + 1)
    fraction = torch.arange((1 << _PHASE_BITS) + 1) / (1 << _PHASE_BITS)
    return windowed_sinc(tap - fraction.to(dtype)[:, None], _DELAY_TAPS, _DELAY_BETA)


@compiled
def _delay_weights(position: Tensor, table: Tensor) -> Tensor:
    """Interpolate the table at the fractions of fixed-point positions (row,): (row, tap)."""
    bits = 32 - _PHASE_BITS
    phase = (position >> bits) & ((1 << _PHASE_BITS) - 1)
    rest = (position & ((1 << bits) - 1)).to(table.dtype) / (1 << bits)
    return torch.lerp(table[phase], table[phase + 1], rest[:, None])


@compiled
def _delay(source: Tensor, start: Tensor, weights: Tensor, width: int) -> Tensor:
    """Filter ``width`` samples from each ``start`` (row,) by its own ``weights`` (row, tap)."""
    outer = width + _DELAY_TAPS - 1
    if needs_gradient(source):
        if torch.compiler.is_dynamo_compiling() and not GRADIENT_COMPILES:
            graph_break("before torch 2.12 the gradient of resampling is compiled wrongly")
        # The gradient of the strided view would store every window of the source.
        frames = source[start[:, None] + torch.arange(outer, device=source.device)]
    else:
        frames = source.as_strided((source.shape[0] - outer + 1, outer), (1, 1))[start]
    if _convolves(frames):
        # A convolution in which each row is a channel takes one launch instead of one per tap.
        return nnf.conv1d(frames[None], weights[:, None], groups=len(weights))[0]
    delayed = frames[:, :width] * weights[:, :1]
    for tap in range(1, _DELAY_TAPS):
        delayed = torch.addcmul(delayed, frames[:, tap : tap + width], weights[:, tap : tap + 1])
    return delayed


def _convolves(frames: Tensor) -> bool:
    """Whether to apply the rows' filters as a convolution: on a GPU, without compilation."""
    return frames.device.type != "mps" and launches_cost(frames)
