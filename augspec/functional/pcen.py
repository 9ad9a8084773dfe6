"""Per-channel energy normalisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from augspec._constants import constant, tensor_of
from augspec._torch import is_exporting
from augspec.native import bins

__all__ = ["pcen"]

_SMALL_BIAS = 1e-6
_EXPORTED = 32  # frames of a block if the number of frames is not known


def smoothing_coefficient(time_constant: float, frames_per_second: float) -> float:
    """Return the weight of the newest frame in an average over ``time_constant`` seconds.

    As in librosa, the full width of the average at half of its maximal power is about the time
    constant.

    Args:
        time_constant: In seconds, positive.
        frames_per_second: ``sample_rate / hop_length``.
    """
    # (sqrt(1 + 4 * t ** 2) - 1) / (2 * t ** 2), without cancellation for small t.
    return 2.0 / (1.0 + math.hypot(1.0, 2.0 * time_constant * frames_per_second))


def exponential_average(
    specgram: Tensor, coefficient: float | Tensor, initial: float | None = None
) -> Tensor:
    """Average over the frames so far: ``m[t] = (1 - b) * m[t - 1] + b * x[t]``.

    It needs no loop over frames: within blocks of about ``sqrt(frame)`` frames, and then over the
    blocks' ends, the recursion is a product with a matrix of decays.

    Args:
        specgram: Values of any scale.
        coefficient: The ``b`` above, in (0, 1], a number or one for each bin, ``(freq,)``.
        initial: Value of the average before the first frame; None uses the first frame.

    Shape:
        ``(..., frame)`` in and out, ``(..., freq, frame)`` with a coefficient for each bin.
    """
    frames = specgram.shape[-1]
    # In an exported graph the number of frames may be dynamic.
    size = _EXPORTED if is_exporting() else math.ceil(math.sqrt(frames))
    blocks = (frames + size - 1) // size
    # Contiguous: the compiler of torch 2.6 assumes this of a tensor that is padded by 0.
    padded = torch.nn.functional.pad(specgram.contiguous(), (0, blocks * size - frames))
    dtype, device = specgram.dtype, specgram.device
    weight = coefficient[:, None, None] if isinstance(coefficient, Tensor) else coefficient
    decay = 1.0 - weight
    step = torch.arange(size, dtype=dtype, device=device)
    within = weight * _decays(decay, step - step[:, None])
    local = padded.unflatten(-1, (blocks, size)) @ within
    block = torch.arange(blocks, dtype=dtype, device=device)
    onward = _decays(decay**size, block - block[:, None] - 1.0)
    before = (local[..., -1].unsqueeze(-2) @ onward).squeeze(-2)
    first = specgram[..., :1] if initial is None else initial
    start = torch.pow(decay**size, block)
    before = before + first * (start.squeeze(-2) if start.ndim > 1 else start)
    smooth: Tensor = local + before[..., None] * torch.pow(decay, step + 1.0)
    return smooth.flatten(-2)[..., :frames]


def _decays(decay: float | Tensor, steps: Tensor) -> Tensor:
    """Raise ``decay`` to ``steps``, with zero for negative steps."""
    return torch.where(steps >= 0.0, torch.pow(decay, steps.clamp(min=0.0)), 0.0)


def pcen(
    specgram: Tensor,
    coefficient: float,
    gain: float = 0.98,
    bias: float = 2.0,
    exponent: float = 0.5,
    eps: float = 1e-6,
    initial: float | None = None,
) -> Tensor:
    """Divide each bin by its own recent level and compress it.

    ``(specgram / (eps + average) ** gain + bias) ** exponent - bias ** exponent``, as in
    ``librosa.pcen``, whose ``power`` is called ``exponent`` here.

    Args:
        specgram: Energies or magnitudes, not negative.
        coefficient: Weight of the newest frame in the average: see ``smoothing_coefficient``.
        gain: Exponent of the average: 0 for no gain control, 1 to remove the level.
        bias: Level, as a multiple of the average, below which the compression is linear; not
            negative. With 0 it is a power function everywhere.
        exponent: Exponent of the compression, positive.
        eps: Added to the average, positive.
        initial: Value of the average before the first frame; None uses the first frame.

    Shape:
        ``(..., frame)`` in and out.

    References:
        Wang et al., "Trainable frontend for robust and far-field keyword spotting", ICASSP 2017.
    """
    return scaled_pcen(specgram, 1.0, coefficient, gain, bias, exponent, eps, initial)


def scaled_pcen(
    specgram: Tensor,
    scale: float,
    coefficient: float,
    gain: float,
    bias: float,
    exponent: float,
    eps: float,
    initial: float | None,
) -> Tensor:
    """Compute `pcen` of ``scale * specgram``."""
    if bias >= _SMALL_BIAS and eps >= bins.SMALLEST and bins.can_compute(specgram):
        numbers = tuple((float(number),) for number in (coefficient, gain, bias, exponent))
        settings = constant(tensor_of, numbers, dtype=specgram.dtype, device=specgram.device)
        return bins.pcen(specgram, settings, scale, eps, initial)
    specgram = specgram if scale == 1.0 else specgram * scale
    average = exponential_average(specgram, coefficient, initial)
    # Use logarithms, so that small numbers keep their precision.
    level = torch.exp(-gain * (math.log(eps) + torch.log1p(average / eps)))
    return _compress(specgram * level, bias, exponent)


def _compress(values: Tensor, bias: float, exponent: float) -> Tensor:
    """Return ``(values + bias) ** exponent - bias ** exponent``."""
    if bias >= _SMALL_BIAS:
        compressed = torch.expm1(exponent * torch.log1p(values / bias))
        return torch.mul(compressed, bias**exponent)
    # The quotient could overflow. Where it is large, the difference is accurate.
    large = values > bias / _SMALL_BIAS
    root = (values.where(large, 1.0) + bias).pow(exponent) - bias**exponent
    quotient = values.where(~large, 0.0) / max(bias, torch.finfo(values.dtype).tiny)
    compressed = torch.expm1(exponent * torch.log1p(quotient)) * bias**exponent
    joined: Tensor = root.where(large, compressed)
    return joined


def pcen_by_bin(
    specgram: Tensor,
    coefficient: Tensor,
    gain: Tensor,
    bias: Tensor,
    exponent: Tensor,
    eps: float = 1e-6,
    initial: float | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Do as `pcen` with differentiable parameters for each bin.

    Args:
        specgram: Energies or magnitudes, not negative.
        coefficient: Weight of the newest frame in the average, in (0, 1).
        gain: Exponent of the average, positive.
        bias: Level below which the compression is linear, positive.
        exponent: Exponent of the compression, positive.
        eps: Added to the average, positive.
        initial: Value of the average before the first frame; None uses the first frame.
        scale: Factor on ``specgram``.

    Shape:
        ``(batch, channel, freq, frame)`` in and out; the parameters ``(freq,)``.
    """
    if eps >= bins.SMALLEST and bins.can_compute(specgram, coefficient, gain, bias, exponent):
        settings = torch.stack([coefficient, gain, bias, exponent])
        return bins.pcen(specgram, settings, scale, eps, initial)
    specgram = specgram if scale == 1.0 else specgram * scale
    average = exponential_average(specgram, coefficient, initial)
    gain, bias, exponent = gain[:, None], bias[:, None], exponent[:, None]
    level = torch.exp(-gain * (math.log(eps) + torch.log1p(average / eps)))
    compressed = torch.expm1(exponent * torch.log1p(specgram * level / bias))
    return compressed * bias.pow(exponent)
