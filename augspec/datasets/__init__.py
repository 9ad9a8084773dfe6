"""Data sets that yield dictionaries of waveform, label, index and metadata."""

from augspec.datasets._download import download
from augspec.datasets.folder import AudioFolder
from augspec.datasets.gm_notes import GMNotes
from augspec.datasets.nsynth import NSynth
from augspec.datasets.packed import Packed, pack

__all__ = ["AudioFolder", "GMNotes", "NSynth", "Packed", "download", "pack"]
