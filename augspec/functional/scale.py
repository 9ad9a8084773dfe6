"""Scales of frequency and of level: mel, filter banks, decibel, cosine transform."""

import math
from typing import Literal

import torch
from torch import Tensor

from augspec.functional.spectrum import valid_frames
from augspec.native import bins

__all__ = ["amplitude_to_db", "dct_matrix", "hz_to_mel", "mel_filterbank", "mel_to_hz"]

MelScale = Literal["htk", "slaney"]

# Slaney's Auditory Toolbox: linear below 1 kHz, 27 logarithmic steps per factor of 6.4 above.
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_HZ_PER_MEL = 200.0 / 3.0
_SLANEY_BREAK_MEL = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = math.log(6.4) / 27.0


def hz_to_mel(frequency: Tensor, mel_scale: MelScale = "htk") -> Tensor:
    """Convert frequencies from Hz to mel.

    Args:
        frequency: Frequencies in Hz, not negative.
        mel_scale: ``"htk"``, ``2595 log10(1 + f / 700)``, or ``"slaney"``, linear below 1 kHz and
            logarithmic above.

    Shape:
        Any shape in, the same out.

    References:
        Young et al., *The HTK Book*, 2006. Slaney, *Auditory Toolbox*, 1998.
    """
    if mel_scale == "htk":
        return 2595.0 * torch.log10(1.0 + frequency / 700.0)
    # Both branches of `where` must be finite, otherwise the gradient is NaN.
    ratio = frequency.clamp(min=_SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ
    logarithmic = _SLANEY_BREAK_MEL + torch.log(ratio) / _SLANEY_LOG_STEP
    linear = frequency / _SLANEY_HZ_PER_MEL
    return torch.where(frequency < _SLANEY_BREAK_HZ, linear, logarithmic)


def mel_to_hz(mel: Tensor, mel_scale: MelScale = "htk") -> Tensor:
    """Convert frequencies from mel to Hz, the inverse of `hz_to_mel`.

    Args:
        mel: Frequencies in mel, not negative.
        mel_scale: ``"htk"`` or ``"slaney"``.

    Shape:
        Any shape in, the same out.
    """
    if mel_scale == "htk":
        return 700.0 * (torch.pow(10.0, mel / 2595.0) - 1.0)
    steps = mel.clamp(min=_SLANEY_BREAK_MEL) - _SLANEY_BREAK_MEL
    logarithmic = _SLANEY_BREAK_HZ * torch.exp(_SLANEY_LOG_STEP * steps)
    return torch.where(mel < _SLANEY_BREAK_MEL, _SLANEY_HZ_PER_MEL * mel, logarithmic)


def mel_filterbank(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    norm: Literal["slaney"] | None = None,
    mel_scale: MelScale = "htk",
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Make triangular filters whose corners are equally spaced in mel.

    Bin ``k`` lies at ``k * sample_rate / n_fft``, also for an odd ``n_fft``, as in librosa;
    torchaudio spreads the bins over ``[0, sample_rate // 2]``, which is the same for even numbers.
    A filter narrower than the distance of two bins can be zero.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: Samples of a frame.
        n_mels: Number of filters.
        f_min: Lowest corner in Hz.
        f_max: Highest corner in Hz; ``None`` is half the sample rate.
        norm: ``None`` for peaks of one, ``"slaney"`` for filters of area one.
        mel_scale: ``"htk"`` or ``"slaney"``.
        dtype: The result's dtype; the filters are computed in float64 and rounded once.
        device: The result's device.

    Shape:
        ``(n_fft // 2 + 1, n_mels)``: ``power @ mel_filterbank(...)`` for ``(..., frame, freq)``.

    Raises:
        ValueError: If ``f_min`` is negative or not below ``f_max``.

    References:
        Young et al., *The HTK Book*, 2006. Slaney, *Auditory Toolbox*, 1998.
    """
    corners = mel_corners(sample_rate, n_mels, f_min, f_max, mel_scale, device=device)
    return _triangles(corners, sample_rate, n_fft, norm).to(dtype)


def mel_filterbanks(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: Tensor,
    f_max: Tensor,
    norm: Literal["slaney"] | None = None,
    mel_scale: MelScale = "htk",
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Make `mel_filterbank` for each example, with its own lowest and highest corner.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: Samples of a frame.
        n_mels: Number of filters.
        f_min: Lowest corner of each in Hz.
        f_max: Highest corner of each in Hz, above ``f_min``.
        norm: ``None`` for peaks of one, ``"slaney"`` for filters of area one.
        mel_scale: ``"htk"`` or ``"slaney"``.
        dtype: The result's dtype.

    Shape:
        ``(batch,)`` to ``(batch, n_fft // 2 + 1, n_mels)``.
    """
    ends = torch.stack([f_min, f_max], -1).to(precise_dtype(f_min.device))
    corners = _corners_between(ends, n_mels, mel_scale)
    return _triangles(corners, sample_rate, n_fft, norm).to(dtype)


def precise_dtype(device: torch.device) -> torch.dtype:
    """Return the most precise dtype of a device: not every device has float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def _triangles(corners: Tensor, sample_rate: int, n_fft: int, norm: str | None) -> Tensor:
    """Make filters from their corners, ``(..., n_mels + 2)`` to ``(..., freq, n_mels)``."""
    bins = torch.arange(n_fft // 2 + 1, dtype=corners.dtype, device=corners.device)
    bins, corners = (bins * (sample_rate / n_fft))[:, None], corners.unsqueeze(-2)
    left, middle, right = corners[..., :-2], corners[..., 1:-1], corners[..., 2:]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    filters = torch.minimum(rising, falling).clamp(min=0.0)
    return filters * (2.0 / (right - left)) if norm == "slaney" else filters


def mel_corners(
    sample_rate: int,
    n_mels: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: MelScale = "htk",
    *,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return the corners of mel filters in Hz, ``(n_mels + 2,)`` float64; see `mel_filterbank`."""
    highest = sample_rate / 2 if f_max is None else f_max
    if not 0.0 <= f_min < highest:
        raise ValueError(f"`f_min` must be in [0, f_max = {highest}), got {f_min}")
    ends = torch.tensor([f_min, highest], dtype=torch.float64, device=device)
    return _corners_between(ends, n_mels, mel_scale)


def _corners_between(ends: Tensor, n_mels: int, mel_scale: MelScale) -> Tensor:
    """Return the corners in Hz between ``(..., 2)`` ends in Hz, ``(..., n_mels + 2)``."""
    steps = torch.arange(n_mels + 2, dtype=ends.dtype, device=ends.device) / (n_mels + 1)
    low, high = hz_to_mel(ends, mel_scale).split(1, dim=-1)
    return mel_to_hz(low + (high - low) * steps, mel_scale)


def amplitude_to_db(
    specgram: Tensor,
    multiplier: float = 10.0,
    ref: float | Literal["max"] = 1.0,
    top_db: float | None = None,
    amin: float = 1e-10,
) -> Tensor:
    """Convert a spectrogram to decibel, ``multiplier * log10(max(specgram, amin) / ref)``.

    Args:
        specgram: Power or magnitude, not negative.
        multiplier: 10 for power, 20 for magnitude.
        ref: Value that becomes 0 dB; ``"max"`` is the largest value of each example.
        top_db: Range in dB below the peak of each example, below which values are clipped.
        amin: Smallest value; 1e-10 of power is -100 dB.

    Shape:
        ``(batch, ...)`` in and out. Peaks are per example, over all other dimensions.
    """
    return amplitude_to_db_until(specgram, None, multiplier, ref, top_db, amin)


def amplitude_to_db_until(
    specgram: Tensor,
    lengths: Tensor | None,
    multiplier: float,
    ref: float | Literal["max"],
    top_db: float | None,
    amin: float = 1e-10,
) -> Tensor:
    """Do as `amplitude_to_db` with silence after the valid frames, ``lengths`` ``(batch,)``."""
    natural = amin >= bins.SMALLEST and specgram.ndim == 4
    if natural and bins.can_compute(specgram, lengths):
        to_peak = ref == "max"
        offset = 0.0 if isinstance(ref, str) else -multiplier * math.log10(max(ref, amin))
        return bins.level(
            specgram, multiplier, amin=amin, offset=offset, top_db=top_db, to_peak=to_peak,
            ends=lengths,
        )  # fmt: skip
    if lengths is not None:
        specgram = specgram.where(valid_frames(specgram, lengths), 0.0)
    level = multiplier * torch.log10(specgram.clamp(min=amin))
    if ref != "max" and top_db is None:
        return level if ref == 1.0 else level - multiplier * math.log10(max(ref, amin))
    peak = level.amax(dim=tuple(range(1, level.dim())), keepdim=True)
    if top_db is not None:
        level = torch.maximum(level, peak - top_db)
    return level - (peak if ref == "max" else multiplier * math.log10(max(ref, amin)))


def log_of_sum(specgram: Tensor, offset: float) -> Tensor:
    """Return the natural logarithm of ``specgram + offset``.

    Args:
        specgram: Power or magnitude, not negative.
        offset: Limits the result in silence, positive.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.
    """
    if bins.can_compute(specgram):
        return bins.level(specgram, math.log(10.0), bias=offset)
    return (specgram + offset).log()


def standardize(
    values: Tensor,
    valid: Tensor | None = None,
    eps: float = 1e-5,
    *,
    per_bin: bool = False,
    mean_only: bool = False,
) -> Tensor:
    """Give each example mean 0 and standard deviation 1: ``(x - mean) / sqrt(variance + eps)``.

    Args:
        values: Values of any scale.
        valid: Values used for the statistics; ``None`` for all. The others are shifted and scaled
            in the same way.
        eps: Added to the variance, positive, so that a constant example becomes zero.
        per_bin: Take mean and deviation over the last dimension only.
        mean_only: Leave the deviation as it is.

    Shape:
        ``(batch, ...)`` in and out; ``valid`` broadcasts to it.
    """
    over = (-1,) if per_bin else tuple(range(1, values.dim()))
    if valid is None:
        centered = values - values.mean(dim=over, keepdim=True)
        if mean_only:
            return centered
        return centered * (centered.square().mean(dim=over, keepdim=True) + eps).rsqrt()
    counted = valid.expand(values.shape)
    number = counted.sum(dim=over, keepdim=True).clamp(min=1)
    mean = values.where(counted, 0.0).sum(dim=over, keepdim=True) / number
    centered = values - mean
    if mean_only:
        return centered
    variance = centered.where(counted, 0.0).square().sum(dim=over, keepdim=True) / number
    return centered * (variance + eps).rsqrt()


def standardize_sliding(
    values: Tensor,
    window: int,
    lengths: Tensor,
    eps: float = 1e-5,
    *,
    mean_only: bool = False,
) -> Tensor:
    """Standardise each bin by the neighbouring frames: Kaldi's sliding window.

    A frame is in the middle of its window. At the ends of an example the window is shifted inwards;
    if the example is shorter, the window is cut.

    Args:
        values: Values of any scale.
        window: Frames of the window, at least 1.
        lengths: Valid frames of each example, ``(batch,)``; the others have no influence.
        eps: Added to the variance, positive.
        mean_only: Leave the deviation as it is.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.
    """
    frame = torch.arange(values.shape[-1], device=values.device)
    ends = lengths[:, None]
    first = torch.minimum((frame - window // 2).clamp(min=0), ends - window).clamp(min=0)
    last = torch.minimum(first + window, ends)
    first = torch.minimum(first, last)
    number = (last - first).clamp(min=1)[:, None, None]
    valid = (frame < ends)[:, None, None]
    # Subtract the mean of the whole first, so that sums over many frames stay accurate.
    near = standardize(values, valid, per_bin=True, mean_only=True)

    def mean_of(numbers: Tensor) -> Tensor:
        sums = torch.nn.functional.pad(numbers.where(valid, 0.0).cumsum(-1), (1, 0))
        inside = (sums.take_along_dim(at[:, None, None], -1) for at in (last, first))
        upto, before = inside
        return (upto - before) / number

    mean = mean_of(near)
    if mean_only:
        return near - mean
    variance = (mean_of(near.square()) - mean.square()).clamp(min=0.0)
    return (near - mean) * (variance + eps).rsqrt()


def dct_matrix(
    n_out: int,
    n_in: int,
    norm: Literal["ortho"] | None = "ortho",
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Make the matrix of the discrete cosine transform of type II.

    Args:
        n_out: Number of coefficients, the lowest first.
        n_in: Number of values to transform.
        norm: ``"ortho"`` for rows of length one, ``None`` for twice the plain sum.
        dtype: The result's dtype; the matrix is computed in float64 and rounded once.
        device: The result's device.

    Shape:
        ``(n_out, n_in)``.
    """
    index = torch.arange(n_in, dtype=torch.float64, device=device)
    order = torch.arange(n_out, dtype=torch.float64, device=device)[:, None]
    matrix = 2.0 * torch.cos(math.pi / n_in * (index + 0.5) * order)
    if norm == "ortho":
        matrix = torch.where(order == 0, matrix * 0.5, matrix * math.sqrt(0.5)) / math.sqrt(n_in)
    return matrix.to(dtype)
