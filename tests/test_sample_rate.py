"""One sample rate in a front end: what is said agrees, and what has none takes it."""

import copy

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T

pytestmark = pytest.mark.usefixtures("eager_kernels")  # every rate has frames of another size

WAVEFORM = 0.1 * torch.randn(2, 1, 6000, generator=torch.Generator().manual_seed(0))
KEYS = augspec.example_keys(0, 0, range(2))
CLASSES = [T.PitchShift, T.TimeStretch, T.PitchAndTempo, T.FormantShift, T.VTLP]


def features(rate):
    return F.LogMelSpectrogram(rate, n_fft=256, hop_length=128, n_mels=8)


def augment(transform):
    return transform(WAVEFORM, keys=KEYS)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(("rate", "n_fft"), [(8000, 512), (22_050, 1440), (44_100, 2880)])
def test_a_frame_lasts_64_ms_at_any_rate(kind, rate, n_fft):
    assert torch.equal(augment(kind(sample_rate=rate)), augment(kind(n_fft=n_fft)))


@pytest.mark.parametrize("kind", CLASSES)
def test_a_transform_on_its_own_is_for_16_khz(kind):
    assert torch.equal(augment(kind()), augment(kind(n_fft=1024)))


@pytest.mark.parametrize("kind", CLASSES)
def test_in_a_front_end_a_transform_without_a_rate_takes_that_of_the_features(kind):
    frontend = augspec.Frontend(kind(), features(44_100), fuse="never")
    expected = augspec.Frontend(kind(n_fft=2880), features(44_100), fuse="never")
    assert torch.equal(frontend(WAVEFORM, keys=KEYS), expected(WAVEFORM, keys=KEYS))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda own: T.OneOf([T.Chain([own])]),
        lambda own: T.Schedule(own, {"magnitude": [(0, 1.0)]}),
        lambda own: T.TrivialAugment([own]),
        lambda own: T.Chain([T.Repeat(own, 2)]),
    ],
)
def test_a_transform_inside_a_composition_takes_it_too(wrap):
    frontend = augspec.Frontend(wrap(T.PitchShift()), features(44_100))
    expected = augspec.Frontend(wrap(T.PitchShift(n_fft=2880)), features(44_100))
    assert torch.equal(augment(frontend.waveform), augment(expected.waveform))


def test_a_size_that_was_given_stays():
    frontend = augspec.Frontend(T.PitchShift(n_fft=256), features(44_100))
    assert torch.equal(augment(frontend.waveform), augment(T.Chain([T.PitchShift(n_fft=256)])))


def test_features_without_a_rate_leave_it_to_what_says_one():
    shift, low_pass = T.PitchShift(), T.LowPass(3000.0, sample_rate=44_100)
    augspec.Frontend(T.Chain([shift, low_pass]), F.Spectrogram(256))
    assert torch.equal(augment(shift), augment(T.PitchShift(n_fft=2880)))
    nobody = T.PitchShift()
    augspec.Frontend(nobody, F.Spectrogram(256))
    assert torch.equal(augment(nobody), augment(T.PitchShift(n_fft=1024)))


def test_before_a_resampler_the_rate_is_the_one_that_it_takes():
    before, after = T.VTLP(), T.FormantShift()
    early = T.Chain([before, T.LowPass(9000.0, sample_rate=44_100)])
    augspec.Frontend(T.Chain([early, T.Resample(44_100, 16_000), after]), features(16_000))
    assert torch.equal(augment(before), augment(T.VTLP(n_fft=2880)))
    assert torch.equal(augment(after), augment(T.FormantShift(n_fft=1024)))


def bank(rate):
    return augspec.Bank([torch.randn(100)], sample_rate=rate)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (lambda: T.PitchShift(sample_rate=8000), "8000 in PitchShift and 16000 in LogMel"),
        (lambda: T.LowPass(9.0, sample_rate=44_100), "44100 in LowPass and 16000 in LogMel"),
        (lambda: T.BackgroundNoise(bank(8000), 9.0), "8000 in Bank and 16000 in LogMel"),
        (
            lambda: T.Chain(
                [T.OneOf([T.VTLP(sample_rate=8000), T.LowPass(9.0, sample_rate=44_100)])]
            ),
            "8000 in VTLP and 44100 in LowPass",
        ),
        (lambda: T.Resample(44_100, 8000), "8000 in Resample and 16000 in LogMel"),
        (
            lambda: T.Chain([T.VTLP(sample_rate=16_000), T.Resample(44_100, 16_000)]),
            "16000 in VTLP and 44100 in Resample",
        ),
    ],
)
def test_rates_that_differ_are_refused_by_name(waveform, message):
    with pytest.raises(ValueError, match=f"`sample_rate` must be the same .*, got {message}"):
        augspec.Frontend(waveform(), torch.nn.Sequential(features(16_000), F.Normalize()))


