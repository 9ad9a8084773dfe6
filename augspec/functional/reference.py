"""Ways to measure the level of an example for a signal-to-noise ratio.

`REFERENCES` lists all ways. To add one, add a function with the same arguments under a new name;
the transforms accept every name in it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._constants import constant
from augspec._torch import unfold
from augspec.functional.checks import compute_dtype
from augspec.functional.loudness import gated_power
from augspec.functional.shapes import ends_of, like, pooled_dims, silence_after
from augspec.native import samples

__all__ = ["REFERENCES", "active_blocks", "block_size", "energy", "norm", "noise_energy"]

BLOCK = 0.02  # seconds of a block, which is active or not by its mean power
_GATE = 1e-3  # fraction of the mean power: 30 dB
_FRAME = 0.25  # seconds of a frame for frequency weighting
_A_FREQS = (20.598997, 107.65265, 737.86223, 12194.217)  # Hz, the poles of the A curve
_A_DB = 2.0  # gain of the A curve, so that it is 0 dB at 1 kHz


def energy(
    waveform: Tensor,
    parameter: Tensor,
    lengths: Tensor | None = None,
    *,
    reference: str = "all",
    sample_rate: int = 16_000,
) -> Tensor:
    """Return the root of an example's energy, as if all of it had the measured level.

    Args:
        waveform: Float audio.
        parameter: Its shape selects one level per example, ``(batch,)``, or per channel, ``(batch,
            channel)``.
        lengths: Valid samples of each example, all by default; later samples must be silent.
        reference: A name of `REFERENCES`.
        sample_rate: Sample rate in Hz.

    Shape:
        ``waveform``: (batch, channel, time); the output has the shape of ``parameter``.

    Raises:
        ValueError: If ``reference`` is not known.
    """
    if reference not in REFERENCES:
        raise ValueError(f"`reference` must be one of {list(REFERENCES)}, got {reference!r}")
    return REFERENCES[reference](waveform, parameter, lengths, sample_rate)


def noise_energy(
    noise: Tensor,
    parameter: Tensor,
    lengths: Tensor | None = None,
    *,
    reference: str = "all",
    sample_rate: int = 16_000,
) -> Tensor:
    """Measure noise as `energy` measures the signal; for ``"full_scale"``, by its whole energy.

    Args:
        noise: Float audio.
        parameter: As for `energy`.
        lengths: As for `energy`.
        reference: As for `energy`.
        sample_rate: As for `energy`.
    """
    reference = "all" if reference == "full_scale" else reference
    return energy(noise, parameter, lengths, reference=reference, sample_rate=sample_rate)


def norm(waveform: Tensor, parameter: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Return the root of the energy of each example, or of each channel, up to its end."""
    if samples.can_compute(waveform, lengths):
        return samples.measure("energy", waveform, parameter, lengths).sqrt()
    waveform = silence_after(waveform, lengths)
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
    """Return it as if every sample had the level of the active blocks."""
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


def _full_scale_norm(
    waveform: Tensor, parameter: Tensor, lengths: Tensor | None, _sample_rate: int
) -> Tensor:
    """Return it for a root mean square of 1 in each channel, for every example."""
    count = ends_of(waveform, lengths) * (waveform.shape[1] if parameter.ndim == 1 else 1)
    return like(count.to(compute_dtype(waveform)).sqrt(), parameter).expand_as(parameter)


def _lufs_norm(
    waveform: Tensor, parameter: Tensor, lengths: Tensor | None, sample_rate: int
) -> Tensor:
    """Return the loudness of ITU-R BS.1770 as a power over all samples."""
    rows, ends = waveform.to(compute_dtype(waveform)), ends_of(waveform, lengths)
    if parameter.ndim == 2:
        ends = ends.repeat_interleave(waveform.shape[1])
        rows = rows.flatten(0, 1)[:, None]
    power = gated_power(rows, sample_rate, ends)
    known = power > 0.0
    root = torch.where(known, power, 1.0).sqrt() * ends.to(power.dtype).sqrt()
    return torch.where(known, root, 0.0).reshape(parameter.shape)


def _a_weighted_norm(
    waveform: Tensor, parameter: Tensor, lengths: Tensor | None, sample_rate: int
) -> Tensor:
    """Return the energy with the weights of the A curve, in frames that overlap by half."""
    size = max(16, 2 * round(_FRAME / 2 * sample_rate))
    sound = silence_after(waveform.to(compute_dtype(waveform)), lengths)
    sound = nnf.pad(sound, (size // 2, size + -sound.shape[-1] % (size // 2)))
    window = constant(_root_of_hann, size, dtype=sound.dtype, device=sound.device)
    weights = constant(_a_curve, size, sample_rate, dtype=sound.dtype, device=sound.device)
    frames = torch.fft.rfft(unfold(sound, -1, size, size // 2) * window)
    power = torch.view_as_real(frames).square().sum(-1)
    dims = (1, 2, 3) if parameter.ndim == 1 else (2, 3)
    total = (power * weights).sum(dims)
    known = total > 0.0
    root: Tensor = torch.where(known, torch.where(known, total, 1.0).sqrt(), 0.0)
    return root


def _root_of_hann(size: int, *, dtype: torch.dtype) -> Tensor:
    """Make a window whose squares, half a frame apart, sum to one."""
    return torch.hann_window(size, dtype=torch.float64).sqrt().to(dtype)


def _a_curve(size: int, sample_rate: int, *, dtype: torch.dtype) -> Tensor:
    """Make the squared gains of the A curve (IEC 61672-1, annex E), for the non-negative bins."""
    square = torch.fft.rfftfreq(size, 1.0 / sample_rate, dtype=torch.float64).square()
    low, low_mid, high_mid, high = (freq**2 for freq in _A_FREQS)
    gain = square.square() * high / ((square + low) * (square + high))
    gain = gain / ((square + low_mid) * (square + high_mid)).sqrt() * 10.0 ** (_A_DB / 20.0)
    twice = torch.full_like(gain, 2.0)  # inner bins also stand for their mirror images
    twice[0] = twice[-1] = 1.0
    curve: Tensor = (gain.square() * twice / size).to(dtype)
    return curve


def active_blocks(energies: Tensor, count: Tensor) -> Tensor:
    """Return which blocks are active: those at most 30 dB below the mean power of all.

    Args:
        energies: Energy of each block, ``(..., block)``.
        count: Samples of each block, int64; the last may be shorter, later blocks have none.

    Returns:
        bool, ``(..., block)``; False for silence.
    """
    samples = count.sum(-1, keepdim=True).clamp(min=1).to(energies.dtype)
    mean = energies.sum(-1, keepdim=True) / samples
    # Rounding may leave energy in a block of silence.
    return (energies >= _GATE * mean * count) & (count > 0) & (mean > 0.0)


def block_size(sample_rate: int) -> int:
    """Return the number of samples of a block of 20 ms."""
    return max(1, round(BLOCK * sample_rate))


def _blocks(waveform: Tensor, size: int) -> Tensor:
    padded = nnf.pad(waveform, (0, -waveform.shape[-1] % size))
    return padded.view(*padded.shape[:-1], -1, size)


Reference = Callable[[Tensor, Tensor, Tensor | None, int], Tensor]

#: Ways to measure, by name.
REFERENCES: dict[str, Reference] = {
    "all": _all_norm,
    "active": _active_norm,
    "a_weighted": _a_weighted_norm,
    "lufs": _lufs_norm,
    "full_scale": _full_scale_norm,
}
