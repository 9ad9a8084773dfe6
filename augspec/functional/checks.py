"""Checks of what users pass in; each error names the argument and says what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["check_finite", "check_lengths", "check_range", "check_specgram", "check_waveform"]

_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def _check_dtype(name: str, tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"`{name}` must be a torch.Tensor, got {type(tensor).__name__}")
    if tensor.dtype not in _FLOATS:
        raise TypeError(
            f"`{name}` must be floating point (float32, float64, float16 or bfloat16), got "
            f"{tensor.dtype}; for 16-bit samples: {name}.to(torch.float32) / 32768"
        )


def check_lengths(lengths: Tensor | None, batch: int) -> None:
    """Check that ``lengths`` is None or ``(batch,)`` int64; its values are not read (GPU)."""
    if lengths is None:
        return
    if not isinstance(lengths, Tensor) or lengths.dtype != torch.int64:
        got = lengths.dtype if isinstance(lengths, Tensor) else type(lengths).__name__
        raise TypeError(f"`lengths` must be an int64 tensor, got {got}")
    if lengths.shape != (batch,):
        raise ValueError(f"`lengths` must have shape ({batch},), got {tuple(lengths.shape)}")


def check_waveform(waveform: Tensor, lengths: Tensor | None = None) -> None:
    """Check rank, dtype and lengths of a batch of waveforms.

    Raises:
        TypeError: If ``waveform`` is no floating-point tensor or ``lengths`` is not int64.
        ValueError: If ``waveform`` is not ``(batch, channel, time)``, has no channel or no sample, or
            ``lengths`` is not ``(batch,)``.
    """
    _check_dtype("waveform", waveform)
    if waveform.ndim != 3:
        hint = {
            1: "; for one mono example: waveform[None, None]",
            2: "; for (batch, time): waveform.unsqueeze(1)",
        }.get(waveform.ndim, "")
        raise ValueError(
            f"`waveform` must be (batch, channel, time), got shape {tuple(waveform.shape)}{hint}"
        )
    if waveform.shape[1] == 0 or waveform.shape[2] == 0:
        raise ValueError(
            f"`waveform` must have a channel and at least one sample, got shape "
            f"{tuple(waveform.shape)}"
        )
    check_lengths(lengths, waveform.shape[0])


def check_specgram(specgram: Tensor, lengths: Tensor | None = None) -> None:
    """Check rank, dtype and lengths (in frames) of a batch of spectrograms.

    Raises:
        TypeError: If ``specgram`` is no floating-point tensor or ``lengths`` is not int64.
        ValueError: If ``specgram`` is not ``(batch, channel, freq, frame)`` or has an empty dimension
            other than the batch, or ``lengths`` is not ``(batch,)``.
    """
    _check_dtype("specgram", specgram)
    if specgram.ndim != 4:
        raise ValueError(
            f"`specgram` must be (batch, channel, freq, frame), got shape {tuple(specgram.shape)}"
        )
    if 0 in specgram.shape[1:]:
        raise ValueError(
            f"`specgram` must have a channel, a bin and a frame, got shape {tuple(specgram.shape)}"
        )
    check_lengths(lengths, specgram.shape[0])


def check_finite(name: str, value: float) -> float:
    """Check that a setting is a finite number and give it as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be a finite number, got {value!r}")
    return float(value)


def check_range(
    name: str,
    value: float | Sequence[float],
    *,
    at_least: float = -math.inf,
    at_most: float = math.inf,
) -> tuple[float, float]:
    """Check a range and give it as ``(low, high)``; a number is a constant.

    Raises:
        ValueError: If a bound is not finite, the range is reversed, or it leaves
            ``[at_least, at_most]``.
    """
    bounds = (value, value) if isinstance(value, int | float) else value
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(f"`{name}` must be a number or (low, high), got {value!r}")
    low, high = (check_finite(name, bound) for bound in bounds)
    if low > high:
        raise ValueError(f"`{name}` must be (low, high) with low <= high, got {value!r}")
    if low < at_least or high > at_most:
        raise ValueError(f"`{name}` must lie in [{at_least:g}, {at_most:g}], got {value!r}")
    return low, high
