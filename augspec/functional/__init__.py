"""Deterministic batched kernels: no state, no randomness."""

from augspec.functional.checks import check_specgram, check_waveform, compute_dtype
from augspec.functional.crop import crop, crop_start, cropped_lengths
from augspec.functional.filter import biquad, sosfilt
from augspec.functional.formant import formant_shift, vtlp
from augspec.functional.level import gain, polarity_inversion
from augspec.functional.mask import mask_span, mask_value_of
from augspec.functional.resample import resample, resample_rate, resampled_lengths
from augspec.functional.scale import (
    amplitude_to_db,
    dct_matrix,
    hz_to_mel,
    mel_filterbank,
    mel_to_hz,
    standardize,
)
from augspec.functional.spectrum import (
    frame,
    frame_lengths,
    hann_window,
    magnitude,
    spectrum,
    valid_frames,
)
from augspec.functional.stretch import pitch_and_tempo, pitch_shift, time_stretch

__all__ = [
    "check_specgram",
    "check_waveform",
    "compute_dtype",
    "crop",
    "crop_start",
    "cropped_lengths",
    "formant_shift",
    "vtlp",
    "gain",
    "polarity_inversion",
    "mask_span",
    "mask_value_of",
    "resample",
    "resample_rate",
    "resampled_lengths",
    "amplitude_to_db",
    "dct_matrix",
    "hz_to_mel",
    "mel_filterbank",
    "mel_to_hz",
    "standardize",
    "frame",
    "frame_lengths",
    "hann_window",
    "magnitude",
    "spectrum",
    "valid_frames",
    "pitch_and_tempo",
    "pitch_shift",
    "time_stretch",
    "biquad",
    "sosfilt",
]
