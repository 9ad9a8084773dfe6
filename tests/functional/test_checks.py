"""Bad input gives an error that names the argument and says what to do."""

import numpy as np
import pytest
import torch

from augspec import functional


@pytest.mark.parametrize(
    ("waveform", "error", "message"),
    [
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
        functional.check_waveform(waveform)


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([8, 8], TypeError, "`lengths` must be a torch.Tensor, got list"),
        (torch.tensor([0.5, 1.0]), TypeError, "`lengths` must be int64, got torch.float32"),
        (torch.tensor([8, 8], dtype=torch.int32), TypeError, r"use `lengths.long\(\)`"),
        (torch.tensor([8]), ValueError, r"must be \(batch,\), here \(2,\), got \(1,\)"),
        (torch.tensor([8, 8], device="meta"), ValueError, "device of `waveform`, cpu, got meta"),
    ],
)
def test_bad_lengths(lengths, error, message):
    with pytest.raises(error, match=message):
        functional.check_waveform(torch.zeros(2, 1, 8), lengths)


def test_bad_specgram():
    with pytest.raises(ValueError, match=r"`specgram` must be \(batch, channel, freq, frame\)"):
        functional.check_specgram(torch.zeros(2, 8, 8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_good_input_passes(dtype):
    functional.check_waveform(torch.zeros(2, 1, 8, dtype=dtype), torch.tensor([0, 8]))
    functional.check_waveform(torch.zeros(0, 1, 8, dtype=dtype))
    functional.check_specgram(torch.zeros(2, 1, 4, 8, dtype=dtype), torch.tensor([0, 8]))
