"""Mixing each example with a partner from its batch."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_waveform
from augspec.functional.level import amplitude
from augspec.functional.shapes import ends_of, like, silence_after, span_start

__all__ = ["cutmix", "mix_background", "mixup"]


def next_larger(values: Tensor) -> Tensor:
    """Give, for each value, the index of the next larger one; of the largest that of the smallest.

    Which values are partners does not depend on their order, and all of them form one ring.

    Args:
        values: ``(batch,)``; equal values are taken in their order.

    Returns:
        ``(batch,)`` int64; a lone value is its own partner.
    """
    order = torch.argsort(values, stable=True)
    return torch.zeros_like(order).scatter(0, order, order.roll(-1))


def mixup(waveform: Tensor, partner: Tensor, lam: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Add each example and its partner with the weights ``lam`` and ``1 - lam``.

    Args:
        waveform: The batch.
        partner: Index of each example's partner, ``(batch,)`` int64.
        lam: Weight of the example itself, in [0, 1], ``(batch,)``.
        lengths: Valid samples per example, ``(batch,)``; the sum ends with the longer of the two.

    Shape:
        ``(batch, channel, time)`` in and out.

    References:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
        https://arxiv.org/abs/1710.09412.
    """
    _check(waveform, lengths, partner, lam=lam)
    sounding = silence_after(waveform, lengths)
    return torch.lerp(sounding[partner], sounding, like(lam.to(waveform.dtype), waveform))


def cut_segment(lam: Tensor, start: Tensor, ends: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
    """Say which samples of each example its partner takes.

    Args:
        lam: Share that stays, in [0, 1], ``(batch,)``, of what sounds in both.
        start: Place of the segment in [0, 1), ``(batch,)``.
        ends: Valid samples of each example, ``(batch,)``.
        partner: Index of each example's partner, ``(batch,)`` int64.

    Returns:
        First sample and number of samples, each ``(batch,)`` int64.
    """
    for name, share in (("lam", lam), ("start", start)):
        check_parameter(name, share, ends, "batch")
    check_parameter("partner", partner, ends, "batch", kind="int64")
    both = torch.minimum(ends, ends[partner])
    width = (((1.0 - lam) * 2.0**24).long() * both) >> 24
    return span_start(start, both - width), width


def cutmix(
    waveform: Tensor,
    partner: Tensor,
    lam: Tensor,
    start: Tensor,
    lengths: Tensor | None = None,
) -> Tensor:
    """Put a segment of its partner into each example, from the same place in time.

    Args:
        waveform: The batch.
        partner: Index of each example's partner, ``(batch,)`` int64.
        lam: Share that stays, in [0, 1], ``(batch,)``; 1 leaves every bit as it is.
        start: Place of the segment in [0, 1), ``(batch,)``.
        lengths: Valid samples per example, ``(batch,)``; the segment lies within both examples.

    Shape:
        ``(batch, channel, time)`` in and out.

    References:
        Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with
        Localizable Features", ICCV 2019, https://arxiv.org/abs/1905.04899.
    """
    _check(waveform, lengths, partner, lam=lam, start=start)
    time = waveform.shape[-1]
    ends = ends_of(waveform, lengths)
    first, width = cut_segment(lam, start, ends, partner)
    # On a CPU the comparison of int64 costs as much as the mixing.
    place = torch.arange(time, device=waveform.device, dtype=torch.int32)
    first, last = first[:, None].int(), (first + width)[:, None].int()
    inside = (place >= first) & (place < last)
    return torch.where(inside[:, None], waveform[partner], waveform)


def mix_background(
    waveform: Tensor, partner: Tensor, snr_db: Tensor, lengths: Tensor | None = None
) -> Tensor:
    """Add its partner to each example, ``snr_db`` below it in RMS level over all channels.

    Args:
        waveform: The batch.
        partner: Index of each example's partner, ``(batch,)`` int64.
        snr_db: Level of the example above its partner's in dB, ``(batch,)``. The partner's level is
            that of the part that is heard. Nothing is added to or of silence.
        lengths: Valid samples per example, ``(batch,)``; a partner that is longer is cut.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    _check(waveform, lengths, partner, snr_db=snr_db)
    sounding = silence_after(waveform, lengths)
    ends = ends_of(waveform, lengths)
    background = silence_after(sounding[partner], lengths)
    signal = _energy(sounding) / ends.clamp(min=1)
    noise = _energy(background) / torch.minimum(ends, ends[partner]).clamp(min=1)
    heard = (signal > 0.0) & (noise > 0.0)
    # The root has an infinite slope at zero.
    ratio = torch.where(heard, signal, 1.0) / torch.where(heard, noise, 1.0)
    scale = torch.sqrt(ratio) * amplitude(-snr_db.to(waveform.dtype))
    return torch.addcmul(waveform, like(torch.where(heard, scale, 0.0), waveform), background)


def _check(waveform: Tensor, lengths: Tensor | None, partner: Tensor, **values: Tensor) -> None:
    check_waveform(waveform, lengths)
    check_parameter("partner", partner, waveform, "batch", kind="int64")
    for name, value in values.items():
        check_parameter(name, value, waveform, "batch")


def _energy(waveform: Tensor) -> Tensor:
    rows = waveform.flatten(1).unsqueeze(1)
    return (rows @ rows.mT).flatten()
