"""The peers themselves as oracles: librosa, torchaudio, audiomentations, nnAudio, torchvision.

In float64 where the peer computes in it. Features and filters have such tests of their own, listed
in `test_oracles.py`; here are scales, sizes, levels and edits.
"""

import math

import audiomentations
import librosa
import numpy as np
import pyloudnorm
import pytest
import scipy.fft
import torch
from torchvision.transforms import v2

from augspec import features as F
from augspec import functional as AF
from augspec import transforms as T

pytestmark = pytest.mark.usefixtures("eager_kernels")  # each fact has a shape of its own
RATE = 16_000
NOISE = 0.2 * torch.randn(2, 2, 4000, generator=torch.Generator().manual_seed(0)).double()


def assert_is(ours, theirs, rtol=1e-9, atol=1e-12):
    torch.testing.assert_close(ours, torch.as_tensor(theirs), rtol=rtol, atol=atol)


# librosa


@pytest.mark.parametrize("htk", [True, False])
def test_mels_of_frequencies_are_librosas(htk):
    hz, scale = np.linspace(0.0, 22_050.0, 500), "htk" if htk else "slaney"
    assert_is(AF.hz_to_mel(torch.from_numpy(hz), scale), librosa.hz_to_mel(hz, htk=htk))
    mels = np.linspace(0.0, 60.0, 500)
    assert_is(AF.mel_to_hz(torch.from_numpy(mels), scale), librosa.mel_to_hz(mels, htk=htk))


BANKS = [
    (8000, 256, 20, 0.0, None),
    (16_000, 512, 64, 50.0, 7600.0),
    (44_100, 2048, 128, 20.0, None),
]


@pytest.mark.parametrize(("rate", "n_fft", "n_mels", "f_min", "f_max"), BANKS)
@pytest.mark.parametrize("norm", [None, "slaney"])
@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_filters_are_librosas(rate, n_fft, n_mels, f_min, f_max, norm, scale):
    theirs = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, norm=norm,
        htk=scale == "htk", dtype=np.float64,
    )  # fmt: skip
    ours = AF.mel_filterbank(
        rate, n_fft, n_mels, f_min, f_max, norm, mel_scale=scale, dtype=torch.float64
    )
    assert_is(ours if ours.shape == theirs.shape else ours.T, theirs)


@pytest.mark.parametrize("top_db", [None, 60.0])
@pytest.mark.parametrize("ref", [1.0, 0.3])
def test_decibels_are_librosas(top_db, ref):
    power = torch.rand(1, 1, 20, 30).double() ** 8
    theirs = librosa.power_to_db(power[0, 0].numpy(), ref=ref, top_db=top_db)
    assert_is(AF.amplitude_to_db(power, ref=ref, top_db=top_db)[0, 0], theirs)


def test_decibels_of_amplitudes_relative_to_the_largest_are_librosas():
    size = torch.rand(1, 1, 20, 30).double() + 0.01
    theirs = librosa.amplitude_to_db(size[0, 0].numpy(), ref=np.max, top_db=None)
    assert_is(F.AmplitudeToDB("magnitude", ref="max")(size)[0, 0], theirs)


@pytest.mark.parametrize("size", [3000, 4000, 5001])
def test_a_fixed_length_is_librosas(size):
    theirs = librosa.util.fix_length(NOISE.numpy(), size=size)
    ours = T.Chain([T.PadTo(size), T.CenterCrop(size)]) if size >= 4000 else None
    cut = AF.crop(NOISE, torch.zeros(2, dtype=torch.int64), size)
    assert_is(cut if ours is None else ours(NOISE), theirs, rtol=0, atol=0)


@pytest.mark.parametrize("size", [4000, 4001, 4010, 4011])
def test_padding_in_the_middle_is_librosas(size):
    theirs = librosa.util.pad_center(NOISE.numpy(), size=size)
    assert_is(T.PadTo(size, where="center")(NOISE), theirs, rtol=0, atol=0)


def test_a_peak_of_one_is_librosas_norm():
    theirs = librosa.util.normalize(NOISE[0].flatten().numpy())
    assert_is(T.PeakNormalize(0.0)(NOISE)[0].flatten(), theirs)


