"""Compression and limiting: gains that follow the level, without a loop over samples.

The envelopes are two recursions. The one-pole low-pass ``y[n] = a y[n-1] + (1 - a) x[n]`` is a
filter. The decaying maximum ``y[n] = max(x[n], a y[n-1])`` is computed by doubling in short
independent blocks; the last values of blocks obey the same recursion with ``a ** block``. On a GPU
both are scans. The results are those of the loop over samples within rounding.

References:
    Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design - a tutorial and
    analysis", Journal of the Audio Engineering Society 60(6), 2012.
    Blelloch, "Prefix sums and their applications", CMU-CS-90-190, 1990.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec import native
from augspec._chunks import by_examples
from augspec._compile import is_launched
from augspec._precision import lacks_float64
from augspec.functional.checks import check_parameters
from augspec.functional.filter import biquad
from augspec.functional.level import amplitude
from augspec.functional.shapes import ends_of, fit, like, pooled_dims, silence_after

__all__ = ["compressor", "limiter"]

_BLOCK = 32
_QUIET = 1e-6  # -120 dB, the lowest level


@by_examples(14)
def compressor(
    waveform: Tensor,
    threshold_db: Tensor,
    ratio: Tensor,
    attack: Tensor,
    release: Tensor,
    *,
    sample_rate: int,
    knee_db: float = 6.0,
    relative: bool = False,
    lengths: Tensor | None = None,
) -> Tensor:
    """Reduce the level of each example where it exceeds a threshold.

    The level of a sample is its absolute value in dB. Each dB above the threshold becomes ``1 /
    ratio`` dB, with a quadratic transition over ``knee_db`` around it. The resulting gain in dB is
    smoothed by the smooth decoupled peak detector of the reference: a release that follows an
    increasing reduction at once and decays exponentially, then a one-pole low-pass with the attack.
    So the effective release is longer by about the attack. Each time is that to 63 % of a step in
    dB. The gain is 1 before the example begins. There is no make-up gain.

    Args:
        waveform: The batch.
        threshold_db: Threshold in dB of full scale. With ``(batch,)`` the loudest channel
            determines the gain of all; with ``(batch, channel)`` each has its own.
        ratio: Input dB per output dB above the threshold, 1 or more.
        attack: Time constant of the gain's fall in seconds; 0 is immediate.
        release: Time constant of the gain's rise in seconds; 0 is immediate.
        sample_rate: Sample rate in Hz.
        knee_db: Width of the transition in dB; 0 is a corner.
        relative: Take ``threshold_db`` relative to the example's peak rather than to full scale.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out; all parameters are of one shape.

    References:
        Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design - a
        tutorial and analysis", Journal of the Audio Engineering Society 60(6), 2012.
    """
    times = {"attack": attack, "release": release}
    check_parameters(waveform, lengths, threshold_db=threshold_db, ratio=ratio, **times)
    numbers = (threshold_db, ratio, attack, release)
    if waveform.numel() and native.applies(waveform, *numbers, lengths):
        return _run_natively(
            "augspec_compress", waveform, numbers, relative, lengths, sample_rate, knee_db
        )
    level_db, threshold_db = _levels(waveform, threshold_db, relative, lengths)
    ratio, attack, release = (
        like(value.to(waveform.dtype), waveform) for value in (ratio, attack, release)
    )
    reduction = (1.0 - 1.0 / ratio) * _knee(level_db - threshold_db, knee_db)
    fall, rise = _coefficient(attack, sample_rate), _coefficient(release, sample_rate)
    # max(x, r y + (1 - r) x) is the low-pass of x plus the decaying maximum of x minus it.
    low = _one_pole(reduction, rise)
    held = low + _decaying_max(reduction - low, rise)
    return waveform * amplitude(-_one_pole(held, fall))


@by_examples(13)
def limiter(
    waveform: Tensor,
    threshold_db: Tensor,
    attack: Tensor,
    release: Tensor,
    *,
    sample_rate: int,
    relative: bool = False,
    lengths: Tensor | None = None,
) -> Tensor:
    """Reduce the level of each example just enough to keep every sample within a threshold.

    The reduction in dB that each sample needs decays exponentially after the sample (release) and
    before it (attack): the limiter looks ahead and adds no delay. Samples that rounding leaves
    above the threshold are clipped.

    Args:
        waveform: The batch.
        threshold_db: Largest absolute sample of the result in dB of full scale. With ``(batch,)``
            all channels have one gain; with ``(batch, channel)`` each has its own.
        attack: Time constant of the gain's fall in seconds; 0 is immediate.
        release: Time constant of the gain's rise in seconds; 0 is immediate.
        sample_rate: Sample rate in Hz.
        relative: Take ``threshold_db`` relative to the example's peak rather than to full scale.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out; all parameters are of one shape.

    References:
        Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design - a
        tutorial and analysis", Journal of the Audio Engineering Society 60(6), 2012.
    """
    times = {"attack": attack, "release": release}
    check_parameters(waveform, lengths, threshold_db=threshold_db, **times)
    numbers = (threshold_db, attack, release)
    if waveform.numel() and native.applies(waveform, *numbers, lengths):
        return _run_natively("augspec_limit", waveform, numbers, relative, lengths, sample_rate)
    level_db, threshold_db = _levels(waveform, threshold_db, relative, lengths)
    attack, release = (like(value.to(waveform.dtype), waveform) for value in (attack, release))
    needed = (level_db - threshold_db).clamp(min=0.0)
    held = _decaying_max(needed, _coefficient(release, sample_rate))
    ahead = _decaying_max(held.flip(-1), _coefficient(attack, sample_rate)).flip(-1)
    ceiling = amplitude(threshold_db)
    limited = silence_after(waveform, lengths) * amplitude(-ahead)
    return torch.minimum(torch.maximum(limited, -ceiling), ceiling)


def _run_natively(
    name: str,
    waveform: Tensor,
    numbers: tuple[Tensor, ...],
    relative: bool,
    lengths: Tensor | None,
    *settings: float,
) -> Tensor:
    """Call a kernel, whose recursions are loops over samples in doubles."""
    out = torch.empty_like(waveform, memory_format=torch.contiguous_format)
    units = numbers[0].numel()  # whose channels have one gain
    channels = waveform.shape[:2].numel() // units
    ends = ends_of(waveform, lengths).repeat_interleave(units // len(waveform))
    native.call(
        name, waveform, units, channels, waveform.shape[-1], ends, *numbers, int(relative),
        *map(float, settings), native.threads(), out=out,
    )  # fmt: skip
    return out


def _levels(
    waveform: Tensor, threshold_db: Tensor, relative: bool, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the level of each sample and the threshold, in dB of full scale."""
    magnitude = silence_after(waveform, lengths).abs()
    if threshold_db.ndim == 1:
        magnitude = magnitude.amax(1, keepdim=True)
    level_db = 20.0 * torch.log10(magnitude.clamp(min=_QUIET))
    wanted = like(threshold_db.to(waveform.dtype), waveform)
    if relative:
        wanted = wanted + level_db.amax(pooled_dims(threshold_db), keepdim=True)
    return level_db, wanted


