"""Transforms that declare their parameters: constructor, checks and draws come from one place.

A class declares its drawn parameters and its settings as annotated class attributes::

    class Tremolo(WaveformTransform, kernel=tremolo):
        rate: Uniform = Uniform(default=(3.0, 8.0), at_least=0.1, at_most=100.0, unit="Hz")
        depth: Uniform = Uniform(default=(0.1, 0.5), at_least=0.0, at_most=1.0, neutral=0.0)
        sample_rate: int = setting(check=check_rate, kw_only=True)

The constructor takes them in that order, checks them and stores them under their names. Type
checkers and editors read the same declaration (PEP 681). A range is passed as a number or ``(low,
high)``; the attribute is always ``(low, high)``.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias, dataclass_transform, overload

import torch
from torch import Tensor, nn

from augspec.functional.checks import (
    LARGEST,
    as_whole,
    check_count,
    check_finite,
    check_integer_range,
    check_range,
    check_sample_rate,
)
from augspec.random import Draw

__all__ = [
    "Bounded",
    "Declared",
    "Drawn",
    "Frequency",
    "Integers",
    "Key",
    "LogUniform",
    "Number",
    "Place",
    "Range",
    "Setting",
    "Uniform",
    "Whole",
    "Words",
    "setting",
]

Range: TypeAlias = float | Sequence[float]
WholeRange: TypeAlias = int | Sequence[int]

_LOWEST_FREQ = 1e-6  # Hz: a much lower frequency becomes 0 in float32 params
_MISSING = inspect.Parameter.empty


class Field:
    """One argument of a constructor: its default, and how a value is checked."""

    name: str = ""
    default: Any = _MISSING
    kw_only: bool = False
    init: bool = True
    annotation: Any = _MISSING

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def check(self, value: Any) -> Any:
        """Check a value and return it in the form that is stored."""
        return value

    def check_with(self, transform: Any) -> None:
        """Check the value against the other settings of a transform, after all are set."""


class Drawn:
    """A parameter that is drawn for each example, under the name that it has in the class."""

    name: str = ""
    neutral: float | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @abstractmethod
    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw it for every example; ``transform`` has the settings."""


class Bounded(Field, Drawn):
    """A range, given as a number or ``(low, high)``, that lies within limits.

    Args:
        default: Range, or number, if the argument is not passed.
        at_least: Lowest bound that is allowed.
        at_most: Highest bound that is allowed.
        neutral: Value at which the transform does nothing, if there is one.
        unit: Unit, for pages and controls.
        kw_only: Whether the argument must be named.
    """

    def __init__(
        self,
        *,
        default: Any = _MISSING,
        at_least: float = -float("inf"),
        at_most: float = float("inf"),
        neutral: float | None = None,
        unit: str = "",
        kw_only: bool = False,
    ) -> None:
        self.default = default
        self.at_least = at_least
        self.at_most = at_most
        self.neutral = neutral
        self.unit = unit
        self.kw_only = kw_only


class Uniform(Bounded):
    """A range from which values are drawn uniformly; see `Bounded` for the arguments."""

    annotation = Range

    if TYPE_CHECKING:  # at run time an instance has an attribute of its own

        @overload
        def __get__(self, instance: None, owner: Any = None) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: Any = None) -> tuple[float, float]: ...
        def __get__(self, instance: Any, owner: Any = None) -> Any: ...
        def __set__(self, instance: Any, value: Range) -> None: ...

    def check(self, value: Any) -> tuple[float, float]:
        """Check the range and give it as ``(low, high)``."""
        return check_range(self.name, value, at_least=self.at_least, at_most=self.at_most)

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw uniformly, float32."""
        return draw.uniform(self.name, *getattr(transform, self.name))


class LogUniform(Uniform):
    """A range of positive values, drawn uniformly in octaves."""

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw uniformly in octaves, float32."""
        return log_uniform(draw, self.name, *getattr(transform, self.name))


