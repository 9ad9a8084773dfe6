"""Augmentation inside the spectrogram: what is fused, and how it is computed.

The run of transforms that stands last before a magnitude feature, as far as its transforms can be
written as a `Warp`, needs neither a vocoder nor a waveform of its own. Each example is resampled by
its ratio of pitch, its frames are taken at a hop of its own from the offset of its crop, and gain
is a factor on the magnitudes. With ratio 1, rate 1 and offset 0 that is the plain feature.

A transform takes part by being a `FusableTransform`; nothing here knows a transform by its name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor

from augspec.features.spectrogram import MagnitudeFeature
from augspec.functional.crop import crop
from augspec.functional.onset import find_onsets
from augspec.functional.resample import resample
from augspec.functional.timemap import ONE, map_time, take_frames
from augspec.transforms.base import RandomTransform
from augspec.transforms.compose import Chain
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["fused_features", "split_chain"]

Part: TypeAlias = tuple[RandomTransform, Any]
FusablePart: TypeAlias = tuple[FusableTransform, Any]

_CHUNK = 8  # examples on a CPU at a time, so that they stay in its cache


def split_chain(
    chain: Chain, params: Any, *, by_mode: bool
) -> tuple[list[Part], list[FusablePart]]:
    """Split a chain into what runs on the waveform and the run at its end that can be fused.

    Args:
        chain: The chain; chains inside it are opened.
        params: Its params.
        by_mode: Leave out what does not act in the present mode.

    Returns:
        Two lists of transforms with their params.
    """
    before = [(part, own) for part, own in _leaves(chain, params) if part.acts() or not by_mode]
    fused: list[FusablePart] = []
    while before:
        part, own = before[-1]
        if not (isinstance(part, FusableTransform) and part.fusable):
            break
        fused.insert(0, (part, own))
        before.pop()
    return before, fused


def _leaves(chain: Chain, params: Any) -> Iterator[Part]:
    chain.check_params(params)
    for part, own in zip(chain, params, strict=True):
        if isinstance(part, Chain):
            yield from _leaves(part, own)
        else:
            yield part, own


def fused_features(
    waveform: Tensor,
    lengths: Tensor | None,
    fused: list[FusablePart],
    feature: MagnitudeFeature,
    *,
    ragged: bool,
) -> tuple[Tensor, Tensor]:
    """Compute the feature of what a run of transforms would make of a batch.

    Args:
        waveform: The batch, ``(batch, channel, time)``, float32 or float64.
        lengths: Valid samples per example, as far as they are known.
        fused: The run with its params.
        feature: The feature.
        ragged: Whether each example is padded at its own end, as features do with lengths.

    Returns:
        The feature, ``(batch, channel, freq, frame)``, and the valid frames of each example.
    """
    warp = Warp.identity(waveform, lengths)
    for part, params in fused:
        warp = part.warp(warp, part.neutralise(params))
    counts = feature.frame_lengths(warp.ends)
    if warp.ratio is None and warp.rate is None:
        magnitudes = _crop_and_project(waveform, warp, feature, ragged)
    else:
        magnitudes = _warp_and_project(waveform, warp, feature, ragged)
    counted = counts if ragged else None
    return feature.finish(magnitudes, waveform.dtype, frame_lengths=counted, gain=warp.gain), counts


def _crop_and_project(
    waveform: Tensor, warp: Warp, feature: MagnitudeFeature, ragged: bool
) -> Tensor:
    """Take the plain frames of each example's part: a strided view."""
    if warp.offset is not None:
        waveform = crop(waveform, warp.offset >> 32, warp.size, warp.source_ends)
    return torch.cat(
        [
            feature.project(feature.frame(waveform[some], warp.ends[some] if ragged else None))
            for some in _chunks(waveform)
        ]
    )


