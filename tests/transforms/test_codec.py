"""What codecs do: aligned, worse with compression, on the valid part only."""

import io
import pickle

import pytest
import soundfile
import torch
from scipy import signal

import augspec
from augspec import functional, testing
from augspec import transforms as T

FORMATS = ("mp3", "vorbis", "opus")
KEYS = augspec.example_keys(seed=1, epoch=2, index=torch.arange(6))


def band_noise(batch=1, channels=1, time=8000, low=0.03, high=0.25, seed=0):
    """Noise in a band that all of the codecs keep at moderate bitrates."""
    noise = torch.randn(
        batch, channels, time, generator=torch.Generator().manual_seed(seed)
    ).double()
    b, a = signal.butter(4, [low, high], "bandpass")
    return torch.from_numpy(0.1 * signal.lfilter(b, a, noise.numpy())).float()


def delay(out, waveform):
    """Give the lag, in samples, at which the cross-correlation of the two is largest."""
    correlation = signal.correlate(out[0, 0].numpy(), waveform[0, 0].numpy())
    return int(abs(correlation).argmax()) - (waveform.shape[-1] - 1)


def snr_db(out, waveform):
    error = (out - waveform).square().sum(-1)
    return 10 * torch.log10(waveform.square().sum(-1) / error).squeeze(1)


@pytest.mark.parametrize("check", testing.checks_for(T.Codec.example()))
def test_it_keeps_the_contract(check):
    testing.run_check(check, T.Codec(16_000, FORMATS, p=0.7))


@pytest.mark.parametrize("sample_rate", [8000, 16_000, 48_000])
@pytest.mark.parametrize("level", [0.0, 0.5, 0.75, 0.95])
@pytest.mark.parametrize("name", FORMATS)
def test_the_result_is_aligned_with_the_input(name, level, sample_rate):
    # A band that even the lowest bitrates keep, at 200 to 1500 Hz.
    waveform = band_noise(low=400 / sample_rate, high=3000 / sample_rate)
    out = functional.codec(
        waveform, torch.tensor([0]), torch.tensor([level]), sample_rate, formats=(name,)
    )
    assert out.shape == waveform.shape
    # The speech mode of Opus resamples: it may be off by less than 0.1 ms.
    assert abs(delay(out, waveform)) <= (1e-4 * sample_rate if name == "opus" else 0)
    assert snr_db(out, waveform) > 3.0


def test_mp3_is_aligned_where_it_has_no_header_that_says_the_delay():
    waveform = band_noise(low=0.02, high=0.1)
    aligned = T.Codec(16_000, "mp3", 1.0)(waveform)
    assert delay(aligned, waveform) == 0


def speech_band(channels=1, time=8000):
    return band_noise(channels=channels, low=0.08, high=0.25, time=time)


def test_gsm_is_that_of_libsndfile_at_13_kbit_s_and_aligned():
    waveform = speech_band()
    out = functional.codec(waveform, torch.tensor([0]), torch.tensor([0.5]), 8000, formats=("gsm",))
    file = io.BytesIO()
    soundfile.write(file, waveform[0, 0].numpy(), 8000, format="WAV", subtype="GSM610")
    assert abs(8 * len(file.getvalue()) - 13_000) < 1000  # a second, and a header
    file.seek(0)
    expected = torch.from_numpy(soundfile.read(file, dtype="float32")[0])[:8000]
    assert torch.equal(out[0, 0], expected)
    assert delay(out, waveform) == 0
    assert 3.0 < snr_db(out, waveform).item() < 20.0


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_gsm_encodes_each_channel_by_itself_and_of_any_length(channels):
    codec = T.Codec(8000, ("gsm", "opus"))
    waveform, lengths = speech_band(channels, 1000).expand(6, -1, -1), [1000, 1, 161, 999, 0, 320]
    out, _ = codec(waveform, torch.tensor(lengths), keys=KEYS)
    places = codec.make_params(waveform, keys=KEYS)["format"].tolist()
    assert set(places) == {0, 1}
    for i, (end, place) in enumerate(zip(lengths, places, strict=True)):
        assert torch.equal(out[i, :, end:], waveform[i, :, end:])
        if place == 0 and end:
            alone = T.Codec(8000, "gsm")(waveform[i, :, :end].unsqueeze(1))
            assert torch.equal(out[i, :, :end], alone[:, 0])
    loud = T.Codec(8000, "gsm")(20.0 * waveform)
    clipped = T.Codec(8000, "gsm")((20.0 * waveform).clamp(-1.0, 1.0))
    torch.testing.assert_close(loud, clipped)


def test_gsm_has_one_rate():
    with pytest.raises(ValueError, match="one that gsm has .8000 Hz., got 16000"):
        T.Codec(16_000, "gsm")


@pytest.mark.parametrize("name", FORMATS)
def test_more_compression_gives_more_error(name):
    waveform = band_noise(high=0.9).expand(4, 1, -1)
    levels = torch.tensor([0.0, 0.5, 0.9, 1.0])
    out = functional.codec(waveform, torch.zeros(4).long(), levels, 16_000, formats=(name,))
    ratio = snr_db(out, waveform)
    assert ratio[0] > 15.0
    assert (ratio[:2] > ratio[1:3] + 1.0).all()


