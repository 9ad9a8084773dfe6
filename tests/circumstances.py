"""One table of the circumstances in which every class is asked to keep what it promises.

A row holds one value of each axis of `AXES`. `pairwise` gives few rows in which any two values of
two axes meet: `tests/properties/test_circumstances.py` asks them of every class, and
`tests/long/all_circumstances.py` any number of all rows. `FOUND_BY` says of each fault of the past
which values, together in one row, would have shown it.
"""

import contextlib
import functools
import inspect
import itertools
import random
from dataclasses import dataclass, fields

import torch
from allpairspy import AllPairs
from public import classes

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.bank import Bank
from augspec.visits import Visits

RATES = (8_000, 16_000, 22_050, 44_100, 48_000, 96_000)


@dataclass(frozen=True)
class Row:
    """The circumstances of one question."""

    rate: int = 16_000  # Hz
    channels: int = 1  # each with sound of its own
    precision: str = "float32"
    way: str = "torch"
    shape: str = "even"
    level: str = "usual"
    visits: str = "once"
    default: str = "none"

    def __str__(self):
        return " ".join(str(getattr(self, one.name)) for one in fields(self))


AXES = {
    "rate": RATES,
    "channels": (1, 2, 6),
    # A dtype of the signal, or float32 under autocast.
    "precision": (
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "autocast float16",
        "autocast bfloat16",
    ),
    # Eager in torch, with native kernels, in a forked process, under `torch.func`, with dual
    # numbers, for inference, while another thread compiles, in several threads at once.
    "way": (
        "torch",
        "native",
        "forked",
        "vmap",
        "vjp",
        "jvp",
        "dual",
        "inference",
        "beside a compilation",
        "threads",
    ),
    "shape": ("even", "ragged", "empty", "one sample"),
    "level": ("usual", "quiet", "loud"),
    "visits": ("once", "repeated"),  # whether an example comes again in its epoch
    # What `torch.set_default_dtype` and `torch.set_default_device` are told.
    "default": ("none", "float64", "bfloat16", "meta"),
}
#: These take seconds: kernels that compile, a graph of the caller's, 70,000 samples.
SLOW = {"way": ("compiled", "graph"), "shape": ("long",)}
#: These take minutes, or a machine to themselves: only `tests/long` asks for them.
LONG = {"way": ("beside two busy processes",), "shape": ("ten minutes",)}

SECONDS = 0.1
SAMPLES = {"one sample": 1, "long": 70_000}  # more than the largest number of half precision
LEVELS = {"usual": 0.3, "quiet": 1e-3, "loud": 8.0}

#: What showed each fault: (issue, what was wrong, the values of a row that shows it).
FOUND_BY = [
    (
        15,
        "autocast put a fused front end off by 48 dB on quiet sound",
        {"precision": "autocast float16", "level": "quiet"},
    ),
    (
        15,
        "MixBackground was silently nothing above 65,504 samples under autocast",
        {"precision": "autocast float16", "shape": "long"},
    ),
    (
        15,
        "a mel spectrogram in float16 was infinite in decibels in `eval()`",
        {"precision": "float16", "level": "loud"},
    ),
    (
        15,
        "Delta and a mask per channel crashed in stereo and drew one mask in mono",
        {"channels": 2, "shape": "ragged"},
    ),
    (
        16,
        "the vocoder's frame of 1,024 samples fitted 16 kHz only",
        {"rate": 44_100, "precision": "float32"},
    ),
    (
        16,
        "channels that share a sound came out decorrelated",
        {"channels": 2, "shape": "even"},
    ),
    (
        16,
        "a ratio of exactly 1 did not give the input bit for bit",
        {"precision": "float32", "shape": "ragged"},
    ),
    (
        17,
        "an example that came again in an epoch got the draws of its first coming",
        {"visits": "repeated"},
    ),
    (
        18,
        "constants were copied from the host at each call, on whatever device is the default",
        {"default": "meta"},
    ),
    (
        19,
        "two threads took 8.7 times as long as one beside two busy processes",
        {"way": "beside two busy processes"},
    ),
    (
        19,
        "compiled kernels and eager ones were two sources of one truth",
        {"way": "compiled", "precision": "float32"},
    ),
    (
        22,
        "the compiler of an old torch failed in a caller's graph",
        {"way": "graph"},
    ),
    (
        23,
        "stretches and pitch shifts had their frames elsewhere under another default dtype",
        {"default": "bfloat16", "rate": 44_100},
    ),
    (
        23,
        "while another thread compiled, a batch was computed as in a graph: without kernels",
        {"way": "beside a compilation"},
    ),
    (
        23,
        "compiled kernels gave dual numbers a gradient of 0",
        {"way": "dual"},
    ),
]


def axes(*more):
    """Give the axes with the values of SLOW or LONG added."""
    return {
        name: values + sum((m.get(name, ()) for m in more), ()) for name, values in AXES.items()
    }


def pairwise(*more):
    """Give few rows in which every two values of two axes meet, the same at each call."""
    named = axes(*more)
    return [Row(*values) for values in AllPairs([list(values) for values in named.values()])]


