"""Checks of randomness: keys determine all draws, and parameters are data."""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augspec.functional.shapes import fit
from augspec.params import params_from_json, params_to_json
from augspec.random import example_keys
from augspec.testing.case import Case, check, close, equal, require


@check()
def input_is_not_modified(case: Case) -> None:
    """Waveform, lengths and params stay as they are."""
    before = case.batch.clone(), case.lengths.clone()
    case.run()
    case.run_ragged()
    equal(case.batch, before[0], "the input was edited")
    equal(case.lengths, before[1], "`lengths` were edited")


@check(only="transform")
def params_are_not_modified(case: Case) -> None:
    """The params of `make_params` stay as they are."""
    params = case.transform.make_params(case.batch, keys=case.keys)
    before = params_to_json(params)
    case.transform.transform(case.batch, params)
    label = torch.eye(len(case.batch), device=case.batch.device)
    case.transform.targets({"label": label}, params)
    require(params_to_json(params) == before, "`params` were edited")


@check()
def global_random_state_is_untouched(case: Case) -> None:
    """With keys, no random state is read or set: torch's, Python's and NumPy's stay."""
    states = _random_states()
    case.run()
    case.run_ragged()
    for name, before, after in zip(
        ("torch", "random", "numpy.random"), states, _random_states(), strict=True
    ):
        require(before == after, f"the random state of `{name}` was touched")


def _random_states() -> tuple[str, ...]:
    of_numpy: Any = np.random.get_state()  # noqa: NPY002
    state = torch.random.get_rng_state().tolist()
    with np.printoptions(threshold=sys.maxsize):
        return str(state), str(random.getstate()), str(of_numpy)


@check()
def same_keys_give_same_output(case: Case) -> None:
    """The result is a function of input and keys, bit for bit."""
    equal(case.run(), case.run(), "two calls with the same keys differ")


@check(only="transform")
def seeds_reproduce(case: Case) -> None:
    """Without keys, `torch.manual_seed` or a generator makes results reproducible."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        first = case.transform(case.batch)
        torch.manual_seed(5)
        equal(case.transform(case.batch), first, "`torch.manual_seed` does not reproduce")
    generator = torch.Generator().manual_seed(5)
    again = case.transform(case.batch, generator=generator)
    equal(again, first, "a generator with the seed of `torch.manual_seed` gives other draws")


@check(only="transform")
def params_are_data(case: Case) -> None:
    """Params have a leading batch dimension, plain dtypes, and do not depend on the time."""
    params = case.transform.make_params(case.batch, keys=case.keys)
    for place, tensor in _tensors(params, "params"):
        require(isinstance(tensor, Tensor), f"{place} must be a tensor, got {tensor!r:.60}")
        require(
            tensor.dtype in (torch.float32, torch.int64, torch.bool),
            f"{place} must be float32, int64 or bool, got {tensor.dtype}",
        )
        require(
            tensor.shape[:1] == case.batch.shape[:1],
            f"{place} must have a leading batch dimension, got shape {tuple(tensor.shape)}",
        )
    longer = torch.cat([case.batch, case.batch], dim=-1)
    other = case.transform.make_params(longer, case.lengths, keys=case.keys)
    require(params_to_json(other) == params_to_json(params), "`params` depend on the time")


def _tensors(params: Any, place: str) -> list[tuple[str, Any]]:
    if isinstance(params, dict):
        inside = [_tensors(value, f"{place}[{name!r}]") for name, value in params.items()]
    elif isinstance(params, list):
        inside = [_tensors(value, f"{place}[{i}]") for i, value in enumerate(params)]
    else:
        return [(place, params)]
    return [pair for pairs in inside for pair in pairs]


@check(only="transform")
def params_round_trip_as_json(case: Case) -> None:
    """Params written as JSON and read again replay the call, bit for bit."""
    params = case.transform.make_params(case.batch, keys=case.keys)
    text = params_to_json(params)
    record = params_from_json(text, device=case.batch.device)
    require(params_to_json(record) == text, "`params` change after JSON")
    again = case.transform.transform(case.batch, record, case.lengths)
    for ours, expected in zip(again, case.run_ragged(), strict=True):
        equal(ours, expected, "a replay from JSON differs")


@check(only="transform")
def targets_pass(case: Case) -> None:
    """Unknown labels are passed through, and the dictionary is not edited."""
    params = case.transform.make_params(case.batch, keys=case.keys)
    pitch = torch.full((len(case.batch),), 60.0, device=case.batch.device)
    targets = {"pitch": pitch, "path": ["a.wav"] * len(case.batch)}
    given = dict(targets)
    new = case.transform.targets(targets, params, case.lengths)
    require(new.get("path") is given["path"], "`targets` lost or changed a key it does not know")
    require(
        targets.keys() == given.keys() and all(targets[name] is given[name] for name in given),
        "`targets` edited the dictionary that it was given",
    )


@check(only="picks")
def p_0_is_the_identity(case: Case) -> None:
    """With ``p=0`` the output is the input, bit for bit."""
    case = case.with_p(0.0)
    out = case.run()
    equal(out, fit(case.batch, out.shape[-1]), "with p=0 the output is not the input")
    out, ends = case.run_ragged()
    equal(out, fit(case.batch, out.shape[-1]), "with p=0 and lengths the output is not the input")
    equal(ends, case.lengths, "with p=0 the lengths change")


@check(only="picks")
def p_is_per_example(case: Case) -> None:
    """With ``p=0.5`` the number of picked examples lies within five standard deviations."""
    count = 2000
    keys = example_keys(3, 0, torch.arange(count, device=case.batch.device))
    batch = case.batch[:1, ..., :1].expand(count, *case.batch.shape[1:-1], 1)
    params: Any = case.with_p(0.5).transform.make_params(batch, keys=keys)
    applied = params["applied"]
    require(
        applied.shape == (count,) and applied.dtype == torch.bool,
        f"`applied` must be bool, one per example, got {applied.dtype}, {tuple(applied.shape)}",
    )
    share = float(applied.float().mean())
    bound = 5.0 * (0.25 / count) ** 0.5
    require(abs(share - 0.5) < bound, f"p=0.5 picks {share:.3f} of {count} examples")


@check(only="picks", unless="in_feature_only")
def unpicked_examples_come_out_bit_for_bit(case: Case) -> None:
    """An example that is not picked stays bit for bit; a picked one changes."""
    case = case.with_p(0.5)
    params: Any = case.transform.make_params(case.batch, keys=case.keys)
    picked = torch.arange(len(case.batch), device=case.batch.device) % 2 == 0
    out: Any = case.transform.transform(case.batch, {**params, "applied": picked})
    expected = fit(case.batch, out.shape[-1])
    equal(out[~picked], expected[~picked], "an example that is not picked changes")
    require(not torch.equal(out[picked], expected[picked]), "no picked example changes")
    spoilt = case.batch.masked_fill(picked.reshape(-1, *[1] * (case.batch.ndim - 1)), float("nan"))
    out = case.transform.transform(spoilt, {**params, "applied": ~picked})
    close(
        out[picked],
        fit(spoilt, out.shape[-1])[picked],
        "NaN in an example that is not picked is not returned",
    )
