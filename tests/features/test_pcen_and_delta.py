"""PCEN and Delta against librosa, scipy and torchaudio, in float64."""

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from augspec import Frontend, features
from augspec import transforms as T
from augspec.functional.pcen import exponential_average, smoothing_coefficient
from augspec.functional.pcen import pcen as pcen_of

MEL = {"n_fft": 512, "hop_length": 160, "n_mels": 40}


def noise(*shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


SETTINGS = pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gain": 0.8, "bias": 10.0, "exponent": 0.25, "time_constant": 0.06, "eps": 1e-3},
        {"gain": 0.0, "time_constant": 3.0},
        {"scale": 2.0**31, "power": 1.0},
    ],
    ids=str,
)


def librosas_pcen(mel, settings, **start):
    names = {"exponent": "power"}
    own = {names.get(k, k): v for k, v in settings.items() if k not in ("scale", "power")}
    scaled = settings.get("scale", 1.0) * mel.numpy()
    return torch.from_numpy(librosa.pcen(scaled, sr=16_000, hop_length=160, **own, **start))


@SETTINGS
def test_pcen_is_librosas_from_its_initial_value(settings):
    waveform = 0.1 * noise(2, 2, 9001)
    mel = features.MelSpectrogram(power=settings.get("power", 2.0), **MEL)(waveform)
    ours = features.PCEN(**MEL, **settings, initial=1.0)(waveform)
    torch.testing.assert_close(ours, librosas_pcen(mel, settings), rtol=1e-6, atol=1e-9)


@SETTINGS
def test_pcen_starts_at_the_first_frame(settings):
    waveform = 0.1 * noise(2, 2, 9001)
    mel = features.MelSpectrogram(power=settings.get("power", 2.0), **MEL)(waveform)
    weight = smoothing_coefficient(settings.get("time_constant", 0.4), 100.0)
    first = (1.0 - weight) * settings.get("scale", 1.0) * mel[..., :1].numpy()
    theirs = librosas_pcen(mel, settings, zi=first)
    torch.testing.assert_close(
        features.PCEN(**MEL, **settings)(waveform), theirs, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("time_constant", [1e-12, 1e-6, 1e6, 1e200])
def test_the_newest_frame_has_all_the_weight_of_a_short_average_and_none_of_a_long_one(
    time_constant,
):
    weight = smoothing_coefficient(time_constant, 100.0)
    assert weight == pytest.approx(1.0 if time_constant < 1.0 else 0.01 / time_constant, rel=1e-4)
    pcen = features.PCEN(**MEL, time_constant=time_constant, gain=1.0)(noise(1, 1, 3000))
    assert pcen.isfinite().all()
    if time_constant == 1e-12:  # each frame is divided by itself
        torch.testing.assert_close(pcen[..., 1:9], pcen[..., :8], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [0.0, 1e-300, 1e-30, 1e-9, 0.99e-6, 1e-6])
def test_pcen_of_little_bias_is_a_power(bias, dtype):
    energies = torch.tensor([0.0, 1e-20, 1e-6, 1e-3, 1.0, 1e6], dtype=torch.float64)
    given = energies.to(dtype).requires_grad_()
    ours = pcen_of(given[None], 0.3, gain=0.5, bias=bias, exponent=0.5, eps=1e-6)[0]
    average = exponential_average(energies[None], 0.3)[0]
    level = energies / (1e-6 + average).sqrt()
    expected = (level + bias).sqrt() - bias**0.5
    torch.testing.assert_close(ours.double(), expected, rtol=2e-5, atol=1e-9)
    ours.sum().backward()
    assert given.grad.isfinite().all()


@pytest.mark.parametrize("frames", [1, 2, 3, 10, 99, 1000])
@pytest.mark.parametrize("coefficient", [1e-3, 0.3, 1.0])
def test_the_average_is_the_recursion(frames, coefficient):
    values = noise(3, 2, frames)
    filters = [coefficient], [1.0, coefficient - 1.0]
    for initial in (None, 0.0, 5.0):
        first = values[..., :1] if initial is None else torch.full((3, 2, 1), initial)
        start = (1.0 - coefficient) * first.double().numpy()
        expected, _ = scipy.signal.lfilter(*filters, values.numpy(), zi=start)
        ours = exponential_average(values, coefficient, initial)
        torch.testing.assert_close(ours, torch.from_numpy(expected), rtol=1e-10, atol=1e-12)


def test_a_long_average_keeps_its_digits():
    frames = 40_000
    ours = exponential_average(torch.ones(1, 1, frames), 0.01, 0.0)
    expected = 1.0 - 0.99 ** torch.arange(1, frames + 1, dtype=torch.float64)
    torch.testing.assert_close(ours[0, 0].double(), expected, rtol=1e-4, atol=1e-5)


def test_pcen_with_full_gain_forgets_the_level_of_the_recording():
    waveform = noise(1, 1, 8000)
    pcen = features.PCEN(**MEL, gain=1.0, eps=1e-12)
    torch.testing.assert_close(pcen(1e-2 * waveform), pcen(waveform), rtol=1e-4, atol=1e-6)


def test_gain_before_pcen_is_fused_and_not_a_factor_on_the_result():
    waveform = 0.1 * noise(3, 1, 6000, dtype=torch.float32)
    chain, pcen = T.Chain([T.Gain((-20.0, 6.0))]), features.PCEN(**MEL, gain=0.5)
    fused, plain = (Frontend(chain, pcen, fuse=fuse) for fuse in ("auto", "never"))
    assert "fused into it" in fused.plan(waveform)
    params = fused.make_params(waveform)
    torch.testing.assert_close(
        fused.transform(waveform, params), plain.transform(waveform, params), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gain": 1.1}, r"`gain` must be in \[0, 1\], got 1.1"),
        ({"bias": 0.0}, "`bias` must be positive, got 0.0"),
        ({"exponent": -1.0}, "`exponent` must be positive, got -1.0"),
        ({"time_constant": 0.0}, "`time_constant` must be positive, got 0.0"),
        ({"eps": float("nan")}, "`eps` must be positive, got nan"),
        ({"scale": 0.0}, "`scale` must be positive, got 0.0"),
        ({"initial": -1.0}, "`initial` must not be negative, or be None, got -1.0"),
    ],
)
def test_bad_pcen(arguments, message):
    with pytest.raises(ValueError, match=message):
        features.PCEN(n_mels=40, **arguments)


