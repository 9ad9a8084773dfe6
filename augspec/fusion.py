"""Augmentation inside the spectrogram: which transforms are fused, and how they are computed.

The last transforms before a magnitude feature can be fused if they can be written as a `Warp`. They
then need neither a vocoder nor an intermediate waveform. Each example is resampled by its ratio of
pitch; its frames are cut at its own hop from the offset of its crop; gain is a factor on the
magnitudes. With ratio 1, rate 1 and offset 0 the result is the plain feature.

Every `FusableTransform` can be fused; no transform is named here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from augspec import native
from augspec._compile import floor_divide, needs_gradient
from augspec._constants import count_up, where_else
from augspec._torch import is_compiling
from augspec.features.frames import CroppedFrames, FrameSource, Framing, PlainFrames
from augspec.features.spectrogram import MagnitudeFeature
from augspec.functional.onset import find_onsets, has_kernel, kernel_arguments, resample_onsets
from augspec.functional.resample import filter_constants, fixed_point, resample, resampled_size
from augspec.functional.shapes import silence_after
from augspec.functional.sinc import ONE
from augspec.functional.timemap import map_time, take_frames
from augspec.native.features import Resampling, Sound
from augspec.transforms.base import RandomTransform
from augspec.transforms.compose import Chain
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["FusablePart", "Part", "WarpedFrames", "fused_features", "split_chain"]


class Part(NamedTuple):
    """A transform of a chain with its params."""

    transform: RandomTransform
    params: Any


class FusablePart(NamedTuple):
    """A transform that a feature can compute, with its params."""

    transform: FusableTransform
    params: Any


def split_chain(
    chain: Chain, params: Any, *, by_mode: bool
) -> tuple[list[Part], list[FusablePart]]:
    """Split a chain into transforms that run on the waveform and the last ones, which are fused.

    Args:
        chain: The chain; chains inside it are opened.
        params: Its params.
        by_mode: Skip transforms that do not act in the present mode.

    Returns:
        Two lists of transforms with their params.
    """
    before = [part for part in _leaves(chain, params) if part.transform.acts() or not by_mode]
    fused: list[FusablePart] = []
    while before:
        last = before[-1].transform
        if not (isinstance(last, FusableTransform) and last.fusable):
            break
        fused.insert(0, FusablePart(last, before.pop().params))
    # If a crop comes first, run it on the waveform: it is exact and leaves less to resample.
    while fused and fused[0].transform.sets_shape and not _keep_samples(fused):
        before.append(Part(*fused.pop(0)))
    late = [
        FusablePart(transform, own) for transform, own in before if belongs_into_feature(transform)
    ]
    before = [part for part in before if not belongs_into_feature(part.transform)]
    return before, [*fused, *late]


def belongs_into_feature(transform: nn.Module) -> TypeGuard[FusableTransform]:
    """Return whether only the feature computes a transform, at any place in a chain."""
    return isinstance(transform, FusableTransform) and transform.in_feature_only


def check_parts_of_features(chain: Chain, feature: nn.Module) -> None:
    """Raise if a transform that only a feature can compute is inside anything but a chain."""
    inside = [part for part in chain.modules() if belongs_into_feature(part)]
    if not inside:
        return
    name = type(inside[0]).__name__
    found = [part.transform for part in _leaves(chain, _no_params(chain))]
    if any(all(part is not one for one in found) for part in inside):
        raise ValueError(
            f"`waveform` must have {name} directly in a chain, not inside a transform such as "
            f"OneOf or Schedule: the features compute it"
        )
    for part in inside:
        part.check_feature(feature)


def _no_params(chain: Chain) -> list[Any]:
    return [_no_params(part) if isinstance(part, Chain) else None for part in chain]


def _keep_samples(run: list[FusablePart]) -> bool:
    return all(part.transform.keeps_samples for part in run)


def _leaves(chain: Chain, params: Any) -> Iterator[Part]:
    chain.check_params(params)
    for transform, own in zip(chain, params, strict=True):
        if isinstance(transform, Chain):
            yield from _leaves(transform, own)
        else:
            yield Part(transform, own)


def fused_features(
    waveform: Tensor,
    lengths: Tensor | None,
    fused: list[FusablePart],
    feature: MagnitudeFeature,
    *,
    ragged: bool,
) -> tuple[Tensor, Tensor | None]:
    """Compute the feature of a batch after the fused transforms.

    Args:
        waveform: The batch, ``(batch, channel, time)``, float32 or float64.
        lengths: Valid samples per example, or None if they are not known.
        fused: The fused transforms with their params.
        feature: The feature.
        ragged: Whether each example is padded at its own end, as features do with lengths.

    Returns:
        The feature, ``(batch, channel, freq, frame)``, and, if ``ragged``, the valid frames of each
        example.

    Raises:
        ValueError: If not one frame fits, which only happens without ``center``.
    """
    warp = Warp.identity(waveform, lengths)
    for transform, params in fused:
        warp = transform.warp(warp, transform.neutralise(params))
    if warp.mel_range is not None and all(belongs_into_feature(part.transform) for part in fused):
        # Without a change of frames, call the feature itself, which may do more to the waveform.
        specgram = feature.within(waveform, lengths if ragged else None, warp.mel_range)
        return specgram, feature.frame_lengths(warp.ends) if ragged else None
    source = _source_of(waveform, warp, feature, ragged=ragged)
    source.mel_range = warp.mel_range
    return feature.from_source(source), feature.frame_lengths(warp.ends) if ragged else None


def _source_of(
    waveform: Tensor, warp: Warp, feature: MagnitudeFeature, *, ragged: bool
) -> FrameSource:
    """Choose the cheapest source of the frames that a warp needs."""
    framing, lengths = feature.framing, warp.ends if ragged else None
    batch, channels, _ = waveform.shape
    if batch == 0:
        return PlainFrames(waveform.new_zeros(0, channels, warp.size), framing, lengths)
    if warp.ratio is not None or warp.rate is not None:
        window = feature.make_window(waveform.dtype, waveform.device)
        return WarpedFrames(waveform, warp, framing, window, lengths)
    if warp.offset is None:
        return PlainFrames(waveform, framing, lengths, gain=warp.gain)
    return CroppedFrames(
        waveform,
        framing,
        warp.offset >> 32,
        warp.size,
        source_ends=warp.source_ends,
        lengths=lengths,
        gain=warp.gain,
    )


class WarpedFrames(FrameSource):
    """Frames of examples with changed pitch and tempo: resampled, and cut at another hop.

    Args:
        waveform: The batch, ``(batch, channel, time)``, not empty.
        warp: The change of each example in pitch, tempo or both.
        framing: How the feature cuts frames.
        window: Window of a frame, ``(n_fft,)``.
        lengths: Valid samples of each result; with them, each is padded at its own end.
    """

    windowed = True
    weight = 2  # the resampled waveform and its temporaries, in addition to the frames

    def __init__(
        self,
        waveform: Tensor,
        warp: Warp,
        framing: Framing,
        window: Tensor,
        lengths: Tensor | None,
    ) -> None:
        counts = None if lengths is None else framing.count(lengths)
        sounding = silence_after(waveform, warp.source_ends)
        super().__init__(sounding, framing, size=warp.size, frame_lengths=counts, gain=warp.gain)
        self.window = window
        self.lengths = lengths
        # A faster tempo can ask for more samples than there are.
        ends = warp.source_ends
        self.source_ends = None if ends is None else ends.clamp(max=waveform.shape[-1])
        self.ratio = None if warp.ratio is None else _by_channel(warp.ratio, waveform)
        self.shifts_channels_apart = warp.ratio is not None and warp.ratio.ndim == 2
        lowest, self.highest_ratio = warp.ratio_range
        self.resampled_size = resampled_size(waveform.shape[-1], lowest)
        middle = framing.middles(warp.size, waveform.device)
        self.centers = self._map_frames(warp, middle)
        self.middle = middle
        self.edges: Edges | None = None

    def _find_edges(self) -> Edges | None:
        """Find the frames that are padded, once and only when needed; None if there are none."""
        if self.edges is None and self.framing.center:
            ends = self.lengths
            if ends is None:
                batch, device = len(self.waveform), self.waveform.device
                ends = torch.full((batch,), self.size, dtype=torch.int64, device=device)
            self.edges = Edges.find(self.middle, ends, self.framing)
        return self.edges

    def sound(self) -> Sound:
        """Return where the samples of the frames come from."""
        resampling = None
        if self.ratio is not None:
            sizes = (self.resampled_size, float(self.highest_ratio))
            resampling = Resampling(fixed_point(self.ratio), *sizes, filter_constants())
        return Sound(
            self.waveform,
            self.size,
            heard=self.source_ends,
            ends=self.lengths,
            valid=self.frame_lengths,
            gain=self.gain,
            centers=self.centers,
            resampling=resampling,
        )

    def frames(self, some: slice) -> Tensor:
        """Resample some examples, and cut their frames at the positions given by the tempo."""
        rows, channels = self.waveform[some], self.waveform.shape[1]
        if self.ratio is not None:
            rows = resample(
                rows,
                self.ratio[some],
                size=self.resampled_size,
                lengths=None if self.source_ends is None else self.source_ends[some],
                max_ratio=self.highest_ratio,
            )
        rows = rows.flatten(0, 1)
        start = self.centers[some].flatten(0, 1) - self.framing.n_fft // 2
        frames = take_frames(rows, start, self.framing.n_fft, self.window)
        edges = self._find_edges()
        if edges is not None:
            frames = edges.of(some, channels).pad(frames, rows, start, self.window)
        by_example: Tensor = frames.unflatten(0, (-1, channels))
        return by_example

    def _map_frames(self, warp: Warp, middle: Tensor) -> Tensor:
        """Return the middle sample of each frame in the resampled waveform.

        Onsets are found before resampling: this costs less and does not depend on the pitch.

        Returns:
            ``(batch, channel, frame)``, int64.
        """
        grid = 32 * math.ceil(self.framing.n_fft / 32)
        # Channels of an example share their frame positions, and so their levels, unless each has
        # its own shift.
        sound, (batch, channels, _) = self.waveform.detach(), self.waveform.shape
        units = channels if self.shifts_channels_apart else 1
        sound = sound.flatten(0, 1) if units > 1 else sound
        one = torch.ones(batch * units, 1, dtype=torch.float32, device=sound.device)
        pitch = one if self.ratio is None else self.ratio[:, :units].reshape(-1, 1)
        tempo, offset = one, torch.zeros_like(one, dtype=torch.int64)
        if warp.rate is not None:
            tempo = warp.rate[:, None].expand(-1, units).reshape(-1, 1)
        if warp.offset is not None:
            offset = warp.offset[:, None].expand(-1, units).reshape(-1, 1)
        if self.ratio is not None:
            # Exact, because a ratio has only 24 bits.
            offset = floor_divide(offset, (pitch * 2**24).to(torch.int64)) << 24
        step = ((tempo / pitch) * ONE).to(torch.int64).clamp(min=1)
        sound = sound if sound.ndim == 3 else sound.unsqueeze(1)
        place = self._place_natively if has_kernel(sound, grid) else self._place
        centers = place(sound, grid, middle, pitch, step, offset)
        placed: Tensor = centers.reshape(batch, units, -1).expand(-1, channels, -1)
        return placed

    def _place(
        self, sound: Tensor, grid: int, middle: Tensor, pitch: Tensor, step: Tensor, offset: Tensor
    ) -> Tensor:
        """Place the frames of each unit; each argument has one row per unit."""
        onsets = find_onsets(sound, grid)
        if self.ratio is not None:
            onsets = resample_onsets(onsets, pitch, self.resampled_size, grid)
        return map_time(offset + middle * step, step.squeeze(1), onsets, grid)[0]

    def _place_natively(
        self, sound: Tensor, grid: int, middle: Tensor, pitch: Tensor, step: Tensor, offset: Tensor
    ) -> Tensor:
        """Do as `_place` in one pass, each unit on one thread."""
        count = len(middle)
        centers = torch.empty((len(sound), count), dtype=torch.int64)
        first = self.framing.n_fft // 2 if not self.framing.center else 0
        native.call(
            "augspec_place_frames",
            *kernel_arguments(sound, grid), step, offset,
            None if self.ratio is None else pitch.float(),
            self.resampled_size, first, self.framing.hop_length, count, out=centers,
        )  # fmt: skip
        return centers


def _by_channel(values: Tensor, waveform: Tensor) -> Tensor:
    """Give every channel its value, ``(batch, channel)``."""
    return (values if values.ndim == 2 else values[:, None]).expand(waveform.shape[:2])


@dataclass(frozen=True)
class Edges:
    """The frames that reach over an end of the output, and how the feature pads them.

    They are cut once more, starting one sample earlier and one sample longer: such a frame contains
    every sample that the padding mirrors or repeats.

    Args:
        frame: Which frames, ``(batch, edge)`` int64.
        place: Index in the longer frame of each sample of the frame, ``(batch, edge, n_fft)``.
        sounds: Whether the sample is sound; otherwise it is zero.
    """

    frame: Tensor
    place: Tensor
    sounds: Tensor

    @staticmethod
    def find(middle: Tensor, ends: Tensor, framing: Framing) -> Edges:
        """Find the frames of each example.

        Args:
            middle: The sample in the middle of each frame, ``(frame,)``.
            ends: Where the output of each example ends, ``(batch,)``.
            framing: How the feature pads.
        """
        n_fft, hop, count = framing.n_fft, framing.hop_length, len(middle)
        half = n_fft // 2
        left = torch.arange(min(math.ceil(half / hop), count), device=ends.device)
        reach = min(math.ceil((n_fft - half) / hop) + 1, count - len(left))
        right = torch.div(ends - (n_fft - half), hop, rounding_mode="floor") + 1
        # No frame is listed twice. A frame that does not reach over an end stays as it is.
        right = right.clamp(len(left), count - reach)[:, None]
        right = right + torch.arange(reach, device=ends.device)
        frame = torch.cat([left.expand(len(ends), -1), right], dim=1)

        shift = half + 1 - middle[frame][..., None]
        place = count_up(1, n_fft + 1, ends.device) - shift
        end = ends[:, None, None]
        source, sounds = place, (place >= 0) & (place < end)
        if framing.pad_mode == "replicate":
            source, sounds = torch.minimum(place.clamp(min=0), end - 1), end > 0
        elif framing.pad_mode == "reflect":
            source = place.abs()
            source = torch.where(source >= end, 2 * (end - 1) - source, source)
            sounds = sounds | (end > half)
        index = source + shift
        sounds = sounds & (index >= 0) & (index <= n_fft)
        return Edges(frame, index.clamp(0, n_fft), sounds)

    def of(self, some: slice, channels: int) -> Edges:
        """Return the edges of some examples, for each of their channels."""
        parts = (value[some] for value in (self.frame, self.place, self.sounds))
        if channels == 1:
            return Edges(*parts)
        return Edges(*(part.repeat_interleave(channels, 0) for part in parts))

    def pad(self, frames: Tensor, rows: Tensor, start: Tensor, window: Tensor) -> Tensor:
        """Cut the frames at the edges once more, and pad them.

        Args:
            frames: All frames, windowed, ``(row, frame, n_fft)``; a tensor that may be written to.
            rows: The audio that they were taken from, ``(row, time)``.
            start: First sample of each, ``(row, frame)``.
            window: Window of a frame.
        """
        longer = take_frames(rows, start.gather(1, self.frame) - 1, frames.shape[-1] + 1)
        padded = where_else(self.sounds, longer.gather(-1, self.place), 0.0) * window
        row = torch.arange(len(frames), device=frames.device)[:, None]
        if needs_gradient(frames) or is_compiling():
            whole: Tensor = frames.index_put((row, self.frame), padded)
            return whole
        frames[row, self.frame] = padded
        return frames