def several(count, seed, *more):
    """Give distinct rows of the whole table, drawn by a seed; every one if there are no more."""
    product = list(itertools.product(*axes(*more).values()))
    random.Random(seed).shuffle(product)  # noqa: S311
    return [Row(*values) for values in product[:count]]


# --- What is asked --------------------------------------------------------------------------------


def _front_ends():
    """Give front ends: fused, stage by stage, and of features of several stages."""
    waveform = T.Chain(
        [
            T.TimeStretch((0.8, 1.25)),
            T.PitchShift((-2.0, 2.0), sample_rate=16_000),
            T.Gain((-6.0, 6.0)),
        ]
    )
    mel = {"n_fft": 256, "hop_length": 64, "n_mels": 16}
    log_mel = F.LogMelSpectrogram(16_000, **mel)
    stages = torch.nn.Sequential(F.MelSpectrogram(16_000, **mel), F.AmplitudeToDB())
    deltas = torch.nn.Sequential(F.MFCC(16_000, 8, melkwargs=mel), F.Delta(5, order=(0, 1)))
    mask = T.TimeMask(4, per_channel=True)
    return {
        "Frontend, fused": augspec.Frontend(waveform, log_mel, T.TimeMask(4)),
        "Frontend, apart": augspec.Frontend(waveform, log_mel, T.TimeMask(4), fuse="never"),
        "Frontend, stages": augspec.Frontend(T.Gain(), stages),
        "Frontend, eval": augspec.Frontend(T.Gain(), stages).eval(),
        "Frontend, deltas": augspec.Frontend(T.Gain(), deltas, mask),
    }


SUBJECTS = {kind.__name__: kind.example() for kind in classes(T) + classes(F)} | _front_ends()


def at_rate(module, rate):
    """Make a module again for another sample rate; what it has in Hz scales where it must."""
    if isinstance(module, torch.nn.Sequential):
        return torch.nn.Sequential(*(at_rate(part, rate) for part in module))
    arguments = {
        name: _part_at_rate(getattr(module, name), rate)
        for name in inspect.signature(type(module)).parameters
    }
    if isinstance(module, augspec.Frontend):
        return type(module)(**arguments).train(module.training)
    if "n_fft" in arguments and inspect.signature(type(module)).parameters["n_fft"].default is None:
        arguments["n_fft"] = None  # the default is of the rate
    if "sample_rate" not in arguments:
        return type(module)(**arguments)
    arguments["sample_rate"] = rate
    if isinstance(module, T.Codec):  # no codec has every rate
        arguments["formats"] = ("vorbis",)
    try:
        return type(module)(**arguments)
    except ValueError:  # a frequency above half of the rate
        scaled = {
            name: _times(value, rate / module.sample_rate)
            for name, value in arguments.items()
            if "freq" in name or name in ("f_min", "f_max")
        }
        return type(module)(**{**arguments, **scaled})


def _part_at_rate(value, rate):
    if isinstance(value, Bank):
        return _bank_at(rate)
    if isinstance(value, torch.nn.ModuleList):
        return [at_rate(part, rate) for part in value]
    return at_rate(value, rate) if isinstance(value, torch.nn.Module) else value


@functools.cache
def _bank_at(rate):
    generator = torch.Generator().manual_seed(1)
    sounds = [torch.randn(rate // n, generator=generator) for n in (10, 20)]
    return Bank(sounds, rate)


def _times(value, factor):
    if isinstance(value, tuple):
        return tuple(_times(one, factor) for one in value)
    return value if value is None else value * factor


def size_of(row):
    """Say how many samples a row's signal has."""
    if row.shape == "ten minutes":
        return 600 * row.rate
    return SAMPLES.get(row.shape, round(SECONDS * row.rate))


def keys_of(row, batch):
    """Give the keys of a batch in which examples are new, or one comes again."""
    index = torch.tensor([5, 5, 9, 5]) if row.visits == "repeated" else torch.arange(4)
    return augspec.example_keys(1, 2, index[:batch], Visits().views(index[:batch]))


# --- Circumstances around a call ------------------------------------------------------------------


@contextlib.contextmanager
def defaults(row):
    """Set torch's default dtype and device as a row says, within."""
    before = torch.get_default_dtype()
    try:
        if row.default in ("float64", "bfloat16"):
            torch.set_default_dtype(getattr(torch, row.default))
        with of_thread(row):
            yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def of_thread(row):
    """Set what is each thread's own: the default device, and autocast."""
    with torch.device("meta") if row.default == "meta" else contextlib.nullcontext(), autocast(row):
        yield


def autocast(row):
    """Give the autocast of a row."""
    name = row.precision.removeprefix("autocast ")
    if name == row.precision:
        return contextlib.nullcontext()
    return torch.autocast("cpu", dtype=getattr(torch, name))


def dtype_of(row):
    """Give the dtype of a row's signal."""
    return torch.float32 if "autocast" in row.precision else getattr(torch, row.precision)
