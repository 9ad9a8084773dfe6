"""Onset detection, for a time stretch that copies attacks."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec import native
from augspec._chunks import chunks
from augspec._compile import compiled, launches_cost
from augspec._constants import add_scaled, constant, where_else
from augspec._torch import unfold
from augspec.functional.linked import sum_channels

_BANDS = 16
_FLOOR_DB = 60.0  # levels further below the loudest band of the example are ignored
_CLIP_DB = 20.0  # limit of a rise, so that a rise from silence counts like a clear attack
_RISE_DB = 5.0  # mean rise over the bands of an onset
_MEMORY = 7  # earlier frames to compare with: 56 ms, more than a period of the lowest notes
_FAR = 1 << 28  # position that stands for no onset
_VALUES_A_SAMPLE = 4  # for frames and differences

Grid = tuple[Tensor, Tensor]


def find_onsets(sound: Tensor, n_fft: int) -> Grid:
    """Find the onsets of every example, as the nearest onset before and after each place.

    The powers of an example's channels are summed.

    A frame is an onset if its bands rise, on average, by 5 dB or more above the loudest of the
    frames before, and if no frame nearby rises more. Comparing with the loudest of 56 ms excludes
    the pulses of low notes and the beats of close partials (SuperFlux, Böck and Widmer 2013, does
    the same over frequency). The position is refined to the largest jump of the energy of the
    derivative.

    Args:
        sound: Audio, ``(example, channel, time)``, or ``(row, time)`` for one channel each.
        n_fft: Samples of a vocoder frame; the detector's are a quarter of it. A multiple of 32.

    Returns:
        Sample of the last onset up to, and of the first onset after, each block of ``n_fft // 32``
        samples, int64 ``(example, block)``; far outside the audio if there is none.
    """
    block, width, hop = n_fft // 32, n_fft // 4, 4
    sound = sound.unsqueeze(1) if sound.ndim == 2 else sound
    if has_kernel(sound, n_fft):
        return _find_natively(sound, n_fft)
    bands = constant(_bands, width, dtype=sound.dtype, device=sound.device)
    parts = []
    values = _VALUES_A_SAMPLE * sound.shape[1] * sound.shape[-1]
    for part in chunks(len(sound), values, sound.device):
        some = sound[part]
        padded = nnf.pad(some, (width // 2, width))
        heard = padded[..., width // 2 - 1 : -width]
        if rest := -some.shape[-1] % block:  # the end of the audio is not an attack
            heard = torch.cat([heard, heard[..., -1:].expand(-1, -1, rest)], dim=-1)
        energy = _slope_energy(heard, block)
        parts.append((_band_power(padded, bands), energy))
    power, energy = (
        part[0] if len(part) == 1 else torch.cat(part) for part in zip(*parts, strict=True)
    )
    novelty = _novelty(power)
    # Of attacks closer than a vocoder frame only the clearest is kept.
    summit = nnf.pad(novelty, (4, 4), value=-math.inf).unfold(-1, 9, 1).amax(-1)
    found = nnf.threshold(novelty, _RISE_DB, math.nan) == summit  # lower values stand for none
    jump = _jump(energy)
    # The attack lies in the second half of the frame: search from 10 blocks before to 6 after.
    around = nnf.pad(jump, (10, 6 + hop * novelty.shape[-1]), value=-1.0)
    best = around.unfold(-1, 17, hop)[:, : novelty.shape[-1]].argmax(-1)
    best = best + torch.arange(-10, hop * novelty.shape[-1] - 10, hop, device=sound.device)
    blocks = jump.shape[-1]
    best = where_else(found, best.clamp(0, blocks - 1), blocks)
    marked = torch.zeros(len(sound), blocks + 1, dtype=torch.bool, device=sound.device)
    return _neighbours(marked.scatter(1, best, True)[:, :-1], block)


def _find_natively(sound: Tensor, n_fft: int) -> Grid:
    """Find onsets in the native kernel, each example on one thread."""
    blocks = math.ceil(sound.shape[-1] / (n_fft // 32))
    last, first = torch.empty((2, len(sound), blocks), dtype=torch.int64)
    native.call("augspec_find_onsets", *kernel_arguments(sound, n_fft), out=(last, first))
    return last, first


def kernel_arguments(sound: Tensor, n_fft: int) -> tuple[Tensor | int, ...]:
    """Return the arguments of a native kernel for onsets in ``(example, channel, time)``."""
    width, cpu = n_fft // 4, torch.device("cpu")
    window = constant(torch.hann_window, width, dtype=torch.float32, device=cpu)
    bands = constant(make_bands, width, dtype=torch.float32, device=cpu)
    return sound, *sound.shape, n_fft, window, bands, native.threads()


def has_kernel(sound: Tensor, n_fft: int) -> bool:
    """Whether the native kernel can find onsets in this audio."""
    return native.applies(sound) and native.answers("augspec_has_fft", n_fft // 4)


def resample_onsets(onsets: Grid, ratio: Tensor, size: int, n_fft: int) -> Grid:
    """Return the positions of onsets after resampling.

    Args:
        onsets: The result of `find_onsets` for ``n_fft``.
        ratio: Ratio of each row, ``(row, 1)``.
        size: Samples after resampling.
        n_fft: Samples of a vocoder frame.
    """
    places = torch.stack(onsets)
    block = torch.arange(math.ceil(size / (n_fft // 32)), device=ratio.device)
    source = (block * ratio).to(torch.int64).clamp(0, places.shape[-1] - 1)
    found = places.gather(-1, source.expand(2, -1, -1))
    last, first = (found / ratio).round().to(torch.int64).clamp(-_FAR, _FAR)
    return last, first


def _bands(width: int, *, dtype: torch.dtype) -> Tensor:
    """Return `make_bands` for real and imaginary parts side by side."""
    return make_bands(width, dtype=dtype).repeat_interleave(2, dim=0)


def make_bands(width: int, *, dtype: torch.dtype) -> Tensor:
    """Make mel-spaced triangles over the bins of a frame: ``(bin, band)``."""
    bins = torch.linspace(0, 8000, width // 2 + 1, dtype=dtype)
    mels = torch.linspace(0, math.log1p(8000 / 700), _BANDS + 2, dtype=dtype)
    corners = 700 * torch.expm1(mels)
    low, mid, high = corners[:-2], corners[1:-1], corners[2:]
    freqs = bins.unsqueeze(-1)
    return torch.minimum((freqs - low) / (mid - low), (high - freqs) / (high - mid)).clamp(min=0)


def _band_power(padded: Tensor, bands: Tensor) -> Tensor:
    """Return the power in bands every half a frame, ``(example, frame, band)``."""
    width = len(bands) - 2
    window = constant(torch.hann_window, width, dtype=padded.dtype, device=padded.device)
    specgram = torch.fft.rfft(unfold(padded, -1, width, width // 2) * window)
    # Square in place and sum with the bands, the cheapest way to compute a power.
    power: Tensor = torch.view_as_real(specgram).square_().flatten(-2) @ bands
    return sum_channels(power)


def _novelty(power: Tensor) -> Tensor:
    """Return the mean rise in dB of each frame over the loudest of those before it."""
    loudest = power.amax((-2, -1), keepdim=True)
    floor = add_scaled(1e-20, loudest, 10 ** (-_FLOOR_DB / 10))
    floored = power + floor
    # A frame overlaps the previous one by half, so the comparison skips it.
    ahead = _MEMORY + 1
    padded = 10 * torch.log10(torch.cat([floor.expand(-1, ahead, _BANDS), floored], dim=1))
    level = padded[:, ahead:]
    before = _loudest_of(padded, _MEMORY)[:, : level.shape[1]]
    rise = (level - before).clamp(0.0, _CLIP_DB)
    weight = floored.sqrt().sqrt()  # quiet bands are included
    return (rise * weight).sum(-1) / weight.sum(-1)


def _loudest_of(level: Tensor, frames: int) -> Tensor:
    """Return the maximum of each frame and those after it, ``frames`` in all."""
    count = level.shape[1] - frames + 1
    if launches_cost(level):
        return level.unfold(1, frames, 1).amax(-1)
    loudest = level[:, :count]
    for i in range(1, frames):
        loudest = torch.maximum(loudest, level[:, i : i + count])
    return loudest


@compiled
def _slope_energy(sound: Tensor, block: int) -> Tensor:
    """Return the energy of the derivative in each block of samples, with one block before."""
    slope = sound[..., 1:] - sound[..., :-1]
    return sum_channels(slope.square().unflatten(-1, (-1, block)).sum(-1))


def _jump(energy: Tensor) -> Tensor:
    """Return the energy in 4 blocks over that in the 8 blocks before."""
    floor = add_scaled(1e-30, energy.amax(-1, keepdim=True), 1e-6)
    padded = nnf.pad(energy, (8, 3))
    after = nnf.avg_pool1d(padded, 4, stride=1)[:, 8:]
    before = nnf.avg_pool1d(padded, 8, stride=1)[:, : energy.shape[-1]]
    return (after + floor) / (before + floor)


def _neighbours(marked: Tensor, block: int) -> Grid:
    """Return the last marked sample up to, and the first after, each block."""
    sample = torch.arange(0, marked.shape[-1] * block, block, device=marked.device)
    last = where_else(marked, sample, -_FAR).cummax(-1).values
    first = where_else(marked, sample, _FAR).flip(-1).cummin(-1).values.flip(-1)
    return last, nnf.pad(first[:, 1:], (0, 1), value=_FAR)
