"""The native kernel of time stretch and pitch shift: each unit on one thread, from start to end.

``augspec/functional/stretch.py`` and ``tempo.py`` say what is computed and are the reference.
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
    """How units are resampled: each by which ratio, to which size, up to which ratio."""

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
    """Resample each unit by its ratio, then stretch it by its rate; None where torch has to.

    Args:
        sound: Units with the channels that share their decisions, ``(unit, channel, time)``.
        rate: Rate of each unit, of what it is after resampling, ``(unit,)``.
        valid: Samples of each unit that are heard, ``(unit,)`` int64.
        ends: Samples of each unit of the output before silence, ``(unit,)`` int64.
        size: Samples of the output.
        n_fft: Samples of a frame.
        source_ends: Samples of each unit before silence once it is resampled, ``(unit,)`` int64.
        pitch: How units are resampled; None is not at all.
        place: Gives where frames are taken, as `augspec.functional.pace.Pace.place` does for
            `augspec.functional.vocoder.frame_places`, of units that are not resampled; None is by
            the rate. The rate then only says which units stay as they are, 1, and which are NaN.

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
    """Give the windows of a frame and of the detector of onsets, and the detector's bands."""
    cpu, width = torch.device("cpu"), n_fft // 4
    window = constant(torch.hann_window, n_fft, dtype=torch.float32, device=cpu)
    onset_window = constant(torch.hann_window, width, dtype=torch.float32, device=cpu)
    return window, onset_window, constant(make_bands, width, dtype=torch.float32, device=cpu)
