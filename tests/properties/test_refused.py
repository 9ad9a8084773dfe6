"""Settings that property tests found to raise something else, nothing, or no name."""

from inspect import signature

import pytest
import torch
from public import classes

from augspec import features as F
from augspec import functional
from augspec import transforms as T
from augspec.testing.case import takes_specgram
from augspec.transforms.declare import Number

HUGE = 10**400  # an integer that no float holds
OF_A_RATE = [
    kind for kind in classes(T) + classes(F) if "sample_rate" in signature(kind).parameters
]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Gain(HUGE), "`gain_db` must be a finite number, got 1000"),
        (lambda: T.LowPass(9.0, sample_rate=HUGE), "`sample_rate` must be at most 100000000 Hz"),
        (
            lambda: T.PacketLoss(sample_rate=9),
            "`packet_duration` must be at least a sample at 9 Hz",
        ),
        (lambda: T.Resample(HUGE, 8000), "`orig_freq` must be at most 100000000 Hz, got 1000"),
        (lambda: T.RandomCrop(2**63), "`size` must be a positive number of samples"),
        (lambda: T.PitchShift(n_fft=2**40), "`n_fft` must be at most 1048576"),
        (lambda: T.Clip(relative=torch.zeros(2)), "`relative` must be True or False"),
        (lambda: T.TimeStretch(keep_length="yes"), "`keep_length` must be True or False"),
        (lambda: T.Chain(5), "`transforms` must be a list of transforms, got int"),
        (lambda: T.Chain(torch.tensor(0.5)), "`transforms` must be a list of .*, got Tensor"),
        (lambda: T.LowPass(8e-300, sample_rate=16_000), "`cutoff_freq` must lie above 0"),
        (lambda: T.TimeMask(8, mask_value=1e300), "`mask_value` must be a number of float32"),
        (lambda: T.Repeat(T.Gain(), 10**9), "`times` must be at most 1000"),
        (lambda: T.RandAugment([T.Gain()], n=2**40), "`n` must be at most 1000"),
        (lambda: T.OneOf([T.Gain()], weights=3), "`weights` must be 1 numbers"),
        (lambda: T.OneOf([T.Gain()], weights=["x"]), "`weights` must be 1 numbers"),
        (lambda: T.Codec(16_000, formats=5), "`formats` must be one or more of"),
        (lambda: T.Codec(16_000, formats=[{}]), "`formats` must be one or more of"),
        (lambda: T.Codec(None), "`sample_rate` must be a positive number of Hz"),
        (lambda: T.SpecAugment({}), "`policy` must be"),
        (lambda: T.Schedule(T.Gain(), {1: [], "a": []}), "`settings` must have `p`, `magnitude`"),
        (lambda: T.Schedule(T.Gain(), {"p": [(HUGE, 1.0)]}), "`settings` must have whole epochs"),
        (lambda: T.Compressor(sample_rate=9, knee_db=1e30), "`knee_db` must lie in"),
        (lambda: T.ShortNoises(sample_rate=999, fade=1e30), "`fade` must lie in"),
        (lambda: F.Spectrogram(n_fft=512.0), "`n_fft` must be a whole number"),
        (lambda: F.Spectrogram(n_fft="512"), "`n_fft` must be a whole number"),
        (lambda: F.Spectrogram(hop_length=64.5), "`hop_length` must be a whole number"),
        (lambda: F.Spectrogram(power=None), "`power` must be positive, got None"),
        (lambda: F.Spectrogram(power=1000.0), "`power` must be at most 10, got 1000"),
        (lambda: F.Spectrogram(center="yes"), "`center` must be True or False"),
        (lambda: F.MelSpectrogram(n_mels=3.5), "`n_mels` must be a whole number"),
        (lambda: F.MelSpectrogram(f_max=float("nan")), "`f_max` must be a finite number"),
        (lambda: F.MelSpectrogram(sample_rate=float("nan")), "`sample_rate` must be a positive"),
        (lambda: F.MFCC(melkwargs=5), "`melkwargs` must be a mapping, got int"),
        (lambda: F.MFCC(melkwargs={1: 2}), "`melkwargs` must have names of arguments as keys"),
        (lambda: F.MFCC(melkwargs={"wkwargs": 1}), "`melkwargs` must have .* takes n_fft, "),
        (lambda: F.MFCC(melkwargs={"sample_rate": 1}), "`melkwargs` must have .* takes n_fft, "),
        (lambda: F.PCEN(n_mels=40, gain="x"), "`gain` must be a finite number"),
        (lambda: F.Delta(order=None), "`order` must be a whole number or a sequence of them"),
        (lambda: F.Normalize("x", 1.0), "`mean` must be one finite number"),
        (lambda: F.Normalize([0, 1], 1)(torch.ones(1, 1, 3, 4)), "`specgram` must have 2 bins"),
        (lambda: F.CQT(n_bins=10**9), "`n_bins` must be at most 4096"),
        (lambda: F.CQT(f_min=1e-30), "`filter_scale` must make filters that fit into memory"),
        (lambda: F.CQT(bins_per_octave=10**17), "`bins_per_octave` must be at most 4096"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize("name", ["mp3", "vorbis"])
def test_sound_far_beyond_full_scale_is_encoded(name):
    """LAME ends the process over amplitudes of 1e15; the level comes back as it was."""
    tone = torch.sin(torch.arange(8000) * 0.1)[None, None]
    loud, plain = (
        functional.codec(sound, torch.tensor([0]), torch.tensor([0.5]), 16_000, formats=(name,))
        for sound in (tone * 1e30, tone / tone.abs().max())
    )
    assert torch.allclose(loud / (1e30 * tone.abs().max()), plain, atol=1e-5)


def test_a_long_burst_costs_no_more_than_the_example():
    """An hour of noise in 64 bursts would be 15 TB; only what is heard is made."""
    bursts = T.ShortNoises(0.0, 64, 3600.0, sample_rate=16_000)
    noisy = bursts(torch.ones(1, 1, 400))
    assert noisy.isfinite().all()
    assert (noisy != 1.0).any()


@pytest.mark.parametrize("argument", ["frame_length", "frame_shift"])
@pytest.mark.parametrize("value", [1e-3, 2e8, 1e308])
def test_a_frame_of_kaldi_is_refused_by_its_own_name(argument, value):
    """What its milliseconds make, `n_fft` samples, is no argument of the class."""
    with pytest.raises(ValueError, match=f"`{argument}` must be [12] to .* samples, got"):
        F.Fbank(**{argument: value})


def test_a_faint_example_is_normalised():
    """Of 1e-30 the gain is 1e30, whose square no float32 holds; the gradient is of the gain."""
    faint = torch.full((1, 1, 4), 1e-30).requires_grad_()
    loud = T.PeakNormalize(0.0)(faint)
    assert torch.allclose(loud, torch.ones(1, 1, 4))
    (gradient,) = torch.autograd.grad(loud.sum(), faint)
    assert gradient.isfinite().all()


@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.filterwarnings("ignore:.*mel filters lie between:UserWarning")
@pytest.mark.parametrize("rate", [1, 7, 400, 1_000_000])
@pytest.mark.parametrize("kind", OF_A_RATE)
def test_a_rate_is_refused_at_once_or_runs(kind, rate):
    """Whatever else is set, each number at an end of its range."""
    example = kind.example()
    given = {name: getattr(example, name) for name in signature(kind).parameters}
    ends = [
        {name: end}
        for name, field in getattr(kind, "fields", {}).items()
        if isinstance(check := getattr(field, "checked_by", None), Number)
        for end in (check.at_least, check.at_most)
    ]
    for end in ({}, *ends):
        try:
            made = kind(**{**given, "sample_rate": rate, **end})
        except ValueError:
            continue
        batch = torch.rand((2, 1, 24, 5) if takes_specgram(made) else (2, 1, 300))
        assert made(batch).isfinite().all()
