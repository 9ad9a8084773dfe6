"""Memoryless distortions, quantisers, and sampling with aliasing."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from augspec import native
from augspec._chunks import by_examples
from augspec._compile import compiled
from augspec.functional.checks import check_parameters
from augspec.functional.level import amplitude, peak, rms
from augspec.functional.shapes import like, silence_after
from augspec.native import samples

__all__ = [
    "a_law",
    "aliasing",
    "bit_crush",
    "clip",
    "clipping_distortion",
    "mu_law",
    "tanh_distortion",
]


_LARGEST_CODE = 1.0 - 2.0**-15  # the largest sample of 16 bits


def clip(
    waveform: Tensor,
    threshold_db: Tensor,
    *,
    relative: bool = False,
    lengths: Tensor | None = None,
) -> Tensor:
    """Clip each example at plus and minus a threshold.

    Args:
        waveform: The batch.
        threshold_db: Threshold in dB of full scale, ``(batch,)`` or ``(batch, channel)``.
        relative: Take ``threshold_db`` relative to the peak, of all channels or of each.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_parameters(waveform, lengths, threshold_db=threshold_db)
    threshold = like(amplitude(threshold_db.to(waveform.dtype)), waveform)
    if relative:
        threshold = threshold * peak(waveform, threshold_db, lengths)
    return _clip(waveform, threshold)


def clipping_distortion(
    waveform: Tensor, percentile: Tensor, lengths: Tensor | None = None
) -> Tensor:
    """Clip the given percentage of the samples of each example, the largest ones.

    Args:
        waveform: The batch.
        percentile: Percentage of clipped samples, 0 to 100; ``(batch,)`` over all channels or
            ``(batch, channel)`` for each.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_parameters(waveform, lengths, percentile=percentile)
    return _clip(waveform, _magnitude_quantile(waveform, 1.0 - percentile / 100.0, lengths))


def _clip(waveform: Tensor, threshold: Tensor) -> Tensor:
    if samples.can_compute(waveform, threshold):
        return samples.apply("clip", waveform, threshold)
    return torch.minimum(torch.maximum(waveform, -threshold), threshold)


def tanh_distortion(waveform: Tensor, distortion: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Distort each example by a hyperbolic tangent; its root mean square stays.

    The gain before the tangent is chosen so that ``99 * distortion`` percent of the samples exceed
    0.5. So the distortion does not depend on the level. The curve is odd, so a tone gets only odd
    harmonics. Harmonics above half the sample rate fold back.

    Args:
        waveform: The batch.
        distortion: Amount, 0 to 1; ``(batch,)`` with one gain for all channels or
            ``(batch, channel)``.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_parameters(waveform, lengths, distortion=distortion)
    heard = silence_after(waveform, lengths)
    usual = _magnitude_quantile(heard, 1.0 - 0.99 * distortion, lengths)
    drive = 0.5 / (usual + 1e-6)
    is_plain = samples.can_compute(heard, drive)
    out = samples.apply("tanh", heard, drive) if is_plain else torch.tanh(heard * drive)
    after = rms(out, distortion, lengths)
    silent = after == 0
    gain = rms(heard, distortion, lengths) / torch.where(silent, 1.0, after)
    gain = torch.where(silent, 1.0, gain)
    return samples.apply("scale", out, gain, in_place=True) if is_plain else out * gain


def _magnitude_quantile(waveform: Tensor, fraction: Tensor, lengths: Tensor | None) -> Tensor:
    """Return a quantile of the absolute samples, interpolated linearly."""
    count = waveform.new_full(waveform.shape[:1], waveform.shape[-1], dtype=torch.int64)
    # The kernel takes magnitudes itself.
    rows = waveform if native.applies(waveform) else waveform.abs()
    if lengths is not None:
        count = lengths
        outside = torch.arange(waveform.shape[-1], device=waveform.device) >= lengths[:, None, None]
        rows = rows.masked_fill(outside, math.inf)  # padding is sorted after all samples
    if fraction.ndim == 1:
        count, rows, fraction = (
            count * waveform.shape[1],
            rows.flatten(1)[:, None],
            fraction[:, None],
        )
    last = (count - 1).clamp(min=0)[:, None]
    place = fraction.to(waveform.dtype) * last
    below = torch.minimum(place.long(), last)
    above = torch.minimum(below + 1, last)
    values = _of_rank(rows, torch.stack([below, above], dim=-1).expand(*rows.shape[:2], 2))
    # An example without samples has only padding.
    values = torch.where(like(count > 0, values), values, 0.0)
    return torch.lerp(values[..., :1], values[..., 1:], (place - below)[..., None])


def _of_rank(rows: Tensor, ranks: Tensor) -> Tensor:
    """Return the magnitudes of some ranks in each row of ``(batch, channel, time)``.

    Args:
        rows: Magnitudes, or, where the kernel is used, samples.
        ranks: From 0, the smallest, int64, ``(batch, channel, rank)``.
    """
    if native.applies(rows, ranks):
        values = rows.new_zeros(ranks.shape)
        if rows.numel():
            native.call(
                "augspec_rank", rows, ranks.shape[:-1].numel(), rows.shape[-1], ranks,
                ranks.shape[-1], native.threads(), out=values,
            )  # fmt: skip
        return values
    return rows.sort(dim=-1).values.gather(-1, ranks)


def bit_crush(waveform: Tensor, bit_depth: Tensor) -> Tensor:
    """Round each example to the values of signed integers of ``bit_depth`` bits.

    The values are ``2 ** bit_depth`` steps of ``2 ** (1 - bit_depth)`` from -1, including zero;
    beyond them the waveform is clipped. There is no dither. A full-scale sine has a signal-to-noise
    ratio of ``6.02 * bit_depth + 1.76`` dB. The gradient is zero.

    Args:
        waveform: The batch; full scale is [-1, 1].
        bit_depth: Bits, int64, ``(batch,)`` or ``(batch, channel)``.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_parameters(waveform, None, "int64", bit_depth=bit_depth)
    steps = like((torch.ones_like(bit_depth) << (bit_depth - 1)).to(waveform.dtype), waveform)
    if samples.can_compute(waveform, steps):
        return samples.apply("crush", waveform, steps)
    codes = (waveform * steps).round()
    return torch.minimum(torch.maximum(codes, -steps), steps - 1.0) / steps


