"""Level and sign of a waveform."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec import native
from augspec._constants import add_scaled
from augspec.functional.checks import check_parameters
from augspec.functional.shapes import ends_of, like, pooled_dims, silence_after
from augspec.native import samples

__all__ = ["gain", "gain_transition", "peak_normalize", "polarity_inversion", "rms_normalize"]


def gain(waveform: Tensor, gain_db: Tensor) -> Tensor:
    """Multiply each example by its own gain.

    Args:
        waveform: The batch.
        gain_db: Gain in dB, ``(batch,)`` or ``(batch, channel)``; 0 returns the input bit for bit.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_parameters(waveform, gain_db=gain_db)
    return scaled(waveform, amplitude(gain_db.to(waveform.dtype)))


def scaled(waveform: Tensor, factor: Tensor, *, in_place: bool = False) -> Tensor:
    """Multiply each example, or each channel, by its factor.

    Args:
        waveform: The batch.
        factor: ``(batch,)`` or ``(batch, channel)``, of the dtype of ``waveform``.
        in_place: Whether the result may replace ``waveform``, which must be contiguous.
    """
    if samples.can_compute(waveform, factor):
        return samples.apply("scale", waveform, factor, in_place=in_place)
    return waveform * like(factor, waveform)


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
    check_parameters(waveform, None, "bool", inverted=inverted)
    sign = add_scaled(1.0, inverted.to(waveform.dtype), -2.0)
    return scaled(waveform, sign)


def gain_transition(
    waveform: Tensor,
    start_gain_db: Tensor,
    end_gain_db: Tensor,
    start: Tensor,
    duration: Tensor,
    lengths: Tensor | None = None,
) -> Tensor:
    """Fade each example from one gain to another, linearly in dB.

    The first gain applies before the fade, the second after it. The fade may begin before the
    example or end after it.

    Args:
        waveform: The batch.
        start_gain_db: Gain before the fade in dB, ``(batch,)`` or ``(batch, channel)``; if both
            gains are 0, the input is returned bit for bit.
        end_gain_db: Gain after the fade in dB, of the same shape.
        start: Where the fade begins, as a fraction of the example; may be negative.
        duration: Duration of the fade, as a fraction of the example, above 0.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    gains = {"start_gain_db": start_gain_db, "end_gain_db": end_gain_db}
    check_parameters(waveform, lengths, **gains, start=start, duration=duration)
    numbers = (start_gain_db, end_gain_db, start, duration)
    if waveform.numel() and native.applies(waveform, *numbers, lengths):
        out = torch.empty_like(waveform, memory_format=torch.contiguous_format)
        rows, ends = waveform.shape[:2].numel(), ends_of(waveform, lengths)
        native.call(
            "augspec_gain_transition", waveform, rows, waveform.shape[-1], start.numel(), len(ends),
            *numbers, ends, native.threads(), out=out,
        )  # fmt: skip
        return out
    time = torch.arange(waveform.shape[-1], device=waveform.device, dtype=waveform.dtype)
    place = time / like(ends_of(waveform, lengths).clamp(min=1), waveform)
    first, last, start, duration = (
        like(value.to(waveform.dtype), waveform)
        for value in (start_gain_db, end_gain_db, start, duration)
    )
    progress = ((place - start) / duration).clamp(0.0, 1.0)
    return waveform * amplitude(first + (last - first) * progress)


def peak_normalize(waveform: Tensor, peak_db: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Give each example a peak of ``peak_db``; silence stays silence.

    Args:
        waveform: The batch.
        peak_db: Largest absolute sample in dB of full scale, ``(batch,)`` for that of all channels
            or ``(batch, channel)`` for that of each.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_parameters(waveform, lengths, peak_db=peak_db)
    return scale_to(waveform, peak_db, peak(waveform, peak_db, lengths))


def peak(waveform: Tensor, parameter: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Take the largest absolute valid sample, with the rank of ``parameter``, as for `rms`."""
    if samples.can_compute(waveform, lengths):
        return like(samples.measure("peak", waveform, parameter, lengths), waveform)
    return silence_after(waveform, lengths).abs().amax(pooled_dims(parameter), keepdim=True)


def rms_normalize(waveform: Tensor, rms_db: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Give each example a root mean square of ``rms_db``; silence stays silence.

    Args:
        waveform: The batch.
        rms_db: Root mean square of the valid samples in dB of full scale: a full-scale sine has
            -3.01. ``(batch,)`` for that over all channels, ``(batch, channel)`` for that of each.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_parameters(waveform, lengths, rms_db=rms_db)
    return scale_to(waveform, rms_db, rms(waveform, rms_db, lengths))


def rms(waveform: Tensor, parameter: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Take the root mean square of the valid samples.

    Args:
        waveform: The batch.
        parameter: Its rank selects one level for each example or for each channel.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Returns:
        ``(batch, 1, 1)``, or ``(batch, channel, 1)`` for a parameter of each channel.
    """
    dims = pooled_dims(parameter)
    if samples.can_compute(waveform, lengths):
        count = waveform.shape[dims[0] :].numel()
        power = like(samples.measure("energy", waveform, parameter, lengths) / count, waveform)
    else:
        power = silence_after(waveform, lengths).square().mean(dims, keepdim=True)
    # The root of zero has no gradient, so it is computed for 1 and replaced by zero.
    heard = power > 0
    root = torch.where(heard, power, 1.0).sqrt()
    ends = like(ends_of(waveform, lengths).clamp(min=1), waveform)
    part = ends.to(waveform.dtype) / waveform.shape[-1]
    return torch.where(heard, root, 0.0) / part.sqrt()


def scale_to(waveform: Tensor, level_db: Tensor, level: Tensor) -> Tensor:
    """Scale from the amplitude ``level`` to ``level_db``; a ``level`` of 0 changes nothing."""
    # The inverse of a denormal level is infinite, so it counts as silence too.
    heard = level >= torch.finfo(level.dtype).tiny
    wanted = like(amplitude(level_db.to(waveform.dtype)), waveform)
    level, wanted = torch.where(heard, level, 1.0), torch.where(heard, wanted, 1.0)
    if samples.can_compute(waveform, level, wanted):
        return samples.apply("level", waveform, level, wanted)
    # Divide first: the gain of a faint sound times its gradient would overflow.
    return waveform / level * wanted