@pytest.mark.parametrize("mode", ["interp", "nearest"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("width", [5, 9, 21])
def test_delta_is_librosas(width, order, mode):
    specgram = noise(2, 2, 7, 50)
    ours = features.Delta(width, order, mode)(specgram)
    theirs = librosa.feature.delta(specgram.numpy(), width=width, order=order, mode=mode)
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-6, atol=1e-9)


def test_delta_is_torchaudios(torchaudio):
    specgram = noise(2, 2, 7, 50)
    theirs = torchaudio.transforms.ComputeDeltas(win_length=7, mode="replicate")(specgram)
    ours = features.Delta(7, mode="nearest")(specgram)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_the_slope_of_a_ramp_is_its_slope_up_to_the_ends():
    slope = torch.tensor([0.5, -3.0], dtype=torch.float64)[:, None, None, None]
    ramp = (slope * torch.arange(30)).expand(2, 1, 3, 30)
    torch.testing.assert_close(features.Delta()(ramp), slope.expand_as(ramp))


@pytest.mark.parametrize("mode", ["interp", "nearest"])
def test_delta_stops_at_the_end_of_each_example(mode):
    specgram, lengths = noise(6, 1, 3, 30), torch.tensor([30, 9, 10, 8, 1, 0])
    behind = torch.arange(30) >= lengths[:, None, None, None]
    delta = features.Delta(9, (0, 1, 2), mode)
    slopes, counts = delta(specgram.masked_fill(behind, 1e9), lengths)
    assert counts is lengths
    for i, length in enumerate(lengths[:5].tolist()):
        alone = delta(specgram[i : i + 1, ..., :length])
        torch.testing.assert_close(slopes[i : i + 1, ..., :length], alone)
    assert not slopes[:, 1:].masked_select(behind).any()


def test_orders_become_channels():
    specgram = noise(2, 2, 3, 30)
    parts = features.Delta(order=(0, 1, 2))(specgram).split(2, dim=1)
    assert torch.equal(parts[0], specgram)
    assert torch.equal(parts[1], features.Delta()(specgram))
    assert torch.equal(parts[2], features.Delta(order=2)(specgram))


def test_delta_in_a_front_end_takes_lengths():
    stages = torch.nn.Sequential(
        features.MFCC(n_mfcc=13, melkwargs={"n_mels": 40}), features.Delta(order=(0, 1))
    )
    frontend = Frontend(T.Gain(), stages)
    waveform, lengths = 0.1 * noise(2, 1, 4000, dtype=torch.float32), torch.tensor([4000, 1500])
    params = frontend.make_params(waveform, lengths)
    specgram, frames = frontend.transform(waveform, params, lengths)
    assert frames.tolist() == [21, 8]
    alone = frontend.transform(
        waveform[1:, :, :1500],
        {"waveform": [{k: v[1:] for k, v in params["waveform"][0].items()}], "specgram": []},
    )
    torch.testing.assert_close(specgram[1:, ..., :8], alone, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 4}, "`width` must be odd and at least 3, got 4"),
        ({"order": 0}, r"`order` must lie in \[1, width = 9\), got 0"),
        ({"order": (0, 9)}, r"`order` must lie in \[0, width = 9\), got \(0, 9\)"),
        ({"mode": "wrap"}, "`mode` must be 'interp' or 'nearest', got 'wrap'"),
    ],
)
def test_bad_delta(arguments, message):
    with pytest.raises(ValueError, match=message):
        features.Delta(**arguments)


def test_delta_has_gradients_and_compiles():
    specgram = noise(2, 1, 2, 12).requires_grad_()
    delta, lengths = features.Delta(5, (0, 1)), torch.tensor([12, 7])
    torch.autograd.gradcheck(lambda x: delta(x, lengths)[0], specgram, fast_mode=True)
    compiled = torch.compile(delta, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(specgram, lengths)[0], delta(specgram, lengths)[0])


def test_mfcc_without_norm_is_librosas():
    waveform = noise(2, 1, 3001)
    mel = {"n_fft": 512, "hop_length": 128, "n_mels": 40}
    slaney = {"mel_scale": "slaney", "norm": "slaney"}
    ours = features.MFCC(n_mfcc=20, norm=None, melkwargs={**mel, **slaney})(waveform)
    theirs = [
        librosa.feature.mfcc(
            y=example,
            sr=16_000,
            n_mfcc=20,
            norm=None,
            pad_mode="reflect",
            dtype=np.float64,
            **mel,
        )
        for example in waveform.numpy()
    ]
    torch.testing.assert_close(ours, torch.from_numpy(np.stack(theirs)), rtol=1e-6, atol=1e-9)
