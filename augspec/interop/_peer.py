"""The base of wrapped transforms of all libraries."""

from __future__ import annotations

import copy
import importlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augspec.random import Draw
from augspec.transforms.base import LeafTransform

__all__ = ["PeerTransform", "import_peer", "seeded"]


def import_peer(name: str) -> ModuleType:
    """Import a library; if it is missing, the error says what to install.

    Raises:
        ImportError: If it is not installed, or its import fails.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:
        package = name.replace("_", "-")
        raise ImportError(
            f"augspec.interop needs {package}, whose import failed ({error}); install it with `pip "
            f"install {package}`, and for torchaudio the build (CPU, or the same version of CUDA) "
            f"that suits torch {torch.__version__}"
        ) from error


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed ``random``, ``numpy.random`` and torch's CPU generator, and restore them afterwards."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
    try:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.random.set_rng_state(cpu)


class PeerTransform(LeafTransform, ABC):
    """Another library's transform, called for each picked example with seeded generators.

    Args:
        peer: The other library's transform; a copy is kept.
        p: Probability that an example is passed to the peer, in addition to the peer's own ``p``.
    """

    peer: Any
    compilable = False
    neutral = {"seed": -1}
    neutral_is_exact = True

    def __init__(self, peer: Any, *, p: float) -> None:
        super().__init__(p=p)
        # Bypass nn.Module's registration: a peer's buffers and parameters (torchaudio's PitchShift
        # has some that require gradients) must not be in the state_dict of a model.
        self.__dict__["peer"] = copy.deepcopy(peer)
        # The peer's config; None for a peer made in Python, whose arguments are not known.
        self._peer_config: dict[str, Any] | None = None

    @abstractmethod
    def _call_peer(self, example: Tensor) -> Any:
        """Pass ``example``, without a batch dimension, to the peer; it may be edited in place."""

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"seed": draw.integers("seed", 0, 1 << 31)}

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return self._one_by_one(waveform, params["seed"], lengths, torch.device("cpu"))

    def _one_by_one(
        self, waveform: Tensor, seed: Tensor, lengths: Tensor | None, device: torch.device
    ) -> Tensor:
        ends = [waveform.shape[-1]] * len(waveform) if lengths is None else lengths.tolist()
        results = []
        for example, own_seed, end in zip(waveform.to(device), seed.tolist(), ends, strict=True):
            if own_seed < 0 or end == 0:
                results.append(example)
                continue
            sound = example[..., :end]
            with seeded(own_seed):
                made = self._checked(self._call_peer(sound.clone()), sound)
            results.append(torch.cat([made, example[..., end:]], dim=-1))
        return torch.stack(results).to(waveform.device) if results else waveform

    def _checked(self, made: Any, sound: Tensor) -> Tensor:
        name = type(self.peer).__name__
        if not isinstance(made, Tensor):
            raise TypeError(f"a wrapped {name} must return one tensor, got {type(made).__name__}")
        if made.shape != sound.shape:
            raise ValueError(
                f"a wrapped {name} must keep the shape of its input, but made "
                f"{tuple(made.shape)} of {tuple(sound.shape)}; use augspec's own transform for this"
            )
        if not made.is_floating_point():
            raise TypeError(f"a wrapped {name} must return floating point, got {made.dtype}")
        return made.to(sound.dtype)
