"""Levels of a spectrogram that rise or fall over time."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_specgram
from augspec.functional.shapes import ends_of, like
from augspec.functional.spectrum import valid_frames
from augspec.native import bins

__all__ = ["linear_fade"]


def linear_fade(
    specgram: Tensor,
    start_gain_db: Tensor,
    end_gain_db: Tensor,
    stype: Literal["db", "power", "magnitude"] = "db",
    lengths: Tensor | None = None,
) -> Tensor:
    """Change the gain of each example linearly in dB from its first frame to its last.

    Args:
        specgram: The batch.
        start_gain_db: Gain of the first frame in dB, ``(batch,)`` or ``(batch, channel)``.
        end_gain_db: Gain of the last valid frame in dB, of that shape.
        stype: What the spectrogram holds: ``"db"``, to which gains are added, ``"power"`` or
            ``"magnitude"``, which are multiplied.
        lengths: Valid frames per example, ``(batch,)``: later frames stay as they are.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.
    """
    check_specgram(specgram, lengths)
    for name, gain in (("start_gain_db", start_gain_db), ("end_gain_db", end_gain_db)):
        check_parameter(name, gain, specgram)
    frame = torch.arange(specgram.shape[-1], device=specgram.device).to(specgram.dtype)
    last = (ends_of(specgram, lengths) - 1).clamp(min=1).to(specgram.dtype)
    start, end = (like(gain.to(specgram.dtype), specgram) for gain in (start_gain_db, end_gain_db))
    gain = torch.lerp(start, end, (frame / like(last, specgram)).clamp(max=1.0))
    return add_gain(specgram, gain, stype, lengths)


def add_gain(
    specgram: Tensor,
    gain_db: Tensor,
    stype: Literal["db", "power", "magnitude"],
    lengths: Tensor | None = None,
) -> Tensor:
    """Add a gain in dB, which broadcasts with ``specgram``, to the valid frames."""
    gain = gain_db
    if stype != "db":
        gain = torch.pow(10.0, gain_db / (10.0 if stype == "power" else 20.0))
    if bins.can_compute(specgram, gain, lengths):
        before, factor = (gain, None) if stype == "db" else (None, gain)
        return bins.affine(specgram, lengths, before=before, factor=factor)
    louder = specgram + gain if stype == "db" else specgram * gain
    if lengths is None:
        return louder
    return torch.where(valid_frames(specgram, lengths), louder, specgram)
