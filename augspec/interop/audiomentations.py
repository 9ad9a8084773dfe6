"""audiomentations: NumPy, one clip at a time, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from augspec.functional.checks import check_waveform
from augspec.interop._peer import PeerTransform, import_peer
from augspec.loader import per_example
from augspec.random import fresh_keys
from augspec.transforms.base import RandomTransform

__all__ = ["from_audiomentations", "to_audiomentations"]

import_peer("audiomentations")
from audiomentations.core.composition import BaseCompose  # noqa: E402
from audiomentations.core.transforms_interface import BaseWaveformTransform  # noqa: E402

# The public module of the library, and the bases of the transforms that a config may name.
PUBLIC, BASES = "audiomentations", (BaseWaveformTransform, BaseCompose)
Samples = npt.NDArray[np.float32]


class FromAudiomentations(PeerTransform):
    """An audiomentations transform in a chain: see `from_audiomentations`."""

    differentiable = False

    def __init__(self, peer: Callable[..., Samples], sample_rate: int, *, p: float = 1.0) -> None:
        super().__init__(peer, p=p)
        self.sample_rate = sample_rate

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input is not a batch of waveforms."""
        check_waveform(waveform, lengths)

    def _call_peer(self, example: Tensor) -> Tensor:
        samples = example.detach().to(torch.float32).numpy()
        mono = len(samples) == 1  # audiomentations takes mono audio without a channel dimension
        made = self.peer(samples[0] if mono else samples, self.sample_rate)
        made = torch.from_numpy(np.ascontiguousarray(made))
        return made[None] if mono else made


def from_audiomentations(
    t: Callable[..., Samples], sample_rate: int, *, p: float = 1.0
) -> FromAudiomentations:
    """Make a transform of augspec from one of audiomentations, or a Compose of them.

    It runs on the CPU in float32, one example at a time, without gradients. Its params are
    ``applied`` and the ``seed`` of the example.

    Args:
        t: An audiomentations transform that keeps the length. Its own ``p``, 0.5 by default,
            applies in addition to ``p``.
        sample_rate: Sample rate in Hz.
        p: Probability that an example is passed to ``t``.

    Raises:
        ImportError: If audiomentations is not installed.
        TypeError: If ``t`` cannot be called.
        ValueError: When called, if ``t`` changes the length.
    """
    if not callable(t):
        raise TypeError(f"`t` must be an audiomentations transform, got {type(t).__name__}")
    return FromAudiomentations(t, sample_rate, p=p)


class ToAudiomentations(BaseWaveformTransform):  # type: ignore[misc]
    """A transform of augspec in audiomentations: see `to_audiomentations`."""

    supports_multichannel = True

    def __init__(self, transform: RandomTransform) -> None:
        super().__init__(p=1.0)
        self.transform = transform
        self._apply = per_example(transform)

    @classmethod
    def is_serializable(cls) -> bool:
        """Return False: audiomentations cannot write it as a dictionary."""
        return False

    def randomize_parameters(self, samples: Samples, sample_rate: int) -> None:
        """Draw the example's key from torch's default generator."""
        key = int(fresh_keys(1, torch.device("cpu")).item())
        self.parameters = {"should_apply": True, "key": key}

    def apply(self, samples: Samples, sample_rate: int) -> Samples:
        """Transform ``(time,)`` or ``(channel, time)`` samples."""
        for part in self.transform.modules():
            own_rate: Any = getattr(part, "sample_rate", None)
            if own_rate is None and isinstance(part, RandomTransform):
                part.adopt_sample_rate(sample_rate)
            elif own_rate not in (None, sample_rate):
                raise ValueError(
                    f"`sample_rate` must be that of {type(part).__name__}, {own_rate}, "
                    f"got {sample_rate}"
                )
        mono = samples.ndim == 1
        waveform = torch.from_numpy(np.array(samples, ndmin=2))
        made: Any = self._apply(waveform, self.parameters["key"])
        out: Samples = made.detach().numpy()
        return out[0] if mono else out


def to_audiomentations(transform: RandomTransform) -> ToAudiomentations:
    """Make a callable ``(samples, sample_rate) -> samples`` for audiomentations and its Compose.

    Keys are drawn from torch's default generator: ``torch.manual_seed`` makes them reproducible.
    With frozen parameters the key is repeated.

    Args:
        transform: A transform of waveforms, or a chain.

    Raises:
        ImportError: If audiomentations is not installed.
        TypeError: If ``transform`` is not an augspec transform.
    """
    if not isinstance(transform, RandomTransform):
        raise TypeError(f"`transform` must be an augspec transform, got {type(transform).__name__}")
    return ToAudiomentations(transform)
