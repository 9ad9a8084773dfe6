import json

import pytest
import torch

import augspec
from augspec import transforms as T


@pytest.fixture
def params():
    chain = T.Chain(
        [T.Gain((-6.0, 6.0), p=0.5), T.RandomCrop(50), T.Chain([T.PolarityInversion()])]
    )
    return chain.make_params(torch.zeros(5, 2, 100), keys=augspec.example_keys(0, 0, range(5)))


def _leaves(tree):
    if isinstance(tree, torch.Tensor):
        return [tree]
    return [
        leaf
        for part in (tree.values() if isinstance(tree, dict) else tree)
        for leaf in _leaves(part)
    ]


def test_json_round_trips_every_bit(params):
    again = augspec.params_from_json(augspec.params_to_json(params))
    assert json.loads(augspec.params_to_json(params)) == json.loads(augspec.params_to_json(again))
    for ours, theirs in zip(_leaves(params), _leaves(again), strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([1e-45, 3.4e38, -0.0, 1 / 3, float("inf"), float("-inf")]),
        torch.tensor([2**63 - 1, -(2**63)]),
        torch.tensor([[True], [False]]),
        torch.zeros(0, 3),
    ],
)
def test_json_keeps_hard_values_and_empty_shapes(tensor):
    (again,) = augspec.params_from_json(augspec.params_to_json([tensor]))
    assert again.dtype == tensor.dtype
    assert again.shape == tensor.shape
    assert torch.equal(again, tensor)
    assert torch.equal(torch.signbit(again), torch.signbit(tensor))


def test_select_takes_examples_and_keeps_the_batch_dimension(params):
    taken = augspec.select(params, [3, 1])
    assert torch.equal(taken[0]["gain_db"], params[0]["gain_db"][[3, 1]])
    assert torch.equal(augspec.select(params, 2)[1]["offset"], params[1]["offset"][2:3])
    assert torch.equal(augspec.select(params, slice(1, 3))[1]["offset"], params[1]["offset"][1:3])


def test_a_record_of_one_example_replays_it(params):
    chain = T.Chain(
        [T.Gain((-6.0, 6.0), p=0.5), T.RandomCrop(50), T.Chain([T.PolarityInversion()])]
    )
    waveform = torch.randn(5, 2, 100)
    whole = chain.transform(waveform, params)
    record = augspec.params_from_json(augspec.params_to_json(augspec.select(params, 4)))
    assert torch.equal(chain.transform(waveform[4:], record), whole[4:])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "`text` must be JSON"),
        ("3", "params must be an object or a list"),
        ('[{"gain_db": 3}]', r"params\[0\].gain_db must be"),
        ('{"a": {"dtype": "complex64", "shape": [1], "values": [1]}}', "params.a is not a tensor"),
        ('{"a": {"dtype": "int64", "shape": [2], "values": [1]}}', "params.a is not a tensor"),
        ('{"a": {"dtype": "int64", "shape": [1], "values": [1e400]}}', "params.a is not a tensor"),
        ("[" * 100_000, "`text` must be JSON"),
        ("[" * 900 + "{}" + "]" * 900, "must not be nested more than 100 deep"),
    ],
)
def test_text_that_is_no_record_says_where(text, message):
    with pytest.raises(ValueError, match=message):
        augspec.params_from_json(text)


@pytest.mark.parametrize("params", ["text", {"a": 3}, [torch.zeros(1, dtype=torch.float64)]])
def test_what_is_not_params_is_refused(params):
    with pytest.raises(TypeError, match="`params` must"):
        augspec.params_to_json(params)
