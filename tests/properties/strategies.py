"""What property tests draw: every public class, compositions of them, batches, settings."""

import contextlib
import inspect
import math
import re
import warnings
from collections.abc import Sequence

import torch
from hypothesis import assume
from hypothesis import strategies as st
from public import classes

from augspec import features as F
from augspec import transforms as T
from augspec.bank import Bank
from augspec.testing.case import Case, takes_specgram
from augspec.transforms.base import RandomTransform
from augspec.transforms.compose import Composite

KINDS = {kind.__name__: kind for kind in classes(T) + classes(F)}
EXAMPLES = {name: kind.example() for name, kind in KINDS.items()}
COMPOSITIONS = [kind for kind in classes(T) if issubclass(kind, Composite)]
OF_SPECGRAMS = {name for name, made in EXAMPLES.items() if takes_specgram(made)}

# --- Settings: around every bound there is, and what is no setting at all ------------------------

NUMBERS = [0, 1, -1, 2, 3, 7, 64, 1024, 16_000, 0.0, -0.0, 0.001, 0.01, 0.25, 0.5, 1.0, 1.5]
NUMBERS += [2.0, 4.0, 12.0, 24.0, 60.0, 100.0, -100.0, 200.0, -200.0, 500.0, 8000.0, 1e-30, 1e30]
NUMBERS += [-1e30, 5e-324, 1.7e308, math.inf, -math.inf, math.nan, 2**31, 2**63, -(2**63), 10**400]
ODD = [None, True, False, "text", "", "max", b"bytes", [], {}, (), object, [1], (1, 2, 3), {1: 2}]
ODD += [["x", "y"], [None, 1], {"Gain": {}}, torch.zeros(2), torch.tensor(0.5), {1, 2}, [[1, 2]]]


def settings():
    """Give an argument a value that it may or may not take."""
    numbers = st.sampled_from(NUMBERS) | st.floats() | st.integers(-10, 10_000)
    pairs = st.tuples(numbers, numbers).map(lambda pair: tuple(sorted(pair, key=_order)))
    odd = st.sampled_from(ODD)
    return numbers | pairs | st.lists(numbers, max_size=3) | odd


def _order(number):
    return -math.inf if number != number else number


def arguments_of(made):
    """Give the arguments that a module was made with, by name."""
    return {name: getattr(made, name) for name in inspect.signature(type(made)).parameters}


@st.composite
def constructor_calls(draw):
    """Draw a class and arguments, of which one or two are anything."""
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    arguments = arguments_of(EXAMPLES[kind.__name__])
    names = sorted(arguments)
    if not names:
        return kind, {}
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    return kind, {**arguments, **{name: draw(settings()) for name in chosen}}


def is_affordable(made):
    """Say whether a module can be run: a crop of 2**31 samples is allowed, and does not fit."""
    if isinstance(made, T.Resample) and made.new_freq > 8 * made.orig_freq:
        return False
    return all(_is_small(name, value) for name, value in arguments_of(made).items())


def _is_small(name, value):
    if isinstance(value, bool | float | str | type(None) | Bank):
        return True
    if isinstance(value, int):
        return value <= (20_000 if re.search("rate|freq|n_fft|length|size", name) else 300)
    if isinstance(value, dict):
        return all(_is_small(key, own) for key, own in value.items())
    if isinstance(value, RandomTransform):
        return is_affordable(value)
    several = isinstance(value, Sequence | torch.nn.ModuleList)
    return not several or all(_is_small(name, own) for own in value)


def range_of(kind, name):
    """Learn the ends of an argument's range from what the constructor says to one beyond them."""
    arguments = arguments_of(EXAMPLES[kind.__name__])
    number = r"(-?\d[\d.e+-]*)"
    for beyond in (1e29, 10**9):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is silly and allowed
                kind(**{**arguments, name: beyond})
        except (TypeError, ValueError) as error:
            found = re.search(rf"`{name}` must lie in \[{number}, {number}\]", str(error))
            if found is not None:
                return float(found[1]), float(found[2])
    return None


RANGES = {
    (kind, name): ends
    for kind in KINDS.values()
    for name in arguments_of(EXAMPLES[kind.__name__])
    if (ends := range_of(kind, name)) is not None
}

# --- Modules --------------------------------------------------------------------------------------


def _keeps_shape(made):
    """Say whether a transform gives the shape that it gets, so that others can stand in for it."""
    if not isinstance(made, RandomTransform) or isinstance(made, Composite) or made.mixes_examples:
        return False
    return not getattr(made, "sets_shape", False)


