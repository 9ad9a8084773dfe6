"""How loud the part of an example is that a signal-to-noise ratio is measured by.

`REFERENCES` is the one place that knows the ways to measure. A new one is a function of the same
arguments under a name of its own; the transforms take every name that is there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec.functional.checks import compute_dtype
from augspec.functional.shapes import ends_of, like, pooled_dims, silence_after

__all__ = ["REFERENCES", "active_blocks", "block_size", "energy", "norm"]

BLOCK = 0.02  # seconds whose mean power says whether they sound
_GATE = 1e-3  # of the mean power: 30 dB


def energy(
    waveform: Tensor,
    parameter: Tensor,
    lengths: Tensor | None = None,
    *,
    reference: str = "all",
    sample_rate: int = 16_000,
) -> Tensor:
    """Give the root of the energy that an example would have if all of it were as loud as a part.

    Args:
        waveform: Float audio.
        parameter: Tells what has one level: the example for ``(batch,)``, each channel for
            ``(batch, channel)``.
        lengths: Valid samples of each example, all by default; the rest has to be silent.
        reference: Which part, a name of `REFERENCES`.
        sample_rate: Sample rate in Hz.

    Shape:
        ``waveform``: (batch, channel, time); the output has the shape of ``parameter``.

    Raises:
        ValueError: If ``reference`` is not known.
    """
    if reference not in REFERENCES:
        raise ValueError(f"`reference` must be one of {list(REFERENCES)}, got {reference!r}")
    return REFERENCES[reference](waveform, parameter, lengths, sample_rate)


def norm(waveform: Tensor, parameter: Tensor) -> Tensor:
    """Take the root of the energy of each example, or each channel where ``parameter`` has some."""
    dims, dtype = pooled_dims(parameter), compute_dtype(waveform)
    norms: Tensor = torch.linalg.vector_norm(waveform, dim=dims, dtype=dtype)
    return norms


def _all_norm(
    waveform: Tensor, parameter: Tensor, _lengths: Tensor | None, _sample_rate: int
) -> Tensor:
    return norm(waveform, parameter)


def _active_norm(
    waveform: Tensor, parameter: Tensor, lengths: Tensor | None, sample_rate: int
) -> Tensor:
    """Take it as if every sample were as loud as those of the blocks that sound."""
    size = block_size(sample_rate)
    sound = silence_after(waveform.to(compute_dtype(waveform)), lengths)
    power = _blocks(sound.square(), size).sum(-1)
    if parameter.ndim == 1:
        power = power.sum(1)
    ends = like(ends_of(waveform, lengths), power)
    first = torch.arange(power.shape[-1], device=power.device) * size
    count = (ends - first).clamp(0, size)  # valid samples of each block
    sounds = active_blocks(power.detach(), count)
    heard = torch.where(sounds, count, 0).sum(-1).clamp(min=1)
    total = torch.where(sounds, power, 0.0).sum(-1)
    known = total > 0.0  # the root of zero has no gradient
    root = torch.where(known, total, 1.0).sqrt() * (ends[..., 0] / heard).to(total.dtype).sqrt()
    return torch.where(known, root, 0.0)


def active_blocks(energies: Tensor, count: Tensor) -> Tensor:
    """Say which blocks sound: those at most 30 dB below the mean power of all of them.

    Args:
        energies: Energy of each block, ``(..., block)``.
        count: Samples of each block, int64; the last may be shorter, those behind it have none.

    Returns:
        bool, ``(..., block)``; of silence, no block.
    """
    samples = count.sum(-1, keepdim=True).clamp(min=1).to(energies.dtype)
    mean = energies.sum(-1, keepdim=True) / samples
    # A fault of rounding may leave energy in a block of silence.
    return (energies >= _GATE * mean * count) & (count > 0) & (mean > 0.0)


def block_size(sample_rate: int) -> int:
    """Give the samples of a block of 20 ms."""
    return max(1, round(BLOCK * sample_rate))


def _blocks(waveform: Tensor, size: int) -> Tensor:
    padded = nnf.pad(waveform, (0, -waveform.shape[-1] % size))
    return padded.view(*padded.shape[:-1], -1, size)


Reference = Callable[[Tensor, Tensor, Tensor | None, int], Tensor]

#: Ways to measure, by name.
REFERENCES: dict[str, Reference] = {"all": _all_norm, "active": _active_norm}