def test_each_example_has_its_own_format_and_level():
    codec = T.Codec(16_000, FORMATS, (0.2, 0.8))
    params = codec.make_params(torch.zeros(3000, 1, 10))
    shares = torch.bincount(params["format"], minlength=3) / 3000
    assert (shares - 1 / 3).abs().max() < 5 * (2 / 9 / 3000) ** 0.5
    assert 0.2 <= params["compression_level"].min() < 0.22
    assert 0.78 < params["compression_level"].max() <= 0.8
    waveform = band_noise(time=3000).expand(3, 1, -1)
    fixed = {
        "applied": torch.ones(3, dtype=torch.bool),
        "format": torch.arange(3),
        "compression_level": torch.full((3,), 0.5),
    }
    out = codec.transform(waveform, fixed)
    for i, name in enumerate(FORMATS):
        assert torch.equal(out[i : i + 1], T.Codec(16_000, name, 0.5)(waveform[:1]))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_examples_come_out_as_if_alone_and_padding_is_left_as_it_is(channels):
    codec = T.Codec(16_000, FORMATS, (0.3, 0.95))
    waveform = band_noise(6, channels, 3000)
    lengths = torch.tensor([3000, 1, 700, 2999, 0, 2100])
    out, ends = codec(waveform, lengths, keys=KEYS)
    assert torch.equal(ends, lengths)
    for i, end in enumerate(lengths.tolist()):
        assert torch.equal(out[i, :, end:], waveform[i, :, end:])
        if end:
            alone = codec(waveform[i : i + 1, :, :end], keys=KEYS[i : i + 1])
            assert torch.equal(out[i, :, :end], alone[0])


def test_an_example_that_is_not_picked_comes_out_bit_for_bit():
    codec = T.Codec(16_000, FORMATS, p=0.5)
    waveform = band_noise(6, 1, 3000)
    before = waveform.clone()
    params = codec.make_params(waveform, keys=KEYS)
    out = codec.transform(waveform, params)
    same = (out == waveform).all(-1).squeeze(1)
    assert torch.equal(same, ~params["applied"])
    assert 0 < same.sum() < 6
    assert torch.equal(waveform, before)


def test_nan_stays_in_its_example_and_silence_is_finite():
    codec = T.Codec(16_000, FORMATS)
    waveform = band_noise(6, 1, 3000)
    clean = codec(waveform, keys=KEYS)
    waveform[2, 0, 100] = torch.nan
    out = codec(waveform, keys=KEYS)
    others = [0, 1, 3, 4, 5]
    assert torch.equal(out[others], clean[others])
    torch.testing.assert_close(out[2], waveform[2], rtol=0, atol=0, equal_nan=True)
    silence = codec(torch.zeros(6, 1, 3000), keys=KEYS)
    assert silence.abs().max() < 1e-4  # the speech mode of Opus adds -90 dB
    assert codec(waveform[:0]).shape == (0, 1, 3000)


def test_dtypes_global_random_state_and_pickling():
    codec = T.Codec(16_000, FORMATS)
    waveform = band_noise(2, 1, 2000)
    state = torch.random.get_rng_state()
    out = codec(waveform, keys=KEYS[:2])
    assert torch.equal(state, torch.random.get_rng_state())
    for dtype in (torch.float64, torch.float16):
        wide = codec(waveform.to(dtype), keys=KEYS[:2])
        assert wide.dtype == dtype
        expected = codec(waveform.to(dtype).float(), keys=KEYS[:2])
        torch.testing.assert_close(wide.float(), expected, rtol=1e-3, atol=1e-4)
    again = pickle.loads(pickle.dumps(codec))  # noqa: S301
    assert torch.equal(again(waveform, keys=KEYS[:2]), out)


def test_compiled_code_breaks_its_graph_around_it():
    chain = T.Chain([T.Gain(-6.0), T.Codec(16_000)])
    waveform = band_noise(2, 1, 2000)
    torch._dynamo.reset()
    compiled = torch.compile(chain, backend="aot_eager")
    torch.testing.assert_close(compiled(waveform, keys=KEYS[:2]), chain(waveform, keys=KEYS[:2]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((44_100, "opus"), r"one that opus has \(8000, 12000, 16000, 24000, 48000 Hz\), got 44100"),
        ((96_000, ("vorbis", "mp3")), "one that mp3 has .* got 96000; .* leave mp3 out"),
        ((400_000, "vorbis"), "one that vorbis has .8000 to 192000 Hz."),
        ((16_000, "aac"), "`formats` must be one or more of mp3, vorbis, opus, gsm, got .'aac'"),
        ((16_000, ()), "`formats` must be one or more of"),
        ((16_000, "mp3", (0.0, 1.1)), r"`compression_level` must lie in \[0, 1\]"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        T.Codec(*arguments)


def test_a_libsndfile_without_the_format_is_named(monkeypatch):
    monkeypatch.setattr("soundfile.available_subtypes", lambda _: {"VORBIS": "Vorbis"})
    with pytest.raises(RuntimeError, match=r"`formats` has opus, which libsndfile .* cannot write"):
        T.Codec(16_000, "opus")
    T.Codec(16_000, "vorbis")
