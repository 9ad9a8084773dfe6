"""Mel filters of each example's own range, against torchaudio's for one example at a time."""

import pytest
import torch
import torchaudio

import augspec
from augspec import features as F
from augspec import transforms as T

RATE = 16_000
MEL = {"sample_rate": RATE, "n_fft": 512, "hop_length": 160, "n_mels": 40}


def sounds(batch=6, time=8000):
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(batch, 2, time, generator=generator)


def drawn(frontend, waveform):
    params = frontend.make_params(waveform, keys=augspec.example_keys(0, 0, range(len(waveform))))
    return params, params["waveform"][0]


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize(("norm", "mel_scale"), [(None, "htk"), ("slaney", "slaney")])
def test_each_example_has_torchaudios_filters_of_its_range(power, norm, mel_scale):
    waveform = sounds()
    feature = F.MelSpectrogram(**MEL, power=power, norm=norm, mel_scale=mel_scale)
    frontend = augspec.Frontend(T.MelRange((0.0, 300.0), (5000.0, 8000.0), p=0.7), feature)
    params, own = drawn(frontend, waveform)
    made = frontend.transform(waveform, params)
    spectrum = F.Spectrogram(512, hop_length=160, power=power)(waveform)
    assert 0 < int(own["applied"].sum()) < 6
    for i, picked in enumerate(own["applied"].tolist()):
        low, high = (float(own["f_min"][i]), float(own["f_max"][i])) if picked else (0.0, RATE / 2)
        filters = torchaudio.functional.melscale_fbanks(
            257, low, high, 40, RATE, norm=norm, mel_scale=mel_scale
        )
        expected = (spectrum[i].mT @ filters).mT
        torch.testing.assert_close(made[i], expected, rtol=2e-4, atol=1e-4)


def test_kaldis_filter_banks_have_a_range_of_each_example_too():
    waveform = sounds()[:, :1]
    transform = T.MelRange((0.0, 100.0), (6000.0, 8000.0))
    frontend = augspec.Frontend(transform, F.Fbank(RATE, 40, use_energy=True))
    params, own = drawn(frontend, waveform)
    made = frontend.transform(waveform, params)
    for i in range(len(waveform)):
        expected = torchaudio.compliance.kaldi.fbank(
            waveform[i],
            num_mel_bins=40,
            low_freq=float(own["f_min"][i]),
            high_freq=float(own["f_max"][i]),
            use_energy=True,
        )
        torch.testing.assert_close(made[i, 0].mT, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_it_is_computed_wherever_in_the_chain_it_stands_fused_or_not(place):
    chain = [T.Gain((-6.0, 6.0)), T.WhiteNoise(20.0)]
    chain.insert(place, T.MelRange((0.0, 300.0), (5000.0, 8000.0)))
    waveform, keys = sounds(), augspec.example_keys(0, 0, range(6))
    feature = F.LogMelSpectrogram(**MEL)
    auto = augspec.Frontend(T.Chain(chain), feature)
    never = augspec.Frontend(T.Chain(chain), feature, fuse="never")
    plain = augspec.Frontend(
        T.Chain([one for one in chain if type(one) is not T.MelRange]), feature
    )
    made = auto(waveform, keys=keys)
    torch.testing.assert_close(never(waveform, keys=keys), made, rtol=1e-4, atol=1e-3)
    assert (plain(waveform, keys=keys) - made).abs().mean() > 0.3
    assert "MelRange" in auto.plan(waveform).splitlines()[-1]


def test_it_goes_with_pitch_crops_and_lengths_and_each_example_is_alone():
    chain = T.Chain(
        [T.MelRange((0.0, 300.0), (5000.0, 8000.0), p=0.5), T.PitchShift(), T.RandomCrop(4000)]
    )
    frontend = augspec.Frontend(T.Chain([chain]), F.LogMelSpectrogram(**MEL))
    waveform, keys = sounds(), augspec.example_keys(0, 0, range(6))
    lengths = torch.tensor([8000, 5000, 3000, 8000, 1000, 6000])
    made, frames = frontend(waveform, lengths, keys=keys)
    for i in range(6):
        alone, own = frontend(waveform[i : i + 1], lengths[i : i + 1], keys=keys[i : i + 1])
        assert int(own) == int(frames[i])
        torch.testing.assert_close(alone[0], made[i], rtol=1e-4, atol=1e-3)


def test_passts_feature_takes_it_with_all_that_comes_before_the_filters():
    waveform, feature = sounds(3, 32_000)[:, :1], F.preset("PaSST")
    frontend = augspec.Frontend(T.MelRange((0.0, 10.0), (14_000.0, 16_000.0)), feature)
    params, own = drawn(frontend, waveform)
    made = frontend.transform(waveform, params)
    raised = waveform[..., 1:] - 0.97 * waveform[..., :-1]
    window = torch.hann_window(800, periodic=False)
    for i in range(3):
        power = (
            torch.stft(raised[i], 1024, 320, 800, window, center=True, return_complex=True)
            .abs()
            .square()
        )
        low, high = float(own["f_min"][i]), float(own["f_max"][i])
        filters, _ = torchaudio.compliance.kaldi.get_mel_banks(
            128, 1024, 32_000.0, low, high, 100.0, -500.0, 1.0
        )
        mel = torch.nn.functional.pad(filters, (0, 1)) @ power
        expected = ((mel + 1e-5).log() + 4.5) / 5.0
        torch.testing.assert_close(made[i], expected, rtol=1e-3, atol=1e-3)


def test_in_eval_the_feature_has_its_own_range():
    feature = F.LogMelSpectrogram(**MEL)
    frontend = augspec.Frontend(T.MelRange((0.0, 300.0), (5000.0, 8000.0)), feature).eval()
    torch.testing.assert_close(frontend(sounds()), feature(sounds()))


def test_trained_features_and_presets_take_it_and_gradients_flow():
    for feature in (F.PCEN(**MEL, trainable=True), F.Fbank(RATE, dither=1.0), F.preset("AST")):
        first = feature[0] if isinstance(feature, torch.nn.Sequential) else feature
        half = first.sample_rate / 2
        transform = T.MelRange((0.0, 100.0), (0.8 * half, half))
        waveform = sounds(2, 32_000)[:, :1].requires_grad_()
        augspec.Frontend(transform, feature)(waveform).sum().backward()
        assert waveform.grad.isfinite().all()


def test_a_place_where_nothing_would_happen_is_refused():
    transform = T.MelRange((0.0, 300.0), (5000.0, 8000.0))
    with pytest.raises(ValueError, match="must have MelRange directly in a chain, not inside"):
        augspec.Frontend(T.OneOf([transform, T.Gain()]), F.LogMelSpectrogram(**MEL))
    for feature in (F.Spectrogram(), F.CQT()):
        with pytest.raises(ValueError, match="`features` must"):
            augspec.Frontend(transform, feature)
    with pytest.raises(ValueError, match="`f_max` must be at most half of the sample rate"):
        augspec.Frontend(transform, F.LogMelSpectrogram(8000))
    for f_max in (200.0, 300.0):  # a filter of no width hears nothing
        with pytest.raises(ValueError, match="`f_max` must lie above all of `f_min`"):
            T.MelRange((0.0, 300.0), (f_max, 8000.0))
