"""Chains, labels and errors; what every transform keeps is in test_catalogue.py."""

import pytest
import torch

import augspec
from augspec import transforms as T

KEYS = augspec.example_keys(seed=1, epoch=2, index=torch.arange(6))


# Chains.


def test_removing_a_transform_leaves_the_draws_of_the_others():
    waveform = torch.zeros(6, 1, 100)
    long = T.Chain([T.Gain((-6.0, 6.0)), T.PolarityInversion(p=0.5), T.RandomCrop(50)])
    short = T.Chain([T.Gain((-6.0, 6.0)), T.RandomCrop(50)])
    a, b = long.make_params(waveform, keys=KEYS), short.make_params(waveform, keys=KEYS)
    assert torch.equal(a[0]["gain_db"], b[0]["gain_db"])
    assert torch.equal(a[2]["offset"], b[1]["offset"])


def test_two_of_a_class_draw_apart():
    params = T.Chain([T.Gain(), T.Gain()]).make_params(torch.zeros(6, 1, 100), keys=KEYS)
    assert (params[0]["gain_db"] != params[1]["gain_db"]).all()


def test_an_empty_chain_is_the_identity():
    waveform = torch.randn(2, 1, 10)
    assert torch.equal(T.Chain()(waveform), waveform)


def test_pitch_labels_follow_the_shift_of_picked_examples():
    shift = T.PitchShift(3.0, p=0.5)
    waveform = torch.zeros(6, 1, 100)
    params = shift.make_params(waveform, keys=KEYS)
    targets = {"pitch": torch.full((6,), 60), "label": torch.arange(6)}
    new = shift.targets(targets, params)
    assert torch.equal(new["pitch"], 60 + 3.0 * params["applied"])
    assert torch.equal(new["label"], torch.arange(6))
    assert targets["pitch"].dtype == torch.int64


# Bad input.


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t(torch.zeros(2, 100)), ValueError, r"waveform.unsqueeze\(1\)"),
        (lambda t: t(torch.zeros(100)), ValueError, r"waveform\[None, None\]"),
        (lambda t: t(torch.zeros(2, 1, 100).short()), TypeError, r"waveform.float\(\) / 32768"),
        (lambda t: t([[0.0]]), TypeError, "`waveform` must be a torch.Tensor, got list"),
        (lambda t: t(torch.zeros(2, 1, 0)), ValueError, "at least one channel and one sample"),
        (lambda t: t(torch.zeros(2, 0, 9)), ValueError, "at least one channel"),
        (
            lambda t: t(torch.zeros(2, 1, 9), torch.tensor([9.0, 9.0])),
            TypeError,
            "`lengths` must be int64, numbers of samples",
        ),
        (
            lambda t: t(torch.zeros(2, 1, 9), torch.tensor([9])),
            ValueError,
            r"`lengths` must be .batch,., here .2,.",
        ),
        (
            lambda t: t(torch.zeros(2, 1, 9), keys=torch.zeros(2)),
            TypeError,
            "`keys` must be int64 from augspec.example_keys",
        ),
        (
            lambda t: t(torch.zeros(2, 1, 9), keys=torch.zeros(3).long()),
            ValueError,
            r"`keys` must have shape \(2,\)",
        ),
        (
            lambda t: t(torch.zeros(2, 1, 9), keys=KEYS[:2], generator=torch.Generator()),
            ValueError,
            "`keys` and `generator` must not both",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(T.Gain())


def test_chains_refuse_what_is_no_transform_and_params_that_do_not_fit():
    with pytest.raises(TypeError, match="got Linear at place 1"):
        T.Chain([T.Gain(), torch.nn.Linear(1, 1)])
    with pytest.raises(ValueError, match="`params` must be a list of 1 transforms' params, got 2"):
        T.Chain([T.Gain()]).transform(torch.zeros(1, 1, 9), [{}, {}])


def test_nothing_is_copied_where_every_example_is_picked(monkeypatch):
    """On a CPU a copy of all examples took a third of the time of `BackgroundNoise`."""
    waveform, made = torch.randn(6, 1, 100), torch.randn(6, 1, 100)
    transform = T.LowPass(500.0, sample_rate=8000, p=0.5)
    monkeypatch.setattr(type(transform), "_transform", lambda *_: made)
    params = transform.make_params(waveform, keys=KEYS)
    assert 0 < params["applied"].sum() < 6
    some = transform.transform(waveform, params)
    expected = torch.where(params["applied"][:, None, None], made, waveform)
    assert torch.equal(some, expected)
    assert transform.transform(waveform, params | {"applied": torch.ones(6).bool()}) is made
