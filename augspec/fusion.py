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

from augspec._compile import floor_divide
from augspec.features.spectrogram import MagnitudeFeature
from augspec.functional.crop import crop
from augspec.functional.onset import find_onsets, resample_onsets
from augspec.functional.resample import resample
from augspec.functional.sinc import ONE
from augspec.functional.timemap import map_time, take_frames
from augspec.transforms.base import RandomTransform
from augspec.transforms.compose import Chain
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["fused_features", "split_chain"]

Part: TypeAlias = tuple[RandomTransform, Any]
FusablePart: TypeAlias = tuple[FusableTransform, Any]

_CHUNK = 4  # examples on a CPU at a time, so that they stay in its cache


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
    # A crop that comes first is exact on the waveform, and leaves less to resample.
    while len(fused) > 1 and fused[0][0].sets_shape:
        before.append(fused.pop(0))
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

    Raises:
        ValueError: If not one frame fits, which only happens without ``center``.
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

    def project(some: slice) -> Tensor:
        part = waveform[some]
        if warp.offset is not None:
            heard = None if warp.source_ends is None else warp.source_ends[some]
            part = crop(part, warp.offset[some] >> 32, warp.size, heard)
        return feature.project(feature.frame(part, warp.ends[some] if ragged else None))

    return torch.cat([project(some) for some in _chunks(waveform)])


def _warp_and_project(
    waveform: Tensor, warp: Warp, feature: MagnitudeFeature, ragged: bool
) -> Tensor:
    """Resample by the pitch, take frames where the tempo has them, and project them."""
    batch, channels, time = waveform.shape
    if batch == 0:
        return feature.project(feature.frame(waveform.new_zeros(0, channels, warp.size)))
    if warp.source_ends is not None:
        heard = torch.arange(time, device=waveform.device) < warp.source_ends[:, None, None]
        waveform = torch.where(heard, waveform, 0.0)
    ratio = None
    if warp.ratio is not None:
        ratio = warp.ratio if warp.ratio.ndim == 2 else warp.ratio[:, None]
        ratio = ratio.expand(batch, channels)
    low, high = warp.ratio_range
    size = math.ceil(time / low)
    middle = _frame_middles(warp.size, feature, waveform.device)
    centers = _map_frames(waveform, warp, ratio, middle, size, feature.n_fft)
    ends = warp.ends if ragged else torch.full_like(warp.ends, warp.size)
    edges = _find_edges(middle, ends, feature) if feature.center else None
    window = feature.make_window(waveform.dtype)

    def project(some: slice) -> Tensor:
        rows = waveform[some]
        if ratio is not None:
            lengths = None if warp.source_ends is None else warp.source_ends[some]
            rows = resample(rows, ratio[some], size=size, lengths=lengths, max_ratio=high)
        rows, start = rows.flatten(0, 1), centers[some].flatten(0, 1) - feature.n_fft // 2
        frames = take_frames(rows, start, feature.n_fft, window)
        if edges is not None:
            own = [edge[some].repeat_interleave(channels, 0) for edge in edges]
            frames = _pad_edges(frames, rows, start, window, own)
        return feature.project(frames.unflatten(0, (-1, channels)), windowed=True)

    return torch.cat([project(some) for some in _chunks(waveform)])


def _chunks(waveform: Tensor) -> list[slice]:
    """Split a batch on a CPU into chunks that stay in its cache."""
    batch = waveform.shape[0]
    size = _CHUNK if waveform.device.type == "cpu" and not torch.compiler.is_compiling() else batch
    return [slice(i, i + size) for i in range(0, batch, size)] if batch > size else [slice(None)]