@pytest.mark.parametrize("rms_db", [-30.0, -12.0])
def test_the_level_that_was_asked_for_is_librosas_rms(rms_db):
    out = T.RMSNormalize(rms_db)(NOISE[:, :1])[0, 0].numpy()
    rms = librosa.feature.rms(y=out, frame_length=4000, hop_length=4000, center=False)
    assert 20 * math.log10(rms.item()) == pytest.approx(rms_db, abs=1e-5)


def test_mono_is_librosas():
    assert_is(T.ToMono()(NOISE)[0, 0], librosa.to_mono(NOISE[0].numpy()))


@pytest.mark.parametrize("mu", [255, 63])
def test_mu_law_there_and_back_is_librosas_curve_in_steps(mu):
    """Between two steps of the curve lies no more than their distance."""
    wave = librosa.mu_expand(np.linspace(-1.0, 1.0, 5001), mu=mu, quantize=False)
    wave = torch.from_numpy(wave).reshape(1, 1, -1)
    moved = librosa.mu_compress(T.MuLaw(mu + 1)(wave).numpy(), mu=mu, quantize=False)
    given = librosa.mu_compress(wave.numpy(), mu=mu, quantize=False)
    assert np.abs(moved - given).max() <= 1.0 / mu * 1.0001
    # Zero, which lies between two steps, stays zero: silence makes no noise.
    assert len(np.unique(moved[moved != 0].round(9))) == mu + 1


@pytest.mark.parametrize("semitones", [-12.0, -1.0, 7.0])
def test_a_pitch_moves_by_the_interval_that_midi_counts(semitones):
    shift = T.PitchShift(semitones, sample_rate=RATE)
    pitch = torch.tensor([60.0, 69.0])
    moved = shift.targets({"pitch": pitch}, shift.make_params(NOISE))["pitch"].numpy()
    ratio = librosa.midi_to_hz(moved) / librosa.midi_to_hz(pitch.numpy())
    np.testing.assert_allclose(ratio, 2 ** (semitones / 12), rtol=1e-6)


@pytest.mark.parametrize("bin_", [0, 17, 40])
def test_a_tone_of_librosas_frequency_is_largest_in_its_bin(bin_):
    freq = librosa.cqt_frequencies(48, fmin=librosa.note_to_hz("C2"), bins_per_octave=12)[bin_]
    wave = torch.sin(2 * math.pi * freq * torch.arange(2.0 * RATE) / RATE).reshape(1, 1, -1)
    cqt = F.CQT(RATE, 256, f_min=float(librosa.note_to_hz("C2")), n_bins=48)
    assert (cqt(wave)[0, 0, :, 40:-40].argmax(0) == bin_).all()


@pytest.mark.parametrize("frame", [5, 11, 20])
def test_a_click_is_loudest_in_the_frame_that_librosa_names(frame):
    sample = int(librosa.frames_to_samples(frame, hop_length=160))
    click = torch.zeros(1, 1, 4000)
    click[..., sample] = 1.0
    assert F.Spectrogram(n_fft=512, hop_length=160)(click)[0, 0].sum(0).argmax() == frame


def test_frames_are_as_many_as_librosa_times():
    for time in (1, 159, 160, 161, 4000):
        frames = librosa.util.frame(
            np.pad(np.zeros(time), 256), frame_length=512, hop_length=160
        ).shape[1]
        assert F.Spectrogram(n_fft=512, hop_length=160)(torch.zeros(1, 1, time)).shape[-1] == frames


# torchaudio


def test_gains_in_decibels_are_torchaudios(torchaudio):
    vol = torchaudio.transforms.Vol(-7.3, gain_type="db")
    assert_is(T.Gain(-7.3)(NOISE), vol(NOISE), rtol=1e-6)