class Frequency(LogUniform):
    """A range of frequencies in Hz above 0 and below half of ``sample_rate``."""

    def __init__(self, *, default: Any = _MISSING, kw_only: bool = False) -> None:
        super().__init__(default=default, at_least=_LOWEST_FREQ, unit="Hz", kw_only=kw_only)

    def check(self, value: Any) -> tuple[float, float]:
        """Check that it is a range; `check_with` checks the bounds, which need the sample rate."""
        return check_range(self.name, value)

    def check_with(self, transform: Any) -> None:
        """Check the bounds."""
        check_freq(self.name, getattr(transform, self.name), transform.sample_rate)


class Integers(Bounded):
    """A range of whole numbers, both ends included, each equally likely; see `Bounded`."""

    annotation = WholeRange

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any = None) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: Any = None) -> tuple[int, int]: ...
        def __get__(self, instance: Any, owner: Any = None) -> Any: ...
        def __set__(self, instance: Any, value: WholeRange) -> None: ...

    def check(self, value: Any) -> tuple[int, int]:
        """Check the range and give it as ``(low, high)``."""
        return check_integer_range(self.name, value, at_least=self.at_least, at_most=self.at_most)

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw whole numbers, int64."""
        low, high = getattr(transform, self.name)
        return draw.integers(self.name, low, high + 1)


class Place(Drawn):
    """A fraction in [0, 1), such as a place in an example. It is not an argument."""

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw uniformly, float32."""
        return draw.uniform(self.name)


class Key(Drawn):
    """A key from which noise is made; params store it instead of the noise. Not an argument."""

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw a key, int64."""
        return draw.key(self.name)


class Setting(Field):
    """An argument that is not drawn; see `setting`."""

    def __init__(
        self,
        default: Any,
        check: Callable[[str, Any], Any] | None,
        kw_only: bool,
        init: bool,
    ) -> None:
        self.default = default
        self.checked_by = check
        self.kw_only = kw_only
        self.init = init

    def check(self, value: Any) -> Any:
        """Check a value, unless anything is allowed."""
        return value if self.checked_by is None else self.checked_by(self.name, value)


def setting(
    *,
    default: Any = _MISSING,
    check: Callable[[str, Any], Any] | None = None,
    kw_only: bool = False,
    init: bool = True,
) -> Any:
    """Declare an argument of the constructor that is not drawn.

    Args:
        default: Value if the argument is not passed; without a default it is required.
        check: Function of the name and a value; raises ``ValueError`` or returns the value to
            store.
        kw_only: Whether the argument must be named.
        init: Whether the constructor has the argument; if not, the attribute is the default.
    """
    return Setting(default, check, kw_only, init)


@dataclass(frozen=True)
class Number:
    """A check: a finite number in ``[at_least, at_most]``."""

    at_least: float = -float("inf")
    at_most: float = float("inf")

    def __call__(self, name: str, value: Any) -> float:
        """Return the value as a float."""
        number = check_finite(name, value)
        if not self.at_least <= number <= self.at_most:
            raise ValueError(
                f"`{name}` must lie in [{self.at_least:g}, {self.at_most:g}], got {value!r}"
            )
        return number


@dataclass(frozen=True)
class Whole:
    """A check: a whole number in ``[at_least, at_most]``."""

    at_least: int = 0
    at_most: int = LARGEST

    def __call__(self, name: str, value: Any) -> int:
        """Return the value."""
        if self.at_most == LARGEST:
            return check_count(name, value, self.at_least)
        whole = as_whole(value)
        if whole is None or not self.at_least <= whole <= self.at_most:
            raise ValueError(
                f"`{name}` must be an integer from {self.at_least} to {self.at_most}, got "
                f"{value!r:.60}"
            )
        return whole


class Words:
    """A check: one of some words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, name: str, value: Any) -> str:
        """Return the value."""
        if not isinstance(value, str) or value not in self.words:
            *others, last = map(repr, self.words)
            raise ValueError(f"`{name}` must be {', '.join(others)} or {last}, got {value!r}")
        return value


