"""Waveform to features, with torchaudio's names and meanings."""
