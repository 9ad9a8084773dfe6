"""Every class of the library, found rather than listed, passes every check that applies to it."""

import inspect

import pytest
import torch

from augspec import features as F
from augspec import testing
from augspec import transforms as T
from augspec.bank import example_bank
from augspec.testing.case import make_case
from augspec.testing.numbers import compiles_with


def classes(module):
    found = (getattr(module, name) for name in module.__all__)
    return [kind for kind in found if inspect.isclass(kind) and not inspect.isabstract(kind)]


CATALOGUE = {kind.__name__: kind.example() for kind in classes(T) + classes(F)}
# Settings that lead another way through the code than those of `example()`.
CATALOGUE |= {
    "PitchShift, formants kept": T.PitchShift((-3.0, 3.0), preserve_formants=True, n_fft=256),
    "PitchAndTempo, longer": T.PitchAndTempo((-3.0, 3.0), keep_length=False, n_fft=256, p=0.5),
    "TimeStretch, longer": T.TimeStretch((0.8, 1.25), keep_length=False, n_fft=256, p=0.5),
    "Speed, longer": T.Speed((0.8, 1.25), keep_length=False, p=0.5),
    "Gain, per channel": T.Gain(p=0.5, per_channel=True),
    "PeakNormalize, per channel": T.PeakNormalize((-9.0, 0.0), per_channel=True, p=0.5),
    "RMSNormalize, in eval": T.RMSNormalize((-30.0, -10.0), per_channel=True, in_eval=True),
    "LoudnessNormalize, per channel": T.LoudnessNormalize(sample_rate=16_000, per_channel=True),
    "Compressor, relative": T.Compressor(
        sample_rate=16_000, relative=True, mix=(0.0, 1.0), knee_db=0.0, per_channel=True, p=0.5
    ),
    "Limiter, relative": T.Limiter(sample_rate=16_000, relative=True, per_channel=True, p=0.5),
    "Clip, relative": T.Clip(relative=True, per_channel=True, p=0.5),
    "ClippingDistortion, per channel": T.ClippingDistortion(per_channel=True, p=0.5),
    "TanhDistortion, mixed": T.TanhDistortion(mix=(0.0, 1.0), per_channel=True, p=0.5),
    "BitCrush, mixed": T.BitCrush(mix=(0.0, 1.0), per_channel=True, p=0.5),
    "MuLaw, per channel": T.MuLaw((4, 300), per_channel=True, p=0.5),
    "Aliasing, mixed": T.Aliasing(
        (2_000, 9_000), sample_rate=16_000, mix=(0.0, 1.0), per_channel=True, p=0.5
    ),
    "GainTransition, per channel": T.GainTransition(per_channel=True, p=0.5),
    "PadTo, start": T.PadTo(3000, where="start"),
    "PadTo, center": T.PadTo(1000, where="center"),
    "Shift, silence": T.Shift(
        (-0.1, 0.1), unit="seconds", sample_rate=16_000, rollover=False, p=0.5
    ),
    "Shift, per channel": T.Shift(per_channel=True, p=0.5),
    "Mute, per channel": T.Mute(fade=0.0, per_channel=True, p=0.5),
    "RepeatPart, replace": T.RepeatPart(mode="replace", p=0.5),
    "ChannelDrop, some": T.ChannelDrop((0, 2), p=0.5),
    "Chain, to mono": T.Chain([T.Gain(per_channel=True), T.ToMono(), T.Gain(per_channel=True)]),
    "Chain, stretched and cut": T.Chain(
        [T.TimeStretch((0.8, 1.25), n_fft=256), T.RandomCrop(2000), T.Gain(p=0.5)]
    ),
    "SomeOf, spectrograms": T.SomeOf([T.TimeMask(9), T.FrequencyMask(4)], k=(1, 2), p=0.5),
    "Chain, two masks": T.Chain([T.TimeMask(9), T.TimeMask(9)]),
    "MixBackground, soft": T.MixBackground(labels="soft", p=0.5),
    "SpecAugment, several": T.SpecAugment("SS", max_warp=8, max_time_width=12, p=0.5),
    "Cutout, several": T.Cutout(6, 9, n_masks=3, mask_value="min", p=0.5),
    "FilterAugment, steps": T.FilterAugment(n_bands=4, mode="step", stype="power", p=0.5),
    "Delta, one": F.Delta(5, mode="nearest"),
    "Normalize, data set": F.Normalize(-40.0, 15.0),
    "LowPass, odd and mixed": T.LowPass(
        (20.0, 7000.0), sample_rate=16_000, order=5, mix=(0.0, 1.0), p=0.5, per_channel=True
    ),
    "RandomEQ, per channel": T.RandomEQ(3, sample_rate=16_000, per_channel=True),
    "ColoredNoise, per channel": T.ColoredNoise(p=0.5, per_channel=True),
    "BackgroundNoise, per channel": T.BackgroundNoise(example_bank(), p=0.5, per_channel=True),
    "ShortNoises, from a bank": T.ShortNoises(bank=example_bank(), sample_rate=16_000),
    "ImpulseResponse, as it is": T.ImpulseResponse(
        example_bank(), mix=(0.2, 0.8), align=False, keep_level=False, p=0.5, per_channel=True
    ),
    "RoomReverb, per channel": T.RoomReverb(0.2, sample_rate=16_000, p=0.5, per_channel=True),
}
# One class a family: compiling for real takes seconds each.
COMPILED = ["Gain", "RandomCrop", "Speed", "TimeStretch", "VTLP", "TimeMask", "LogMelSpectrogram"]
COMPILED += ["OneOf"]
COMPILED += ["LoudnessNormalize", "Compressor", "TanhDistortion", "RepeatPart", "ChannelShuffle"]
COMPILED += ["Mixup", "RandomResizeCrop"]
COMPILED += ["LowPass", "WhiteNoise", "RoomReverb"]
ALL = [(name, check) for name, made in CATALOGUE.items() for check in testing.checks_for(made)]


@pytest.fixture(autouse=True)
def _eager_kernels(monkeypatch):
    """Checks use many shapes: kernels that compile themselves would compile for each."""
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")


@pytest.mark.parametrize(("name", "check"), ALL)
def test_catalogue(name, check):
    testing.run_check(check, CATALOGUE[name])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", CATALOGUE)
def test_catalogue_on_a_gpu(name):
    testing.check_transform(CATALOGUE[name], device="cuda")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex")
@pytest.mark.parametrize("name", COMPILED)
def test_inductor_gives_what_eager_mode_gives(name):
    compiles_with(make_case(CATALOGUE[name]))
