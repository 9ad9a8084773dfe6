"""The units of a spectrogram's axes and values, from the feature that computed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from augspec import functional
from augspec.features import (
    MFCC,
    AmplitudeToDB,
    LogMelSpectrogram,
    MagnitudeFeature,
    MelFeature,
    MelSpectrogram,
    Normalize,
    Spectrogram,
)
from augspec.frontend import Frontend

Array: TypeAlias = NDArray[np.float64]
Scale: TypeAlias = tuple[Callable[[Array], Array], Callable[[Array], Array]]

# Nominal octaves of ISO 266.
_TICKS: Array = np.array([16.0, 31.5, 63.0, *(125.0 * 2.0**octave for octave in range(9))])
# Smallest distance of two ticks, as a fraction of the axis, so that labels do not touch.
_SPACING = 0.09


@dataclass(frozen=True)
class SpecgramAxes:
    """Edges of the cells and labels of the axes.

    Args:
        times: Edges of the frames, one more than frames.
        frequencies: Edges of the bins, one more than bins.
        time_label: Name and unit of the times.
        frequency_label: Name and unit of the frequencies.
        level_label: Name or unit of the values.
        scale: The frequency axis' function and its inverse; ``None`` for a linear axis.
        ticks: Ticks of the frequency axis; ``None`` leaves them to matplotlib.
    """

    times: Array
    frequencies: Array
    time_label: str = "Frame"
    frequency_label: str = "Bin"
    level_label: str = "Value"
    scale: Scale | None = None
    ticks: Array | None = None


def specgram_axes(
    features: nn.Module | None, shape: tuple[int, ...], sample_rate: int | None
) -> SpecgramAxes:
    """Describe a spectrogram of ``shape`` ``(freq, frame)`` that ``features`` made.

    Args:
        features: A feature, an ``nn.Sequential`` that begins with one, a front end, or ``None``.
        shape: Bins and frames.
        sample_rate: Sample rate in Hz, for features without one.

    Raises:
        ValueError: If ``sample_rate`` contradicts the feature's.
    """
    bins, frames = shape
    stages = _stages(features)
    first: Any = stages[0] if stages else None
    known = getattr(first, "sample_rate", None)
    if known is not None and sample_rate not in (None, known):
        raise ValueError(f"`sample_rate` must be that of `features`, {known}, got {sample_rate}")
    rate = sample_rate if known is None else known
    counted = {"frequencies": np.arange(bins + 1) - 0.5, "times": np.arange(frames + 1) - 0.5}
    found: dict[str, Any] = counted | {"level_label": _level_label(stages)}
    if rate is not None and hasattr(first, "hop_length"):
        start = 0.0 if getattr(first, "center", True) else first.n_fft / 2
        found["times"] = (start + counted["times"] * first.hop_length) / rate
        found["time_label"] = "Time in s"
    if isinstance(first, MFCC):
        found["frequency_label"] = "Coefficient"
    elif isinstance(first, MelFeature) or getattr(first, "n_mels", None) == bins:
        found |= _mel(first, bins)
    elif hasattr(first, "n_mels"):  # the energy is an extra bin
        found["frequency_label"] = "Bin"
    elif isinstance(first, MagnitudeFeature) and rate is not None:
        found["frequencies"] = counted["frequencies"] * rate / first.n_fft
        found["frequency_label"] = "Hz"
    elif hasattr(first, "bins_per_octave"):
        octaves = counted["frequencies"] / first.bins_per_octave
        found |= _scaled(first.f_min * 2.0**octaves, (_octaves, np.exp2), "Hz (log scale)")
    return SpecgramAxes(**found)


def _stages(features: nn.Module | None) -> list[nn.Module]:
    if isinstance(features, Frontend):
        features = features.features
    if isinstance(features, nn.Sequential):
        return list(features)
    return [] if features is None else [features]


def _mel(feature: Any, bins: int) -> dict[str, Any]:
    scale: Any = feature.mel_scale

    def to_mel(hertz: Array) -> Array:
        tensor = torch.from_numpy(np.maximum(np.asarray(hertz, dtype=np.float64), 0.0))
        return functional.hz_to_mel(tensor, scale).numpy()

    def to_hertz(mel: Array) -> Array:
        tensor = torch.from_numpy(np.asarray(mel, dtype=np.float64))
        return functional.mel_to_hz(tensor, scale).numpy()

    highest = feature.f_max or 0.0
    highest = highest if highest > 0.0 else feature.sample_rate / 2 + highest
    low, high = to_mel(np.array([feature.f_min, highest]))
    # Filter i peaks at step i + 1 of n_mels + 1: its cell reaches half a step to both sides.
    edges = low + (high - low) * (np.arange(bins + 1) + 0.5) / (bins + 1)
    return _scaled(to_hertz(edges), (to_mel, to_hertz), "Hz (mel scale)")


def _octaves(hertz: Array) -> Array:
    """Return log2, also for the 0 that matplotlib passes while drawing."""
    octaves: Array = np.log2(np.maximum(hertz, 1e-9))
    return octaves


def _scaled(edges: Array, scale: Scale, unit: str) -> dict[str, Any]:
    low, high = scale[0](edges[[0, -1]])
    places = (scale[0](_TICKS) - low) / (high - low)
    ticks: list[float] = []
    above = np.inf
    for tick, place in zip(_TICKS[::-1], places[::-1], strict=True):
        if 0.0 <= place <= 1.0 and above - place >= _SPACING:
            ticks, above = [tick, *ticks], place
    return {
        "frequencies": edges,
        "frequency_label": unit,
        "scale": scale,
        "ticks": np.array(ticks),
    }


def _level_label(stages: list[nn.Module]) -> str:
    label = "Value"
    for stage in stages:
        if isinstance(stage, MFCC):
            label = "Value of the coefficient"
        elif isinstance(stage, AmplitudeToDB | LogMelSpectrogram):
            label = "dB"
        elif isinstance(stage, Normalize):
            label = "Normalised level"
        elif isinstance(stage, Spectrogram | MelSpectrogram) or hasattr(stage, "bins_per_octave"):
            label = "Power" if getattr(stage, "power", 1.0) == 2.0 else "Magnitude"
        else:
            label = type(stage).__name__
    return label
