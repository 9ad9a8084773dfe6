"""Labels of frames, moved with the sound.

Frames are equal steps over the whole waveform: frame ``i`` of ``n`` describes the samples from ``i
* time / n`` to ``(i + 1) * time / n``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["frame_middles", "has_weak_label", "in_parts", "take_frames", "weak_label"]

_PARTS = 8  # parts of a frame that are tested: an event may lie between the middles of two frames


def frame_middles(count: int, time: int, size: int, device: torch.device) -> Tensor:
    """Return the middle sample of each frame of a result.

    Args:
        count: Frames of a waveform of ``time`` samples.
        time: Samples before.
        size: Samples of the result, which has the same number of frames per sample, but at least
            one.
        device: Device of the result.

    Returns:
        ``(1, frame)`` int64.
    """
    new_count = max(1, round(count * size / time))
    place = torch.arange(new_count, device=device)[None]
    return (2 * place + 1) * size // (2 * new_count)


def take_frames(frames: Tensor, source: Tensor, time: int, lengths: Tensor) -> Tensor:
    """Take for each place the frame that contains its sample; zero where there is none.

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
    """Return whether there is a ``label`` with the number of classes of the ``frames``."""
    label, frames = targets.get("label"), targets.get("frames")
    if not isinstance(label, Tensor) or not isinstance(frames, Tensor) or frames.ndim != 3:
        return False
    return label.shape == frames.shape[:2]


def in_parts(frames: Tensor) -> Tensor:
    """Divide each frame into equal parts, ``(batch, classes, parts * frame)``."""
    return frames.repeat_interleave(_PARTS, dim=-1)


def weak_label(label: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Remove the classes from a weak label that no longer sound.

    A label is the weak label of the frames if it has exactly the classes that sound in them. Other
    labels stay, such as that of a recording without marked events.

    Args:
        label: ``(batch, classes)``, above 0 for a class that is present.
        before: Labels of frames before the transform.
        after: Labels of frames, or of parts of frames, after the transform.

    Shape:
        ``before`` and ``after`` ``(batch, classes, frame)``, with any number of frames each.
    """
    sounded, sounds = before.amax(-1) > 0, after.amax(-1) > 0
    is_theirs = ((label > 0) == sounded).all(-1, keepdim=True)
    return torch.where(is_theirs & ~sounds, torch.zeros_like(label), label)
