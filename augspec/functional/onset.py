"""Onsets: where notes are struck, for a time stretch that leaves attacks as they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

_BANDS = 16
_FLOOR_DB = 60.0  # below the loudest band of the example nothing counts
_CLIP_DB = 20.0  # a rise from silence counts no more than a clear attack
_RISE_DB = 5.0  # mean rise over the bands that makes an onset
_MEMORY = 7  # frames that a rise must stand out from: 56 ms, more than a period of the lowest notes

Grid = tuple[Tensor, Tensor]


def find_onsets(rows: Tensor, n_fft: int) -> Grid:
    """Find the onsets of every row, as the nearest onset before and after each place.

    A frame is an onset where its bands rise, on average, 5 dB or more above the loudest of the
    frames before, and where no frame nearby rises more. Taking the loudest of 56 ms keeps the
    pulses of low notes and the beats of close partials out (SuperFlux, Böck and Widmer 2013, does
    the like over frequency). The place is refined to where the energy of the derivative jumps most.

    Args:
        rows: Audio, ``(row, time)``.
        n_fft: Samples of a vocoder frame; the detector's are a quarter of it. A multiple of 32.

    Returns:
        Sample of the last onset up to, and of the first onset after, each block of ``n_fft // 32``
        samples, int64 ``(row, block)``; far outside the audio where there is none.
    """
    block = n_fft // 32
    power, hop = _band_power(rows, n_fft // 4), 4
    novelty = _novelty(power)
    # Attacks closer than a vocoder frame share one reset: the clearest.
    summit = nnf.max_pool1d(novelty.unsqueeze(1), 9, stride=1, padding=4).squeeze(1)
    found = (novelty == summit) & (novelty > _RISE_DB)
    jump = _jump(rows, block)
    # The frame shows the attack from its second half on: look from 10 blocks before to 6 after.
    around = nnf.pad(jump, (10, 6 + hop * novelty.shape[-1]), value=-1.0)
    best = around.unfold(-1, 17, hop)[:, : novelty.shape[-1]].argmax(-1) - 10
    best = best + hop * torch.arange(novelty.shape[-1], device=rows.device)
    blocks = jump.shape[-1]
    best = torch.where(found, best.clamp(0, blocks - 1), blocks)
    marked = torch.zeros(len(rows), blocks + 1, dtype=torch.bool, device=rows.device)
    return _neighbours(marked.scatter(1, best, True)[:, :-1], block)


def _band_power(rows: Tensor, width: int) -> Tensor:
    """Return the power in mel-spaced bands every ``width // 2`` samples, ``(row, frame, band)``."""
    window = torch.hann_window(width, dtype=rows.dtype, device=rows.device)
    frames = nnf.pad(rows, (width // 2, width)).unfold(-1, width, width // 2) * window
    specgram = torch.fft.rfft(frames)
    bins = torch.linspace(0, 8000, width // 2 + 1, dtype=rows.dtype, device=rows.device)
    top = math.log1p(8000 / 700)
    mels = torch.linspace(0, top, _BANDS + 2, dtype=rows.dtype, device=rows.device)
    corners = 700 * torch.expm1(mels)
    low, mid, high = corners[:-2], corners[1:-1], corners[2:]
    freqs = bins.unsqueeze(-1)
    bands = torch.minimum((freqs - low) / (mid - low), (high - freqs) / (high - mid)).clamp(min=0)
    return torch.matmul(specgram.real.square() + specgram.imag.square(), bands)


def _novelty(power: Tensor) -> Tensor:
    """Return the mean rise in dB of each frame over the loudest of those before it."""
    loudest = power.amax((-2, -1), keepdim=True)
    floor = loudest * 10 ** (-_FLOOR_DB / 10) + 1e-20
    floored = power + floor
    level = 10 * torch.log10(floored).mT
    # A frame overlaps the one before by half, so the comparison leaves that one out.
    silence = (10 * torch.log10(floor)).expand(*level.shape[:-1], _MEMORY + 1)
    past = torch.cat([silence, level[..., :-2]], dim=-1)
    before = nnf.max_pool1d(past, _MEMORY, stride=1)
    rise = (level - before).clamp(0.0, _CLIP_DB)
    weight = floored.sqrt().sqrt().mT  # quiet bands count too
    return (rise * weight).sum(-2) / weight.sum(-2)


def _jump(rows: Tensor, block: int) -> Tensor:
    """Return the energy of the derivative in 4 blocks over that in the 8 blocks before."""
    slope = torch.diff(rows, prepend=torch.zeros_like(rows[:, :1]))
    slope = nnf.pad(slope, (0, -rows.shape[-1] % block))
    energy = slope.square().reshape(len(rows), -1, block).sum(-1)
    floor = 1e-6 * energy.amax(-1, keepdim=True) + 1e-30
    after = nnf.avg_pool1d(nnf.pad(energy, (0, 3)), 4, stride=1)
    before = nnf.avg_pool1d(nnf.pad(energy, (8, 0)), 8, stride=1)[:, :-1]
    return (after + floor) / (before + floor)


def _neighbours(marked: Tensor, block: int) -> Grid:
    """Return the last marked sample up to, and the first after, each block."""
    sample = torch.arange(marked.shape[-1], device=marked.device) * block
    far = 1 << 28
    last = torch.where(marked, sample, -far).cummax(-1).values
    first = torch.where(marked, sample, far).flip(-1).cummin(-1).values.flip(-1)
    return last, nnf.pad(first[:, 1:], (0, 1), value=far)
