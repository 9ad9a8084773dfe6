"""How loud a waveform is, and its sign."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.shapes import like

__all__ = ["gain", "polarity_inversion"]


def gain(waveform: Tensor, gain_db: Tensor) -> Tensor:
    """Multiply each example by its own gain.

    Args:
        waveform: The batch.
        gain_db: Gain in dB, ``(batch,)`` or ``(batch, channel)``; 0 leaves every bit as it is.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    return waveform * like(amplitude(gain_db.to(waveform.dtype)), waveform)


def amplitude(gain_db: Tensor) -> Tensor:
    """Turn dB into a factor on the amplitude: ``10 ** (gain_db / 20)``."""
    return torch.pow(10.0, gain_db / 20.0)


def polarity_inversion(waveform: Tensor, inverted: Tensor) -> Tensor:
    """Change the sign of the examples for which ``inverted`` is true.

    Args:
        waveform: The batch.
        inverted: bool, ``(batch,)`` or ``(batch, channel)``.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    return torch.where(like(inverted, waveform), -waveform, waveform)
