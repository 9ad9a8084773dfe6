"""Labels of frames, moved as the sound that they are about.

Frames are equal steps over the whole of a waveform: frame ``i`` of ``n`` is about the samples from
``i * time / n`` to ``(i + 1) * time / n``.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["frame_middles", "take_frames"]


def frame_middles(count: int, time: int, size: int, device: torch.device) -> Tensor:
    """Say which sample is in the middle of each frame of a result.

    Args:
        count: Frames of a waveform of ``time`` samples.
        time: Samples before.
        size: Samples of the result, which has as many frames a sample, but at least one.
        device: Where to put them.

    Returns:
        ``(1, frame)`` int64.
    """
    new_count = max(1, round(count * size / time))
    place = torch.arange(new_count, device=device)[None]
    return (2 * place + 1) * size // (2 * new_count)


def take_frames(frames: Tensor, source: Tensor, time: int, lengths: Tensor) -> Tensor:
    """Take for each place the frame that a sample lies in; zero where there is none.

    Args:
        frames: The labels, of any dtype.
        source: Samples, int64; one outside of ``[0, lengths)`` gives zero.
        time: Samples that the frames span.
        lengths: Valid samples per example, ``(batch,)``.

    Shape:
        ``frames`` ``(batch, classes, frame)``, ``source`` ``(batch, place)`` or ``(1, place)``;
        returns ``(batch, classes, place)``.
    """
    heard = (source >= 0) & (source < lengths[:, None])
    index = source.clamp(0, time - 1) * frames.shape[-1] // time
    taken = frames.gather(-1, index[:, None].expand(*frames.shape[:2], -1))
    return torch.where(heard[:, None], taken, torch.zeros_like(taken))
