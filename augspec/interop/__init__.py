"""Bridges to other libraries: their transforms inside a chain of ours, and ours inside theirs.

Each module imports its library only when it is used::

    from augspec import interop, transforms as T

    chain = T.Chain([
        interop.from_audiomentations(audiomentations.ClippingDistortion(p=1.0), 16_000, p=0.3),
        T.Gain((-6.0, 6.0)),
    ])
    compose = audiomentations.Compose([interop.to_audiomentations(T.PitchShift((-2.0, 2.0)))])

A wrapped transform still runs on the CPU, one example at a time, and labels stay as they are. The
wrapper adds ``p`` per example, ``lengths``, and replay: the global generators (``random``,
``numpy.random``, torch's) are seeded from the example's key and restored afterwards. This is not
safe if other threads draw from them at the same time. In a chain with two wrapped transforms of one
library, removing the first changes the draws of the second.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augspec.interop.audiomentations import from_audiomentations, to_audiomentations
    from augspec.interop.neural_codec import NeuralCodec
    from augspec.interop.torch_audiomentations import (
        from_torch_audiomentations,
        to_torch_audiomentations,
    )
    from augspec.interop.torchaudio import from_torchaudio
    from augspec.interop.torchvision import to_torchvision

__all__ = [
    "NeuralCodec",
    "from_audiomentations",
    "from_torch_audiomentations",
    "from_torchaudio",
    "to_audiomentations",
    "to_torch_audiomentations",
    "to_torchvision",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = name.removeprefix("from_").removeprefix("to_")
    module = "neural_codec" if name == "NeuralCodec" else module
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
