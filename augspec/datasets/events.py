"""Events (onset, offset, label) as labels of frames and of whole items."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from augspec._described import Described
from augspec._names import listing
from augspec.datasets._class_names import check_classes
from augspec.datasets._event_tables import Event, checked, read_events
from augspec.datasets._items import attribute_of, fingerprint_of
from augspec.functional.checks import check_positive

__all__ = ["Event", "Events", "read_events"]


class Events(Described, Dataset[dict[str, Any]]):
    """Add labels of frames to the items of a data set, from events in their files.

    ``frames`` ``(classes, frame)`` is 1 where an event sounds in any part of a frame, else 0. The
    frames divide the item's waveform into equal steps; transforms move and mix them (``frames`` of
    `augspec.transforms.RandomTransform.targets`). ``label`` ``(classes,)`` is the weak label: 1 if
    an event of the class sounds anywhere in the item. Both are float32, and replace those of the
    item. Both follow the transforms: a class that a crop removes completely is removed from
    ``label``.

    Items need a ``path``. An event belongs to the item whose path ends with the event's ``file``,
    with or without a suffix. For an item with a ``start`` (a window, a segment) only the events
    inside it count, relative to its beginning.

    Args:
        dataset: `AudioFolder`, `AudioTable`, or `Windows` over one; or any data set whose items
            have ``path``, with a ``sample_rate``.
        events: The result of `read_events`, or tuples of file, onset, offset and label.
        classes: Names of the labels in the order of their numbers; by default those of all events,
            sorted. Give ``classes=train.classes`` to the validation set.
        frame_seconds: Length of a frame; an item has ``round(time / frame_seconds)`` of them, at
            least one.

    Attributes:
        classes: The labels' names, in the order of the rows of ``frames``.
        sample_rate: Sampling rate in Hz.
        unmatched: Files of events without an item, if ``dataset`` has ``paths``.

    Raises:
        TypeError: If ``dataset`` has no ``sample_rate``, or ``classes`` is a string.
        ValueError: If there is no event, an event ends before it begins or has a label that is not
            in ``classes``, no event belongs to a file of ``dataset``, or two of its files match the
            name of an event's file.
        KeyError: While reading, if an item has no ``path``.

    Example:
        >>> from augspec.datasets import Event, Events
        >>> items = [{"waveform": torch.zeros(1, 8_000), "path": "a/rec.wav", "index": 0}]
        >>> class Recordings(list):
        ...     sample_rate = 8_000
        >>> sounds = Events(Recordings(items), [Event("rec.wav", 0.25, 0.5, "wren")],
        ...                 frame_seconds=0.25)
        >>> sounds[0]["frames"], sounds[0]["label"]
        (tensor([[0., 1., 0., 0.]]), tensor([1.]))
    """

    def __init__(
        self,
        dataset: Dataset[dict[str, Any]],
        events: Iterable[Event | tuple[str, float, float, str]],
        *,
        classes: Sequence[str] | None = None,
        frame_seconds: float = 0.02,
    ) -> None:
        listed = [checked(Event(*event), f"event {place}") for place, event in enumerate(events)]
        if not listed:
            raise ValueError("`events` must hold at least one event, got none")
        if attribute_of(dataset, "sample_rate") is None:
            raise TypeError(
                f"`dataset` must have a `sample_rate`, got {type(dataset).__name__}, which has none"
            )
        self.dataset = dataset
        self.sample_rate = int(attribute_of(dataset, "sample_rate"))
        self.frame_seconds = check_positive("frame_seconds", float(frame_seconds))
        names = sorted({event.label for event in listed}) if classes is None else classes
        self.classes = check_classes(names)
        number = {name: place for place, name in enumerate(self.classes)}
        self._events: dict[str, list[tuple[float, float, int]]] = {}
        for event in listed:
            if event.label not in number:
                raise ValueError(
                    f"`classes` must contain the label of every event, but {event} has another; it "
                    f"has {listing([*map(repr, self.classes)])}"
                )
            own = (float(event.onset), float(event.offset), number[event.label])
            self._events.setdefault(PurePath(event.file).as_posix(), []).append(own)
        settings = repr((sorted(self._events.items()), self.classes, self.frame_seconds))
        self._digest = hashlib.blake2b(settings.encode(errors="surrogateescape")).hexdigest()[:16]
        self.unmatched = self._match(attribute_of(dataset, "paths"))

    def _match(self, paths: Sequence[str] | None) -> list[str]:
        """Return the files of events without an item; raise if several files match a name."""
        if paths is None:
            return []
        counts = Counter(name for path in paths for name in _names(path) if name in self._events)
        for name, count in counts.items():
            if count > 1:
                raise ValueError(
                    f"`events` must name one file each, but {count} files of `dataset` match "
                    f"{name!r}; give a longer part of its path"
                )
        if not counts:
            raise ValueError(
                f"`events` must be of files of `dataset`, such as {paths[0]}, got events of "
                f"{', '.join(list(self._events)[:3])}"
            )
        return [name for name in self._events if name not in counts]

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.dataset[index]
        if "path" not in item:
            raise KeyError(f"items of `dataset` must have a `path`, got {sorted(item)}")
        frames = self._frames(item["path"], float(item.get("start", 0.0)), item["waveform"])
        return {**item, "frames": frames, "label": frames.amax(-1)}

    def fingerprint(self, index: int) -> str | None:
        """Identify an item without decoding it, if ``dataset`` can."""
        own = fingerprint_of(self.dataset, index)
        return None if own is None else f"{own} {self._digest}"

    def _frames(self, path: str, start: float, waveform: Tensor) -> Tensor:
        seconds = max(1, waveform.shape[-1]) / self.sample_rate
        count = max(1, round(seconds / self.frame_seconds))
        frames = torch.zeros(len(self.classes), count)
        for name in _names(path):
            for onset, offset, number in self._events.get(name, ()):
                # In frames; an event of length 0 sounds in one frame.
                begin = (onset - start) / seconds * count
                end = (offset - start) / seconds * count
                begin, end = (min(max(-1.0, x), count + 1.0) for x in (begin, max(end, begin)))
                first, last = math.floor(begin + _EPS), math.ceil(end - _EPS)
                frames[number, max(0, first) : max(0, last, first + 1)] = 1.0
        return frames


# Tolerance in frames: an event that ends where a frame begins is outside it despite rounding.
_EPS = 1e-6


def _names(path: str) -> list[str]:
    """Return the names that an event may use: each end of the path, with and without suffix."""
    parts = PurePath(path).parts
    bare = (*parts[:-1], PurePath(path).stem)
    names = ["/".join(own[place:]) for own in (parts, bare) for place in range(len(parts))]
    return list(dict.fromkeys([*names, PurePath(path).as_posix()]))
