"""Which notes of NSynth to keep."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from augspec.datasets._nsynth_examples import FAMILIES, QUALITIES, SOURCES, Notes

Names: TypeAlias = str | Iterable[str] | None
Range: TypeAlias = int | tuple[int, int] | None


class Filters(NamedTuple):
    """Which notes to keep."""

    sources: Any
    families: Any
    pitch: Any
    velocity: Any
    qualities: Any
    instruments: Any

    def checked(self) -> Filters:
        """Return the names as lists and the ranges as pairs; ``None`` keeps all."""
        return Filters(
            _some_of("sources", self.sources, SOURCES),
            _some_of("families", self.families, FAMILIES),
            _pair("pitch", self.pitch),
            _pair("velocity", self.velocity),
            _some_of("qualities", self.qualities, QUALITIES),
            _names(self.instruments),
        )

    def mask(self, notes: Notes, examples: Path) -> NDArray[np.bool_]:
        """Return for every note whether it is kept."""
        kept = np.ones(len(notes), np.bool_)
        if self.sources is not None:
            kept &= np.isin(notes.sources, [SOURCES.index(name) for name in self.sources])
        if self.families is not None:
            kept &= np.isin(notes.families, [FAMILIES.index(name) for name in self.families])
        for bounds, values in ((self.pitch, notes.pitches), (self.velocity, notes.velocities)):
            if bounds is not None:
                kept &= (values >= bounds[0]) & (values <= bounds[1])
        for name in self.qualities or ():
            kept &= notes.qualities >> QUALITIES.index(name) & 1 == 1
        if self.instruments is not None:
            unknown = set(self.instruments) - set(notes.instrument_names.tolist())
            if unknown or not self.instruments:
                raise ValueError(
                    f"`instruments` must be some of those in {examples}, got {sorted(unknown)}"
                )
            known = np.isin(notes.instrument_names, self.instruments)
            kept &= known[notes.instruments]
        return kept

    def describe(self) -> str:
        """Name the filters that are set."""
        given = [f"`{key}` {value}" for key, value in self._asdict().items() if value is not None]
        return " and ".join(given) or "NSynth"


def _names(names: Names) -> list[str] | None:
    if names is None:
        return None
    return [names] if isinstance(names, str) else sorted(set(names))


def _some_of(argument: str, names: Names, known: tuple[str, ...]) -> list[str] | None:
    kept = _names(names)
    if kept is not None and (not kept or set(kept) - set(known)):
        raise ValueError(f"`{argument}` must be some of {', '.join(known)}, got {names!r}")
    return kept


def _pair(argument: str, value: Range) -> tuple[int, int] | None:
    if value is None:
        return None
    # Accept NumPy's integers, which columns of numbers hold.
    ends: Any = (value, value) if isinstance(value, Integral) else value
    pair = tuple(int(end) if isinstance(end, Integral) else end for end in ends)
    if len(pair) != 2 or not 0 <= pair[0] <= pair[1] <= 127:
        raise ValueError(
            f"`{argument}` must be a number or a range (low, high) from 0 to 127, got {value!r}"
        )
    return int(pair[0]), int(pair[1])
