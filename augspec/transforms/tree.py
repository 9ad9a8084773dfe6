"""What every transform is, alone or as part of a tree of transforms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor, nn

from augspec import random
from augspec.functional.shapes import working_dtype
from augspec.params import Params
from augspec.random import Draw

__all__ = ["RandomTransform", "Result"]

Result: TypeAlias = Tensor | tuple[Tensor, Tensor]


class RandomTransform(nn.Module, ABC):
    """Draw parameters per example, then apply them with a deterministic function.

    What every transform is: a module with no learnable parameter and an empty ``state_dict``, which
    keeps nothing of a call. Write your own from `WaveformTransform` or `SpecgramTransform`, and
    keep each argument of the constructor as an attribute of its name: configs and ``repr`` read it
    there.
    """

    #: Whether an example's result also depends on the others of its batch, as in mixup.
    mixes_examples: bool = False
    #: Whether ``torch.compile(fullgraph=True)`` takes the transform: no codec.
    compilable: bool = True
    #: Whether gradients flow from the result to the waveform.
    differentiable: bool = True

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use.

        A class whose constructor needs arguments overrides it.
        """
        return cls()

    def make_params(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        *,
        keys: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Params:
        """Draw the parameters of each example.

        Args:
            waveform: The batch; only its shape and device are looked at.
            lengths: Valid samples per example; not looked at.
            keys: ``(batch,)`` int64 from `augspec.example_keys`. Without them keys are drawn from
                ``generator`` or from torch's default generator.
            generator: Source of the keys.

        Raises:
            TypeError: If ``waveform``, ``lengths`` or ``keys`` has the wrong type or dtype.
            ValueError: If one of them has the wrong shape, or ``keys`` and ``generator`` are both
                given.
        """
        self.check(waveform, lengths)
        keys = resolve_keys(waveform, keys, generator)
        return self.draw_params(Draw(keys, type(self).__name__, waveform.shape[1]))

    def transform(self, waveform: Tensor, params: Params, lengths: Tensor | None = None) -> Result:
        """Apply ``params``: pure and deterministic, whatever the mode.

        Returns:
            The waveform, or ``(waveform, lengths)`` when ``lengths`` was passed.
        """
        return self._call(waveform, params, lengths, by_mode=False)

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        *,
        keys: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Result:
        """Draw and apply; in ``eval()`` the identity, but for transforms with ``in_eval``.

        Returns:
            The waveform, or ``(waveform, lengths)`` when ``lengths`` was passed.
        """
        if not self.acts():
            self.check(waveform, lengths)
            return waveform if lengths is None else (waveform, lengths)
        params = self.make_params(waveform, lengths, keys=keys, generator=generator)
        return self._call(waveform, params, lengths, by_mode=True)

    def targets(
        self,
        targets: dict[str, Any],
        params: Params,
        lengths: Tensor | None = None,
        *,
        time: int | None = None,
    ) -> dict[str, Any]:
        """Say what becomes of labels under ``params``.

        The ``frames`` of an example are labels at equal steps over the whole of its waveform, its
        padding too: frame ``i`` of ``n`` is about the samples from ``i * time / n`` to
        ``(i + 1) * time / n``. They are cut, stretched and moved as the sound is, each new frame
        being the old one that is heard in its middle, or zero where there is only silence. Their
        number changes as the duration does.

        Args:
            targets: ``label`` (int64 or ``(batch, classes)``), ``pitch`` (``(batch,)``, MIDI) and
                ``frames`` (``(batch, classes, frame)``); other keys pass.
            params: What `make_params` gave.
            lengths: Valid samples per example before the transform.
            time: Samples of the waveform before the transform; None takes them from the
                ``waveform`` in ``targets``, if it is there. Only ``frames`` need it, and only where
                something has a size in samples: lengths, a crop.

        Raises:
            ValueError: If ``frames`` are to be moved and the time is not known.
        """
        time = time_of(targets, time)
        return self.run_targets(dict(targets), params, lengths, time, by_mode=False)

    def set_epoch(self, epoch: int) -> None:
        """Tell every `Schedule` inside at which epoch it is; a `augspec.DeviceLoader` does so.

        It decides what `make_params` draws, never what `transform` does with it.

        Args:
            epoch: Number of the epoch, from 0.
        """
        for part in self.modules():
            if isinstance(part, RandomTransform):
                part.begin_epoch(epoch)

    def _call(
        self, waveform: Tensor, params: Params, lengths: Tensor | None, *, by_mode: bool
    ) -> Result:
        self.check(waveform, lengths)
        out, new_lengths = self.run(working_dtype(waveform), params, lengths, by_mode=by_mode)
        out = out.to(waveform.dtype)
        if lengths is None or new_lengths is None:
            return out
        return out, new_lengths

    # What a tree of transforms is walked with.

    @abstractmethod
    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input has the wrong rank, dtype or lengths."""

    @abstractmethod
    def draw_params(self, draw: Draw) -> Params:
        """Draw the params of this part of a tree."""

    def out_channels(self, channels: int) -> int:
        """Say how many channels come out if ``channels`` go in: what follows draws for these."""
        return channels

    def scale_params(self, params: Any, magnitude: Tensor) -> Any:
        """Bring the params of this part nearer to the identity; policies and schedules use it.

        Args:
            params: What `draw_params` gave.
            magnitude: 0 for the identity to 1 for ``params``, ``(batch,)`` or one number.
        """
        return params

    def begin_epoch(self, epoch: int) -> None:
        """Take note of the epoch, where draws depend on it."""

    @abstractmethod
    def acts(self) -> bool:
        """Whether ``forward`` does anything in the present mode."""

    @abstractmethod
    def run(
        self, waveform: Tensor, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Apply this part of a tree to a checked float32 or float64 waveform.

        Args:
            waveform: The batch; it is never edited.
            params: The params of this part.
            lengths: Valid samples per example; None means all.
            by_mode: Whether a part that does not act in the present mode passes (``forward``).
        """

    @abstractmethod
    def run_targets(
        self,
        targets: dict[str, Any],
        params: Any,
        lengths: Tensor | None,
        time: int | None = None,
        *,
        by_mode: bool,
    ) -> dict[str, Any]:
        """Apply this part of a tree to labels."""

    @abstractmethod
    def run_lengths(
        self, time: int, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[int, Tensor | None]:
        """Say what `run` makes of the time and the lengths."""


def resolve_keys(
    waveform: Tensor, keys: Tensor | None, generator: torch.Generator | None
) -> Tensor:
    """Check the keys that were passed, or draw fresh ones."""
    batch = waveform.shape[0]
    if keys is None:
        return random.fresh_keys(batch, waveform.device, generator)
    if generator is not None:
        raise ValueError("`keys` and `generator` must not both be given: keys decide every draw")
    if not isinstance(keys, Tensor) or keys.dtype != torch.int64:
        got = keys.dtype if isinstance(keys, Tensor) else type(keys).__name__
        raise TypeError(f"`keys` must be int64 from augspec.example_keys, got {got}")
    if keys.shape != (batch,):
        raise ValueError(f"`keys` must have shape ({batch},), got {tuple(keys.shape)}")
    return keys.to(waveform.device, non_blocking=True)


def check_probability(p: float) -> float:
    """Check that ``p`` is a probability and give it as a float."""
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0.0 <= p <= 1.0:
        raise ValueError(f"`p` must be a probability in [0, 1], got {p!r}")
    return float(p)


def time_of(targets: dict[str, Any], time: int | None) -> int | None:
    """Give the time that was said, or that of the waveform in a batch."""
    waveform = targets.get("waveform")
    return waveform.shape[-1] if time is None and isinstance(waveform, Tensor) else time
