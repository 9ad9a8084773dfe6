"""The door: no autocast and no half precision inside, whatever is entered."""

import pickle

import pytest
import torch

import augspec
from augspec import features as F
from augspec import functional
from augspec import transforms as T
from augspec._door import as_entrance, enter, without_autocast
from augspec._torch import COMPILES_WHOLE
from augspec.testing import run_check

RATE = 16_000
LOG_MEL = F.LogMelSpectrogram(RATE, n_fft=512, hop_length=128, n_mels=40)
HALVES = [torch.float16, torch.bfloat16]


def note(batch=4, time=9000):
    """Notes with an attack, quiet enough that half precision loses their power."""
    t = torch.arange(time) / RATE
    level = 1e-3 * torch.exp(-8.0 * (t - 0.1).clamp(min=0.0)) * (t > 0.1)
    freq = 220.0 * (1 + torch.arange(batch))[:, None, None]
    return level * torch.sin(2 * torch.pi * freq * t)


COMPOSITIONS = {
    "chain": T.Chain([T.PitchShift((-2.0, 2.0)), T.HighPass((100.0, 500.0), sample_rate=RATE)]),
    "one_of": T.OneOf([T.TimeStretch((0.8, 1.2)), T.Gain((-6.0, 6.0))]),
    "some_of": T.SomeOf([T.LowPass((500.0, 2000.0), sample_rate=RATE), T.Gain(-3.0)], 1),
    "random_order": T.RandomOrder([T.PeakNormalize(-3.0), T.MuLaw()]),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_autocast_changes_nothing_in_compositions(name):
    run_check("autocast_changes_nothing", COMPOSITIONS[name], batch=note())


def frontends():
    waveform = T.Chain([T.TimeStretch((0.8, 1.25)), T.PitchShift((-2.0, 2.0)), T.Gain((-6, 6))])
    return {
        "fused": augspec.Frontend(waveform, LOG_MEL, T.TimeMask(8)),
        "apart": augspec.Frontend(waveform, LOG_MEL, T.TimeMask(8), fuse="never"),
        "plain": augspec.Frontend(features=LOG_MEL).eval(),
        "mfcc": augspec.Frontend(waveform, F.MFCC(RATE, melkwargs={"n_mels": 40})),
        "cqt": augspec.Frontend(waveform, torch.nn.Sequential(F.CQT(RATE), F.AmplitudeToDB())),
    }


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", frontends())
def test_autocast_changes_nothing_in_front_ends(name, dtype):
    frontend, waveform = frontends()[name], note()
    keys = augspec.example_keys(0, 0, range(len(waveform)))
    expected = frontend(waveform, keys=keys)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(frontend(waveform, keys=keys), expected)


def test_autocast_does_not_silence_long_backgrounds():
    # The energy of more than 65,504 samples of about one is no number of half precision.
    waveform = torch.randn(4, 1, 70_000)
    mix, keys = T.MixBackground(0.0), augspec.example_keys(0, 0, range(4))
    expected = mix(waveform, keys=keys)
    assert not torch.equal(expected, waveform)
    with torch.autocast("cpu", dtype=torch.float16):
        assert torch.equal(mix(waveform, keys=keys), expected)


def parameter(low, high, batch=4):
    return torch.linspace(low, high, batch)


CALLS = {
    "mix_background": lambda x: functional.mix_background(
        x, torch.arange(len(x)).roll(1), parameter(-3.0, 3.0)
    ),
    "pitch_shift": lambda x: functional.pitch_shift(x, parameter(-2.0, 2.0)),
    "time_stretch": lambda x: functional.time_stretch(x, parameter(0.8, 1.2)),
    "speed": lambda x: functional.speed(x, parameter(0.8, 1.2)),
    "resample": lambda x: functional.resample(x, parameter(0.8, 1.2)),
    "resample_rate": lambda x: functional.resample_rate(x, 16_000, 11_025),
    "formant_shift": lambda x: functional.formant_shift(x, parameter(-2.0, 2.0)),
    "vtlp": lambda x: functional.vtlp(x, parameter(0.9, 1.1)),
    "low_pass": lambda x: functional.low_pass(x, parameter(200.0, 900.0), sample_rate=RATE),
    "loudness": lambda x: functional.loudness(x, RATE),
    "rms_normalize": lambda x: functional.rms_normalize(x, parameter(-30.0, -10.0)),
    "convolve": lambda x: functional.convolve(x, torch.ones(50)),
    "limiter": lambda x: functional.limiter(
        x, parameter(-70.0, -50.0), parameter(0.01, 0.02), parameter(0.1, 0.2), sample_rate=RATE
    ),
    "spectrum": lambda x: functional.spectrum.spectrum(
        functional.spectrum.frame(x, 512, 128), functional.spectrum.hann_window(512, 512)
    ),
    "pcen": lambda x: functional.pcen(x.square(), 0.1),
    "delta": lambda x: functional.delta(x),
    "standardize": lambda x: functional.scale.standardize(x),
}


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", CALLS)
def test_autocast_changes_nothing_in_public_functions(name, dtype):
    waveform = note()
    expected = CALLS[name](waveform)
    with torch.autocast("cpu", dtype=dtype):
        out = CALLS[name](waveform)
    assert torch.equal(out, expected)


def test_every_public_function_is_an_entrance():
    checks = {"check_waveform", "check_specgram", "compute_dtype"}
    for name in set(functional.__all__) - checks:
        assert hasattr(getattr(functional, name), "__wrapped__"), name


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(
    "name", ["mix_background", "rms_normalize", "convolve", "pitch_shift", "low_pass", "delta"]
)
def test_functions_compute_half_precision_in_float32(name, dtype):
    waveform = (1000.0 * note()).to(dtype)
    out = CALLS[name](waveform)
    assert out.dtype == dtype
    assert torch.equal(out, CALLS[name](waveform.float()).to(dtype))


def test_between_two_stages_of_a_front_end_nothing_is_rounded():
    stages = torch.nn.Sequential(F.MelSpectrogram(RATE, n_fft=512, n_mels=40), F.AmplitudeToDB())
    frontend = augspec.Frontend(features=stages)
    loud = 8.0 * torch.sin(torch.arange(9000) * 0.3).expand(2, 1, -1).half()
    assert stages[0](loud.float()).amax() > 65_504  # the largest number of half precision
    expected = stages(loud.float()).half()
    assert expected.isfinite().all()
    for mode in (True, False):
        frontend.train(mode)
        out = frontend(loud)
        assert out.dtype == torch.float16
        assert torch.equal(out, expected)
    lengths = torch.tensor([9000, 4000])
    assert frontend.eval()(loud, lengths)[0].isfinite().all()


def test_a_stage_of_ones_own_is_behind_the_door_too():
    class Gram(torch.nn.Module):
        def forward(self, specgram, lengths=None):
            assert specgram.dtype == torch.float32
            out = specgram @ specgram.mT
            return out if lengths is None else (out, lengths)

    frontend = augspec.Frontend(features=torch.nn.Sequential(LOG_MEL, Gram()))
    expected = frontend(note())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(frontend(note()), expected)
        assert frontend(note().half()).dtype == torch.float16


def test_entering_compiles_whole_under_autocast_and_without():
    def square(x):
        return enter(lambda x: (x @ x.mT, None), x)[0]

    whole, x = torch.compile(square, fullgraph=True, backend="aot_eager"), torch.randn(4, 5, 5)
    expected = x @ x.mT
    assert torch.equal(whole(x), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(whole(x), expected)
    assert whole(x.half()).dtype == torch.float16
    frontend = frontends()["plain"]
    compiled = torch.compile(frontend, fullgraph=COMPILES_WHOLE, backend="aot_eager")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        # One side is the native kernel: 2e-3 dB is rounding, 100 dB below the peak.
        torch.testing.assert_close(compiled(note()), frontend(note()), rtol=0, atol=2e-3)


def test_devices_without_autocast_pass():
    with without_autocast("meta"):
        waveform = torch.ones(2, 1, 5, device="meta")
        assert functional.gain(waveform, torch.ones(2, device="meta")).is_meta


def test_an_entrance_is_the_function_to_readers_and_to_pickle():
    again = pickle.loads(pickle.dumps(functional.gain))  # noqa: S301
    assert again is functional.gain
    assert functional.gain.__doc__ == functional.gain.__wrapped__.__doc__

    @as_entrance
    def scale(waveform, factor):
        return waveform * factor

    assert scale(factor=2.0, waveform=torch.ones(1, 1, 3)).tolist() == [[[2.0, 2.0, 2.0]]]
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        scale(torch.ones(1, 1, 3))