def _warp_and_project(
    waveform: Tensor, warp: Warp, feature: MagnitudeFeature, ragged: bool
) -> Tensor:
    """Resample by the pitch, take frames where the tempo has them, and project them."""
    batch, channels, time = waveform.shape
    one = torch.ones(batch, device=waveform.device)
    rate = one if warp.rate is None else warp.rate
    ratio = one if warp.ratio is None else warp.ratio
    ratio = (ratio if ratio.ndim == 2 else ratio[:, None]).expand(batch, channels)
    # Steps and places in units of the resampled signal.
    step = ((rate[:, None] / ratio) * ONE).to(torch.int64).clamp(min=1)
    offset = torch.zeros_like(warp.ends) if warp.offset is None else warp.offset
    origin = (
        torch.div(offset[:, None], (ratio * 2**24).to(torch.int64), rounding_mode="floor") << 24
    )
    ends = warp.ends if ragged else torch.full_like(warp.ends, warp.size)
    low, high = warp.ratio_range

    def project(some: slice) -> Tensor:
        source = waveform[some]
        heard = warp.source_ends[some]
        if warp.ratio is None:
            inside = torch.arange(time, device=source.device) < heard[:, None, None]
            source = torch.where(inside, source, 0.0)
        else:
            size = math.ceil(time / low)
            source = resample(source, ratio[some], size=size, lengths=heard, max_ratio=high)
        frames = _frames(
            source.flatten(0, 1),
            origin[some].flatten(),
            step[some].flatten(),
            ends[some].repeat_interleave(channels),
            warp.size,
            feature,
        )
        return feature.project(frames.reshape(-1, channels, *frames.shape[1:]))

    return torch.cat([project(some) for some in _chunks(waveform)])


def _chunks(waveform: Tensor) -> list[slice]:
    """Split a batch on a CPU into chunks that stay in its cache."""
    batch = waveform.shape[0]
    size = _CHUNK if waveform.device.type == "cpu" and not torch.compiler.is_compiling() else batch
    return (
        [slice(i, i + size) for i in range(0, batch, size)] if batch > size else [slice(0, batch)]
    )


def _frames(
    rows: Tensor, origin: Tensor, step: Tensor, ends: Tensor, size: int, feature: MagnitudeFeature
) -> Tensor:
    """Take the frames that a stretched, cropped waveform of ``size`` samples would have.

    Args:
        rows: Resampled audio, ``(row, time)``.
        origin: Place of output sample 0 in it, in units of 2**-32 samples, ``(row,)`` int64.
        step: Its samples an output sample in these units, ``(row,)`` int64.
        ends: Output samples before an example's own end, ``(row,)`` int64.
        size: Output samples.
        feature: Says how frames lie.

    Returns:
        ``(row, frame, n_fft)``.
    """
    n_fft, hop = feature.n_fft, feature.hop_length
    half = n_fft // 2
    padding = 2 * half if feature.center else 0
    middle = torch.arange(1 + (size + padding - n_fft) // hop, device=rows.device) * hop
    middle = middle if feature.center else middle + half
    with torch.no_grad():
        grid = 32 * math.ceil(n_fft / 32)
        position = origin[:, None] + middle * step[:, None]
        centers, _ = map_time(position, step, find_onsets(rows, grid), grid)
    frames = take_frames(rows, centers - half, n_fft)
    return _pad_edges(frames, rows, centers, middle, ends, feature) if feature.center else frames


def _pad_edges(
    frames: Tensor,
    rows: Tensor,
    centers: Tensor,
    middle: Tensor,
    ends: Tensor,
    feature: MagnitudeFeature,
) -> Tensor:
    """Make the frames that reach over an end of the output again, padded there as a feature pads.

    ``middle`` is where frames lie in the output, ``centers`` where their samples come from.
    """
    n_fft, hop = feature.n_fft, feature.hop_length
    half = n_fft // 2
    left = torch.arange(math.ceil(half / hop), device=rows.device).expand(len(rows), -1)
    first = torch.div(ends - (n_fft - half), hop, rounding_mode="floor") + 1
    right = first[:, None] + torch.arange(math.ceil((n_fft - half) / hop) + 1, device=rows.device)
    edge = torch.cat([left, right], dim=-1).clamp(0, len(middle) - 1)

    sample = torch.arange(n_fft, device=rows.device) - half
    place = middle[edge][..., None] + sample  # in the output, (row, edge, n_fft)
    end = ends[:, None, None]
    inside = (place >= 0) & (place < end)
    source = place
    if feature.pad_mode == "replicate":
        source, inside = torch.minimum(place.clamp(min=0), end - 1), end > 0
    elif feature.pad_mode == "reflect":
        source = place.abs()
        source = torch.where(source >= end, 2 * (end - 1) - source, source)
        inside = inside | ((end > half) & (source >= 0) & (source < end))
    index = centers.gather(1, edge)[..., None] + source - middle[edge][..., None]
    time = rows.shape[-1]
    inside = inside & (index >= 0) & (index < time)
    values = rows.gather(1, index.clamp(0, time - 1).flatten(1)).reshape(index.shape)
    values = torch.where(inside, values, 0.0)
    row = torch.arange(len(rows), device=rows.device)[:, None]
    if rows.requires_grad or torch.compiler.is_compiling():
        return frames.index_put((row, edge), values)
    return frames.index_put_((row, edge), values)
