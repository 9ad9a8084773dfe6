"""Speed that varies within an example, as on a tape or a record."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec import native
from augspec._chunks import by_examples, in_chunks
from augspec._compile import compiled, floor_divide
from augspec._constants import constant
from augspec._torch import unfold
from augspec.functional.checks import check_parameters
from augspec.functional.shapes import ends_of, silence_after
from augspec.functional.sinc import windowed_sinc

__all__ = ["wow_flutter"]

# Taps and Kaiser beta of the interpolating filter: flat within 0.1 dB up to 0.85 of Nyquist.
_TAPS, _BETA = 32, 8.0
# The filter is a polynomial in the fraction of a position; seven powers are exact to -100 dB.
_POWERS = 8
_BLOCK = 32  # samples per row of the matrix product
_TURN = 1 << 52  # a whole turn in fixed point: frequencies up to 1000 Hz fit


@by_examples(10)
def wow_flutter(
    waveform: Tensor,
    wow: Tensor,
    wow_freq: Tensor,
    wow_phase: Tensor,
    flutter: Tensor,
    flutter_freq: Tensor,
    flutter_phase: Tensor,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    r"""Vary the speed of each example slowly (wow) and fast (flutter); its duration stays.

    The speed is ``1 + wow * sin(2 pi (wow_freq * t + wow_phase)) + flutter * sin(...)``, minus its
    mean over the example. So the start and the end of an example stay, and output ``n`` is the
    input at position ``n + offset(n)``, interpolated by a windowed sinc of 32 taps. There is no
    low-pass filter before it: frequencies above Nyquist divided by the speed fold back.

    Args:
        waveform: Float audio.
        wow: Largest deviation of the slow variation as a fraction of the speed, ``(batch,)``.
        wow_freq: Its frequency in Hz, positive, ``(batch,)``.
        wow_phase: Its initial phase, as a fraction of the period in [0, 1), ``(batch,)``.
        flutter: Largest deviation of the fast variation, ``(batch,)``.
        flutter_freq: Its frequency in Hz, positive, ``(batch,)``.
        flutter_phase: Its initial phase, as a fraction of the period in [0, 1), ``(batch,)``.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example, ``(batch,)``; later samples become silent.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a shape does not fit.
        TypeError: If ``waveform`` or a parameter is not of a floating-point type.
    """
    swings = {
        "wow": wow,
        "wow_freq": wow_freq,
        "wow_phase": wow_phase,
        "flutter": flutter,
        "flutter_freq": flutter_freq,
        "flutter_phase": flutter_phase,
    }
    check_parameters(waveform, lengths, **swings)
    ends = ends_of(waveform, lengths)
    sound = silence_after(waveform, lengths)
    place = torch.arange(waveform.shape[-1], device=waveform.device)[None]
    offset = swing_offset(place, ends, swings, sample_rate, dtype=waveform.dtype)
    return silence_after(_read(sound, place, offset), lengths)


def swing_offset(
    place: Tensor,
    ends: Tensor,
    swings: dict[str, Tensor],
    sample_rate: int,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return the offset of the source of each output sample.

    Args:
        place: Samples of the output, ``(1, place)`` int64.
        ends: Where examples end, ``(batch,)`` int64.
        swings: The parameters of `wow_flutter`, by name.
        sample_rate: Sample rate in Hz.
        dtype: dtype of the result.

    Returns:
        ``(batch, place)``, in samples.
    """
    if place.numel() and dtype == torch.float32 and native.applies(place, ends, *swings.values()):
        return _swing_natively(place, ends, swings, sample_rate)
    share = place.to(dtype) / ends.clamp(min=1)[:, None].to(dtype)
    slow, fast = (
        _bend(
            place,
            ends[:, None],
            share,
            swings[name][:, None].to(dtype),
            swings[f"{name}_freq"][:, None],
            swings[f"{name}_phase"][:, None],
            sample_rate,
        )
        for name in ("wow", "flutter")
    )
    return slow + fast


def _swing_natively(
    place: Tensor, ends: Tensor, swings: dict[str, Tensor], sample_rate: int
) -> Tensor:
    """Do what `_bend` does for both variations in one pass."""
    both = [
        _bend_numbers(
            ends, swings[name], swings[f"{name}_freq"], swings[f"{name}_phase"], sample_rate
        )
        for name in ("wow", "flutter")
    ]
    numbers = [torch.stack(pair) for pair in zip(*both, strict=True)]
    out = torch.empty(len(ends), place.shape[-1], dtype=torch.float32, device=place.device)
    native.call(
        "augspec_swing", place, place.shape[-1], ends, len(ends), len(both), *numbers,
        native.threads(), out=out,
    )  # fmt: skip
    return out


