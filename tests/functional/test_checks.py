"""Bad input gives an error that names the argument and says what to do."""

import operator

import numpy as np
import pytest
import torch

from augspec import functional


@pytest.mark.parametrize(
    ("waveform", "error", "message"),
    [
        ([torch.zeros(1, 8)], TypeError, "got list; augspec.collate pads examples"),
        (np.zeros((1, 1, 8)), TypeError, "`waveform` must be a torch.Tensor, got ndarray"),
        (torch.zeros(1, 1, 8, dtype=torch.int16), TypeError, r"`waveform.float\(\) / 32768`"),
        (torch.zeros(1, 1, 8, dtype=torch.uint8), TypeError, r"`waveform.float\(\) / 128 - 1`"),
        (torch.zeros(1, 1, 8, dtype=torch.bool), TypeError, "got torch.bool$"),
        (torch.zeros(1, 1, 8, dtype=torch.complex64), TypeError, "got torch.complex64$"),
        (
            torch.zeros(8),
            ValueError,
            r"\(batch, channel, time\), got shape \(8,\); use .*None, None",
        ),
        (torch.zeros(2, 8), ValueError, r"got shape \(2, 8\); use `waveform.unsqueeze\(1\)`"),
        (torch.zeros(2, 1, 1, 8), ValueError, r"got shape \(2, 1, 1, 8\)$"),
        (torch.zeros(2, 1, 0), ValueError, "at least one channel and one sample"),
        (torch.zeros(2, 0, 8), ValueError, "at least one channel and one sample"),
    ],
)
def test_bad_waveform(waveform, error, message):
    with pytest.raises(error, match=message):
        functional.checks.check_waveform(waveform)


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([8, 8], TypeError, r"got list; use `torch.tensor\(lengths\)`"),
        (
            torch.tensor([0.5, 1.0]),
            TypeError,
            r"`lengths` must be int64, numbers of samples, got torch.float32; use "
            r"`lengths.long\(\)` if they are samples, not seconds or fractions",
        ),
        (torch.tensor([8, 8], dtype=torch.int32), TypeError, r"use `lengths.long\(\)`$"),
        (torch.tensor([8]), ValueError, r"must be \(batch,\), here \(2,\), got \(1,\)"),
        (torch.tensor([8, 8], device="meta"), ValueError, "device of `waveform`, cpu, got meta"),
    ],
)
def test_bad_lengths(lengths, error, message):
    with pytest.raises(error, match=message):
        functional.checks.check_waveform(torch.zeros(2, 1, 8), lengths)


