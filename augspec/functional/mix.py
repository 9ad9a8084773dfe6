"""Mixing each example with a partner from its batch."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_waveform
from augspec.functional.level import amplitude
from augspec.functional.shapes import ends_of, like, silence_after, span_start
from augspec.native import samples
from augspec.native.samples import Part

__all__ = ["cutmix", "mix_background", "mixup"]

_PARTNERS = ("batch", "batch partner")


def next_larger(values: Tensor) -> Tensor:
    """Return the index of the next larger value for each value; for the largest, the smallest.

    The pairs of values do not depend on their order, and all values form one ring.

    Args:
        values: ``(batch,)``; equal values are taken in their order.

    Returns:
        ``(batch,)`` int64; a single value is its own partner.
    """
    order = torch.argsort(values, stable=True)
    return torch.zeros_like(order).scatter(0, order, order.roll(-1))


def may_mix(label: Tensor | None, partners: str, batch: int) -> Tensor:
    """Return which pairs of examples may be mixed, by their labels.

    Args:
        label: Class numbers ``(batch,)``, or classes ``(batch, classes)`` that are above 0.
        partners: ``"same_class"``: pairs that share a class; ``"positive"``: pairs in which both
            have a class, where class number 0 counts as none.
        batch: Number of examples.

    Returns:
        ``(batch, batch)`` bool.

    Raises:
        ValueError: If there are no labels, or their shape does not fit.
    """
    if label is None:
        raise ValueError(f'`label` must be given to draw partners="{partners}"')
    if label.ndim not in (1, 2) or len(label) != batch:
        raise ValueError(
            f"`label` must be ({batch},) or ({batch}, classes), got {tuple(label.shape)}"
        )
    if partners == "positive":
        has = label > 0 if label.ndim == 1 else (label > 0).any(-1)
        return has[:, None] & has
    if label.ndim == 1:
        return label[:, None] == label
    has = label > 0
    return (has[:, None] & has).any(-1)


def next_allowed(values: Tensor, allowed: Tensor | None, count: int) -> Tensor:
    """Return the ``count`` next allowed examples in the ring of `next_larger`.

    Args:
        values: ``(batch,)``.
        allowed: ``(batch, batch)`` bool; None allows all.
        count: Number of partners, at least 1.

    Returns:
        ``(batch, count)`` int64; if no other example is left, the example itself.
    """
    batch = len(values)
    own = torch.arange(batch, device=values.device)[:, None]
    place = torch.argsort(values, stable=True).argsort()
    # Distance of each example in the ring; the example itself comes last.
    ahead = (place - place[:, None] - 1) % max(batch, 1)
    if allowed is not None:
        ahead = torch.where(allowed, ahead, batch)
    near = ahead.argsort(dim=-1, stable=True)[:, :count]
    near = torch.where(ahead.gather(1, near) < batch, near, own)
    return torch.cat([near, own.expand(-1, count - near.shape[1])], dim=1)


def mixup(
    waveform: Tensor,
    partner: Tensor,
    lam: Tensor,
    lengths: Tensor | None = None,
    share: Tensor | None = None,
) -> Tensor:
    """Add each example and its partners with the weights ``lam`` and ``1 - lam``.

    Args:
        waveform: The batch.
        partner: Index of each example's partner, ``(batch,)`` int64, or of several, ``(batch,
            partner)``.
        lam: Weight of the example itself, in [0, 1], ``(batch,)``.
        lengths: Valid samples per example, ``(batch,)``; the sum ends with the longest.
        share: Division of the rest among several partners, ``(batch, partner)``, with sum 1.

    Shape:
        ``(batch, channel, time)`` in and out.

    References:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
        https://arxiv.org/abs/1710.09412.
    """
    _check(waveform, lengths, partner, lam=lam)
    if share is not None:
        check_parameter("share", share, partner, "...")
    lam = lam.to(waveform.dtype)
    if samples.can_compute(waveform, partner, lam, lengths, share):
        rest = (1.0 - lam)[:, None] if share is None else (1.0 - lam)[:, None] * share
        columns = partner.reshape(rest.shape).unbind(1)
        parts = [
            Part(waveform, weight, index, end=None if lengths is None else lengths[index])
            for weight, index in zip(rest.unbind(1), columns, strict=True)
        ]
        return samples.mix(waveform.shape, *parts, Part(waveform, lam, end=lengths))
    sounding = silence_after(waveform, lengths)
    if share is None:
        others = sounding[partner]
    else:
        others = torch.zeros_like(sounding)
        for part, index in zip(share.unbind(1), partner.unbind(1), strict=True):
            others = torch.addcmul(others, like(part.to(others.dtype), others), sounding[index])
    return torch.lerp(others, sounding, like(lam, waveform))


def cut_segment(lam: Tensor, start: Tensor, ends: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
    """Return which samples of each example are replaced by its partner's.

    Args:
        lam: Fraction that stays, in [0, 1], ``(batch,)``, of the part where both have sound.
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
        lam: Fraction that stays, in [0, 1], ``(batch,)``; 1 returns the input bit for bit.
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
    if samples.can_compute(waveform, partner, first, width):
        segment = Part(waveform, index=partner, begin=first, end=first + width)
        rest = Part(waveform, end=first), Part(waveform, begin=first + width)
        return samples.mix(waveform.shape, rest[0], segment, rest[1])
    # On a CPU the comparison of int64 costs as much as the mixing.
    place = torch.arange(time, device=waveform.device, dtype=torch.int32)
    first, last = first[:, None].int(), (first + width)[:, None].int()
    inside = (place >= first) & (place < last)
    return torch.where(inside[:, None], waveform[partner], waveform)


