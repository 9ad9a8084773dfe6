"""Properties that hold for every class, any setting, any shape; `tests/long` draws far more."""

import json
import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    DTYPES,
    EXAMPLES,
    RANGES,
    arguments_of,
    cases,
    constructor_calls,
)

import augspec
from augspec.config import is_known
from augspec.testing.case import CHECKS, require
from augspec.transforms.compose import Composite

pytestmark = pytest.mark.usefixtures("eager_kernels")
TEMPI = "Speed|TimeStretch|PitchAndTempo|RepeatPart|Shift"

# Checks that ask nothing of the size of the batch.
ANY_SIZE = ["dtype_and_device_are_kept", "full_lengths_are_no_lengths", "input_is_not_modified"]
ANY_SIZE += ["padding_changes_no_valid_sample", "padding_stays_silent", "params_are_data"]
ANY_SIZE += ["params_are_not_modified", "params_round_trip_as_json", "same_keys_give_same_output"]
ANY_SIZE += ["silence_gives_finite_values", "p_0_is_the_identity", "targets_pass"]


def constructors_refuse_by_name(call):
    """What is out of range is a ValueError or TypeError that names an argument."""
    kind, arguments = call
    try:
        made = kind(**arguments)
    except (TypeError, ValueError) as error:
        named = set(re.findall(r"`(\w+)`", str(error)))
        known = {*arguments, *_inside(arguments)}
        require(bool(named & known), f"{kind.__name__}: {error!r}")
        return
    if is_known(kind):
        described = augspec.to_config(made)
        again = augspec.from_config(json.loads(json.dumps(described)))
        assert augspec.to_config(again) == described


def _inside(arguments):
    return {name for value in arguments.values() if isinstance(value, dict) for name in value}


def results_are_right(case):
    """The output has the input's dtype and batch, is finite, and says where examples end."""
    for lengths in (False, True):
        if lengths:
            out, ends = case.run_ragged()
            assert ends.dtype == torch.int64
            assert ends.shape == case.lengths.shape
            assert bool(((ends >= 0) & (ends <= out.shape[-1])).all())
        else:
            out = case.run()
        assert out.dtype == case.batch.dtype
        assert len(out) == len(case.batch)
        if case.batch.dtype == torch.float64:
            require(out.isfinite().all(), "finite input gives values that are not")


def an_example_is_as_if_alone(case):
    """An example taken out of its batch comes out the same."""
    if not len(case.batch) or getattr(case.module, "mixes_examples", False):
        return
    shortest = 1 if getattr(case.module, "center", True) else case.module.n_fft
    case = case.on(lengths=case.lengths.clamp(min=shortest))
    # What gets longer is cut at the tensor's time; made shorter again, it shows where.
    if not (isinstance(case.module, Composite) and re.search(TEMPI, repr(case.module))):
        CHECKS["an_example_ends_at_its_own_end"].function(case)
    whole, alone = case.run(), case.take(slice(0, 1)).run()
    torch.testing.assert_close(alone[0], whole[0], rtol=1e-5, atol=1e-5 * _largest(whole))


def _largest(tensor):
    return max(1.0, float(tensor.abs().max()))


def checks_hold(name, case):
    """A check of `augspec.testing` holds, whatever the batch is like."""
    if name == "dtype_and_device_are_kept":  # which doubles what it gets
        case = case.on(batch=case.batch.float())
    if CHECKS[name].applies(case.module):
        CHECKS[name].function(case)


def a_range_holds_its_ends(place, beyond):
    """Both ends of a range can be had and give finite values; what lies beyond is refused."""
    (kind, name), (low, high) = place, RANGES[place]
    arguments = arguments_of(EXAMPLES[kind.__name__])
    for number in (math.nextafter(low, -math.inf), math.nextafter(high, math.inf), beyond):
        if low <= number <= high:
            continue
        for value in (number, (number, high), (low, number)):
            with pytest.raises(ValueError, match=f"`{name}`"):
                kind(**{**arguments, name: value})


def ends_of_a_range_run(case):
    """A module at the end of a range gives finite values in float64."""
    require(case.run().isfinite().all(), f"{case.module!r} gives values that are not finite")


@st.composite
def at_an_end(draw):
    """Draw a case of a module with one argument at an end of its range."""
    kind, name = draw(st.sampled_from(sorted(RANGES, key=str)))
    low, high = RANGES[kind, name]
    arguments = arguments_of(EXAMPLES[kind.__name__])
    number = draw(st.sampled_from([low, high]))
    if isinstance(_first(arguments[name]), int):
        number = int(number)
    made = None
    for one in (number, (low, high)):
        try:
            made = kind(**{**arguments, name: one})
            break
        except ValueError as error:  # a range that depends on another argument, or is too wide
            require(f"`{name}`" in str(error), f"{kind.__name__}: {error!r}")
    made = EXAMPLES[kind.__name__] if made is None else made
    return draw(cases(made=made, dtypes=(torch.float64,), longest=1000))


def _first(value):
    return value[0] if isinstance(value, tuple | list) else value


@given(constructor_calls())
def test_constructors_refuse_by_name(call):
    constructors_refuse_by_name(call)


@given(cases(dtypes=DTYPES))
def test_results_are_right(case):
    results_are_right(case)


@given(cases())
def test_an_example_is_as_if_alone(case):
    an_example_is_as_if_alone(case)


@pytest.mark.parametrize("name", ANY_SIZE)
@given(case=cases())
def test_checks_hold_for_any_batch(name, case):
    checks_hold(name, case)


@given(st.sampled_from(sorted(RANGES, key=str)), st.floats())
def test_a_range_holds_its_ends(place, beyond):
    a_range_holds_its_ends(place, beyond)


@given(at_an_end())
def test_ends_of_a_range_run(case):
    ends_of_a_range_run(case)
