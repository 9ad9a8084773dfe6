"""Codecs that are networks, brought by the user; EnCodec with random weights."""

import pytest
import torch
from transformers import EncodecConfig, EncodecModel

import augspec
from augspec import testing
from augspec import transforms as T
from augspec.interop import NeuralCodec

pytestmark = pytest.mark.usefixtures("eager_kernels")  # it is about codecs, not about a compiler


def coarse(audio: torch.Tensor) -> torch.Tensor:
    return (audio * 16).round() / 16


@pytest.fixture(scope="module")
def encodec() -> torch.nn.Module:
    torch.manual_seed(0)
    config = EncodecConfig(
        num_filters=4, hidden_size=16, codebook_size=32, codebook_dim=16, num_lstm_layers=1
    )
    return EncodecModel(config).eval()


# A straight-through gradient is none of the function's own.
CHECKS = set(testing.checks_for(NeuralCodec(coarse, 16_000, 16_000))) - {"gradients_are_right"}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_it_keeps_the_contract(name: str) -> None:
    testing.run_check(name, NeuralCodec(coarse, 16_000, 16_000))


def test_at_the_rate_of_the_codec_it_is_the_codec() -> None:
    waveform = torch.randn(3, 2, 1000)
    assert torch.equal(NeuralCodec(coarse, 8000, 8000)(waveform), coarse(waveform))


def test_gradients_pass_as_if_it_were_not_there() -> None:
    waveform = torch.randn(2, 1, 800, requires_grad=True)
    weight = torch.randn(2, 1, 800)
    (NeuralCodec(coarse, 16_000, 16_000)(waveform) * weight).sum().backward()
    torch.testing.assert_close(waveform.grad, weight)


def test_encodec_with_random_weights(encodec: torch.nn.Module) -> None:
    codec = NeuralCodec(lambda audio: encodec(audio).audio_values, 24_000, 16_000, p=0.5)
    waveform = 0.1 * torch.randn(4, 2, 8000)
    keys = augspec.example_keys(0, 0, range(4))
    lengths = torch.tensor([8000, 5000, 8000, 300])
    params = codec.make_params(waveform, lengths, keys=keys)
    out, ends = codec.transform(waveform, params, lengths)
    assert out.shape == waveform.shape
    assert torch.equal(ends, lengths)
    assert torch.equal(out[~params["applied"]], waveform[~params["applied"]])
    assert not torch.equal(out[params["applied"]], waveform[params["applied"]])
    with torch.no_grad():
        at_24k = augspec.functional.resample_rate(waveform[:1, :1], 16_000, 24_000)
        coded = encodec(at_24k).audio_values[..., : at_24k.shape[-1]]
        alone = augspec.functional.resample_rate(coded, 24_000, 16_000)[..., :8000]
    picked = {**params, "applied": torch.ones(4, dtype=torch.bool)}
    torch.testing.assert_close(codec.transform(waveform, picked)[:1, :1], alone)
    chain = T.Chain([T.Gain(), codec])
    assert chain(waveform).isfinite().all()
    assert not list(chain.parameters())
    assert not chain.state_dict()


def test_what_is_no_codec_is_named() -> None:
    with pytest.raises(TypeError, match="`codec` must be a function or module, got int"):
        NeuralCodec(3, 8000, 8000)
    with pytest.raises(ValueError, match="`codec_rate` must be a positive number of Hz"):
        NeuralCodec(coarse, 0, 8000)
    waveform = torch.zeros(1, 1, 100)
    with pytest.raises(TypeError, match="`codec` must return a tensor, got tuple: wrap it"):
        NeuralCodec(lambda audio: (audio,), 8000, 8000)(waveform)
    with pytest.raises(ValueError, match="`codec` must return"):
        NeuralCodec(lambda audio: audio[0], 8000, 8000)(waveform)
