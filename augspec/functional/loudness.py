"""Programme loudness.

References:
    ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and true-peak audio level",
    2015. The analogue filters behind its coefficients are from Brecht De Man, "Evaluation of
    implementations of the EBU R128 loudness measurement", AES Convention 145, 2018.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from augspec._constants import constant, tensor_of
from augspec._precision import widest
from augspec._torch import unfold
from augspec.functional.checks import check_parameters, check_waveform
from augspec.functional.filter import sosfilt
from augspec.functional.level import scale_to
from augspec.functional.shapes import ends_of, fit, like, working_dtype
from augspec.native import samples

__all__ = ["loudness", "loudness_normalize"]

_CHANNEL_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)  # left, right, centre, surround left and right
_OFFSET = -0.691  # dB: a sine of 997 Hz at full scale in one channel has -3.01 LUFS
_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0
# The pre-filter (a shelf) and the RLB filter (a high-pass): frequency in Hz, Q, and gain.
_SHELF_FREQ, _SHELF_Q, _SHELF_DB = 1681.974450955533, 0.7071752369554196, 3.999843853973347
_SHELF_SLOPE = 0.4996667741545416
_HIGH_PASS_FREQ, _HIGH_PASS_Q = 38.13547087602444, 0.5003270373238773
_RATE = 48_000  # sample rate of the coefficients in the standard


def loudness(waveform: Tensor, sample_rate: int, lengths: Tensor | None = None) -> Tensor:
    """Measure the integrated loudness of each example in LUFS (equal to LKFS).

    The K-weighted power is measured in blocks of 400 ms that overlap by 75 %. It is averaged over
    the blocks above -70 LUFS and above the relative gate, 10 LU below the average of those.
    Incomplete blocks are left out, as in the standard, but an example shorter than 400 ms is
    measured as one block of its own length. At rates other than 48 kHz the filters come from the
    same analogue prototype, with their gain at 48 kHz. They differ near half the sample rate, so
    that a tone of 997 Hz reads 0.05 LU less at 16 kHz. pyloudnorm's default filters differ from the
    standard and read 0.04 LU less at 48 kHz; ``filter_class="DeMan"`` agrees.

    Args:
        waveform: The batch; the channels are left, right, centre, left and right surround.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Returns:
        ``(batch,)`` loudness; -inf where no block is above the gates, as in silence.

    Shape:
        ``waveform`` is ``(batch, channel, time)`` with at most five channels.

    Raises:
        ValueError: If there are more than five channels.

    References:
        ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and true-peak audio
        level", 2015.

    Example:
        >>> time = torch.arange(48_000) / 48_000
        >>> tone = torch.sin(2 * torch.pi * 997 * time)[None, None]
        >>> round(loudness(tone, 48_000).item(), 2)
        -3.01
    """
    check_waveform(waveform, lengths)
    power = gated_power(working_dtype(waveform), sample_rate, lengths)
    return _OFFSET + 10.0 * torch.log10(power)


def loudness_normalize(
    waveform: Tensor, lufs: Tensor, sample_rate: int, lengths: Tensor | None = None
) -> Tensor:
    """Scale each example to a loudness of ``lufs``; an example below the gates stays as it is.

    Args:
        waveform: The batch.
        lufs: Integrated loudness in LUFS, ``(batch,)`` for that of all channels or ``(batch,
            channel)`` for that of each channel.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If there are more than five channels and ``lufs`` is ``(batch,)``.

    References:
        ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and true-peak audio
        level", 2015.
    """
    check_parameters(waveform, lengths, lufs=lufs)
    rows, row_lengths = waveform, lengths
    if lufs.ndim == 2:
        rows = waveform.flatten(0, 1)[:, None]
        row_lengths = ends_of(waveform, lengths).repeat_interleave(waveform.shape[1])
    power = gated_power(rows, sample_rate, row_lengths)
    # The root of zero has no gradient.
    level = torch.where(power > 0, power, 1.0).sqrt() * 10.0 ** (_OFFSET / 20.0)
    level = torch.where(power > 0, level, 0.0).reshape(lufs.shape)
    return scale_to(waveform, lufs, like(level, waveform))


def gated_power(waveform: Tensor, sample_rate: int, lengths: Tensor | None) -> Tensor:
    """Return the weighted power of each example over the blocks above the gates."""
    if waveform.shape[1] > len(_CHANNEL_WEIGHTS):
        raise ValueError(
            f"`waveform` must have at most {len(_CHANNEL_WEIGHTS)} channels to measure loudness, "
            f"got {waveform.shape[1]}"
        )
    device = waveform.device
    sos = constant(_k_filters, sample_rate, dtype=widest(device), device=device)
    gains = constant(tensor_of, _CHANNEL_WEIGHTS, dtype=waveform.dtype, device=device)
    weighted = sosfilt(waveform, sos, lengths)
    gains = gains[: waveform.shape[1], None]
    blocks, whole = _block_powers(weighted, gains, sample_rate, ends_of(waveform, lengths))

    loud = whole & (_OFFSET + 10.0 * torch.log10(blocks.detach().clamp(min=1e-30)) > _ABSOLUTE_GATE)
    gate = _mean_where(loud, blocks.detach()) * 10.0 ** (_RELATIVE_GATE / 10.0)
    return _mean_where(loud & (blocks > gate[:, None]), blocks)


def _block_powers(
    weighted: Tensor, gains: Tensor, sample_rate: int, ends: Tensor
) -> tuple[Tensor, Tensor]:
    """Average the power in blocks of 400 ms every 100 ms.

    Args:
        weighted: The batch through the filters.
        gains: Weights of the channels, ``(channel, 1)``.
        sample_rate: Sample rate in Hz.
        ends: Where examples end, ``(batch,)``.

    Returns:
        The averages and whether each counts, ``(batch, block)``.
    """
    time = weighted.shape[-1]
    count = max(1, (10 * time - 4 * sample_rate) // sample_rate + 1)
    steps = torch.arange(count + 4, device=weighted.device) * sample_rate // 10
    size = -(-sample_rate // 10)
    if sample_rate % 10 == 0:
        parts = fit(weighted, (count + 3) * size).unflatten(-1, (-1, size))
    else:
        index = steps[:-1, None] + torch.arange(size, device=weighted.device)
        inside = (index < steps[1:, None]) & (index < time)
        index = index.clamp(max=time - 1).flatten()
        parts = torch.where(inside, weighted[..., index].unflatten(-1, (-1, size)), 0.0)
    energies = (_energies(parts) * gains).sum(1)
    sums = unfold(energies, 1, 4, 1).sum(-1)

    # An example shorter than a block is one block, because only zeros follow it.
    first = torch.arange(count, device=weighted.device) == 0
    block = (steps[4:] - steps[:-4]).expand(len(weighted), -1)
    counted = torch.where(first, torch.minimum(block, ends.clamp(min=1)[:, None]), block)
    return sums / counted, first | (steps[4:] <= ends[:, None])


def _energies(parts: Tensor) -> Tensor:
    """Sum squares over the last dimension of ``(batch, channel, part, sample)``."""
    rows = parts.flatten(1, 2)
    if samples.can_compute(rows):
        each = rows.new_empty(0, 0)  # of its rank: a level for each row
        return samples.measure("energy", rows, each, None).view(parts.shape[:3])
    return parts.square().sum(-1)


def _mean_where(where: Tensor, values: Tensor) -> Tensor:
    return torch.where(where, values, 0.0).sum(-1) / where.sum(-1).clamp(min=1)


def _k_filters(sample_rate: int, *, dtype: torch.dtype) -> Tensor:
    return torch.tensor(_k_weighting(sample_rate), dtype=dtype)


def _k_weighting(sample_rate: int) -> list[list[float]]:
    """Return the shelf and the high-pass as second-order sections for `sosfilt`."""
    high = 10.0 ** (_SHELF_DB / 20.0)
    middle = high**_SHELF_SLOPE
    k = math.tan(math.pi * _SHELF_FREQ / sample_rate)
    damped = k / _SHELF_Q
    shelf = [high + middle * damped + k * k, 2.0 * (k * k - high), high - middle * damped + k * k]
    shelf += [1.0 + damped + k * k, 2.0 * (k * k - 1.0), 1.0 - damped + k * k]

    # The standard's high-pass does not have gain 1 in its pass-band; keep that gain at every rate.
    k = math.tan(math.pi * _HIGH_PASS_FREQ / _RATE)
    gain = 1.0 + k / _HIGH_PASS_Q + k * k
    k = math.tan(math.pi * _HIGH_PASS_FREQ / sample_rate)
    damped = k / _HIGH_PASS_Q
    high_pass = [gain, -2.0 * gain, gain]
    high_pass += [1.0 + damped + k * k, 2.0 * (k * k - 1.0), 1.0 - damped + k * k]
    return [shelf, high_pass]