@dataclass_transform(
    eq_default=False, field_specifiers=(Uniform, LogUniform, Frequency, Integers, setting)
)
class Declared(nn.Module):
    """The base of classes whose constructor is made from declared fields.

    A class that defines ``__init__`` keeps it. Inherited fields come first; keyword-only fields
    come last.
    """

    #: The arguments of the constructor, by name.
    fields: dict[str, Field] = {}
    #: The drawn parameters, by name.
    drawn: dict[str, Drawn] = {}
    #: The fields of both kinds that the class itself declares.
    _own: tuple[dict[str, Field], dict[str, Drawn]] = ({}, {})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        drawn = {name: value for name, value in vars(cls).items() if isinstance(value, Drawn)}
        for name, field in own.items():
            if isinstance(field, Setting):  # it would hide a module of that name in an instance
                delattr(cls, name)
        cls._own = (own, drawn)
        owners = [vars(base)["_own"] for base in cls.__mro__ if "_own" in vars(base)]
        cls.drawn = {name: one for _, drawn in reversed(owners) for name, one in drawn.items()}
        everything = {n: field for fields, _ in reversed(owners) for n, field in fields.items()}
        # Type checkers expect positional fields in the order of the bases. Keyword-only fields may
        # have any order: those of the class come first, those of every transform last.
        named = [name for fields, _ in owners for name in fields if everything[name].kw_only]
        by_position = [name for name in everything if name not in named]
        cls.fields = {name: everything[name] for name in [*by_position, *named]}
        if own and "__init__" not in vars(cls):
            _annotate(cls, own)
            cls.__init__ = _make_init(cls.fields)  # type: ignore[method-assign]

    def _validate(self) -> None:
        """Check settings that depend on one another, after all are set."""


def _annotate(cls: type, own: dict[str, Field]) -> None:
    """Store the types of settings, for the signature."""
    try:
        annotations = inspect.get_annotations(cls, eval_str=True)
    except NameError:  # imported for type checkers alone
        annotations = inspect.get_annotations(cls)
    for name, field in own.items():
        if isinstance(field, Setting):
            field.annotation = annotations.get(name, _MISSING)


def _make_init(fields: dict[str, Field]) -> Callable[..., None]:
    """Write the constructor of a class with these fields."""
    arguments = [field for field in fields.values() if field.init]
    signature = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        + [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY
                if field.kw_only
                else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=field.default,
                annotation=field.annotation,
            )
            for field in arguments
        ],
        return_annotation=None,
    )
    left_out = [field for field in fields.values() if not field.init]

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            given = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            takes = ", ".join(field.name for field in arguments)
            # Other libraries have two arguments for a range: Gain(-15, 5), Gain(min_gain_db=-15).
            pairs = len(args) > 1 or any(name.startswith(("min_", "max_")) for name in kwargs)
            how = "; a range is one argument, (low, high)" if pairs else ""
            raise TypeError(f"{type(self).__name__}: {error}; it takes {takes}{how}") from None
        given.apply_defaults()
        nn.Module.__init__(self)
        for field in arguments:
            setattr(self, field.name, field.check(given.arguments[field.name]))
        for field in left_out:
            setattr(self, field.name, field.default)
        for field in arguments:
            field.check_with(self)
        self._validate()

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    __init__.__annotations__ = {
        **{field.name: field.annotation for field in arguments if field.annotation is not _MISSING},
        "return": None,
    }
    return __init__


def check_freq(name: str, freq: Range, sample_rate: int) -> tuple[float, float]:
    """Check that a range of frequencies lies above 0 and below Nyquist."""
    low, high = check_range(name, freq)
    if not _LOWEST_FREQ <= low <= high < sample_rate / 2:
        raise ValueError(
            f"`{name}` must lie above 0 and below half of `sample_rate`, {sample_rate / 2:g} Hz, "
            f"got {freq!r}"
        )
    return low, high


def log_uniform(draw: Draw, name: str, low: float, high: float) -> Tensor:
    """Draw values in ``[low, high]``, uniform in octaves."""
    drawn = low * torch.pow(high / low, draw.uniform(name))
    return drawn.clamp(low, high)  # rounding may leave the range


def check_rate(name: str, value: Any) -> int:
    """Check a sample rate."""
    return check_sample_rate(value, name)


def check_rate_or_none(name: str, value: Any) -> int | None:
    """Check a sample rate; None is allowed."""
    return None if value is None else check_sample_rate(value, name)
