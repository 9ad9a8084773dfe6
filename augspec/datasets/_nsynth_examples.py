"""Reading NSynth's examples.json into a few arrays."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The official order, except synth_lead (officially 9, before vocal). Only the train split has it;
# it comes last, so that the ten families of the benchmark are 0 to 9 in every split.
FAMILIES = (
    *("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "vocal"),
    "synth_lead",
)
SOURCES = ("acoustic", "electronic", "synthetic")
QUALITIES = (
    *("bright", "dark", "distortion", "fast_decay", "long_release"),
    *("multiphonic", "nonlinear_env", "percussive", "reverb", "tempo-synced"),
)
SAMPLE_RATE = 16_000

_NAME = re.compile(
    rf"(?P<instrument>(?P<family>{'|'.join(FAMILIES)})_(?P<source>{'|'.join(SOURCES)})_\d+)"
    r"-(?P<pitch>\d+)-(?P<velocity>\d+)"
)
# Left out while a file is decoded: the official one has 300,000 notes in some 150 MB.
_UNREAD = {
    *("note", "note_str", "instrument", "instrument_family", "instrument_source", "qualities"),
}


@dataclass
class Notes:
    """The metadata of the notes of a split, in the order of their names.

    It stores arrays of small numbers instead of a dictionary per note: 300,000 notes take about 25
    MB. Forked workers share the pages; the reference counts of Python objects would make copies.
    """

    names: NDArray[np.bytes_]
    families: NDArray[np.uint8]  # index into FAMILIES
    sources: NDArray[np.uint8]  # index into SOURCES
    instruments: NDArray[np.int32]  # index into instrument_names
    pitches: NDArray[np.uint8]
    velocities: NDArray[np.uint8]
    qualities: NDArray[np.uint16]  # bit i is QUALITIES[i]
    rates: NDArray[np.int32]
    instrument_names: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.names)

    def select(self, index: NDArray[Any]) -> Notes:
        """Return the notes at ``index``, which is indices or a mask."""
        columns = {name: column[index] for name, column in vars(self).items() if name != _TABLE}
        return Notes(**columns, instrument_names=self.instrument_names)


_TABLE = "instrument_names"


def read_examples(path: Path) -> Notes:
    """Read the metadata of all notes."""
    names: list[bytes] = []
    rows: list[tuple[int, ...]] = []
    codes: dict[str, int] = {}
    for name, record in _entries(path).items():
        names.append(name.encode())
        rows.append(_parse(path, name, record, codes))
    columns = np.array(rows, np.int32).reshape(-1, 7).T
    order = np.argsort(np.array(list(codes), np.str_))
    rank = np.empty(len(codes), np.int32)
    rank[order] = np.arange(len(codes), dtype=np.int32)
    notes = Notes(
        names=np.array(names, np.bytes_),
        families=columns[0].astype(np.uint8),
        sources=columns[1].astype(np.uint8),
        instruments=rank[columns[2]],
        pitches=columns[3].astype(np.uint8),
        velocities=columns[4].astype(np.uint8),
        qualities=columns[5].astype(np.uint16),
        rates=columns[6].astype(np.int32),
        instrument_names=np.array(sorted(codes), np.str_),
    )
    return notes.select(np.argsort(notes.names, kind="stable"))


def _parse(path: Path, name: str, record: Any, codes: dict[str, int]) -> tuple[int, ...]:
    if not isinstance(record, dict):
        raise ValueError(f"{path}: the entry of {name!r} must be an object, got {record!r}")
    match = _NAME.fullmatch(name)
    from_name: dict[str, Any] = match.groupdict() if match else {}

    def field(key: str, group: str) -> Any:
        value = record.get(key, from_name.get(group))
        if value is None:
            raise ValueError(
                f"{path}: {name!r} has no {key}, and its name does not give it; names are "
                "family_source_number-pitch-velocity"
            )
        return value

    family = field("instrument_family_str", "family")
    source = field("instrument_source_str", "source")
    if family not in FAMILIES or source not in SOURCES:
        raise ValueError(
            f"{path}: {name!r} must be of a family of NSynth ({', '.join(FAMILIES)}) and a source "
            f"({', '.join(SOURCES)}), got {family!r} and {source!r}"
        )
    if "/" in name or "\\" in name or name[1:2] == ":":  # a drive of Windows
        raise ValueError(f"{path}: {name!r} must be a plain file name")
    return (
        FAMILIES.index(family),
        SOURCES.index(source),
        codes.setdefault(str(field("instrument_str", "instrument")), len(codes)),
        _midi(path, name, "pitch", field("pitch", "pitch")),
        _midi(path, name, "velocity", field("velocity", "velocity")),
        _bits(path, name, record.get("qualities_str", ())),
        _rate(path, name, record.get("sample_rate", SAMPLE_RATE)),
    )


def _midi(path: Path, name: str, key: str, value: Any) -> int:
    number = int(value) if isinstance(value, int) or str(value).isdecimal() else -1
    if not 0 <= number <= 127:
        raise ValueError(f"{path}: {key} of {name!r} must be from 0 to 127, got {value!r}")
    return number


def _rate(path: Path, name: str, value: Any) -> int:
    if not isinstance(value, int) or not 0 < value < 1 << 31:
        raise ValueError(f"{path}: sample_rate of {name!r} must be a number of Hz, got {value!r}")
    return value


def _bits(path: Path, name: str, qualities: Any) -> int:
    if not isinstance(qualities, list | tuple):
        raise ValueError(
            f"{path}: qualities_str of {name!r} must be a list of qualities, got {qualities!r}"
        )
    unknown = [quality for quality in qualities if quality not in QUALITIES]
    if unknown:
        raise ValueError(
            f"{path}: qualities_str of {name!r} must be some of {', '.join(QUALITIES)}, "
            f"got {unknown[0]!r}"
        )
    return sum(1 << QUALITIES.index(quality) for quality in set(qualities))


def _entries(path: Path) -> dict[str, Any]:
    """Return the entries of a file that holds one JSON object."""
    try:
        with path.open(encoding="utf-8") as file:
            entries = json.load(file, object_pairs_hook=_slim)
    except (json.JSONDecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON ({error}); unpack the split again") from error
    if not isinstance(entries, dict):
        raise ValueError(f"{path} must hold a JSON object with one entry per note")
    return entries


def _slim(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object without what is not read, and with one copy of words that come again."""
    return {
        key: _shared(value) for key, value in pairs if key not in _UNREAD or isinstance(value, dict)
    }


def _shared(value: Any) -> Any:
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, list):
        return [_shared(one) for one in value]
    return value
