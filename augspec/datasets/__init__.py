"""Data sets that yield dictionaries of waveform, label, index and metadata."""

from typing import TYPE_CHECKING

from augspec._names import no_attribute
from augspec.datasets._download import download
from augspec.datasets._packing import pack
from augspec.datasets._sharding import write_shards
from augspec.datasets.events import Event, Events, read_events
from augspec.datasets.folder import AudioFolder
from augspec.datasets.gm_notes import GMNotes
from augspec.datasets.indexed import Indexed
from augspec.datasets.nsynth import NSynth, nsynth_article
from augspec.datasets.packed import Packed
from augspec.datasets.shards import Shards
from augspec.datasets.split import folds_by_group, split_by_group
from augspec.datasets.statistics import mean_std
from augspec.datasets.table import AudioTable
from augspec.datasets.windows import Windows

__all__ = [
    "AudioFolder",
    "AudioTable",
    "Event",
    "Events",
    "GMNotes",
    "Indexed",
    "NSynth",
    "Packed",
    "Shards",
    "Windows",
    "download",
    "folds_by_group",
    "mean_std",
    "nsynth_article",
    "pack",
    "read_events",
    "split_by_group",
    "write_shards",
]

if not TYPE_CHECKING:  # a type checker knows the names, and finds what is misspelt

    def __getattr__(name: str) -> object:
        raise no_attribute(__name__, name, __all__)