def _knee(excess: Tensor, knee_db: float) -> Tensor:
    """Rise from 0 with slope 0 to slope 1, quadratically within ``knee_db`` around 0."""
    if knee_db == 0.0:
        return excess.clamp(min=0.0)
    inside = (excess + 0.5 * knee_db).clamp(0.0, knee_db)
    return inside**2 / (2.0 * knee_db) + (excess - 0.5 * knee_db).clamp(min=0.0)


def _coefficient(seconds: Tensor, sample_rate: int) -> Tensor:
    """Return the decay of a time constant over one sample."""
    return torch.exp(-1.0 / (seconds * sample_rate))


def _one_pole(values: Tensor, a: Tensor) -> Tensor:
    """Compute ``y[n] = a y[n-1] + (1 - a) values[n]``, from rest; ``a`` is ``(batch, ..., 1)``."""
    if values.device.type != "cpu" or is_launched(values):
        return _recur(values * (1.0 - a), a, largest=False).to(values.dtype)
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    return biquad(values, torch.cat([1.0 - a, zero, zero], -1), torch.cat([one, -a, zero], -1))


def _decaying_max(values: Tensor, a: Tensor) -> Tensor:
    """Compute ``y[n] = max(values[n], a y[n-1])``, from rest; ``a`` is ``(batch, ..., 1)``."""
    values = values.clamp(min=0.0)
    if values.device.type != "cpu" or is_launched(values):
        return _recur(values, a, largest=True).to(values.dtype)
    largest = _cut(values, _BLOCK)
    a_block = a[..., None]
    step = 1
    while step < _BLOCK:
        earlier = nnf.pad(largest[..., :-step], (step, 0))
        largest = torch.maximum(largest, earlier * a_block**step)
        step *= 2
    if largest.shape[-2] > 1:
        before = nnf.pad(_decaying_max(largest[..., -1], a**_BLOCK)[..., :-1], (1, 0))
        place = torch.arange(_BLOCK, device=values.device)
        largest = torch.maximum(largest, before[..., None] * a_block ** (place + 1))
    return largest.flatten(-2)[..., : values.shape[-1]]


def _recur(values: Tensor, a: Tensor, *, largest: bool) -> Tensor:
    """Compute ``y[n] = values[n] + a y[n-1]``, or the larger of the two, of values >= 0.

    It is for GPUs, with a third of the launches; on a CPU a scan is a loop.

    Divided by ``a ** n`` the recursion is a plain cumulative sum, or maximum. This is done in
    blocks, so that no power overflows; the results at their ends obey the same recursion with ``a
    ** block``. An ``a`` near 0 is raised to ``floor``.
    """
    time = values.shape[-1]
    wide, block, floor = (
        (torch.float32, 8, 1e-4) if lacks_float64(values.device) else (torch.float64, 32, 1e-9)
    )
    a = a.to(wide).clamp(min=floor)
    if time <= 2 * block:
        return _recur_densely(values, a, largest=largest)
    blocks = _cut(values, block)
    powers = a[..., None] ** torch.arange(block, device=values.device)
    scaled = blocks / powers
    within = scaled.cummax(-1).values if largest else scaled.cumsum(-1)
    ends = _recur(within[..., -1] * powers[..., -1], a**block, largest=largest)
    before = (nnf.pad(ends[..., :-1], (1, 0)) * a)[..., None]
    both = torch.maximum(within, before) if largest else within + before
    return (both * powers).flatten(-2)[..., :time]


def _recur_densely(values: Tensor, a: Tensor, *, largest: bool) -> Tensor:
    """Compute the same for a few values, each directly from all earlier ones."""
    place = torch.arange(values.shape[-1], device=values.device)
    steps = place[:, None] - place
    weights = (a[..., None] ** steps.clamp(min=0)) * (steps >= 0)
    terms = values[..., None, :] * weights
    return terms.amax(-1) if largest else terms.sum(-1)


def _cut(values: Tensor, size: int) -> Tensor:
    """Cut time into blocks, the last filled with zeros."""
    count = -(-values.shape[-1] // size)
    blocks: Tensor = fit(values, count * size).unflatten(-1, (count, size))
    return blocks