def test_a_front_end_that_is_refused_tells_nobody_its_rate():
    shift = T.PitchShift()
    with pytest.raises(ValueError, match="`sample_rate` must be the same"):
        augspec.Frontend(
            T.Chain([shift, T.Resample(44_100, 8000)]),
            features(16_000),
        )
    assert torch.equal(augment(shift), augment(T.PitchShift(n_fft=1024)))


def test_two_front_ends_of_different_rates_cannot_share_a_transform():
    shift = T.PitchShift()
    augspec.Frontend(shift, features(16_000))
    augspec.Frontend(shift, features(16_000))
    with pytest.raises(ValueError, match="PitchShift is 16000 in one front end and would be 44100"):
        augspec.Frontend(shift, features(44_100))
    fixed = T.PitchShift(n_fft=256)
    augspec.Frontend(fixed, features(16_000))
    augspec.Frontend(fixed, features(44_100))


def test_a_rate_that_was_taken_is_copied_and_no_part_of_a_config():
    frontend = augspec.Frontend(T.PitchShift(), features(44_100))
    config = augspec.to_config(frontend)
    (shift,) = config["Frontend"]["waveform"]
    assert shift["PitchShift"]["sample_rate"] is None
    expected = augment(frontend.waveform)
    for other in (copy.deepcopy(frontend), augspec.from_config(config)):
        assert torch.equal(augment(other.waveform), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 0}, "`sample_rate` must be a positive number of Hz, got 0"),
        ({"sample_rate": 44.1}, "`sample_rate` must be a positive number of Hz, got 44.1"),
        ({"sample_rate": 10**8}, "`n_fft` must be"),
        ({"sample_rate": 10**9}, "`sample_rate` must be at most 100000000 Hz"),
    ],
)
def test_a_bad_rate_is_refused_when_the_transform_is_made(settings, message):
    with pytest.raises(ValueError, match=message):
        T.PitchShift(**settings)


COMPOSITIONS = {
    "bare": lambda one: one,
    "Chain": lambda one: T.Chain([T.Gain(), one]),
    "OneOf": lambda one: T.OneOf([T.Gain(), one]),
    "SomeOf": lambda one: T.SomeOf([T.Gain(), one], 1),
    "RandomOrder": lambda one: T.RandomOrder([one]),
    "Repeat": lambda one: T.Repeat(one, 2),
    "Schedule": lambda one: T.Schedule(one, {"p": [(0, 1.0)]}),
    "RandAugment": lambda one: T.RandAugment([one]),
    "TrivialAugment": lambda one: T.TrivialAugment([one]),
    "nested": lambda one: T.Chain([T.OneOf([T.Chain([T.SomeOf([one], 1)])])]),
}


@pytest.mark.parametrize("compose", COMPOSITIONS.values(), ids=COMPOSITIONS)
@pytest.mark.parametrize("make", [T.BackgroundNoise, T.ImpulseResponse])
def test_a_bank_of_another_rate_is_refused_in_every_composition(make, compose):
    features = F.LogMelSpectrogram(16_000, n_mels=40)
    with pytest.raises(ValueError, match="got 8000 in Bank and 16000 in LogMelSpectrogram"):
        augspec.Frontend(compose(make(bank(8000))), features)
    augspec.Frontend(compose(make(bank(16_000))), features)


@pytest.mark.parametrize(
    "make",
    [
        lambda: T.BackgroundNoise(bank(8000), sample_rate=16_000),
        lambda: T.ShortNoises(bank=bank(8000), sample_rate=16_000),
    ],
)
def test_a_bank_of_another_rate_than_its_transform_is_refused_without_a_front_end(make):
    with pytest.raises(ValueError, match="`sample_rate` must be that of `bank`, 8000, got 16000"):
        make()
