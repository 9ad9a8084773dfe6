"""What is seen and heard."""

import io

import numpy as np
import pytest
import soundfile
import torch
from matplotlib import image

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.explore.render import render
from augspec.explore.server import Store

RATE = 16_000
TONE = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(RATE) / RATE)[None]
FEATURE = F.LogMelSpectrogram(RATE, n_fft=512, hop_length=256, n_mels=40)


def heard(version):
    samples, rate = soundfile.read(io.BytesIO(version.sound), always_2d=True)
    return samples.T, rate


def pixels(version):
    return image.imread(io.BytesIO(version.picture))


def test_the_original_is_first_and_untouched():
    versions = render(augspec.Frontend(T.Gain(-6.0), FEATURE), TONE, (RATE, RATE), 0, 2)
    assert len(versions) == 3
    assert versions[0].about == ""
    np.testing.assert_allclose(heard(versions[0])[0], TONE, atol=1 / 32_000)
    np.testing.assert_allclose(heard(versions[1])[0], TONE * 10 ** (-6 / 20), atol=1 / 32_000)
    assert versions[1].about == "Gain: gain_db -6"


def test_a_seed_gives_its_draws_whatever_their_number():
    frontend = augspec.Frontend(T.Chain([T.PitchShift(), T.WhiteNoise()]), FEATURE)
    three, two = (render(frontend, TONE, (RATE, RATE), 5, n) for n in (3, 2))
    assert [v.about for v in three[:3]] == [v.about for v in two]
    assert three[1].sound != three[2].sound
    other = render(frontend, TONE, (RATE, RATE), 6, 2)
    assert other[1].sound != two[1].sound
    assert other[0].sound == two[0].sound


def test_masks_are_seen_and_not_heard():
    mask = T.TimeMask(30, mask_value=100.0)
    versions = render(augspec.Frontend(None, FEATURE, mask), TONE, (RATE, RATE), 0, 1)
    assert versions[0].sound == versions[1].sound
    assert not np.array_equal(pixels(versions[0]), pixels(versions[1]))


def test_the_rate_of_a_resampled_draw_is_its_own():
    chain = T.Resample(RATE, 8_000)
    feature = F.LogMelSpectrogram(8_000, n_fft=256, hop_length=128, n_mels=20)
    versions = render(augspec.Frontend(chain, feature), TONE, (RATE, 8_000), 0, 1)
    assert (heard(versions[0])[1], heard(versions[1])[1]) == (RATE, 8_000)
    assert heard(versions[1])[0].shape == (1, 8_000)


def test_what_would_clip_is_turned_down():
    version = render(augspec.Frontend(T.Gain(12.0), FEATURE), TONE, (RATE, RATE), 0, 1)[1]
    assert version.gain_db == pytest.approx(-6.0, abs=0.05)
    assert np.abs(heard(version)[0]).max() == pytest.approx(1.0, abs=1e-4)


def test_what_is_no_number_is_an_error():
    with pytest.raises(ValueError, match="must be finite"):
        render(augspec.Frontend(None, FEATURE), TONE * float("nan"), (RATE, RATE), 0, 1)


@pytest.mark.parametrize(
    "feature",
    [
        F.Spectrogram(n_fft=256),
        F.MFCC(RATE, n_mfcc=8, melkwargs={"n_mels": 40}),
        F.CQT(RATE, n_bins=24),
    ],
)
def test_every_feature_is_drawn(feature):
    versions = render(augspec.Frontend(T.Gain(), feature), TONE, (RATE, RATE), 0, 1)
    assert pixels(versions[1]).shape[:2] == (455, 572)


def test_stereo_stays_stereo():
    stereo = torch.cat([TONE, 0.1 * TONE])
    versions = render(augspec.Frontend(T.Gain(-6.0), FEATURE), stereo, (RATE, RATE), 0, 1)
    assert heard(versions[1])[0].shape == (2, RATE)


def test_the_store_keeps_the_last_files_under_names_of_their_content():
    store = Store(most=2)
    names = [store.put(content, "wav") for content in (b"a", b"b", b"a", b"c")]
    assert names[0] == names[2]
    assert store.get(names[0]) == b"a"
    assert store.get(names[1]) is None
    assert store.get("../x") is None