# Encoders are slow.
LEAVES = [name for name, made in EXAMPLES.items() if name != "Codec" and _keeps_shape(made)]


def leaves(of_specgrams):
    """Draw a transform that is not made of others, with a probability of its own."""
    names = [name for name in LEAVES if (name in OF_SPECGRAMS) == of_specgrams]
    return st.tuples(st.sampled_from(names), st.sampled_from([0.0, 0.5, 1.0])).map(_with_p)


def _with_p(chosen):
    name, p = chosen
    arguments = arguments_of(EXAMPLES[name])
    return KINDS[name](**{**arguments, "p": p} if "p" in arguments else arguments)


@st.composite
def compositions(draw, depth=2, of_specgrams=None):
    """Draw a composition of some class, of leaves and smaller compositions."""
    kind = draw(st.sampled_from(COMPOSITIONS))
    if of_specgrams is None:
        of_specgrams = draw(st.booleans())
    inside = leaves(of_specgrams)
    if depth > 1:
        inside |= compositions(depth=depth - 1, of_specgrams=of_specgrams)
    names = inspect.signature(kind).parameters
    arguments = {}
    if "body" in names:
        arguments["body"] = draw(inside)
    if "transforms" in names:
        least = 0 if kind is T.Chain else 1
        arguments["transforms"] = draw(st.lists(inside, min_size=least, max_size=3))
    if "times" in names:
        arguments["times"] = draw(st.integers(1, 2))
    if "settings" in names:
        arguments["settings"] = EXAMPLES[kind.__name__].settings
    if "n" in names:
        arguments["n"] = draw(st.integers(1, 2))
    if "p" in names:
        arguments["p"] = draw(st.sampled_from([0.0, 0.5, 1.0]))
    return kind(**arguments)


def modules():
    """Draw an instance of any class, as `example` makes it or composed, or with drawn settings."""
    known = st.sampled_from(sorted(EXAMPLES)).map(EXAMPLES.get)
    return known | compositions() | constructor_calls().map(_made)


def _made(call):
    kind, arguments = call
    with contextlib.suppress(TypeError, ValueError):
        made = kind(**arguments)
        if is_affordable(made):
            # What a feature draws in training (dither) differs from call to call.
            return made if isinstance(made, T.RandomTransform) else made.eval()
    return EXAMPLES[kind.__name__]


# --- Batches --------------------------------------------------------------------------------------

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


@st.composite
def cases(draw, made=None, least=0, dtypes=tuple(DTYPES[:2]), longest=5000):
    """Draw a module, a batch of any shape that it takes, lengths and keys."""
    module = draw(modules()) if made is None else made
    batch = draw(st.integers(least, 5))
    # Only one or two channels have a width.
    channels = draw(st.integers(1, 2 if "StereoWidth" in repr(module) else 3))
    parts = [part.in_channels for part in module.modules() if hasattr(part, "in_channels")]
    channels = parts[0] if parts else channels
    assume(channels <= 2 or "StereoWidth" not in repr(module))
    time = draw(st.sampled_from([1, 2, 3, 255, 256, 1000]) | st.integers(1, longest))
    if not getattr(module, "center", True):  # then a frame must fit
        time = max(time, module.n_fft)
    shape = (batch, channels, time)
    if wants_specgram(module):
        freq = max(_statistics(module)) or draw(st.integers(1, 40))
        shape = (batch, channels, freq, min(time, 300))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = torch.Generator().manual_seed(seed)
    dtype = draw(st.sampled_from(dtypes))
    tensor = 0.2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    tensor = (tensor.abs() + 0.01 if len(shape) == 4 else tensor).to(dtype)
    lengths = torch.randint(0, shape[-1] + 1, (batch,), generator=generator)
    keys = torch.randint(-(2**63), 2**63 - 1, (batch,), generator=generator)
    return Case(module, tensor, lengths, keys)


def _statistics(module):
    """Count the numbers for each bin that a normalisation has; 0 takes any number of bins."""
    counts = (len(getattr(module, name, None) or []) for name in ("mean", "std"))
    return [count if count > 1 else 0 for count in counts]


def wants_specgram(module):
    """Say whether a module takes spectrograms: compositions take what their parts do."""
    if isinstance(module, Composite):
        return any(map(wants_specgram, module))
    return type(module).__name__ in OF_SPECGRAMS
