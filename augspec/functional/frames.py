"""Labels of frames, moved as the sound that they are about.

Frames are equal steps over the whole of a waveform: frame ``i`` of ``n`` is about the samples from
``i * time / n`` to ``(i + 1) * time / n``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["frame_middles", "has_weak_label", "in_parts", "take_frames", "weak_label"]

_PARTS = 8  # that a frame is looked at in: between the middles of two frames an event may sound


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


def has_weak_label(targets: Mapping[str, Any]) -> bool:
    """Say whether there is a ``label`` of as many classes as the ``frames`` have."""
    label, frames = targets.get("label"), targets.get("frames")
    if not isinstance(label, Tensor) or not isinstance(frames, Tensor) or frames.ndim != 3:
        return False
    return label.shape == frames.shape[:2]


def in_parts(frames: Tensor) -> Tensor:
    """Cut each frame in equal parts, ``(batch, classes, parts * frame)``."""
    return frames.repeat_interleave(_PARTS, dim=-1)


def weak_label(label: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Take out of a weak label the classes of which nothing sounds any more.

    A label is that of the frames if it has the very classes that sound in them. Any other one, such
    as that of a recording whose events nobody has marked, stays.

    Args:
        label: ``(batch, classes)``, above 0 where a class is there.
        before: Labels of frames before something was done to the sound.
        after: What of them is heard afterwards, in frames or in parts of frames.

    Shape:
        ``before`` and ``after`` ``(batch, classes, frame)``, with any number of frames each.
    """
    sounded, sounds = before.amax(-1) > 0, after.amax(-1) > 0
    is_theirs = ((label > 0) == sounded).all(-1, keepdim=True)
    return torch.where(is_theirs & ~sounds, torch.zeros_like(label), label)
