"""The families of kernels, in the order in which the reference lists them.

A module's public functions are those in its ``__all__``. The package and the reference find every
function of the modules that are listed here.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

__all__ = ["FAMILIES", "members"]

FAMILIES: dict[str, tuple[str, ...]] = {
    "Level": ("level", "loudness", "dynamics"),
    "Distortion and codecs": ("distortion", "codec", "telephone"),
    "Time": ("crop", "edit", "repeat"),
    "Pitch, tempo and formants": ("stretch", "tempo", "flutter", "formant"),
    "Resampling": ("resample",),
    "Filters and equalisers": ("equalizer", "filter"),
    "Noise and rooms": ("noise", "reverb"),
    "Channels": ("channels", "ambisonics"),
    "Mixing": ("mix",),
    "Spectrograms": ("mask", "resize", "mixstyle", "fade"),
    "Scales and features": ("scale", "delta", "pcen", "kaldi"),
}


def members() -> Iterator[tuple[str, list[str]]]:
    """Return each family's title, and the names of its functions in the order of their modules."""
    for title, modules in FAMILIES.items():
        found = (importlib.import_module(f"augspec.functional.{module}") for module in modules)
        yield title, [name for module in found for name in module.__all__]