def _frame_middles(size: int, feature: MagnitudeFeature, device: torch.device) -> Tensor:
    """Say at which of ``size`` samples of the output each frame has its middle."""
    half = feature.n_fft // 2
    room = size - feature.n_fft + (2 * half if feature.center else 0)
    if room < 0:
        raise ValueError(
            f"`waveform` must have at least n_fft = {feature.n_fft} samples without `center`, "
            f"got {size}"
        )
    first = 0 if feature.center else half
    return first + torch.arange(1 + room // feature.hop_length, device=device) * feature.hop_length


def _map_frames(
    waveform: Tensor, warp: Warp, ratio: Tensor | None, middle: Tensor, size: int, n_fft: int
) -> Tensor:
    """Say around which sample, once ``waveform`` is resampled to ``size``, each frame is taken.

    Attacks are found before: that costs less, and does not depend on the pitch.

    Returns:
        ``(batch, channel, frame)``, int64.
    """
    grid = 32 * math.ceil(n_fft / 32)
    rows = waveform.detach().flatten(0, 1)
    onsets = find_onsets(rows, grid)
    shape = waveform.shape[:2]
    one = torch.ones(shape, device=waveform.device)
    pitch = (one if ratio is None else ratio).reshape(-1, 1)
    tempo = (one if warp.rate is None else one * warp.rate[:, None]).reshape(-1, 1)
    offset = torch.zeros_like(warp.ends) if warp.offset is None else warp.offset
    offset = offset[:, None].expand(shape).reshape(-1, 1)
    if ratio is not None:
        onsets = resample_onsets(onsets, pitch, size, grid)
        # Exact for the 24 bits that a ratio has.
        offset = floor_divide(offset, (pitch * 2**24).to(torch.int64)) << 24
    step = ((tempo / pitch) * ONE).to(torch.int64).clamp(min=1)
    centers, _ = map_time(offset + middle * step, step.squeeze(1), onsets, grid)
    return centers.reshape(*shape, -1)


def _find_edges(
    middle: Tensor, ends: Tensor, feature: MagnitudeFeature
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the frames that reach over an end of the output, and how a feature would pad them.

    In a frame that begins a sample early and has ``n_fft + 1``, each sample of the padding is to be
    found, mirrored or repeated.

    Returns:
        Which frames, ``(batch, edge)``; where in the longer frame each sample of the frame is, and
        whether it sounds, ``(batch, edge, n_fft)``.
    """
    n_fft, hop, count = feature.n_fft, feature.hop_length, len(middle)
    half = n_fft // 2
    left = torch.arange(min(math.ceil(half / hop), count), device=ends.device)
    reach = min(math.ceil((n_fft - half) / hop) + 1, count - len(left))
    right = torch.div(ends - (n_fft - half), hop, rounding_mode="floor") + 1
    # No frame is listed twice. One that does not reach over an end comes out as it is.
    right = right.clamp(len(left), count - reach)[:, None] + torch.arange(reach, device=ends.device)
    edge = torch.cat([left.expand(len(ends), -1), right], dim=1)

    shift = half + 1 - middle[edge][..., None]
    place = torch.arange(1, n_fft + 1, device=ends.device) - shift
    end = ends[:, None, None]
    source, sounds = place, (place >= 0) & (place < end)
    if feature.pad_mode == "replicate":
        source, sounds = torch.minimum(place.clamp(min=0), end - 1), end > 0
    elif feature.pad_mode == "reflect":
        source = place.abs()
        source = torch.where(source >= end, 2 * (end - 1) - source, source)
        sounds = sounds | (end > half)
    index = source + shift
    sounds = sounds & (index >= 0) & (index <= n_fft)
    return edge, index.clamp(0, n_fft), sounds


def _pad_edges(
    frames: Tensor, rows: Tensor, start: Tensor, window: Tensor, edges: list[Tensor]
) -> Tensor:
    """Take the frames that `_find_edges` found once more, and pad them."""
    edge, index, sounds = edges
    longer = take_frames(rows, start.gather(1, edge) - 1, frames.shape[-1] + 1)
    padded = torch.where(sounds, longer.gather(-1, index), 0.0) * window
    row = torch.arange(len(frames), device=frames.device)[:, None]
    if frames.requires_grad or torch.compiler.is_compiling():
        whole: Tensor = frames.index_put((row, edge), padded)
        return whole
    frames[row, edge] = padded  # they are a copy of our own
    return frames
