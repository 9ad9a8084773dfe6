"""Deterministic batched kernels: no state, no randomness."""
