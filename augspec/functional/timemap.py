"""The time map of a stretch that keeps attacks, and frames at any place."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import compiled, floor_divide, needs_gradient, runs_triton, triton_op
from augspec._constants import constant, count_up, scaled
from augspec._torch import is_compiling
from augspec.functional.onset import Grid
from augspec.functional.sinc import ONE

_STEEPEST = 2.0  # largest slope of the return to the plain map after an attack


def map_time(position: Tensor, step: Tensor, onsets: Grid, n_fft: int) -> tuple[Tensor, Tensor]:
    """Choose the input sample at the center of each output frame.

    A plain stretch takes the frame at output sample ``n`` from input sample ``rate * n``. This also
    stretches attacks, which smears them. So within half a frame of an onset the map has slope 1, as
    in a copy, through the onset's correct position; on both sides it returns to the plain map::

        center(n) = rate * n + side * (1 - rate) * excess(d)
        excess(d) = max(0, min(d, reach - slope * (d - reach), slope * (gap / 2 - d)))

    ``d`` is the distance from ``n`` to the nearest onset at its place in the output, ``side`` is 1
    after it and -1 before it, ``gap`` is the distance between the onsets before and after ``n``,
    and ``reach`` is half a frame; all are in output samples. The three terms of the minimum are:

    - ``d``: a copy. With the onset at input sample ``o``, ``center(n) = o + side * d``.
    - ``reach - slope * (d - reach)``: beyond the reach the offset of the copy shrinks.
    - ``slope * (gap / 2 - d)``: it is 0 halfway between two onsets, so that they do not conflict.

    With ``slope = min(2, rate / (2 * abs(1 - rate)))`` a slow map still advances by half its rate.

    Args:
        position: Input position of each frame in the plain stretch, ``rate * n`` plus an offset, in
            units of 2**-32 input samples, ``(row, frame)`` int64.
        step: ``rate`` in the same units, ``(row,)`` int64, positive.
        onsets: The result of `augspec.functional.onset.find_onsets` for ``n_fft``.
        n_fft: Samples of a frame.

    Returns:
        Centers, ``(row, frame)`` int64, and how many output samples ahead the next onset is.
    """
    if runs_triton(position, step):
        placed: tuple[Tensor, Tensor] = torch.ops.augspec.map_time(position, step, *onsets, n_fft)
        return placed
    step = step.unsqueeze(-1)
    plain = (position + ONE // 2) >> 32
    before, after = onsets_around(plain, onsets, n_fft)
    # Round to the nearest output sample, with fused multiply-add operations.
    half = step // 2
    both = (
        torch.sub(position + half, before, alpha=ONE),
        torch.add(half - position, after, alpha=ONE),
    )
    since, until = floor_divide(torch.stack(both), step)
    return copy_attacks(plain, (before, after), (since, until), step, n_fft), until


@triton_op(
    "map_time",
    "(Tensor position, Tensor step, Tensor last, Tensor first, SymInt n_fft) -> (Tensor, Tensor)",
)
def _by_triton(
    position: Tensor, step: Tensor, last: Tensor, first: Tensor, n_fft: int
) -> tuple[Tensor, Tensor]:
    from augspec.functional import timemap_triton  # Triton is not always installed

    return timemap_triton.map_time(position, step, last, first, n_fft)


@_by_triton.register_fake
def _(
    position: Tensor, _step: Tensor, _last: Tensor, _first: Tensor, _n_fft: int
) -> tuple[Tensor, Tensor]:
    return position.new_empty(position.shape), position.new_empty(position.shape)


def copy_attacks(
    plain: Tensor, around: Grid, distances: tuple[Tensor, Tensor], step: Tensor, n_fft: int
) -> Tensor:
    """Move frames that are near an onset so that the onset is copied: see `map_time`.

    Args:
        plain: Input position of each frame in the plain stretch, ``(row, frame)`` int64.
        around: The onset before and the one after each frame, in input samples, of this shape.
        distances: Number of output samples between the frame and each of these two.
        step: Input samples for an output sample, on the way to the nearest onset, in units of
            2**-32: int64, ``(row, 1)`` or ``(row, frame)``.
        n_fft: Samples of a frame.

    Returns:
        Centers, ``(row, frame)`` int64.
    """
    reach = n_fft // 2
    (before, after), (since, until) = around, distances
    distance, gap = torch.minimum(since, until), since + until
    is_since = since < until
    copy = torch.where(is_since, before + since, after - until)
    half_rate = scaled(step, 0.5 / ONE)  # doubled without rounding
    lean = torch.rsub(half_rate, 1.0, alpha=2.0)
    slope = (half_rate / lean.abs().clamp(min=1e-3)).clamp(max=_STEEPEST)
    returning = reach - slope * (distance - reach)
    shared = slope * (scaled(gap, 0.5) - distance)
    copied = distance <= shared.clamp(max=reach)
    excess = torch.minimum(torch.minimum(distance, shared), returning).clamp(min=0)
    moved = plain + torch.round(excess * torch.where(is_since, lean, -lean)).to(torch.int64)
    # Compute the first term of the minimum in integers, so that it is exact far from the beginning.
    return torch.where(copied, copy, moved)


def onsets_around(sample: Tensor, onsets: Grid, n_fft: int) -> Grid:
    """Look up the last onset up to, and the first after, the block that each sample is in."""
    last, first = onsets
    block = torch.div(sample, n_fft // 32, rounding_mode="floor").clamp(0, last.shape[-1] - 1)
    return last.gather(-1, block), first.gather(-1, block)


def take_frames(
    rows: Tensor,
    start: Tensor,
    n_fft: int,
    window: Tensor | None = None,
    ends: Tensor | None = None,
) -> Tensor:
    """Take ``n_fft`` samples of each row from each ``start``; zeros outside the row.

    With ``ends`` a row is continued after its end by its mirror image. A vocoder needs this: it
    moves frames, so that near the end of the output some frames would already hold silence. The
    last 1 to 8 ms would fade, by up to 37 dB in the last millisecond of a tone shifted up by an
    octave.

    Args:
        rows: Audio, ``(row, time)``.
        start: First samples, ``(row, frame)`` int64.
        n_fft: Samples of a frame.
        window: Factor on the samples of a frame, ``(n_fft,)``; None is 1.
        ends: Sample at which each row is mirrored, ``(row,)`` int64; it must be silent after it.

    Returns:
        ``(row, frame, n_fft)``, a new tensor.
    """
    # Frames that begin further out are taken from the edge of the padding, which must be silent.
    # This includes the part after the mirror image, otherwise padding would change the result.
    padded = nnf.pad(rows, (n_fft, n_fft if ends is None else 2 * n_fft))
    if ends is not None:
        behind = ends.unsqueeze(-1) + count_up(n_fft, 2 * n_fft, rows.device)  # in `padded`
        before = constant(_counted_down, n_fft, dtype=torch.int64, device=rows.device)
        mirrored = padded.gather(1, ends.unsqueeze(-1) + before)
        # The gradient of the gather needs the padded rows unchanged.
        scatter = padded.scatter if needs_gradient(padded) else padded.scatter_
        padded = scatter(1, behind, mirrored)
    time = padded.shape[-1]
    start = (start + n_fft).clamp(0, time - n_fft)
    if needs_gradient(rows) or is_compiling():
        index = start.unsqueeze(-1) + torch.arange(n_fft, device=rows.device)
        frames: Tensor = padded.gather(1, index.flatten(1)).reshape(index.shape)
        return frames if window is None else frames * window
    # Copying whole rows of a view is much faster than copying samples, but the gradient of the view
    # would take ``n_fft`` times the memory of the audio.
    start = start + torch.arange(0, padded.numel(), time, device=rows.device).unsqueeze(-1)
    if window is None:
        return nnf.embedding(start, padded.flatten().unfold(0, n_fft, 1))
    return _take(start.flatten(), padded.flatten(), window).reshape(*start.shape, n_fft)


def _counted_down(count: int, *, dtype: torch.dtype) -> Tensor:
    return torch.arange(count - 1, -1, -1, dtype=dtype)


@compiled
def _take(start: Tensor, source: Tensor, window: Tensor) -> Tensor:
    """Copy and window the frames that begin at ``start`` in one pass."""
    n_fft = window.shape[0]
    frames = source.as_strided((source.shape[0] - n_fft + 1, n_fft), (1, 1))
    return frames[start] * window