def test_bad_specgram():
    with pytest.raises(ValueError, match=r"`specgram` must be \(batch, channel, freq, frame\)"):
        functional.checks.check_specgram(torch.zeros(2, 8, 8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_good_input_passes(dtype):
    functional.checks.check_waveform(torch.zeros(2, 1, 8, dtype=dtype), torch.tensor([0, 8]))
    functional.checks.check_waveform(torch.zeros(0, 1, 8, dtype=dtype))
    functional.checks.check_specgram(torch.zeros(2, 1, 4, 8, dtype=dtype), torch.tensor([0, 8]))


@pytest.mark.parametrize(
    ("shape", "dims"),
    [((2, 16000, 2), "(2, 16000, 2)"), ((1, 9, 8), "(1, 9, 8)"), ((1, 300, 16000), "(1, 300, ")],
)
def test_a_batch_with_its_channels_last_is_told_to_be_transposed(shape, dims):
    with pytest.raises(ValueError, match=r"use `waveform.transpose\(1, 2\)`") as raised:
        functional.checks.check_waveform(torch.zeros(shape))
    assert dims in str(raised.value)


@pytest.mark.parametrize("shape", [(2, 2, 1), (1, 8, 4), (1, 9, 9), (1, 64, 100), (1, 128, 16000)])
def test_a_batch_of_a_few_samples_or_of_many_microphones_passes(shape):
    functional.checks.check_waveform(torch.zeros(shape))


WAVEFORM = torch.zeros(3, 2, 64)
SPECGRAM = torch.zeros(3, 2, 8, 16)
ONE, PLACE, KEY = torch.ones(3), torch.ones(3).long(), torch.ones(3).long()
NOISE = torch.zeros(3, 2, 2, 8)  # two bursts
#: A call of each kernel that takes a second tensor, and the names of what it takes.
CALLS = {
    "gain": (WAVEFORM, {"gain_db": ONE}),
    "gain_transition": (
        WAVEFORM,
        {"start_gain_db": ONE, "end_gain_db": ONE, "start": ONE, "duration": ONE},
    ),
    "polarity_inversion": (WAVEFORM, {"inverted": ONE.bool()}),
    "peak_normalize": (WAVEFORM, {"peak_db": ONE}),
    "rms_normalize": (WAVEFORM, {"rms_db": ONE}),
    "loudness_normalize": (WAVEFORM, {"lufs": ONE}, {"sample_rate": 16_000}),
    "channel_shuffle": (WAVEFORM, {"order": torch.ones(3, 2)}),
    "channel_drop": (WAVEFORM, {"order": torch.ones(3, 2), "count": PLACE}),
    "stereo_width": (WAVEFORM, {"width": ONE}),
    "clip": (WAVEFORM, {"threshold_db": ONE}),
    "clipping_distortion": (WAVEFORM, {"percentile": ONE}),
    "tanh_distortion": (WAVEFORM, {"distortion": ONE}),
    "bit_crush": (WAVEFORM, {"bit_depth": PLACE}),
    "mu_law": (WAVEFORM, {"quantization_channels": PLACE + 1}),
    "aliasing": (WAVEFORM, {"new_freq": 8000 * ONE}, {"sample_rate": 16_000}),
    "compressor": (
        WAVEFORM,
        {"threshold_db": ONE, "ratio": ONE, "attack": ONE, "release": ONE},
        {"sample_rate": 16_000},
    ),
    "limiter": (
        WAVEFORM,
        {"threshold_db": ONE, "attack": ONE, "release": ONE},
        {"sample_rate": 16_000},
    ),
    "shift": (WAVEFORM, {"samples": PLACE}),
    "mute": (WAVEFORM, {"start": PLACE, "width": PLACE, "fade": PLACE}),
    "repeat_part": (
        WAVEFORM,
        {"start": PLACE, "width": PLACE, "repeats": PLACE, "fade": PLACE},
    ),
    "crop": (WAVEFORM, {"start": PLACE}, {"size": 8}),
    "mixup": (WAVEFORM, {"partner": PLACE, "lam": ONE}),
    "cutmix": (WAVEFORM, {"partner": PLACE, "lam": ONE, "start": 0 * ONE}),
    "mix_background": (WAVEFORM, {"partner": PLACE, "snr_db": ONE}),
    "codec": (
        WAVEFORM,
        {"format": PLACE, "compression_level": ONE},
        {"sample_rate": 16_000},
    ),
    "add_noise": (WAVEFORM, {"noise": WAVEFORM, "snr_db": ONE}),
    "short_noises": (
        WAVEFORM,
        {
            "noise": NOISE,
            "start": NOISE[:, :, 0, 0].long(),
            "width": NOISE[:, :, 0, 0].long(),
            "snr_db": NOISE[:, :, 0, 0],
        },
    ),
    "convolve": (WAVEFORM, {"response": torch.ones(3, 4), "delay": PLACE}),
    "reverb.match_power": (WAVEFORM, {"reference": WAVEFORM, "response": torch.ones(3, 4)}),
    "biquad": (WAVEFORM, {"b": torch.ones(3, 3), "a": torch.tensor([[1.0, 0, 0]] * 3)}),
    "sosfilt": (WAVEFORM, {"sos": torch.tensor([[[1.0, 0, 0, 1, 0, 0]]] * 3)}),
    "low_pass": (WAVEFORM, {"cutoff_freq": 100 * ONE}, {"sample_rate": 16_000}),
    "air_absorption": (
        WAVEFORM,
        {"distance": ONE, "temperature": ONE, "humidity": 50 * ONE},
        {"sample_rate": 16_000},
    ),
    "mask_span": (SPECGRAM, {"start": PLACE, "width": PLACE}, {"dim": -1, "value": 0.0}),
    "frequency_shift": (SPECGRAM, {"shift": PLACE}, {"fill": torch.zeros(1)}),
    "resize.interpolate_at": (SPECGRAM, {"place": torch.ones(3, 4), "ends": PLACE}),
    "resize.interpolate_bins": (SPECGRAM, {"place": torch.ones(3, 4)}, {"fill": torch.zeros(1)}),
}
SECOND = [(kernel, name) for kernel, call in CALLS.items() for name in call[1]]


def call(kernel, **changes):
    signal, tensors, *settings = CALLS[kernel]
    return operator.attrgetter(kernel)(functional)(
        signal, **{**tensors, **changes}, **dict(*settings)
    )


@pytest.mark.parametrize(("kernel", "name"), SECOND)
def test_every_second_tensor_is_checked_by_name(kernel, name):
    call(kernel)
    right = CALLS[kernel][1][name]
    with pytest.raises(TypeError, match=f"`{name}` must be a torch.Tensor, got list"):
        call(kernel, **{name: right.tolist()})
    wrong = right.to(torch.float32 if right.dtype == torch.int64 else torch.int64)
    with pytest.raises(TypeError, match=f"`{name}` must be .*got torch"):
        call(kernel, **{name: wrong})
    with pytest.raises(ValueError, match=rf"`{name}` must be \(.*got \(2,"):
        call(kernel, **{name: right[:2]})
    with pytest.raises(ValueError, match=f"`{name}` must be on the device of the batch, cpu"):
        call(kernel, **{name: right.to("meta")})


def test_the_shape_wanted_is_said_in_names_and_numbers():
    with pytest.raises(ValueError, match=r"\(batch,\) = \(3,\) or \(batch, channel\) = \(3, 2\)"):
        call("gain", gain_db=torch.ones(4))
