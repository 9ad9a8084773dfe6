"""Pictures of waveforms and spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from augspec.batches import Batch, augmenting
from augspec.features import LogMelSpectrogram
from augspec.frontend import Frontend
from augspec.params import select
from augspec.plot.axes import specgram_axes
from augspec.plot.drawing import (
    BAR,
    Grid,
    color_limits,
    draw_specgram,
    draw_waveform,
    label_edges,
    new_grid,
    to_channels,
    to_numpy,
)
from augspec.plot.titles import describe_label, describe_params
from augspec.random import example_keys
from augspec.transforms.base import RandomTransform, SpecgramTransform

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["compare", "show_batch", "specgram", "waveform"]

_COLUMNS = 3


def waveform(
    waveform: Tensor,
    sample_rate: int,
    *,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a waveform over time in seconds.

    Args:
        waveform: ``(time,)`` or ``(channel, time)``; channels lie over one another.
        sample_rate: Sample rate in Hz.
        ax: Axes to draw into; ``None`` makes a figure.
        title: Title of the axes.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If ``waveform`` has another rank.

    Example:
        >>> from augspec import plot
        >>> tone = torch.sin(torch.arange(8000) * 0.2)
        >>> plot.waveform(tone, sample_rate=16_000).get_xlabel()
        'Time in s'
    """
    channels = to_channels("waveform", waveform, 1)
    ax = new_grid(1, 1, 6.4, 2.4)[0, 0] if ax is None else ax
    draw_waveform(ax, channels, sample_rate)
    if len(channels) > 1:
        ax.legend(loc="upper right", fontsize="small")
    ax.set(xlabel="Time in s", ylabel="Amplitude")
    ax.set_title(title or "")
    return ax


