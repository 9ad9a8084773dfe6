"""Helpers for drawing pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augspec.plot.axes import SpecgramAxes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

Grid: TypeAlias = NDArray[Any]

#: Width of the colour bar beside a grid.
BAR: dict[str, float] = {"pad": 0.01, "fraction": 0.05, "aspect": 25}

# Levels further below the loudest get the same colour: log-mels of silence reach -100 dB, which
# would reduce the contrast of the rest.
_RANGE_DB = 80.0


def to_numpy(tensor: Tensor) -> Grid:
    """Convert any tensor to a float32 array."""
    array: Grid = tensor.detach().to("cpu", torch.float32).numpy()
    return array


def to_channels(name: str, tensor: Tensor, dims: int) -> Grid:
    """Return ``(channel, ...)``, for input with or without a channel dimension."""
    shape = "(time,) or (channel, time)" if dims == 1 else "(freq, frame) or (1, freq, frame)"
    if tensor.ndim not in (dims, dims + 1) or tensor.numel() == 0:
        raise ValueError(f"`{name}` must be {shape}, got shape {tuple(tensor.shape)}")
    array = to_numpy(tensor)
    return array[None] if array.ndim == dims else array


def new_grid(rows: int, columns: int, width: float, height: float) -> Grid:
    """Make a figure of ``rows`` x ``columns`` axes of a given size in inches."""
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError(
            'augspec.plot needs matplotlib: pip install "augspec[plot]", or matplotlib'
        ) from error
    _, grid = plt.subplots(
        rows,
        columns,
        figsize=(width * columns, height * rows),
        squeeze=False,
        sharex=True,
        sharey="row",
        layout="constrained",
    )
    cells: Grid = grid
    for ax in cells.flat:
        ax.tick_params(labelsize="small")
    return cells


def color_limits(images: Any, axes: SpecgramAxes) -> tuple[float, float]:
    """Choose the values of the darkest and the lightest colour; NaN stays without colour."""
    values = np.concatenate([image[np.isfinite(image)] for image in images])
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (max(low, high - _RANGE_DB) if axes.level_label == "dB" else low), high


def draw_specgram(
    ax: Axes, image: Grid, axes: SpecgramAxes, limits: tuple[float, float]
) -> QuadMesh:
    """Draw a spectrogram into ``ax``, its frequency axis scaled and marked."""
    mesh = ax.pcolormesh(
        axes.times,
        axes.frequencies,
        image,
        cmap="magma",
        vmin=limits[0],
        vmax=limits[1],
        rasterized=True,
    )
    if axes.scale is not None:
        ax.set_yscale("function", functions=axes.scale)
    if axes.ticks is None:
        ax.locator_params(axis="y", integer=True, nbins=6)
    else:
        ax.set_yticks(axes.ticks, [f"{tick:g}" for tick in axes.ticks])
    ax.set_ylim(axes.frequencies[0], axes.frequencies[-1])
    ax.set_xlim(axes.times[0], axes.times[-1])
    return mesh


def draw_waveform(ax: Axes, channels: Grid, sample_rate: int) -> None:
    """Draw channels over one another, over seconds."""
    seconds = np.arange(channels.shape[-1]) / sample_rate
    for number, samples in enumerate(channels):
        alpha = 1.0 if len(channels) == 1 else 0.7
        ax.plot(seconds, samples, linewidth=0.5, alpha=alpha, label=f"channel {number}")
    ax.set_xlim(0.0, channels.shape[-1] / sample_rate)


def label_edges(grid: Grid, axes: SpecgramAxes) -> None:
    """Name the axes at the left and at the bottom only; the others are shared."""
    for ax in grid[:, 0]:
        ax.set_ylabel(axes.frequency_label)
    for ax in grid[-1]:
        ax.set_xlabel(axes.time_label)
