"""Deterministic batched kernels: no state, no randomness."""

from augspec.functional.crop import crop, crop_start, cropped_lengths
from augspec.functional.level import gain, polarity_inversion
from augspec.functional.mask import mask_span, mask_value_of
from augspec.functional.stretch import pitch_and_tempo, pitch_shift, stretched_lengths, time_stretch

__all__ = [
    "crop",
    "crop_start",
    "cropped_lengths",
    "gain",
    "mask_span",
    "mask_value_of",
    "pitch_and_tempo",
    "pitch_shift",
    "polarity_inversion",
    "stretched_lengths",
    "time_stretch",
]
