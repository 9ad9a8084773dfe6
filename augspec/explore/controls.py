"""The settings of a class, from its signature and docstring, and the ends of sliders."""

from __future__ import annotations

import functools
import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from augspec import transforms as T
from augspec.bank import Bank
from augspec.transforms.families import FAMILIES

__all__ = ["Control", "Window", "controls_of", "families", "hint_of", "offered", "window_of"]

Stage = Literal["waveform", "specgram"]
Kind = Literal["range", "number", "switch", "choice", "steps", "bank", "rate", "text"]

# Ends of sliders, where twice the default is not a useful end. The limits of a class may be
# narrower or depend on the sample rate, so constructors may reject a part.
_WINDOWS: dict[str, tuple[float, float]] = {
    "semitones": (-12.0, 12.0),
    "rate": (0.5, 2.0),
    "factor": (0.5, 2.0),
    "gain_db": (-40.0, 20.0),
    "peak_db": (-40.0, 0.0),
    "rms_db": (-60.0, 0.0),
    "lufs": (-60.0, 0.0),
    "snr_db": (-10.0, 60.0),
    "cutoff_freq": (20.0, 20_000.0),
    "center_freq": (20.0, 20_000.0),
    "new_freq": (500.0, 48_000.0),
    "q": (0.1, 20.0),
    "mix": (0.0, 1.0),
    "magnitude": (0.0, 1.0),
    "shift": (-1.0, 1.0),
    "alpha": (0.7, 1.4),
}


@dataclass(frozen=True)
class Control:
    """One argument of a constructor.

    Args:
        name: The argument.
        kind: Type of the control; ``"text"`` takes any YAML.
        default: Default of the argument; ``Parameter.empty`` without one.
        whole: Whether its numbers are whole.
        optional: Whether it may be None.
        choices: The strings that may be chosen.
        hint: Its description in the docstring.
        unit: Unit of a range, as declared.
        limits: Lowest and highest bound of a range, as declared; infinite where there is none.
    """

    name: str
    kind: Kind
    default: Any
    whole: bool = False
    optional: bool = False
    choices: tuple[str, ...] = ()
    hint: str = ""
    unit: str = ""
    limits: tuple[float, float] = (-math.inf, math.inf)


def offered(stage: Stage, *, files: bool) -> list[type[T.RandomTransform]]:
    """List the public transforms that one sound, or its spectrogram, can go through.

    Transforms that mix the examples of a batch are left out.

    Args:
        stage: Waveforms or spectrograms.
        files: Whether there are files for a `augspec.Bank`.
    """
    other = T.SpecgramTransform if stage == "waveform" else T.WaveformTransform
    found: list[type[T.RandomTransform]] = []
    for name in T.__all__:
        kind = getattr(T, name)
        if inspect.isabstract(kind) or kind.mixes_examples or issubclass(kind, other):
            continue
        if hasattr(kind, "in_channels"):  # the page has sounds of one or two channels
            continue
        needs_bank = any(c.kind == "bank" and not c.optional for c in controls_of(kind))
        if files or not needs_bank:
            found.append(kind)
    return found


def families(
    kinds: Sequence[type[T.RandomTransform]],
) -> dict[str, list[type[T.RandomTransform]]]:
    """Group classes by family, in the order of the first of each."""
    groups: dict[str, list[type[T.RandomTransform]]] = {}
    titles = {module: title for title, modules in FAMILIES.items() for module in modules}
    for kind in kinds:
        module = kind.__module__.rpartition(".")[2]
        groups.setdefault(titles.get(module, module), []).append(kind)
    return groups


def hint_of(kind: type) -> str:
    """Return the first sentence of a class's docstring, without markup."""
    return _plain((inspect.getdoc(kind) or "").partition("\n")[0])


@functools.cache
def controls_of(kind: type) -> tuple[Control, ...]:
    """Describe every argument of a constructor, in its order."""
    hints = typing.get_type_hints(kind.__init__)  # type: ignore[misc]
    said = _said(kind)
    fields = getattr(kind, "fields", {})
    return tuple(
        _control(name, hints[name], parameter.default, said.get(name, ""), fields.get(name))
        for name, parameter in inspect.signature(kind).parameters.items()
    )


