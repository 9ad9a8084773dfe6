"""Corruptions of sound for testing models, like ImageNet-C: each in five severities.

A model that was trained on clean recordings will meet noise, rooms, telephones and bad microphones.
`corrupt` simulates them reproducibly: every random number is a hash of the condition, the severity
and the example, each example is computed alone in float64 on the CPU, and the result is rounded to
the 16 bits of a sound file. So every model is tested on the same bytes, on any machine, with any
batch size and number of workers. (``codec`` depends on the version of libsndfile.)

``python -m augspec.conditions FOLDER --out DIR`` writes corrupted copies of a folder of sounds, so
that any other program can be tested.

References:
    D. Hendrycks and T. Dietterich, "Benchmarking neural network robustness to common corruptions
    and perturbations", ICLR 2019.
"""

from augspec.conditions.apply import Corrupted, corrupt, keys_of_names, parse_names
from augspec.conditions.kinds import CONDITIONS, SEVERITIES, trained_with

__all__ = [
    "CONDITIONS",
    "SEVERITIES",
    "corrupt",
    "Corrupted",
    "keys_of_names",
    "parse_names",
    "trained_with",
]