@pytest.mark.parametrize("ragged", [False, True])
def test_noise_at_a_ratio_is_torchaudios(ragged, torchaudio):
    waveform, noise = NOISE[:, :1], torch.randn(2, 1, 4000).double()
    snr_db = torch.tensor([3.0, 17.0]).double()
    lengths = torch.tensor([4000, 2500]) if ragged else None
    theirs = torchaudio.functional.add_noise(
        waveform[:, 0], noise[:, 0], snr_db, None if lengths is None else lengths
    )
    ours = AF.add_noise(waveform, noise, snr_db, lengths)[:, 0]
    end = torch.tensor([4000, 2500 if ragged else 4000])
    inside = torch.arange(4000) < end[:, None]
    assert_is(ours[inside], theirs[inside])


@pytest.mark.parametrize("taps", [1, 40, 4000])
def test_a_convolution_is_the_beginning_of_torchaudios(taps, torchaudio):
    response = torch.randn(taps).double()
    theirs = torchaudio.functional.convolve(NOISE, response.expand(2, 2, -1))[..., :4000]
    assert_is(AF.convolve(NOISE, response), theirs, atol=1e-10)


def test_a_biquad_is_torchaudios(torchaudio):
    b = torch.tensor([0.2, 0.3, 0.1]).double()
    a = torch.tensor([1.0, -0.9, 0.4]).double()
    theirs = torchaudio.functional.lfilter(NOISE, a, b, clamp=False)
    assert_is(AF.biquad(NOISE, b.expand(2, 3), a.expand(2, 3)), theirs)


@pytest.mark.parametrize("n_mfcc", [13, 40])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_the_cosine_transform_is_that_of_scipy_which_librosa_takes(n_mfcc, norm):
    """torchaudio's is the same in float32."""
    ours = AF.dct_matrix(n_mfcc, 64, norm, dtype=torch.float64)
    theirs = scipy.fft.dct(np.eye(64), norm=norm)[:, :n_mfcc]
    assert_is(ours if ours.shape == theirs.shape else ours.T, theirs)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_loudness_is_torchaudios_within_a_tenth(rate, torchaudio):
    """torchaudio's filters are those of the standard at 48 kHz for every rate but nearly so."""
    wave = 0.1 * torch.randn(1, 2, 2 * rate).double()
    theirs = torchaudio.functional.loudness(wave, rate)
    assert AF.loudness(wave, rate).item() == pytest.approx(theirs.item(), abs=0.1)


