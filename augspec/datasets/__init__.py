"""Data sets that yield dictionaries of waveform, label, index and metadata."""

from augspec.datasets.folder import AudioFolder
from augspec.datasets.gm_notes import GMNotes
from augspec.datasets.nsynth import NSynth

__all__ = ["AudioFolder", "GMNotes", "NSynth"]
