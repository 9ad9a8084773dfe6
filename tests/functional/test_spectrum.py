"""Windows, frames and the transform, against scipy, numpy and the definitions."""

import numpy as np
import pytest
import scipy.signal
import torch

from augspec.functional import spectrum as stft
from augspec.functional.spectrum import _rfft

PAD_MODES = {"reflect": "reflect", "constant": "constant", "replicate": "edge"}  # numpy's names


@pytest.mark.parametrize(("win_length", "n_fft"), [(400, 400), (401, 512), (400, 513), (1, 8)])
def test_window_is_scipys_periodic_hann_in_the_middle(win_length, n_fft):
    window = stft.hann_window(win_length, n_fft, dtype=torch.float64)
    expected = np.zeros(n_fft)
    left = (n_fft - win_length) // 2
    expected[left : left + win_length] = scipy.signal.get_window("hann", win_length)
    torch.testing.assert_close(window, torch.from_numpy(expected), rtol=0.0, atol=1e-15)


@pytest.mark.parametrize("pad_mode", PAD_MODES)
@pytest.mark.parametrize(("n_fft", "hop_length"), [(16, 4), (15, 4), (16, 5), (1, 1), (2, 3)])
def test_frames_are_cut_from_numpys_padding(n_fft, hop_length, pad_mode):
    waveform = torch.randn(2, 3, 37)
    frames = stft.frame(waveform, n_fft, hop_length, pad_mode=pad_mode)
    width = n_fft // 2
    padded = np.pad(waveform.numpy(), [(0, 0), (0, 0), (width, width)], PAD_MODES[pad_mode])
    starts = range(0, padded.shape[-1] - n_fft + 1, hop_length)
    expected = np.stack([padded[..., start : start + n_fft] for start in starts], axis=2)
    assert torch.equal(frames, torch.from_numpy(expected))


def test_frames_share_memory():
    frames = stft.frame(torch.randn(1, 1, 4096), 1024, 256)
    assert frames.untyped_storage().nbytes() == 4 * (4096 + 1024)


@pytest.mark.parametrize("time", [1, 7, 8])
def test_too_short_for_a_reflection_is_padded_with_zeros(time):
    waveform = torch.randn(1, 1, time)
    frames = stft.frame(waveform, 16, 4)
    assert torch.equal(frames, stft.frame(waveform, 16, 4, pad_mode="constant"))


def test_one_more_sample_is_reflected():
    waveform = torch.arange(1.0, 10.0).reshape(1, 1, 9)
    assert stft.frame(waveform, 16, 4)[0, 0, 0, :9].tolist() == [
        9,
        8,
        7,
        6,
        5,
        4,
        3,
        2,
        1,
    ]


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("n_fft", "hop_length"), [(16, 4), (15, 4), (16, 5)])
def test_frame_lengths_count_the_frames(n_fft, hop_length, center):
    for time in range(1 if center else n_fft, 50):
        frames = stft.frame(torch.zeros(1, 1, time), n_fft, hop_length, center=center)
        lengths = torch.tensor([time])
        count = stft.frame_lengths(lengths, n_fft, hop_length, center)
        assert count.item() == frames.shape[2]


def test_frame_lengths_with_center_are_1_plus_lengths_over_hop():
    lengths = torch.arange(0, 1000)
    assert torch.equal(stft.frame_lengths(lengths, 64, 10), 1 + lengths // 10)


def test_no_frame_without_center_is_an_error():
    with pytest.raises(ValueError, match="at least n_fft = 16 samples without `center`, got 15"):
        stft.frame(torch.zeros(1, 1, 15), 16, 4, center=False)


def test_sine_at_a_bin_has_a_quarter_of_the_frame_as_magnitude():
    n_fft, k = 64, 5
    phase = 2 * torch.pi * k / n_fft * torch.arange(n_fft, dtype=torch.float64)
    window = stft.hann_window(n_fft, n_fft, dtype=torch.float64)
    magnitude = stft.magnitude(stft.spectrum(phase.sin()[None], window), 1.0)[0]
    expected = torch.zeros(n_fft // 2 + 1, dtype=torch.float64)
    expected[[k - 1, k, k + 1]] = torch.tensor([8.0, 16.0, 8.0], dtype=torch.float64)
    torch.testing.assert_close(magnitude, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0])
def test_magnitude_is_the_absolute_value_and_keeps_nan(power):
    spectrum = torch.randn(5, 2, dtype=torch.float64)
    spectrum[0] = 0.0
    expected = torch.view_as_complex(spectrum).abs() ** power
    torch.testing.assert_close(stft.magnitude(spectrum, power), expected)
    spectrum[1, 0] = torch.nan
    assert stft.magnitude(spectrum, power).isnan().tolist() == [False, True] + 3 * [False]


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0])
def test_gradient_of_silence_is_finite(power):
    spectrum = torch.zeros(3, 2, requires_grad=True)
    stft.magnitude(spectrum, power).sum().backward()
    assert torch.equal(spectrum.grad, torch.zeros(3, 2))


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # opcheck's own
@pytest.mark.parametrize("n_fft", [1, 2, 8, 9])
def test_compiled_transform_and_its_gradient_are_the_eager_ones(n_fft):
    signal = torch.randn(2, 3, n_fft, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(_rfft, (signal,))
    torch.autograd.gradcheck(_rfft, (signal,))
    assert torch.equal(_rfft(signal), torch.view_as_real(torch.fft.rfft(signal)))


@pytest.mark.parametrize("size", [7, 8, 9])
def test_an_empty_batch_has_as_many_bins_as_a_full_one(size):
    full = stft._transform(torch.ones(2, 3, size))
    empty = stft._transform(torch.ones(0, 3, size))
    assert empty.shape == (0, *full.shape[1:])
    assert empty.dtype == full.dtype
