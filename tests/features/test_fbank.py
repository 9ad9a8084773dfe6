"""Kaldi's filter banks, beside torchaudio's and Kaldi's own."""

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T

NAMES = {"hann": "hanning"}
SETTINGS = {
    "default": {},
    "AST": {"window": "hann", "n_mels": 128, "htk_compat": True},
    "hamming": {"window": "hamming", "n_mels": 40, "preemphasis": 0.0},
    "blackman": {"window": "blackman", "remove_dc_offset": False, "f_min": 0.0},
    "rectangular": {"window": "rectangular", "f_max": 7000.0},
    "f_max from Nyquist": {"f_max": -400.0, "n_mels": 30},
    "edges": {"snip_edges": False},
    "size": {"round_to_power_of_two": False},
    "energy": {"use_energy": True},
    "energy last": {"use_energy": True, "htk_compat": True, "raw_energy": False},
    "no energy floor": {"use_energy": True, "energy_floor": 0.0},
    "magnitude": {"power": 1.0, "use_energy": True},
    "frames": {"frame_length": 32.0, "frame_shift": 8.0},
    "loud": {"scale": 32768.0},
}


def sound(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(*shape, generator=generator, dtype=dtype)


def theirs(torchaudio, waveform, **settings):
    """Compute torchaudio's, (batch, channel, n_mels, frame)."""
    scale, power = settings.pop("scale", 1.0), settings.pop("power", 2.0)
    window = settings.pop("window", "povey")
    arguments = {
        "num_mel_bins": settings.pop("n_mels", 23),
        "preemphasis_coefficient": settings.pop("preemphasis", 0.97),
        "low_freq": settings.pop("f_min", 20.0),
        "high_freq": settings.pop("f_max", 0.0),
        "window_type": NAMES.get(window, window),
        "use_power": power == 2.0,
        **settings,
    }
    rows = [
        torchaudio.compliance.kaldi.fbank(row[None] * scale, **arguments).T
        for row in waveform.flatten(0, 1)
    ]
    return torch.stack(rows).unflatten(0, waveform.shape[:2])


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_it_is_torchaudios(settings, torchaudio):
    waveform = sound(2, 2, 5000, dtype=torch.float32)
    ours = F.Fbank(**settings)(waveform)
    torch.testing.assert_close(ours, theirs(torchaudio, waveform, **settings), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_in_float64_it_is_torchaudios_to_the_digits_of_its_constants(settings, torchaudio):
    waveform = sound(1, 1, 3000)
    ours = F.Fbank(**settings)(waveform)
    assert ours.dtype == torch.float64
    # torchaudio's window and filters are float32 in every case.
    wanted = theirs(torchaudio, waveform, **settings).double()
    torch.testing.assert_close(ours, wanted, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize("window", ["povey", "hamming", "hanning", "rectangular"])
def test_it_is_kaldis_own(window, snip_edges):
    kaldi = pytest.importorskip("kaldi_native_fbank")
    options = kaldi.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = snip_edges
    options.frame_opts.window_type = window
    options.mel_opts.num_bins = 80
    options.energy_floor = 0.0
    waveform = sound(1, 1, 16_000, dtype=torch.float32)
    found = kaldi.OnlineFbank(options)
    found.accept_waveform(16_000, waveform.flatten().tolist())
    found.input_finished()
    rows = [torch.from_numpy(found.get_frame(i).copy()) for i in range(found.num_frames_ready)]
    name = {"hanning": "hann"}.get(window, window)
    ours = F.Fbank(16_000, 80, window=name, snip_edges=snip_edges)(waveform)[0, 0]
    torch.testing.assert_close(ours, torch.stack(rows, -1), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("snip_edges", [True, False])
def test_each_example_comes_out_as_if_it_were_alone(snip_edges):
    feature = F.Fbank(8000, snip_edges=snip_edges, use_energy=True)
    lengths = torch.tensor([3000, 2000, 1999, 200, 41])
    waveform = sound(5, 2, 3000)
    behind = torch.arange(3000) >= lengths[:, None, None]
    got, counts = feature(waveform.masked_fill(behind, torch.nan).nan_to_num(7.0), lengths)
    for i, (length, count) in enumerate(zip(lengths.tolist(), counts.tolist(), strict=True)):
        if count:
            alone = feature(waveform[i : i + 1, :, :length])[0]
            assert alone.shape[-1] == count
            torch.testing.assert_close(got[i, ..., :count], alone)
        assert (got[i, :, 1:, count:] == got.min()).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    waveform, feature = sound(2, 1, 2000).to(dtype), F.Fbank()
    assert torch.equal(feature(waveform), feature(waveform.float()).to(dtype))


def test_silence_and_gradients_are_finite():
    waveform = torch.zeros(1, 1, 1000, requires_grad=True)
    made = F.Fbank(use_energy=True, power=1.0)(waveform)
    made.sum().backward()
    assert made.isfinite().all()
    assert waveform.grad.isfinite().all()


def test_dither_is_drawn_in_training_and_fixed_in_eval():
    feature = F.Fbank(dither=1e-2)
    waveform = torch.zeros(1, 1, 16_000)
    torch.manual_seed(0)
    first, second = feature(waveform), feature(waveform)
    torch.manual_seed(0)
    assert torch.equal(feature(waveform), first)
    assert not torch.equal(first, second)
    feature.eval()
    assert torch.equal(feature(waveform), feature(waveform))
    # A level of 0.01 is one of 1 less 9.2; that of noise is its power, whatever the frame.
    level = F.Fbank()(torch.randn(1, 1, 16_000)).mean()
    assert float(level - first.mean()) == pytest.approx(9.21, abs=0.2)


def test_gain_and_crops_are_fused_and_equal():
    waveform = sound(3, 1, 8000)
    chain = T.Chain([T.RandomCrop(6000), T.Gain((-12.0, -3.0)), T.PolarityInversion()])
    made = [
        augspec.Frontend(chain, F.Fbank(8000, use_energy=True, energy_floor=0.0), fuse=fuse)(
            waveform, keys=torch.arange(3)
        )
        for fuse in ("auto", "never")
    ]
    torch.testing.assert_close(made[0], made[1], atol=1e-6, rtol=1e-6)


def test_pitch_and_tempo_are_fused_unless_it_would_not_be_exact():
    chain = T.Chain([T.PitchShift((-2.0, 2.0)), T.TimeStretch()])
    waveform = sound(2, 1, 8000)
    fused = augspec.Frontend(chain, F.Fbank(8000)).plan(waveform)
    assert fused != augspec.Frontend(chain, F.Fbank(8000, dither=1.0)).plan(waveform)
    apart = augspec.Frontend(chain, F.Fbank(8000), fuse="never").plan(waveform)
    for settings in ({"dither": 1.0}, {"snip_edges": False}):
        assert augspec.Frontend(chain, F.Fbank(8000, **settings)).plan(waveform) == apart


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"window": "welch"}, "window"),
        ({"preemphasis": 1.5}, "preemphasis"),
        ({"dither": -1.0}, "dither"),
        ({"f_min": 9000.0}, "f_min"),
        ({"f_max": 9000.0}, "f_max"),
        ({"n_mels": 0}, "n_mels"),
        ({"frame_shift": 0.01}, "frame_shift"),
        ({"scale": 0.0}, "scale"),
        ({"energy_floor": -1.0}, "energy_floor"),
    ],
)
def test_settings_out_of_range_are_named(settings, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        F.Fbank(**settings)


@pytest.mark.parametrize("settings", [{}, {"snip_edges": False}, {"use_energy": True}])
def test_too_little_audio_has_no_frame(settings):
    waveform = sound(1, 1, 30, dtype=torch.float32)
    made, counts = F.Fbank(**settings)(waveform, torch.tensor([30]))
    assert made.shape == (1, 1, 23 + settings.get("use_energy", 0), 0)
    assert counts.tolist() == [0]
    assert F.Fbank(**settings)(waveform).shape == made.shape


def test_a_plot_has_its_bins_in_mel():
    pytest.importorskip("matplotlib")
    from augspec.plot.axes import specgram_axes

    axes = specgram_axes(F.Fbank(8000, f_max=-200.0), (23, 5), None)
    assert axes.frequency_label == "Hz (mel scale)"
    assert 20 < axes.frequencies[0] < axes.frequencies[-1] < 3800
    energy = specgram_axes(F.Fbank(8000, use_energy=True), (24, 5), None)
    assert energy.frequency_label == "Bin"


WINDOWS = {
    "hann": torch.hann_window,
    "hamming": torch.hamming_window,
    "blackman": torch.blackman_window,
    "bartlett": torch.bartlett_window,
    "rectangular": torch.ones,
}


@pytest.mark.parametrize("name", WINDOWS)
def test_every_feature_takes_a_window_by_name(name, torchaudio):
    waveform = sound(1, 1, 2000)
    theirs = torchaudio.transforms.MelSpectrogram(
        n_fft=256, n_mels=20, window_fn=WINDOWS[name]
    ).double()
    ours = F.MelSpectrogram(n_fft=256, n_mels=20, window=name)(waveform)
    torch.testing.assert_close(ours, theirs(waveform), atol=1e-5, rtol=1e-5)
    mel = {"n_mels": 20}
    for make, settings in ((F.Spectrogram, {}), (F.LogMelSpectrogram, mel), (F.PCEN, mel)):
        made, other = make(window=name, **settings), make(window="nuttall", **settings)
        assert not torch.equal(made(waveform), other(waveform))
    kwargs = {"n_mels": 20, "n_fft": 256, "window": name}
    assert F.MFCC(n_mfcc=13, melkwargs=kwargs)(waveform).isfinite().all()
    with pytest.raises(ValueError, match="`window` must be one of"):
        F.Spectrogram(window="welch")
