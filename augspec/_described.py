"""How data sets, samplers and loaders print: a name, and one fact a line, as torchvision has it.

Only lengths and settings are read, never an example: printing costs no decoding and no download.
"""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from torch.utils.data import DataLoader, Dataset

_NAMES_SHOWN = 5
_DATASET = {
    "Number of examples": "__len__",
    "Number of shards": "urls",
    "Split": "split",
    "Root location": "root",
    "File": "path",
    "Classes": "classes",
    "Sample rate in Hz": "sample_rate",
    "Samples of a window": "size",
    "Seconds of a segment": "segment",
    "Condition": "condition",
    "Severity": "severity",
    "Files left out": "skipped",
    "Made from": "dataset",
}
#: What a loader of torch shows.
LOADER = {"Number of batches": "__len__", "Batch size": "batch_size", "Made from": "dataset"}


class Described:
    """Print the facts of an object that its attributes hold, one a line.

    A subclass that is no data set says in ``_printed`` which attribute belongs to which words.
    """

    _printed: ClassVar[Mapping[str, str]] = _DATASET

    def __repr__(self) -> str:
        return _describe(self)


def _describe(thing: Any) -> str:
    name = type(thing).__name__
    head = f"Dataset {name}" if isinstance(thing, Dataset) else name
    printed = getattr(thing, "_printed", LOADER if isinstance(thing, DataLoader) else _DATASET)
    return "\n".join([head, *(textwrap.indent(line, "    ") for line in _lines(thing, printed))])


def _lines(thing: Any, printed: Mapping[str, str]) -> Iterator[str]:
    for words, attribute in printed.items():
        value: Any = None
        # A debugger also prints objects whose constructor failed, and shards without a length.
        with contextlib.suppress(Exception):
            value = len(thing) if attribute == "__len__" else getattr(thing, attribute)
        if attribute in ("dataset", "loader"):
            if value is not None:
                yield f"{words}: {_describe(value)}"
        elif attribute in ("urls", "skipped"):
            if value:
                yield f"{words}: {len(value)}"
        elif attribute == "classes":
            if value:
                yield f"{words}: {len(value)} ({_first(value)})"
        elif value is not None:
            yield f"{words}: {value}"


def _first(names: Any) -> str:
    """Return the first names of classes, with the number of those that are left out."""
    shown = ", ".join(map(str, names[:_NAMES_SHOWN]))
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