def _bend_numbers(
    ends: Tensor, depth: Tensor, freq: Tensor, phase: Tensor, sample_rate: int
) -> tuple[Tensor, ...]:
    """Return what `_bend` needs of each example: reach, step, start, and cosines.

    Returns:
        The amplitude in samples; turns in fixed point, of a sample and at the start (overflow of
        int64 is a whole number of turns, so any length is exact); the cosine at the start, and how
        much smaller it is at the end.
    """
    reach = depth * sample_rate / (2.0 * math.pi * freq.to(depth.dtype))
    step = floor_divide((freq * _TURN).to(torch.int64), torch.full_like(ends, sample_rate))
    start = (phase * _TURN).to(torch.int64)
    at_start = _cosine(start, depth.dtype)
    return reach, step, start, at_start, at_start - _cosine(start + ends * step, depth.dtype)


@compiled
def _bend(
    place: Tensor,
    ends: Tensor,
    share: Tensor,
    depth: Tensor,
    freq: Tensor,
    phase: Tensor,
    sample_rate: int,
) -> Tensor:
    """Integrate one variation, and subtract the straight line with the same end."""
    reach, step, start, at_start, until_end = _bend_numbers(ends, depth, freq, phase, sample_rate)
    return reach * (at_start - _cosine(start + place * step, depth.dtype) - share * until_end)


def _cosine(turns: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the cosine of fixed-point turns."""
    fraction = ((turns & (_TURN - 1)) >> 20).to(dtype) * (2.0**20 / _TURN)
    return torch.cos(2.0 * math.pi * fraction)


def _read(sound: Tensor, place: Tensor, offset: Tensor) -> Tensor:
    """Interpolate each example at ``place + offset``, ``(batch, time)``; silence lies around it.

    The filter for a fraction ``d`` is a polynomial in ``d``. A matrix product filters the whole
    audio with each of its coefficients, in blocks; then a position costs one look-up of a few
    adjacent numbers.
    """
    batch, channels, time = sound.shape
    if sound.numel() and native.applies(sound, offset):
        out = torch.empty_like(sound, memory_format=torch.contiguous_format)
        filters = constant(_filters, dtype=sound.dtype, device=sound.device)
        native.call(
            "augspec_interpolate", sound, batch, channels, time, offset, filters,
            native.threads(), out=out,
        )  # fmt: skip
        return out
    whole = torch.floor(offset)
    fraction = (offset - whole)[:, None]
    source = (place + whole.to(torch.int64)).clamp(-_TAPS, time + _TAPS) + _TAPS
    blocks = -(-(time + 2 * _TAPS + 1) // _BLOCK)
    left = _TAPS + _TAPS // 2 - 1
    width = blocks * _BLOCK + _TAPS - 1
    matrix = constant(_block_matrix, dtype=sound.dtype, device=sound.device)

    def read(some: slice) -> Tensor:
        padded = nnf.pad(sound[some], (left, width - left - time))
        rows = unfold(padded, -1, matrix.shape[0], _BLOCK)
        filtered = (rows @ matrix).reshape(-1, _POWERS)
        count = padded.shape[0] * channels
        first = torch.arange(count, device=sound.device).view(-1, channels, 1) * (blocks * _BLOCK)
        # Add the powers one by one: sums over eight adjacent numbers are slow on a CPU.
        found = nnf.embedding(first + source[some, None], filtered).mT.contiguous()
        out = found[:, :, _POWERS - 1]
        for order in range(_POWERS - 2, -1, -1):
            out = torch.addcmul(found[:, :, order], out, fraction[some])
        return out

    return in_chunks(read, batch, 3 * _POWERS * channels * time, sound.device)


def _filters(*, dtype: torch.dtype) -> Tensor:
    """Return the coefficients of each power of a fraction for each tap, ``(power, tap)``."""
    tap = torch.arange(1 - _TAPS // 2, _TAPS // 2 + 1, dtype=torch.float64)
    # Chebyshev nodes of [0, 1], where a polynomial fits the filter best.
    count = 4 * _POWERS
    angle = (torch.arange(count, dtype=torch.float64) + 0.5) * (math.pi / count)
    node = 0.5 - 0.5 * torch.cos(angle)
    wanted = windowed_sinc(tap - node[:, None], _TAPS, _BETA)
    powers = node[:, None] ** torch.arange(_POWERS, dtype=torch.float64)
    filters: Tensor = torch.linalg.lstsq(powers, wanted).solution
    return filters.to(dtype)


def _block_matrix(*, dtype: torch.dtype) -> Tensor:
    """Return the filters of a block, ``(block + taps - 1, block * powers)``: sample, then power."""
    filters = _filters(dtype=torch.float64)
    matrix = torch.zeros(_BLOCK + _TAPS - 1, _BLOCK, _POWERS, dtype=torch.float64)
    for sample in range(_BLOCK):
        matrix[sample : sample + _TAPS, sample] = filters.T
    return matrix.flatten(1).to(dtype)