def specgram(
    specgram: Tensor,
    features: nn.Module | None = None,
    *,
    sample_rate: int | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    colorbar: bool = True,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw a spectrogram, its axes in the units of the feature that made it.

    Args:
        specgram: ``(freq, frame)`` or ``(1, freq, frame)``.
        features: The feature, ``nn.Sequential`` or front end that computed it. It gives the units
            of the axes: seconds, Hz on a linear, mel or logarithmic scale, dB. Without it the units
            are frames and bins.
        sample_rate: Sample rate in Hz, for features without one (`augspec.features.Spectrogram`).
        ax: Axes to draw into; ``None`` makes a figure.
        title: Title of the axes.
        colorbar: Whether to draw a colour bar.
        limits: Values of the darkest and the lightest colour; ``None`` takes the lowest and the
            highest, in dB at most 80 dB apart.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If ``specgram`` has another rank or several channels, or ``sample_rate`` is not
            that of ``features``.

    Example:
        >>> from augspec import features as F, plot
        >>> feature = F.LogMelSpectrogram(sample_rate=16_000, n_fft=512, n_mels=40)
        >>> ax = plot.specgram(feature(torch.randn(1, 1, 16_000))[0], feature)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('Time in s', 'Hz (mel scale)')
    """
    channels = to_channels("specgram", specgram, 2)
    if len(channels) != 1:
        raise ValueError(f"`specgram` must have one channel, got {len(channels)}: choose one")
    ax = new_grid(1, 1, 6.4, 3.2)[0, 0] if ax is None else ax
    axes = specgram_axes(features, channels[0].shape, sample_rate)
    mesh = draw_specgram(ax, channels[0], axes, limits or color_limits(channels, axes))
    ax.set(xlabel=axes.time_label, ylabel=axes.frequency_label)
    ax.set_title(title or "")
    if colorbar:
        ax.figure.colorbar(mesh, ax=ax, label=axes.level_label)
    return ax


def show_batch(
    batch: Batch,
    features: nn.Module | None = None,
    *,
    n: int = 9,
    classes: Sequence[str] | None = None,
    sample_rate: int | None = None,
) -> Grid:
    """Draw the first spectrograms of a batch with their labels, all in the same colours.

    Args:
        batch: A batch of `augspec.DeviceLoader`: ``specgram``, and optionally ``label`` (numbers or
            class weights) and ``specgram_lengths``, drawn as a line at the end of an example. Only
            the first channel is drawn.
        features: The feature of the spectrograms; see `specgram`.
        n: Largest number of examples to draw.
        classes: Names of the labels.
        sample_rate: See `specgram`.

    Returns:
        The axes of the examples, one-dimensional.

    Raises:
        ImportError: If matplotlib is not installed.
        KeyError: If the batch has no ``specgram``.
        ValueError: If the batch is empty or ``n`` is not positive.

    Example:
        >>> from augspec import plot
        >>> batch = {"specgram": torch.rand(4, 1, 40, 60), "label": torch.tensor([0, 1, 1, 0])}
        >>> [ax.get_title() for ax in plot.show_batch(batch, classes=["flute", "reed"])]
        ['flute', 'reed', 'reed', 'flute']
    """
    if "specgram" not in batch:
        raise KeyError(f"`batch` must have a `specgram`, got {sorted(batch)}")
    images = to_numpy(batch["specgram"][: max(n, 0), 0])
    if not len(images):
        raise ValueError(f"`batch` and `n` must give at least one example to draw, got n={n}")
    columns = min(len(images), _COLUMNS)
    grid = new_grid(-(-len(images) // columns), columns, 3.4, 2.2)
    axes = specgram_axes(features, images.shape[1:], sample_rate)
    cells = grid.ravel()[: len(images)]
    for place, (ax, image) in enumerate(zip(cells, images, strict=True)):
        mesh = draw_specgram(ax, image, axes, color_limits(images, axes))
        if "label" in batch:
            ax.set_title(describe_label(batch["label"][place], classes), fontsize="medium")
        if "specgram_lengths" in batch:
            end = axes.times[int(batch["specgram_lengths"][place])]
            ax.axvline(end, color="white", linestyle="--", linewidth=1.0)
    for ax in grid.ravel()[len(images) :]:
        ax.remove()
    label_edges(grid, axes)
    grid[0, 0].figure.colorbar(mesh, ax=list(cells), label=axes.level_label, **BAR)
    return cells


def compare(
    waveform: Tensor,
    transform: RandomTransform | Frontend,
    n: int = 4,
    *,
    sample_rate: int = 16_000,
    features: nn.Module | None = None,
    keys: Tensor | None = None,
) -> Grid:
    """Draw one example beside ``n`` random versions of it, with the drawn parameters as titles.

    Args:
        waveform: ``(channel, time)`` or ``(time,)``; only the first channel is drawn.
        transform: A transform of waveforms or of spectrograms, or a front end.
        n: Number of versions.
        sample_rate: Sample rate in Hz.
        features: The feature of the spectrograms; ``None`` is the front end's own, otherwise a
            log-mel spectrogram. A front end takes no other.
        keys: ``(n,)`` keys of the draws; ``None`` takes the first ones of seed 0, so that the same
            call draws the same picture.

    Returns:
        The axes, with the original in the first column, waveforms in the first row and spectrograms
        in the last, or only spectrograms if the transform changes only those.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If ``waveform`` has another rank, ``n`` is not positive, ``transform`` mixes
            examples, or features are passed with a front end.

    Example:
        >>> from augspec import plot, transforms as T
        >>> axes = plot.compare(torch.randn(1, 8000), T.Gain((-12.0, 0.0)), n=2)
        >>> axes.shape, axes[0, 0].get_title()
        ((2, 3), 'original')
    """
    if n < 1:
        raise ValueError(f"`n` must be positive, got {n}")
    if isinstance(transform, Frontend) and features is not None:
        raise ValueError("`features` must be None for a front end, which has its own")
    for module in reversed([*transform.modules()]):  # a chain comes after its parts: name the part
        if getattr(module, "mixes_examples", False):
            raise ValueError(f"`transform` must not mix examples, got {type(module).__name__}")
    example = torch.from_numpy(to_channels("waveform", waveform, 1))[None]
    keys = example_keys(0, 0, range(n)) if keys is None else keys
    if features is None and not isinstance(transform, Frontend):
        features = LogMelSpectrogram(sample_rate, n_fft=1024, hop_length=256, n_mels=80)
    with torch.no_grad():
        sounds, images, params = _versions(example, transform, features, n, keys)
    titles = [describe_params(transform, select(params, i)) for i in range(n)]
    grid = new_grid(2 if sounds else 1, n + 1, 2.6, 2.1)
    room = 0.14 * max(title.count("\n") for title in titles)
    grid[0, 0].figure.set_figheight(grid[0, 0].figure.get_figheight() + room)
    for ax, sound in zip(grid[0], sounds, strict=False):
        draw_waveform(ax, sound[:1], sample_rate)
    axes = [specgram_axes(features or transform, image.shape, sample_rate) for image in images]
    for ax, image, own in zip(grid[-1], images, axes, strict=True):
        mesh = draw_specgram(ax, image, own, color_limits(images, own))
    grid[-1, 0].set_xlim(axes[0].times[0], max(own.times[-1] for own in axes))
    for ax, title in zip(grid[0], ["original", *titles], strict=True):
        ax.set_title(title, fontsize="small")
    if sounds:
        grid[0, 0].set_ylabel("Amplitude")
    label_edges(grid[-1:], axes[0])
    grid[0, 0].figure.colorbar(mesh, ax=grid[-1], label=axes[0].level_label, **BAR)
    return grid


def _versions(
    example: Tensor,
    transform: RandomTransform | Frontend,
    features: nn.Module | None,
    n: int,
    keys: Tensor,
) -> tuple[list[Any], list[Any], Any]:
    """Return waveforms, spectrograms (of the first channel) and params, the original first."""
    copies = example.expand(n, -1, -1)
    make: Any = features
    if isinstance(transform, Frontend):
        params: Any = transform.make_params(copies, keys=keys)
        with augmenting(transform, False):
            plain = transform(example)
        made = transform.transform(copies, params)
        waveforms = transform.waveform.transform(copies, params["waveform"])
        changed = len(transform.waveform) > 0
    elif any(isinstance(module, SpecgramTransform) for module in transform.modules()):
        plain = make(example)
        specgrams = plain.expand(n, -1, -1, -1)
        params = transform.make_params(specgrams, keys=keys)
        made, waveforms, changed = transform.transform(specgrams, params), copies, False
    else:
        params = transform.make_params(copies, keys=keys)
        waveforms = transform.transform(copies, params)
        plain, made, changed = make(example), make(waveforms), True
    images = [to_numpy(plain[0, 0]), *(to_numpy(image[0]) for image in made)]
    sounds = [to_numpy(example[0]), *(to_numpy(sound) for sound in waveforms)] if changed else []
    return sounds, images, params