def mix_background(
    waveform: Tensor, partner: Tensor, snr_db: Tensor, lengths: Tensor | None = None
) -> Tensor:
    """Add its partners to each example, each at an RMS level ``snr_db`` below it.

    Args:
        waveform: The batch.
        partner: Index of each example's partner, ``(batch,)`` int64, or of several, ``(batch,
            partner)``. An example is never added to itself.
        snr_db: Level of the example above its partner's in dB, of the shape of ``partner``. The
            partner's level is that of the added part. Nothing is added to silence or from silence.
        lengths: Valid samples per example, ``(batch,)``; a partner that is longer is cut.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    _check(waveform, lengths, partner)
    check_parameter("snr_db", snr_db, partner, *_PARTNERS)
    ends = ends_of(waveform, lengths)
    count = 1 if partner.ndim == 1 else partner.shape[1]
    indices, levels = (one.reshape(-1, count).unbind(1) for one in (partner, snr_db))
    each = list(zip(indices, levels, strict=True))
    if samples.can_compute(waveform, partner, snr_db, lengths):
        signal, parts = samples.measure("energy", waveform, ends, lengths), [Part(waveform)]
        for index, level in each:
            both = torch.minimum(ends, ends[index])
            noise = samples.measure("energy", waveform, ends, both, index)
            scale = _background_scale(signal / ends.clamp(min=1), noise, both, index, level)
            parts.append(Part(waveform, scale, index, end=both))
        return samples.mix(waveform.shape, *parts)
    sounding = silence_after(waveform, lengths)
    power, mixed = _energy(sounding) / ends.clamp(min=1), waveform
    for index, level in each:
        background = silence_after(sounding[index], lengths)
        noise, both = _energy(background), torch.minimum(ends, ends[index])
        scale = _background_scale(power, noise, both, index, level.to(waveform.dtype))
        mixed = torch.addcmul(mixed, like(scale, waveform), background)
    return mixed


def _background_scale(
    power: Tensor, energy: Tensor, count: Tensor, index: Tensor, snr_db: Tensor
) -> Tensor:
    """Return the factor on a partner; 0 where nothing is added.

    Args:
        power: Mean power of each example.
        energy: Energy of the part of its partner that is added.
        count: Samples of that part.
        index: Index of the partner.
        snr_db: Level of the example above its partner's.
    """
    noise = energy / count.clamp(min=1)
    own = torch.arange(len(index), device=index.device)
    heard = (power > 0.0) & (noise > 0.0) & (index != own)
    # The root has an infinite slope at zero.
    ratio = torch.where(heard, power, 1.0) / torch.where(heard, noise, 1.0)
    return torch.where(heard, torch.sqrt(ratio) * amplitude(-snr_db), 0.0)


def _check(waveform: Tensor, lengths: Tensor | None, partner: Tensor, **values: Tensor) -> None:
    check_waveform(waveform, lengths)
    check_parameter("partner", partner, waveform, *_PARTNERS, kind="int64")
    for name, value in values.items():
        check_parameter(name, value, waveform, "batch")


def _energy(waveform: Tensor) -> Tensor:
    rows = waveform.flatten(1).unsqueeze(1)
    return (rows @ rows.mT).flatten()
