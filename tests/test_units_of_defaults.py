"""Every default that is a number says in the docstring what it counts, at any sample rate."""

import inspect
import re
from collections.abc import Iterator

import pytest

from augspec import features, transforms

UNIT = re.compile(
    r"\b(samples?|frames?|bins?|bands?|spans?|rectangles?|channels?|filters?|coefficients?|octaves?"
    r"|dB|decibel|Hz|seconds?|milliseconds?|ms|semitones?|degrees?|percent|bits?|order|times"
    r"|how (?:many|often)|number|fraction|part|share|factor|multiple|divided by|ratio|rate"
    r"|probability|power|exponent|parameter of|strength|steepness|level|energy|added to|units?"
    r"|magnitude|octave|alpha|kbit|LUFS|epochs?)\b",
    re.IGNORECASE,
)
# What depends on how sound is cut into samples, frames or bins.
COUNT = re.compile(r"(n_fft|length|width|size|hop|shift|warp|lookahead|delay|fade|bins)")


def _described(cls: type) -> dict[str, str]:
    """Give each argument's line of the docstring."""
    section = re.search(
        r"^Args:\n(.*?)(?=\n\n\S|\Z)", inspect.getdoc(cls) or "", re.DOTALL | re.MULTILINE
    )
    lines = f"{section[1] if section else ''}\n"
    found = re.finditer(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", lines, re.DOTALL | re.MULTILINE)
    return {match[1]: " ".join(match[2].split()) for match in found}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(cls: type) -> Iterator[tuple[str, object]]:
    """Give the arguments whose default is a number or a range of numbers."""
    for name, parameter in inspect.signature(cls).parameters.items():
        default = parameter.default
        parts = default if isinstance(default, tuple) else (default,)
        if parts and all(map(_is_number, parts)):
            yield name, default


CLASSES = [
    value
    for module in (transforms, features)
    for name in module.__all__
    if inspect.isclass(value := getattr(module, name))
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_default_number_says_its_unit(cls: type) -> None:
    described = _described(cls)
    for name, default in _numbers(cls):
        assert name in described, f"{cls.__name__} says nothing of `{name}`"
        assert UNIT.search(described[name]), f"{cls.__name__}({name}={default}): of what?"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_default_count_says_what_is_counted(cls: type) -> None:
    for name, default in _numbers(cls):
        if isinstance(default, int) and COUNT.search(name):
            line = _described(cls)[name]
            counted = re.search(r"\b(samples?|frames?|bins?|filters?)\b", line, re.IGNORECASE)
            assert counted, f"{cls.__name__}({name}={default}) counts {line!r}"


def test_no_transform_of_sound_has_a_default_in_samples() -> None:
    """What is right at one sample rate only: a vocoder's frame was 1,024 samples at any rate."""
    found = [
        f"{cls.__name__}({name}={default})"
        for cls in CLASSES
        if getattr(cls, "kind", None) == "waveform"
        for name, default in _numbers(cls)
        if isinstance(default, int)
        and re.match(r".{0,40}\bsamples?\b", _described(cls)[name], re.IGNORECASE)
    ]
    assert found == []
