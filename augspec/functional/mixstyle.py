"""Statistics of each frequency, mixed between examples."""

from __future__ import annotations

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_specgram
from augspec.functional.shapes import ends_of, like
from augspec.functional.spectrum import valid_frames

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
    over = (1, 3)
    ends = ends_of(specgram, lengths)
    valid = valid_frames(specgram, ends)
    number = like(ends.clamp(min=1) * specgram.shape[1], specgram)
    mean = specgram.where(valid, 0.0).sum(over, keepdim=True) / number
    centered = specgram - mean
    variance = centered.where(valid, 0.0).square().sum(over, keepdim=True) / number
    deviation = (variance + _EPS).sqrt()
    own = torch.where(ends[partner] > 0, lam.to(specgram.dtype), 1.0)
    share = like(own, specgram)
    new_mean = share * mean + (1.0 - share) * mean[partner]
    new_deviation = share * deviation + (1.0 - share) * deviation[partner]
    mixed = centered * (new_deviation / deviation) + new_mean
    return mixed if lengths is None else torch.where(valid, mixed, specgram)
