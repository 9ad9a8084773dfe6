"""Deterministic batched kernels: no state, no randomness."""

from augspec.functional.checks import check_specgram, check_waveform, compute_dtype
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

__all__ = [
    "check_specgram",
    "check_waveform",
    "compute_dtype",
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
]
