"""The time map of a stretch that keeps attacks, and frames at any place."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._compile import compiled, floor_divide
from augspec.functional.onset import Grid
from augspec.functional.sinc import ONE

_REPAY = 2.0  # how fast, relative to the stretch, the time that an attack borrows is paid back


def map_time(position: Tensor, step: Tensor, onsets: Grid, n_fft: int) -> tuple[Tensor, Tensor]:
    """Choose the input sample at the center of each output frame.

    Away from onsets it is ``position``. Within half a frame of an onset the map has slope 1 and
    sends the onset to its right place, so that the attack is copied; the time so borrowed is paid
    back on both sides.

    Args:
        position: Where an even stretch has each frame, in units of 2**-32 input samples,
            ``(row, frame)`` int64.
        step: Input samples an output sample in the same units, ``(row,)`` int64, positive.
        onsets: What `augspec.functional.onset.find_onsets` gave for ``n_fft``.
        n_fft: Samples of a frame.

    Returns:
        Centers, ``(row, frame)`` int64, and how many output samples ahead the next onset is.
    """
    reach = n_fft // 2
    step = step.unsqueeze(-1)
    last, first = onsets
    base = (position + ONE // 2) >> 32
    block = torch.div(base, n_fft // 32, rounding_mode="floor").clamp(0, last.shape[-1] - 1)
    before, after = last.gather(-1, block), first.gather(-1, block)
    since, until = _divide(position - before * ONE, step), _divide(after * ONE - position, step)
    near = torch.minimum(since, until)
    onset, side = torch.where(since < until, before, after), torch.where(since < until, 1, -1)
    rate = step.to(torch.float32) / ONE
    # Never so fast that a slow row would run backwards.
    repay = (0.5 * rate / (1 - rate).abs().clamp(min=1e-3)).clamp(max=_REPAY)
    share = repay * ((since + until) / 2 - near)
    kept = (near <= reach) & (near <= share)
    borrowed = torch.minimum(torch.minimum(near, share), reach - repay * (near - reach))
    shift = side * borrowed.clamp(min=0) * (1 - rate)
    return torch.where(kept, onset + side * near, base + torch.round(shift).to(torch.int64)), until


def _divide(position: Tensor, step: Tensor) -> Tensor:
    return floor_divide(position + step // 2, step)


def take_frames(rows: Tensor, start: Tensor, n_fft: int, window: Tensor | None = None) -> Tensor:
    """Take ``n_fft`` samples of each row from each ``start``; zeros outside the row.

    Args:
        rows: Audio, ``(row, time)``.
        start: First samples, ``(row, frame)`` int64.
        n_fft: Samples of a frame.
        window: Factor on the samples of a frame, ``(n_fft,)``; None is 1.

    Returns:
        ``(row, frame, n_fft)``, a tensor of its own.
    """
    padded = nnf.pad(rows, (n_fft, n_fft))
    time = padded.shape[-1]
    start = (start + n_fft).clamp(0, time - n_fft)
    if rows.requires_grad or torch.compiler.is_compiling():
        index = start.unsqueeze(-1) + torch.arange(n_fft, device=rows.device)
        frames: Tensor = padded.gather(1, index.flatten(1)).reshape(index.shape)
        return frames if window is None else frames * window
    # Whole rows of a view are copied much faster than samples, but the gradient of the view would
    # take ``n_fft`` times the memory of the audio.
    start = start + torch.arange(0, padded.numel(), time, device=rows.device).unsqueeze(-1)
    if window is None:
        return nnf.embedding(start, padded.flatten().unfold(0, n_fft, 1))
    return _take(start.flatten(), padded.flatten(), window).reshape(*start.shape, n_fft)


@compiled
def _take(start: Tensor, source: Tensor, window: Tensor) -> Tensor:
    """Copy and window the frames that begin at ``start`` in one pass."""
    n_fft = window.shape[0]
    frames = source.as_strided((source.shape[0] - n_fft + 1, n_fft), (1, 1))
    return frames[start] * window
