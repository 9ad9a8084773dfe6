"""A phase vocoder with a rate per example, phase locking and copied attacks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from augspec._chunks import in_chunks
from augspec._compile import compiled, launches_cost
from augspec._constants import constant, where_else
from augspec.functional.onset import Grid
from augspec.functional.pace import Pace
from augspec.functional.phase_lock import HEARD, LOOKAHEAD, OVERLAP
from augspec.functional.phase_turn import turn_frames
from augspec.functional.timemap import take_frames
from augspec.functional.unchanged import keep_unchanged


def stretch_examples(
    source: Callable[[slice], Tensor],
    pace: Pace,
    onsets: Grid,
    source_ends: Tensor,
    ends: Tensor,
    size: int,
    n_fft: int,
    channels: int,
) -> Tensor:
    """Stretch each example at its own pace: output ``n`` is the input around ``n * rate``.

    Positions of frames, peaks and phase turns are shared by all channels of an example, so that
    relations between channels stay. A rate of exactly 1 returns the input, bit for bit.

    Args:
        source: Function that returns some examples, ``(example, channel, time)``, float32 or
            float64, with silence after their end. It is a function, so that computed audio can stay
            in the cache.
        pace: Speed of each example, constant or varying; the result is NaN where it is not
            positive.
        onsets: Positions of attacks, from `augspec.functional.onset.find_onsets`.
        source_ends: Samples of each example of the input before silence, ``(example,)`` int64.
        ends: Samples of each example of the output before silence, ``(example,)`` int64.
        size: Samples of the output.
        n_fft: Samples of a frame, a multiple of 32.
        channels: Number of channels of ``source``.

    Returns:
        ``(example, channel, size)``.
    """
    last, first = onsets

    def stretch(some: slice) -> Tensor:
        grid = last[some], first[some]
        both_ends = source_ends[some], ends[some]
        return _stretch_chunk(source(some), pace.some(some), grid, both_ends, size, n_fft)

    return in_chunks(stretch, len(ends), OVERLAP * channels * size, ends.device)


def _stretch_chunk(
    sound: Tensor, pace: Pace, onsets: Grid, ends: tuple[Tensor, Tensor], size: int, n_fft: int
) -> Tensor:
    channels, (source_ends, ends_) = sound.shape[1], ends
    centers, attacks = _place_frames(pace, onsets, size, n_fft)
    window = constant(torch.hann_window, n_fft, dtype=sound.dtype, device=sound.device)
    start, row_ends = centers - n_fft // 2, source_ends
    if channels > 1:
        start, row_ends = (x.repeat_interleave(channels, 0) for x in (start, row_ends))
    # Keep no reference to the frames, so that their memory is reused for the pieces below: it saves
    # 10 % of the time.
    specgram = torch.fft.rfft(take_frames(sound.flatten(0, 1), start, n_fft, window, row_ends))
    specgram = specgram.unflatten(0, (-1, channels))
    pieces = torch.fft.irfft(turn_frames(specgram, torch.diff(centers), attacks), n=n_fft)
    nan_or_zero = pace.nan_or_zero().to(sound.dtype)
    synthesis = constant(_synthesis_window, n_fft, dtype=sound.dtype, device=sound.device)
    stretched = _overlap_add(pieces, synthesis, nan_or_zero, ends_)[..., :size]
    return keep_unchanged(stretched, sound, pace.unchanged())


def _synthesis_window(n_fft: int, *, dtype: torch.dtype) -> Tensor:
    # The windows of analysis and synthesis sum to 3/8 of the overlap.
    return torch.hann_window(n_fft, dtype=dtype) / (0.375 * OVERLAP)


def _place_frames(pace: Pace, onsets: Grid, size: int, n_fft: int) -> tuple[Tensor, Tensor]:
    """Choose the input sample at the center of each output frame, by the time map of `map_time`.

    Returns:
        Centers, int64 ``(example, frame)``, with 1 frame before and 2 after those that are heard;
        and the heard frames from which an attack is copied, bool.
    """
    hop, reach = n_fft // OVERLAP, n_fft // 2
    centers, until = pace.place(frame_places(size, n_fft, onsets[0].device), onsets, n_fft)
    # The first frame that an attack touches, half a frame before it.
    return centers, ((until > reach - hop) & (until <= reach))[:, HEARD]


def frame_places(size: int, n_fft: int, device: torch.device) -> Tensor:
    """Return the centers of frames in the output, int64.

    The second to the third last are heard: all that touch the output.
    """
    hop = n_fft // OVERLAP
    blocks = -(-size // hop)
    return torch.arange(-2 * hop, (blocks + 2 + LOOKAHEAD) * hop, hop, device=device)


def _sum_by_part(windowed: Tensor, hop: int) -> Tensor:
    """Sum the overlapping parts of frames, ``(example, channel, block, hop)``."""
    parts = windowed.unflatten(-1, (OVERLAP, hop))
    count = parts.shape[2] - OVERLAP + 1
    total = torch.zeros_like(parts[:, :, :count, 0])
    for i in range(OVERLAP):
        first = OVERLAP - 1 - i
        total = total + parts[:, :, first : first + count, i]
    return total


def _sum_in_one(windowed: Tensor, hop: int) -> Tensor:
    """Do as `_sum_by_part` in one operation on a view, with the last part first."""
    windowed = windowed.contiguous()
    examples, channels, frames, n_fft = windowed.shape
    shape = (examples, channels, frames - OVERLAP + 1, OVERLAP, hop)
    strides = (*windowed.stride()[:3], n_fft - hop, 1)
    return windowed.as_strided(shape, strides, n_fft - hop).sum(-2)


@compiled
def _overlap_add(pieces: Tensor, window: Tensor, nan_or_zero: Tensor, ends: Tensor) -> Tensor:
    """Overlap and add windowed frames, and drop the ends that fewer frames cover."""
    hop = pieces.shape[-1] // OVERLAP
    windowed = pieces * window
    total = (_sum_in_one if launches_cost(windowed) else _sum_by_part)(windowed, hop).flatten(2)
    heard = torch.arange(total.shape[-1], device=total.device) < ends[:, None, None]
    return where_else(heard, total, 0.0) + nan_or_zero[:, None, None]
