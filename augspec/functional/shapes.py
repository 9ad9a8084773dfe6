"""Small helpers on the shapes and dtypes of waveforms, spectrograms and their parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from augspec._constants import where_else
from augspec.functional.checks import compute_dtype
from augspec.native import samples
from augspec.native.samples import Part

__all__ = [
    "blend",
    "choose",
    "ends_of",
    "fit",
    "join_examples",
    "like",
    "pooled_dims",
    "silence_after",
    "span_start",
    "take_examples",
    "working_dtype",
]


def working_dtype(tensor: Tensor) -> Tensor:
    """Convert half-precision input to float32; other input stays as it is."""
    return tensor.to(compute_dtype(tensor))


def like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """Give a ``(batch,)`` or ``(batch, channel)`` parameter the rank of ``tensor``."""
    return parameter.reshape(parameter.shape + (1,) * (tensor.ndim - parameter.ndim))


def fit(tensor: Tensor, size: int) -> Tensor:
    """Cut or zero-pad the last dimension to ``size``."""
    missing = size - tensor.shape[-1]
    return tensor if missing == 0 else nn.functional.pad(tensor, (0, missing))


def silence_after(waveform: Tensor, lengths: Tensor | None) -> Tensor:
    """Zero all values after each example's end, also NaN; None leaves all as it is."""
    if lengths is None:
        return waveform
    if waveform.ndim == 3 and samples.can_compute(waveform, lengths):
        return samples.mix(waveform.shape, Part(waveform, end=lengths))
    inside = torch.arange(waveform.shape[-1], device=waveform.device) < like(lengths, waveform)
    return where_else(inside, waveform, 0.0)


def ends_of(waveform: Tensor, lengths: Tensor | None) -> Tensor:
    """Return where examples end, ``(batch,)`` int64: at the last sample without lengths."""
    if lengths is not None:
        return lengths
    batch, time = waveform.shape[0], waveform.shape[-1]
    return torch.full((batch,), time, dtype=torch.int64, device=waveform.device)


def pooled_dims(parameter: Tensor) -> tuple[int, ...]:
    """Name the dimensions of a waveform that share one value of a parameter."""
    return (-2, -1) if parameter.ndim == 1 else (-1,)


def blend(dry: Tensor, wet: Tensor, mix: Tensor) -> Tensor:
    """Mix the input and the output of an effect.

    Args:
        dry: The input.
        wet: The output of the effect.
        mix: Fraction of ``wet`` in the amplitude, ``(batch,)`` or ``(batch, channel)``: 0 is all
            dry, 1 all wet, bit for bit.

    Shape:
        Tensors of one shape in and out.
    """
    mix = mix.to(wet.dtype)
    if dry.shape == wet.shape and wet.ndim == 3 and samples.can_compute(wet, dry, mix):
        if bool((mix == 1.0).all()):
            return wet
        return samples.mix(wet.shape, Part(dry, 1.0 - mix), Part(wet, mix))
    return torch.lerp(dry, wet, like(mix, wet))


def choose(picked: Tensor, values: Tensor, others: Tensor) -> Tensor:
    """Take ``values`` for the examples that are picked, and ``others`` for the rest.

    Args:
        picked: bool, ``(batch,)``.
        values: The result of a transform.
        others: Its input; cut or filled up with zeros to the last dimension of ``values``.
    """
    same = values.shape[:-1] == others.shape[:-1]  # else they are broadcast
    if same and samples.is_worthwhile(values, others):
        return samples.choose(picked, values, others)
    return torch.where(like(picked, values), values, fit(others, values.shape[-1]))


def take_examples(tensor: Tensor, index: Tensor) -> Tensor:
    """Do as ``tensor[index]``, for examples of audio."""
    if samples.is_worthwhile(tensor, index, count=len(index)):
        return samples.take(tensor, index)
    return tensor[index]


def join_examples(parts: Sequence[Tensor], groups: Sequence[Tensor]) -> Tensor:
    """Put groups of examples in order.

    Args:
        parts: The examples of each group.
        groups: Their places in the whole batch, int64, each place once.
    """
    if all(samples.is_worthwhile(part) for part in parts if len(part)) and any(map(len, parts)):
        return samples.join(parts, groups)
    return torch.cat(list(parts))[torch.argsort(torch.cat(list(groups)))]


def span_start(fraction: Tensor, room: Tensor | int) -> Tensor:
    """Convert a place in [0, 1) to an int64 in ``[0, room]``, each equally likely.

    Integer arithmetic is exact for the 24 bits of a draw: a float32 product could round up to
    ``room + 1``, and not every device has float64.
    """
    place = ((fraction * 2.0**24).long() * (room + 1)) >> 24
    return torch.clamp(place, max=room)
