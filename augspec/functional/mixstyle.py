"""Statistics of each frequency, mixed between examples."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_specgram
from augspec.functional.shapes import ends_of, like
from augspec.functional.spectrum import valid_frames
from augspec.native import bins

__all__ = ["freq_mix_style"]

_EPS = 1e-6  # added to variances, so that a constant bin becomes the partner's mean


def freq_mix_style(
    specgram: Tensor, partner: Tensor, lam: Tensor, lengths: Tensor | None = None
) -> Tensor:
    """Mix the mean and deviation of each bin with those of the partner.

    They are computed over all channels and valid frames. A partner without frames is ignored.

    Args:
        specgram: The batch, preferably in dB or another logarithm.
        partner: Index of each example's partner, ``(batch,)`` int64.
        lam: Weight of the example's own statistics, in [0, 1], ``(batch,)``.
        lengths: Valid frames per example, ``(batch,)``: later frames stay as they are.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    References:
        Schmid et al., "Knowledge Distillation for Low-Complexity Acoustic Scene Classification",
        DCASE 2022. Kim et al., "Domain Generalization on Efficient Acoustic Scene Classification
        using Residual Normalization", DCASE 2022.
    """
    check_specgram(specgram, lengths)
    check_parameter("partner", partner, specgram, "batch", kind="int64")
    check_parameter("lam", lam, specgram, "batch")
    ends = ends_of(specgram, lengths)
    is_native = bins.can_compute(specgram, partner, lam, lengths)
    if is_native:
        mean, deviation = bins.moments(specgram, ends, shared="channel", eps=_EPS)
    else:
        mean, deviation = _moments(specgram, ends)
    own = torch.where(ends[partner] > 0, lam.to(specgram.dtype), 1.0)
    share = like(own, specgram)
    new_mean = share * mean + (1.0 - share) * mean.index_select(0, partner)
    new_deviation = share * deviation + (1.0 - share) * deviation.index_select(0, partner)
    ratio = new_deviation / deviation
    if is_native:
        return bins.affine(specgram, lengths, before=-mean, factor=ratio, after=new_mean)
    mixed = (specgram - mean) * ratio + new_mean
    return mixed if lengths is None else torch.where(valid_frames(specgram, ends), mixed, specgram)


def _moments(specgram: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each bin over channels and valid frames."""
    over, valid = (1, 3), valid_frames(specgram, ends)
    number = like(ends.clamp(min=1) * specgram.shape[1], specgram)
    mean = specgram.where(valid, 0.0).sum(over, keepdim=True) / number
    centered = (specgram - mean).where(valid, 0.0)
    variance = centered.square().sum(over, keepdim=True) / number
    return mean, (variance + _EPS).sqrt()
