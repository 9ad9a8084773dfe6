"""Deterministic batched kernels: no state, no randomness."""

from augspec.functional.channels import channel_drop, channel_shuffle, stereo_width, to_mono
from augspec.functional.checks import check_specgram, check_waveform, compute_dtype
from augspec.functional.codec import codec
from augspec.functional.constant_q import constant_q_filters, decimate
from augspec.functional.crop import crop, crop_start, cropped_lengths
from augspec.functional.delta import delta
from augspec.functional.distortion import (
    aliasing,
    bit_crush,
    clip,
    clipping_distortion,
    mu_law,
    tanh_distortion,
)
from augspec.functional.dynamics import compressor, limiter
from augspec.functional.edit import mute, pad_start, pad_to, repeat_part, shift, time_reverse
from augspec.functional.equalizer import (
    band_pass,
    band_stop,
    high_pass,
    high_shelf,
    low_pass,
    low_shelf,
    parametric_eq,
    peaking_eq,
    tilt_eq,
)
from augspec.functional.filter import biquad, sosfilt
from augspec.functional.filter_augment import band_edges, band_gain
from augspec.functional.formant import formant_shift, vtlp
from augspec.functional.level import (
    gain,
    gain_transition,
    peak_normalize,
    polarity_inversion,
    rms_normalize,
)
from augspec.functional.loudness import loudness, loudness_normalize
from augspec.functional.mask import mask_span, mask_value_of, spans
from augspec.functional.mix import cut_segment, cutmix, mix_background, mixup, next_larger
from augspec.functional.noise import add_noise, colored_noise, short_noises, white_noise
from augspec.functional.pcen import exponential_average, pcen, smoothing_coefficient
from augspec.functional.resample import resample, resample_rate, resampled_lengths
from augspec.functional.resize import (
    frequency_shift,
    interpolate_at,
    interpolate_bins,
    resize_places,
    time_warp_places,
)
from augspec.functional.reverb import (
    air_absorption,
    air_attenuation,
    convolve,
    match_power,
    room_response,
)
from augspec.functional.scale import (
    amplitude_to_db,
    dct_matrix,
    hz_to_mel,
    mel_filterbank,
    mel_to_hz,
    standardize,
)
from augspec.functional.shapes import blend
from augspec.functional.spectrum import (
    frame,
    frame_lengths,
    hann_window,
    magnitude,
    spectrum,
    valid_frames,
)
from augspec.functional.stretch import pitch_and_tempo, pitch_shift, speed, time_stretch

__all__ = [
    "check_specgram",
    "check_waveform",
    "compute_dtype",
    "codec",
    "constant_q_filters",
    "decimate",
    "exponential_average",
    "pcen",
    "smoothing_coefficient",
    "delta",
    "crop",
    "crop_start",
    "cropped_lengths",
    "pad_start",
    "pad_to",
    "shift",
    "time_reverse",
    "mute",
    "repeat_part",
    "channel_shuffle",
    "channel_drop",
    "to_mono",
    "stereo_width",
    "formant_shift",
    "vtlp",
    "gain",
    "gain_transition",
    "peak_normalize",
    "rms_normalize",
    "loudness",
    "loudness_normalize",
    "polarity_inversion",
    "compressor",
    "limiter",
    "clip",
    "clipping_distortion",
    "tanh_distortion",
    "bit_crush",
    "mu_law",
    "aliasing",
    "blend",
    "mixup",
    "cutmix",
    "cut_segment",
    "mix_background",
    "next_larger",
    "mask_span",
    "mask_value_of",
    "spans",
    "frequency_shift",
    "interpolate_at",
    "interpolate_bins",
    "resize_places",
    "time_warp_places",
    "band_edges",
    "band_gain",
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
    "speed",
    "time_stretch",
    "biquad",
    "sosfilt",
    "low_pass",
    "high_pass",
    "band_pass",
    "band_stop",
    "low_shelf",
    "high_shelf",
    "peaking_eq",
    "parametric_eq",
    "tilt_eq",
    "air_absorption",
    "air_attenuation",
    "white_noise",
    "colored_noise",
    "add_noise",
    "short_noises",
    "convolve",
    "match_power",
    "room_response",
]
