"""Data sets that yield dictionaries of waveform, label, index and metadata."""
