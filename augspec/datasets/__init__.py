"""Data sets that yield dictionaries of waveform, label, index and metadata."""

from augspec.datasets._download import download
from augspec.datasets.folder import AudioFolder
from augspec.datasets.gm_notes import GMNotes
from augspec.datasets.nsynth import NSynth, nsynth_article
from augspec.datasets.packed import Packed, pack
from augspec.datasets.shards import Shards, write_shards
from augspec.datasets.split import split_by_group

__all__ = [
    "AudioFolder",
    "GMNotes",
    "NSynth",
    "Packed",
    "Shards",
    "download",
    "nsynth_article",
    "pack",
    "split_by_group",
    "write_shards",
]
