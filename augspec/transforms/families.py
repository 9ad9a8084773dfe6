"""The families of transforms, in the order in which pages and the explorer list them.

A module's public classes are those in its ``__all__``. The package, the reference, the catalogue,
the gallery and the explorer find every class of the modules that are listed here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

__all__ = ["FAMILIES", "members"]

FAMILIES: dict[str, tuple[str, ...]] = {
    "Composition": ("compose", "choice", "policy", "schedule"),
    "Level": ("level", "normalize", "dynamics"),
    "Distortion and codecs": ("distortion", "codec", "telephone"),
    "Time": ("crop", "pad", "edit"),
    "Pitch, tempo and formants": ("stretch", "tempo", "flutter", "formant", "resample"),
    "Filters and equalisers": ("filter", "equalizer", "coloration", "mel_range"),
    "Noise and rooms": ("noise", "reverb"),
    "Channels": ("channels", "ambisonics"),
    "Mixing": ("mix",),
    "Spectrograms": ("mask", "specaugment", "resize", "filter_augment", "mixstyle", "fade"),
}


def members() -> Iterator[tuple[str, list[str]]]:
    """Return each family's title, and the names of its classes in the order of their modules."""
    for title, modules in FAMILIES.items():
        found = (sys.modules[f"augspec.transforms.{module}"] for module in modules)
        yield title, [name for module in found for name in module.__all__]
