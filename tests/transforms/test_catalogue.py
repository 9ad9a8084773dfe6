"""Every class of the library, found rather than listed, passes every check that applies to it."""

import copy

import pytest
import torch
from devices import on_others
from public import classes

from augspec import features as F
from augspec import params_from_json, params_to_json, testing
from augspec import transforms as T
from augspec.bank import example_bank
from augspec.testing.case import make_case
from augspec.testing.numbers import compiles_with

CATALOGUE = {kind.__name__: kind.example() for kind in classes(T) + classes(F)}
# Settings that lead another way through the code than those of `example()`.
CATALOGUE |= {
    "PitchShift, formants kept": T.PitchShift((-3.0, 3.0), preserve_formants=True, n_fft=256),
    "PitchAndTempo, longer": T.PitchAndTempo((-3.0, 3.0), keep_length=False, n_fft=256, p=0.5),
    "TimeStretch, longer": T.TimeStretch((0.8, 1.25), keep_length=False, n_fft=256, p=0.5),
    "TempoCurve, longer": T.TempoCurve((0.6, 1.5), 2, keep_length=False, n_fft=256, p=0.5),
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
    "MixBackground, several": T.MixBackground(labels="union", num_partners=3, p=0.5),
    "Mixup, several": T.Mixup(num_partners=2, p=0.5),
    "AmbisonicsRotation, all": T.AmbisonicsRotation(
        pitch=(-180.0, 180.0), roll=(-90.0, 90.0), channel_order="fuma", mirror=True, p=0.5
    ),
    "SpecAugment, several": T.SpecAugment("SS", max_warp=8, max_time_width=12, p=0.5),
    "Cutout, several": T.Cutout(6, 9, n_masks=3, mask_value="min", p=0.5),
    "SpecAugment, adaptive": T.SpecAugment(
        "SS", n_time_masks=9, adaptive_width=0.2, adaptive_count=0.2, max_masked=0.3, p=0.5
    ),
    "TimeMask, a part": T.TimeMask(40, max_fraction=0.25, per_channel=True, p=0.5),
    "LinearFade, power": T.LinearFade(stype="power", per_channel=True, p=0.5),
    "FreqMixStyle, some": T.FreqMixStyle(1.0, p=0.5),
    "FilterAugment, steps": T.FilterAugment(n_bands=4, mode="step", stype="power", p=0.5),
    "Delta, one": F.Delta(5, mode="nearest"),
    "Fbank, edges and energy": F.Fbank(
        8000, 16, 20.0, snip_edges=False, use_energy=True, power=1.0, scale=2.0**15
    ),
    "Normalize, per bin": F.Normalize(per_bin=True),
    "Normalize, sliding": F.Normalize(window=9, mean_only=True),
    "Normalize, data set": F.Normalize(-40.0, 15.0),
    "LowPass, odd and mixed": T.LowPass(
        (20.0, 7000.0), sample_rate=16_000, order=5, mix=(0.0, 1.0), p=0.5, per_channel=True
    ),
    "RandomEQ, per channel": T.RandomEQ(3, sample_rate=16_000, per_channel=True),
    "ColoredNoise, per channel": T.ColoredNoise(p=0.5, per_channel=True),
    "BackgroundNoise, per channel": T.BackgroundNoise(example_bank(), p=0.5, per_channel=True),
    "BackgroundNoise, once and through a chain": T.BackgroundNoise(
        example_bank(),
        loop=False,
        noise_transform=T.Chain([T.LowPass((300.0, 4000.0), sample_rate=16_000), T.Gain(p=0.5)]),
        p=0.5,
    ),
    "ShortNoises, through a transform": T.ShortNoises(
        sample_rate=16_000, noise_transform=T.HighPass((300.0, 4000.0), sample_rate=16_000), p=0.5
    ),
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
pytestmark = pytest.mark.usefixtures("eager_kernels")


@pytest.mark.parametrize(("name", "check"), ALL)
def test_catalogue(name, check):
    testing.run_check(check, CATALOGUE[name])


@on_others(*CATALOGUE)
def test_catalogue_on_other_devices(device, name):
    testing.check_transform(CATALOGUE[name], device=device)


@on_others(*CATALOGUE)
def test_other_devices_draw_and_compute_what_the_cpu_does(device, name):
    assert_same_on(device, make_case(CATALOGUE[name]))


def assert_same_on(device, here):
    """Require the draws of the CPU on a device, and from them its results, within rounding."""
    there = here.on(
        module=copy.deepcopy(here.module).to(device),
        batch=here.batch.to(device),
        lengths=here.lengths.to(device),
        keys=here.keys.to(device),
    )
    params = None
    if isinstance(here.module, T.RandomTransform):
        params = here.module.make_params(here.batch, keys=here.keys)
        assert_same_params(there.module.make_params(there.batch, keys=there.keys), params)
    # MPS has no float64. In float32 a few cells may fall on the other side of a comparison.
    for dtype, tolerance in ((torch.float64, 1e-6), (torch.float32, 1e-3)):
        if dtype == torch.float32 or device != "mps":
            expected, ends = compute(here, params, dtype)
            out, its_ends = compute(there, params, dtype)
            assert out.device.type == torch.device(device).type
            assert torch.equal(its_ends.cpu(), ends)
            assert (out.cpu() - expected).norm() <= tolerance * expected.norm()


def compute(case, params, dtype):
    """Run a case by params from the CPU."""
    batch = case.batch.to(dtype)
    if params is None:
        return case.module(batch, case.lengths)
    params = params_from_json(params_to_json(params), device=batch.device)
    return case.module.transform(batch, params, case.lengths)


def assert_same_params(drawn, expected):
    """Require integers, keys and choices to be equal, and real numbers but for a rounding."""
    assert len(drawn) == len(expected)
    for name in expected if isinstance(expected, dict) else range(len(expected)):
        if isinstance(expected[name], torch.Tensor):
            rounding = 1e-6 if expected[name].dtype == torch.float32 else 0.0
            ours = drawn[name].cpu()
            torch.testing.assert_close(ours, expected[name], rtol=rounding, atol=rounding)
        else:
            assert_same_params(drawn[name], expected[name])


@pytest.mark.parametrize("name", ["LowPass", "PitchShift", "OneOf", "WhiteNoise", "MFCC"])
def test_the_comparison_of_devices_holds_for_the_cpu(name):
    assert_same_on("cpu", make_case(CATALOGUE[name]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex")
@pytest.mark.parametrize("name", COMPILED)
def test_inductor_gives_what_eager_mode_gives(name):
    compiles_with(make_case(CATALOGUE[name]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # of torch 2.11's compiler
@pytest.mark.parametrize("name", ["Speed", "RepeatPart", "RandomResizeCrop", "LowPass", "Limiter"])
def test_inductor_gives_the_gradient_that_eager_mode_gives(name):
    case, gradients = make_case(CATALOGUE[name]), []
    for call in (case.module, torch.compile(case.module, dynamic=False)):
        batch = case.batch.clone().requires_grad_()
        out, _ = call(batch, case.lengths, keys=case.keys)
        gradients += torch.autograd.grad(out.square().sum(), batch)
    eager, compiled = gradients
    assert eager.any()
    assert (compiled - eager).abs().max() < 1e-4 * eager.abs().max()
