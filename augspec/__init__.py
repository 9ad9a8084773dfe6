"""Batches of raw waveforms into augmented, training-ready spectrograms."""
