"""Fuzz `augspec.params_from_json`: a text is params, which come out the same again, or refused."""

import sys

import fuzzing
import torch

import augspec
from augspec import transforms as T

ALLOWED = (ValueError,)


def _seeds():
    chain = T.Chain([T.Gain(), T.OneOf.example(), T.SomeOf.example(), T.RandAugment.example()])
    keys = augspec.example_keys(0, 0, range(3))
    params = chain.make_params(torch.zeros(3, 2, 100), keys=keys)
    parts = [{}, [], *params, {"applied": torch.tensor(True), "x": torch.zeros(2, 0)}]
    return [augspec.params_to_json(part).encode() for part in [params, *parts]]


SEEDS = _seeds()


def target(data, _):
    """Read the bytes as a record of params."""
    params = augspec.params_from_json(data.decode("utf-8", "replace"))
    text = augspec.params_to_json(params)
    if augspec.params_to_json(augspec.params_from_json(text)) != text:
        raise RuntimeError("params do not come out as they went in")


if __name__ == "__main__":
    sys.exit(fuzzing.main("params", target, SEEDS, ALLOWED))