def _control(name: str, hint: Any, default: Any, said: str, declared: Any) -> Control:
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    optional = type(None) in parts
    parts = tuple(part for part in parts if part is not type(None))
    choices = tuple(
        choice for part in parts if get_origin(part) is Literal for choice in get_args(part)
    )
    inside = [get_args(part) for part in parts if get_origin(part) is not Literal]
    return Control(
        name,
        _kind(name, parts, inside),
        default,
        whole=float not in parts and int in parts,
        optional=optional,
        choices=tuple(choice for choice in choices if choice is not None),
        hint=said,
        unit=getattr(declared, "unit", ""),
        limits=(
            getattr(declared, "at_least", -math.inf),
            getattr(declared, "at_most", math.inf),
        ),
    )


def _kind(name: str, parts: Sequence[Any], inside: Sequence[Any]) -> Kind:
    if name in ("sample_rate", "orig_freq"):
        return "rate"
    if Bank in parts:
        return "bank"
    if T.RandomTransform in parts or (T.RandomTransform,) in inside:
        return "steps"
    if len(parts) == 2 and parts[0] in (float, int) and (parts[0],) in inside:
        return "range"
    if len(parts) != 1:
        return "text"
    if parts[0] is bool:
        return "switch"
    if get_origin(parts[0]) is Literal:
        return "choice"
    return "number" if parts[0] in (float, int) else "text"


def _said(kind: type) -> dict[str, str]:
    """Return the ``Args`` of a docstring, by name."""
    lines = (inspect.getdoc(kind) or "").partition("\nArgs:\n")[2].splitlines()
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if line and not line.startswith(" "):
            break
        start = re.fullmatch(r"    (\w+): (.*)", line)
        if start:
            name, found[start[1]] = start[1], start[2]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return {name: _plain(text) for name, text in found.items()}


def _plain(text: str) -> str:
    return re.sub(r"`+~?(?:augspec\.(?:\w+\.)*)?(.*?)`+", r"\1", text)


@dataclass(frozen=True)
class Window:
    """The part of the numbers that a slider moves over.

    Args:
        low: Its left end.
        high: Its right end.
        whole: Whether it has only whole numbers.
    """

    low: float
    high: float
    whole: bool = False

    #: Positions of a slider, from 0.
    POSITIONS: typing.ClassVar[int] = 400

    @property
    def is_log(self) -> bool:
        """Whether the scale is logarithmic, as for frequencies."""
        return self.low > 0 and self.high / self.low >= 20

    def position(self, value: float) -> int:
        """Return the position of a value; a value outside is at the end."""
        value = min(max(value, self.low), self.high)
        if self.low == self.high:
            return 0
        if self.is_log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(share * self.POSITIONS)

    def value(self, position: float) -> float:
        """Return the value at a position, rounded to the slider's resolution."""
        share = min(max(position / self.POSITIONS, 0.0), 1.0)
        if self.is_log:
            value = self.low * (self.high / self.low) ** share
            digits = 2 - math.floor(math.log10(value))
        else:
            span = self.high - self.low
            value = self.low + span * share
            digits = 2 - math.floor(math.log10(span)) if span else 6
        value = min(max(round(float(value), digits), self.low), self.high)
        return round(value) if self.whole else value


def window_of(control: Control, start: Sequence[float], accepts: Callable[[Any], bool]) -> Window:
    """Choose the ends of a range's slider, within the values that the constructor accepts.

    Args:
        control: The argument.
        start: A range that is accepted.
        accepts: Whether the constructor takes a value.
    """
    low, high = start
    wide = _WINDOWS.get(control.name) or (min(2 * low, 0.0), max(2 * high, 0.0))
    wide = max(wide[0], control.limits[0]), min(wide[1], control.limits[1])
    ends = [_furthest(low, wide[0], accepts), _furthest(high, wide[1], accepts)]
    if control.whole:
        return Window(math.ceil(min(ends[0], low)), math.floor(max(ends[1], high)), whole=True)
    return Window(min(ends[0], low), max(ends[1], high))


def _furthest(start: float, end: float, accepts: Callable[[Any], bool]) -> float:
    """Find the last accepted value from ``start`` towards ``end``, to three digits."""
    kind = type(start)
    if accepts(kind(end)):
        return kind(end)
    good, bad = start, end
    for _ in range(30):
        middle = kind((good + bad) / 2)
        if middle in (good, bad):
            break
        good, bad = (middle, bad) if accepts(middle) else (good, middle)
    if good == start or kind is int:
        return good
    digits = 2 - math.floor(math.log10(abs(good))) if good else 3
    unit = 10.0**-digits
    for place in (round(good, digits), round(good - math.copysign(unit, end - start), digits)):
        if accepts(place):
            return place
    return good
