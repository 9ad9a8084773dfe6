"""torchaudio: modules of waveforms and spectrograms, most of them not random."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from augspec.functional.checks import check_specgram, check_waveform
from augspec.interop._peer import PeerTransform, import_peer

__all__ = ["from_torchaudio"]

import_peer("torchaudio")

# The public module of the library, and the bases of the transforms that a config may name.
PUBLIC, BASES = "torchaudio.transforms", (torch.nn.Module,)
_RANDOM = {"FrequencyMasking", "TimeMasking", "SpecAugment", "SpeedPerturbation"}
_SPECGRAM_ARGUMENTS = {"specgram", "spectrogram", "complex_specgrams", "melspec"}


class FromTorchaudio(PeerTransform):
    """A torchaudio module in a chain: see `from_torchaudio`."""

    def __init__(self, peer: torch.nn.Module, *, p: float = 1.0) -> None:
        super().__init__(peer, p=p)
        parts = [part for part in peer.modules() if not isinstance(part, torch.nn.Sequential)]
        # Modules from elsewhere may draw, or use the other examples.
        self._deterministic = all(
            type(part).__module__.startswith("torchaudio.") and type(part).__name__ not in _RANDOM
            for part in parts
        )
        self._on_specgrams = _takes_specgram(parts[0])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # `.to(device)` also moves the peer, which is not a registered submodule.
        self.peer._apply(fn, recurse)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the module does not take the input."""
        (check_specgram if self._on_specgrams else check_waveform)(waveform, lengths)

    def _call_peer(self, example: Tensor) -> Any:
        made = self.peer(example[None])
        return made.squeeze(0) if isinstance(made, Tensor) else made

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        seed = params["seed"]
        if not self._deterministic:
            return self._one_by_one(waveform, seed, lengths, torch.device("cpu"))
        if lengths is not None:
            return self._one_by_one(waveform, seed, lengths, waveform.device)
        if waveform.shape[0] == 0:
            return waveform
        made = self._checked(self.peer(waveform.clone()), waveform)
        picked = (seed >= 0).reshape(-1, *[1] * (waveform.ndim - 1))
        return torch.where(picked, made, waveform)


def _takes_specgram(module: torch.nn.Module) -> bool:
    """Return whether a module takes spectrograms, by the name of its argument."""
    (first, *others) = inspect.signature(module.forward).parameters.values()
    needed = [p.name for p in others if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD]
    name = type(module).__name__
    if needed:
        raise TypeError(f"`module` must take one tensor, but {name} also needs {', '.join(needed)}")
    if name == "SlidingWindowCmn":
        raise ValueError(
            "`module` must take (freq, time) spectrograms, but SlidingWindowCmn takes (time, freq)"
        )
    return first.name in _SPECGRAM_ARGUMENTS or name == "AmplitudeToDB"


def from_torchaudio(module: torch.nn.Module, *, p: float = 1.0) -> FromTorchaudio:
    """Make a transform of augspec from a torchaudio module, or an ``nn.Sequential`` of them.

    A module without randomness is applied to the whole batch on its device (move the chain to it;
    the module's buffers follow), or, with ``lengths``, to the valid part of each example in turn.
    Other modules run on the CPU, one example at a time. Gradients flow if the module supports them.
    The params are ``applied`` and the ``seed`` of the example. The module's parameters and buffers
    are not in ``parameters()`` or the ``state_dict``.

    Args:
        module: A torchaudio module that keeps the shape: of waveforms such as ``Fade``, ``Vol`` and
            ``PitchShift``, or of spectrograms such as ``TimeMasking`` and ``SpecAugment``.
        p: Probability that an example is transformed.

    Raises:
        ImportError: If torchaudio cannot be imported.
        TypeError: If ``module`` is not a module or needs more than one tensor.
        ValueError: If ``module`` does not take ``(..., channel, time)`` or ``(..., freq, time)``
            (``SlidingWindowCmn``); when called, if it changes the shape.
    """
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"`module` must be a torchaudio module, got {type(module).__name__}")
    return FromTorchaudio(module, p=p)