@pytest.mark.parametrize("rates", [(16_000, 8000), (8000, 16_000), (44_100, 16_000)])
def test_resampling_is_torchaudios_best_within_a_thousandth(rates, torchaudio):
    """Of sounds that both rates hold; its kernel is 64 zero crossings wide."""
    time = torch.arange(rates[0]).double() / rates[0]
    wave = sum(torch.sin(2 * math.pi * f * time + f) for f in (110.0, 997.0, 3100.0))
    theirs = torchaudio.functional.resample(
        wave, *rates, lowpass_filter_width=64, rolloff=0.99, resampling_method="sinc_interp_kaiser"
    )
    ours = AF.resample_rate(wave.reshape(1, 1, -1), *rates)[0, 0]
    inner = slice(len(theirs) // 4, 3 * len(theirs) // 4)
    assert (ours[inner] - theirs[inner]).abs().max() < 3e-3


@pytest.mark.parametrize("axis", ["time", "freq"])
def test_a_mask_is_one_span_as_torchaudios(axis, torchaudio):
    """Same kind of hole: one span, of no more than its width, over all of the other axis."""
    specgram = torch.rand(100, 1, 30, 40) + 1.0
    ours = (T.TimeMask if axis == "time" else T.FrequencyMask)(12, mask_value=0.0)(specgram)
    theirs = torch.stack(
        [torchaudio.functional.mask_along_axis(one, 13, 0.0, 2 if axis == "time" else 1)
         for one in specgram]
    )  # fmt: skip
    for masked in (ours == 0, theirs == 0):
        line = masked.all(2 if axis == "time" else 3).squeeze(1)
        assert torch.equal(masked.any(2 if axis == "time" else 3).squeeze(1), line)
        assert (line.int().diff(dim=1) == 1).sum(1).max() <= 1
        assert line.sum(1).max() == 12


# audiomentations, with settings that leave nothing to chance

SAME = {
    "Gain": (audiomentations.Gain(-4.0, -4.0, p=1.0), T.Gain(-4.0)),
    "PolarityInversion": (audiomentations.PolarityInversion(p=1.0), T.PolarityInversion()),
    "Reverse": (audiomentations.Reverse(p=1.0), T.TimeReverse()),
    "Normalize": (audiomentations.Normalize(p=1.0), T.PeakNormalize(0.0)),
    "Clip": (audiomentations.Clip(-0.25, 0.25, p=1.0), T.Clip(20 * math.log10(0.25))),
    "Padding to": (
        audiomentations.AdjustDuration(duration_samples=5000, padding_position="end", p=1.0),
        T.PadTo(5000),
    ),
    "Padding before": (
        audiomentations.AdjustDuration(duration_samples=5000, padding_position="start", p=1.0),
        T.PadTo(5000, where="start"),
    ),
    "TanhDistortion": (audiomentations.TanhDistortion(0.4, 0.4, p=1.0), T.TanhDistortion(0.4)),
    "Shift": (
        audiomentations.Shift(0.25, 0.25, rollover=True, fade_duration=0.0, p=1.0),
        T.Shift(0.25, fade=0.0),
    ),
    "Shift out": (
        audiomentations.Shift(-0.5, -0.5, rollover=False, fade_duration=0.0, p=1.0),
        T.Shift(-0.5, rollover=False, fade=0.0),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_without_chance_it_is_audiomentations(name):
    theirs, ours = SAME[name]
    given = NOISE[0].float()
    made = theirs(given.numpy().copy(), sample_rate=RATE)
    assert_is(ours(given[None])[0], made.copy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lufs", [-30.0, -16.0])
def test_a_loudness_is_that_of_pyloudnorm(lufs):
    wave = 0.05 * torch.randn(1, 2, 48_000).double()
    out = T.LoudnessNormalize(lufs, sample_rate=48_000)(wave)
    meter = pyloudnorm.Meter(48_000, filter_class="DeMan")
    assert meter.integrated_loudness(out[0].T.numpy()) == pytest.approx(lufs, abs=0.01)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_loudness_of_noise_in_bursts_is_pyloudnorms(channels):
    wave = 0.1 * torch.randn(1, channels, 3 * 48_000).double()
    wave[..., 48_000:72_000] *= 1e-4  # below the gates
    wave[..., 100_000:] *= 0.2
    theirs = pyloudnorm.Meter(48_000, filter_class="DeMan").integrated_loudness(wave[0].T.numpy())
    assert AF.loudness(wave, 48_000).item() == pytest.approx(theirs, abs=0.01)


# torchvision


@pytest.mark.parametrize("sizes", [(10, 4), (11, 5), (13, 2)])
def test_a_centre_crop_is_torchvisions_but_for_half_a_sample(sizes):
    time, size = sizes
    place = torch.arange(float(time)).reshape(1, 1, -1)
    theirs = v2.CenterCrop((1, size))(place[None])[0]
    assert (T.CenterCrop(size)(place) - theirs).abs().max() <= (time - size) % 2


def test_given_statistics_are_taken_off_as_torchvision_does():
    specgram = torch.randn(3, 1, 20, 30).double()
    theirs = v2.Normalize([-0.7], [2.5])(specgram)
    assert_is(F.Normalize(-0.7, 2.5)(specgram), theirs)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_a_flip_that_never_or_always_happens_is_torchvisions(p):
    theirs = v2.RandomHorizontalFlip(p)(NOISE)
    assert torch.equal(T.TimeReverse(p=p)(NOISE), theirs)


def test_one_hot_targets_are_mixed_as_torchvision_mixes_them():
    """The same weights, for the partners that it takes: the batch moved by one."""
    label = torch.eye(4)
    params = T.Mixup().make_params(torch.zeros(4, 1, 10))
    params["partner"], params["lam"] = torch.tensor([3, 0, 1, 2]), torch.full((4,), 0.3)
    theirs = label.roll(1, 0).mul(1 - 0.3).add(label.mul(0.3))
    assert_is(T.Mixup().targets({"label": label}, params)["label"], theirs, rtol=1e-6)