def mu_law(waveform: Tensor, quantization_channels: Tensor) -> Tensor:
    """Send each example through a mu-law codec, whose steps grow with the level.

    The result is that of ``torchaudio.functional.mu_law_encoding`` and ``mu_law_decoding`` with two
    differences: samples beyond full scale are clipped first, and zero stays zero (with an even
    number of values those functions cannot represent it). The gradient is zero.

    Args:
        waveform: The batch; full scale is [-1, 1].
        quantization_channels: Number of values, int64, 2 or more, ``(batch,)`` or
            ``(batch, channel)``.

    Shape:
        ``(batch, channel, time)`` in and out.

    References:
        ITU-T G.711, "Pulse code modulation (PCM) of voice frequencies", 1988.
    """
    check_parameters(waveform, None, "int64", quantization_channels=quantization_channels)
    mu = (quantization_channels - 1).to(waveform.dtype)
    if samples.can_compute(waveform, mu):
        return samples.apply("mu_law", waveform, mu, 0.5 * mu / torch.log1p(mu))
    return _mu_law(waveform, like(mu, waveform))


@compiled
def _mu_law(waveform: Tensor, mu: Tensor) -> Tensor:
    steps = 0.5 * mu / torch.log1p(mu)  # steps of the code per unit of the logarithm
    codes = torch.copysign(torch.log1p(mu * waveform.abs().clamp(max=1.0)) * steps, waveform)
    codes = torch.floor(codes + (0.5 * mu + 0.5)) - 0.5 * mu
    loud = torch.expm1(codes.abs() / steps) / mu
    return torch.where(waveform == 0, waveform, torch.copysign(loud, codes))


@by_examples(9)
def a_law(waveform: Tensor) -> Tensor:
    """Send each example through the A-law codec of telephony outside North America and Japan.

    As in ITU-T G.711 it has 8 bits, with steps of 1/2048 of full scale below 1/64 of it, and twice
    as wide with each octave above. Unlike in the codec, zero stays zero. Samples beyond full scale
    are clipped. The gradient is zero.

    Args:
        waveform: The batch; full scale is [-1, 1].

    Shape:
        ``(batch, channel, time)`` in and out.

    References:
        ITU-T G.711, "Pulse code modulation (PCM) of voice frequencies", 1988.

    Example:
        >>> a_law(torch.tensor([[[0.0, 0.01, 0.5]]]))
        tensor([[[0.0000, 0.0100, 0.5156]]])
    """
    check_parameters(waveform)
    if samples.can_compute(waveform):
        return samples.apply("a_law", waveform)
    return _a_law(waveform)


@compiled
def _a_law(waveform: Tensor) -> Tensor:
    size = waveform.abs().clamp(max=_LARGEST_CODE)
    # The octave as a power of two is exact; a logarithm would round.
    mantissa, _ = torch.frexp(size)
    step = torch.where(size > 0, size / mantissa * 2.0**-5, 0.0).clamp(min=2.0**-11)
    loud = (torch.floor(size / step) + 0.5) * step
    return torch.where(size > 0, torch.copysign(loud, waveform), waveform)


def aliasing(
    waveform: Tensor, new_freq: Tensor, *, sample_rate: int, lengths: Tensor | None = None
) -> Tensor:
    """Sample each example at a lower rate without a low-pass filter, and hold each sample.

    A tone above half the new rate folds back below it, and holding adds weaker images of all tones.
    Only existing samples are taken: a rate that does not divide the old one adds some jitter.

    Args:
        waveform: The batch.
        new_freq: New rate in Hz, above 0 and at most ``sample_rate``, ``(batch,)`` or
            ``(batch, channel)``.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples per example, ``(batch,)``; None means all. The hold stops at the end.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    check_parameters(waveform, lengths, new_freq=new_freq)
    # Integers in units of 2**-8 Hz, so that a rate that divides the old one does so exactly.
    new = (new_freq * 256.0).long().clamp(min=1)
    old = sample_rate * 256
    if waveform.numel() and native.applies(waveform, new):
        held = torch.empty_like(waveform, memory_format=torch.contiguous_format)
        native.call(
            "augspec_hold", waveform, waveform.shape[:2].numel(), waveform.shape[-1], new.numel(),
            new, old, native.threads(), out=held,
        )  # fmt: skip
        return silence_after(held, lengths)
    new = like(new, waveform)
    time = torch.arange(waveform.shape[-1], device=waveform.device)
    source = torch.div(time * new, old, rounding_mode="floor")  # index of the held sample
    source = source * -old
    source = torch.div(source, new, rounding_mode="floor")
    source = -source
    return silence_after(waveform.gather(-1, source.expand_as(waveform)), lengths)
