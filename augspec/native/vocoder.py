"""The native kernel of time stretch and pitch shift, with one thread per unit.

``augspec/functional/stretch.py`` and ``tempo.py`` are the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from augspec import native
from augspec._constants import constant
from augspec.functional.onset import make_bands
from augspec.functional.resample import filter_constants, fixed_point
from augspec.functional.sinc import ONE

__all__ = ["Pitch", "stretch_units"]


class Pitch(NamedTuple):
    """Resampling of units: the ratio of each, the size, and the largest ratio."""

    ratio: Tensor
    size: int
    max_ratio: float


def stretch_units(
    sound: Tensor,
    rate: Tensor,
    valid: Tensor,
    ends: Tensor,
    size: int,
    n_fft: int,
    source_ends: Tensor,
    pitch: Pitch | None,
    place: Callable[[], tuple[Tensor, Tensor]] | None = None,
) -> Tensor | None:
    """Resample each unit by its ratio, then stretch it by its rate; None if only torch can.

    Args:
        sound: Units, whose channels share onsets and peaks, ``(unit, channel, time)``.
        rate: Rate of each unit after resampling, ``(unit,)``.
        valid: Samples of each unit that are heard, ``(unit,)`` int64.
        ends: Samples of each unit of the output before silence, ``(unit,)`` int64.
        size: Samples of the output.
        n_fft: Samples of a frame.
        source_ends: Samples of each unit before silence after resampling, ``(unit,)`` int64.
        pitch: Resampling of units; None is none.
        place: Function that returns the positions of frames, like
            `augspec.functional.pace.Pace.place` for `augspec.functional.vocoder.frame_places`, for
            units that are not resampled; None uses the rate. With it, the rate only marks units
            that stay as they are, 1, and units that become NaN.

    Returns:
        ``(unit, channel, size)``.
    """
    ratio = None if pitch is None else pitch.ratio
    if sound.dtype != torch.float32 or rate.dtype != torch.float32 or not _has_frames(n_fft):
        return None
    if not native.applies(sound, rate, valid, ends, source_ends, ratio):
        return None
    out = sound.new_empty(len(sound), sound.shape[1], size)
    centers, until = (None, None) if place is None else place()
    native.call(
        "augspec_stretch",
        sound, *sound.shape, valid.clamp(0, sound.shape[-1]),
        *_resampling(source_ends, pitch), *filter_constants(),
        rate, (rate * ONE).to(torch.int64).clamp(min=1), ends.clamp(min=0), size,
        n_fft, *_tables(n_fft), centers, until, 0 if centers is None else centers.shape[1],
        native.threads(), out=out,
    )  # fmt: skip
    return out


def _has_frames(n_fft: int) -> bool:
    return all(native.answers("augspec_has_fft", length) for length in (n_fft, n_fft // 4))


def _resampling(ends: Tensor, pitch: Pitch | None) -> tuple[Tensor | int | float | None, ...]:
    if pitch is None:
        return None, None, None, 0, 0.0
    ratio = pitch.ratio
    return ratio, fixed_point(ratio), ends.clamp(0, pitch.size), pitch.size, float(pitch.max_ratio)


def _tables(n_fft: int) -> tuple[Tensor, ...]:
    """Return the windows of a frame and of the onset detector, and the detector's bands."""
    cpu, width = torch.device("cpu"), n_fft // 4
    window = constant(torch.hann_window, n_fft, dtype=torch.float32, device=cpu)
    onset_window = constant(torch.hann_window, width, dtype=torch.float32, device=cpu)
    return window, onset_window, constant(make_bands, width, dtype=torch.float32, device=cpu)
