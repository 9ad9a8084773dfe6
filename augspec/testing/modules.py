"""Checks of the module: copies, modes, state, settings and errors."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from typing import Any

import torch
from torch import Tensor, nn

from augspec.config import from_config, to_config
from augspec.testing.case import Case, check, equal, require
from augspec.transforms.base import RandomTransform


@check()
def it_pickles(case: Case) -> None:
    """A pickled module, as in a worker process, gives the same output."""
    # The bytes are made in this line, so unpickling them is safe.
    again = pickle.loads(pickle.dumps(case.module))  # noqa: S301
    equal(case.on(module=again).run(), case.run(), "a pickled copy gives another result")


@check()
def it_copies(case: Case) -> None:
    """A deep copy gives the same output."""
    again = copy.deepcopy(case.module)
    equal(case.on(module=again).run(), case.run(), "a deep copy gives another result")


@check()
def eval_is_the_identity(case: Case) -> None:
    """In ``eval()`` a transform is the identity, or, if it acts there, gives the same result."""
    evaluated = case.on(module=copy.deepcopy(case.module).eval())
    if not isinstance(evaluated.module, RandomTransform):
        equal(evaluated.run(), case.run(), "`eval()` changes a feature")
        return
    acts = evaluated.module.acts()
    state = torch.random.get_rng_state()
    out = evaluated.module(case.batch)
    if not acts:
        equal(out, case.batch, "in `eval()` it is not the identity")
        same = torch.equal(state, torch.random.get_rng_state())
        require(same, "in `eval()` it draws from the random state")
    elif getattr(evaluated.module, "in_eval", False):
        equal(
            evaluated.run(),
            case.run(),
            "with `in_eval` the result in `eval()` differs from that in `train()`",
        )
    params = evaluated.module.make_params(case.batch, keys=case.keys)
    replayed: Any = evaluated.module.transform(case.batch, params)
    equal(replayed, case.run(), "`make_params` and `transform` depend on the mode")


@check()
def it_has_no_state(case: Case) -> None:
    """It has no parameter, an empty state_dict, and no state from a call."""
    require(not list(case.module.parameters()), "it has learnable parameters")
    require(not case.module.state_dict(), f"its state_dict holds {list(case.module.state_dict())}")
    before = copy.deepcopy(_attributes(case.module))
    case.take(slice(1, 4)).on(keys=case.keys[1:4] + 1).run()
    after = _attributes(case.module)
    require(
        before.keys() == after.keys(),
        f"a call adds attributes: {sorted(before.keys() ^ after.keys())}",
    )
    for name, value in before.items():
        require(_same(value, after[name]), f"a call changes the attribute `{name}`")


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {
        f"{place}.{name}" if place else name: value
        for place, part in module.named_modules()
        for name, value in {**vars(part), **dict(part.named_buffers(recurse=False))}.items()
        if name != "_modules"
    }


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    plain = isinstance(a, int | float | str | bytes | type(None) | set | frozenset)
    return bool(a == b) if plain else type(a) is type(b)


@check()
def settings_are_attributes(case: Case) -> None:
    """Each argument of the constructor is an attribute, and the attributes make an equal module."""
    kind = type(case.module)
    names = [
        name
        for name, argument in inspect.signature(kind).parameters.items()
        if argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)
    ]
    missing = [name for name in names if not hasattr(case.module, name)]
    require(not missing, f"no attributes of the names of the arguments {missing}")
    again = kind(**{name: getattr(case.module, name) for name in names})
    for name in names:
        require(
            _same(getattr(again, name), getattr(case.module, name)),
            f"the attribute `{name}` differs from the argument of the constructor",
        )
    made = case.on(module=again.train(case.module.training).to(case.batch.device))
    equal(made.run(), case.run(), "an instance made from the attributes gives another result")


@check(only="known")
def it_round_trips_as_config(case: Case) -> None:
    """`augspec.to_config`, written as JSON, makes an equal object."""
    config = to_config(case.module)
    again = from_config(json.loads(json.dumps(config)))
    require(to_config(again) == config, f"the config {config} became {to_config(again)}")
    made = case.on(module=again.train(case.module.training).to(case.batch.device))
    equal(made.run(), case.run(), "the object made from the config gives another result")


@check()
def bad_input_is_refused(case: Case) -> None:
    """Another rank raises ValueError, integers TypeError, and lengths that do not fit either."""
    _refuses(case.on(batch=case.batch[0, 0]), ValueError, "a tensor of another rank")
    _refuses(case.on(batch=case.batch.to(torch.int16)), TypeError, "integer audio")
    for lengths, error in ((case.lengths[:-1], ValueError), (case.lengths.double(), TypeError)):
        _refuses(case.on(lengths=lengths), error, f"`lengths` {lengths}")


def _refuses(case: Case, error: type[Exception], what: str) -> None:
    try:
        case.run_ragged()
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what} must raise {error.__name__}, got {other!r}") from other
    raise AssertionError(f"{what} is accepted without an error")
