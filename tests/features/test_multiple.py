"""Spectrograms of sizes that networks can halve: padded or resized, against NumPy and Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import augspec
from augspec import features as F
from augspec import transforms as T


@pytest.mark.parametrize("shape", [(64, 251), (80, 256), (1, 1), (33, 7)])
@pytest.mark.parametrize("multiple", [32, (1, 14), (16, 1), 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_padding_is_numpys(shape, multiple, dtype):
    specgram = torch.randn(3, 2, *shape, dtype=dtype).transpose(0, 1)  # not contiguous
    by = (multiple, multiple) if isinstance(multiple, int) else multiple
    behind = [-size % own for size, own in zip(shape, by, strict=True)]
    expected = np.pad(
        specgram.cpu().numpy(),
        [(0, 0), (0, 0), (0, behind[0]), (0, behind[1])],
        constant_values=-4.5,
    )
    made = F.ToMultiple(multiple, value=-4.5)(specgram)
    np.testing.assert_array_equal(made.cpu().numpy(), expected)
    assert made.shape[2] % by[0] == made.shape[3] % by[1] == 0


@pytest.mark.parametrize(("shape", "size"), [((64, 251), (64, 256)), ((40, 63), (32, 64))])
def test_resizing_is_pillows_to_the_nearest_multiple(shape, size):
    specgram = torch.randn(1, 1, *shape)
    picture = Image.fromarray(specgram[0, 0].cpu().numpy(), mode=None)
    expected = np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR))
    made = F.ToMultiple(32, how="resize")(specgram)
    np.testing.assert_allclose(made[0, 0].cpu().numpy(), expected, atol=1e-4)


def test_a_size_that_fits_is_left_alone():
    specgram = torch.randn(2, 1, 64, 96)
    for how in ("pad", "resize"):
        assert torch.equal(F.ToMultiple(32, how=how)(specgram), specgram)


def test_what_is_smaller_than_half_a_multiple_becomes_one():
    assert F.ToMultiple(224, how="resize")(torch.randn(1, 1, 40, 63)).shape == (1, 1, 224, 224)
    assert F.ToMultiple((64, 1), how="resize")(torch.randn(1, 1, 5, 63)).shape == (1, 1, 64, 63)


def test_padding_adds_no_frames_and_resizing_counts_them():
    specgram, lengths = torch.randn(3, 1, 40, 63), torch.tensor([63, 20, 0])
    padded, same = F.ToMultiple(32)(specgram, lengths)
    assert padded.shape == (3, 1, 64, 64)
    assert same.tolist() == [63, 20, 0]
    resized, ends = F.ToMultiple(32, how="resize")(specgram, lengths)
    assert resized.shape == (3, 1, 32, 64)
    assert ends.tolist() == [64, 21, 0]  # 20 * 64 / 63 is 20.3


def test_an_empty_batch_has_the_shape():
    for how in ("pad", "resize"):
        assert F.ToMultiple(32, how=how)(torch.zeros(0, 1, 40, 63)).shape[:2] == (0, 1)
    assert F.ToMultiple(32)(torch.zeros(0, 1, 40, 63)).shape == (0, 1, 64, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"multiple": 0}, "`multiple` must be a whole number, 1 or more, got 0"),
        ({"multiple": 32.0}, r"`multiple` must be a whole number or \(bins, frames\), got 32.0"),
        ({"multiple": (32, 32, 32)}, "`multiple` must be a whole number or"),
        ({"multiple": 10**9}, "`multiple` must be at most 4096"),
        ({"multiple": 32, "how": "crop"}, "`how` must be 'pad' or 'resize', got 'crop'"),
        ({"multiple": 32, "value": float("nan")}, "`value` must be a finite number"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        F.ToMultiple(**arguments)


# Each as timm makes it, and of what its input must be a multiple.
MODELS = [
    ("test_maxvit", {"img_size": (64, 256)}, (64, 256), "pad"),
    ("maxvit_rmlp_pico_rw_256", {"depths": (1, 1, 1, 1)}, 256, "resize"),
    ("coat_tiny", {"img_size": (64, 256)}, (64, 256), "pad"),
    ("hrnet_w18_small", {}, 32, "pad"),
    ("hrnet_w18_small", {}, 32, "resize"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arguments", "multiple", "how"), MODELS)
def test_maxvit_coat_and_hrnet_take_it(name, arguments, multiple, how):
    """None of them takes the log-mel of four seconds, 64 x 251, as it is."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model(name, in_chans=1, num_classes=3, **arguments)
    feature = nn.Sequential(
        F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=64), F.Normalize(-40.0, 40.0)
    )
    frontend = augspec.Frontend(T.Gain(), feature.append(F.ToMultiple(multiple, how=how)))
    waveform = torch.randn(2, 1, 64_000)
    specgram = frontend(waveform)
    logits = model(specgram.to(next(model.parameters()).device))
    assert logits.shape == (2, 3)
    logits.square().sum().backward()
    with pytest.raises((RuntimeError, AssertionError, ValueError)):
        model(torch.randn(2, 1, 64, 251))


def test_labels_of_frames_are_not_moved_by_guess():
    """Frames behind it are others than those of the sound: a crop before it moves labels still."""
    frontend = augspec.Frontend(
        T.RandomCrop(2_000),
        nn.Sequential(F.LogMelSpectrogram(n_fft=256, n_mels=20), F.ToMultiple(32)),
        T.FrequencyMask(4),
    )
    waveform, frames = torch.randn(4, 1, 4_000), torch.eye(4)[None].repeat(4, 1, 1)
    params = frontend.make_params(waveform)
    moved = frontend.targets({"frames": frames}, params, time=4_000)["frames"]
    assert moved.shape == (4, 4, 2)
    frontend.specgram = T.Chain([T.TimeWarp(2)])
    params = frontend.make_params(waveform)
    with pytest.raises(ValueError, match="`frames`, which TimeWarp moves"):
        frontend.targets({"frames": frames}, params, time=4_000)
