"""PCEN whose parameters are learnt."""

import pytest
import torch

from augspec import Frontend, testing
from augspec import features as F
from augspec import transforms as T
from augspec.functional.pcen import exponential_average, pcen_by_bin

LEARNT = ("log_gain", "log_bias", "log_exponent", "logit_coefficient")
MEL = {"sample_rate": 8000, "n_fft": 64, "hop_length": 20, "n_mels": 12}


def sound(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("settings", [{}, {"bias": 1e-3, "exponent": 0.25, "initial": 1.0}])
def test_it_begins_as_the_fixed_one(settings):
    fixed, trainable = F.PCEN(**MEL, **settings), F.PCEN(**MEL, **settings, trainable=True)
    waveform = sound(2, 2, 1500)
    torch.testing.assert_close(trainable(waveform), fixed(waveform), rtol=1e-5, atol=1e-6)
    assert not list(fixed.parameters())
    shapes = {name: tuple(p.shape) for name, p in trainable.named_parameters()}
    assert shapes == dict.fromkeys(LEARNT, (12,))


def test_an_average_with_a_weight_for_each_bin_is_the_recursion():
    specgram, weight = sound(2, 1, 3, 50).abs(), torch.tensor([0.02, 0.3, 0.9]).double()
    averages, last = [], specgram[..., 0]
    for frame in specgram.unbind(-1):
        last = (1 - weight) * last + weight * frame
        averages.append(last)
    torch.testing.assert_close(exponential_average(specgram, weight), torch.stack(averages, -1))


def test_gradients_reach_every_parameter_and_are_right():
    specgram = sound(1, 1, 3, 10).square()
    parameters = [(0.2 + 0.5 * torch.rand(3).double()).requires_grad_() for _ in range(4)]
    assert torch.autograd.gradcheck(lambda *p: pcen_by_bin(specgram, *p), parameters)
    feature = F.PCEN(**MEL, trainable=True)
    feature(sound(2, 1, 1000).float()).square().mean().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in feature.parameters())


def test_a_step_of_training_lowers_a_loss_and_is_saved():
    torch.manual_seed(0)
    feature, waveform = F.PCEN(**MEL, trainable=True), sound(4, 1, 1000).float()
    optimizer = torch.optim.Adam(feature.parameters(), lr=0.05)
    losses = []
    for _ in range(5):
        loss = (feature(waveform) - 0.3).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    other = F.PCEN(**MEL, trainable=True)
    other.load_state_dict(feature.state_dict())
    assert torch.equal(other(waveform), feature(waveform))


def test_gain_before_it_is_fused_and_equal():
    chain, feature = T.Chain([T.Gain((-20.0, 6.0))]), F.PCEN(**MEL, trainable=True)
    waveform = sound(3, 1, 1000)
    made = [
        Frontend(chain, feature, fuse=fuse)(waveform, keys=torch.arange(3))
        for fuse in ("auto", "never")
    ]
    torch.testing.assert_close(*made, rtol=1e-5, atol=1e-6)


def test_lengths_and_half_precision_parameters():
    feature, waveform = F.PCEN(**MEL, trainable=True), sound(2, 1, 1000).float()
    whole, counts = feature(waveform, torch.tensor([1000, 500]))
    alone = feature(waveform[1:, :, :500])
    torch.testing.assert_close(whole[1:, ..., : int(counts[1])], alone)
    assert feature.half()(waveform).isfinite().all()


def test_a_gain_of_zero_has_no_logarithm():
    with pytest.raises(ValueError, match="`gain`"):
        F.PCEN(**MEL, gain=0.0, trainable=True)


# The contract, but for the check that it has no parameters.
CHECKS = [
    name for name in testing.checks_for(F.PCEN(**MEL, trainable=True)) if name != "it_has_no_state"
]


@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.parametrize("name", CHECKS)
def test_it_keeps_the_contract(name):
    testing.run_check(name, F.PCEN(n_fft=256, hop_length=64, n_mels=16, trainable=True))
