"""Deterministic batched kernels: no state, no randomness."""

from augspec.functional.resample import resample as resample
from augspec.functional.resample import resample_rate as resample_rate
from augspec.functional.resample import resampled_lengths as resampled_lengths
