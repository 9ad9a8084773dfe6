"""The base class of every transform, alone or as part of a tree of transforms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Self, TypeAlias, cast

import torch
from torch import Tensor, nn

from augspec import random
from augspec._compile import is_launched
from augspec._door import enter
from augspec.functional.checks import is_finite
from augspec.native.alone import alone
from augspec.params import Labels, Params
from augspec.random import Draw

__all__ = ["Batch", "RandomTransform", "Result"]

Result: TypeAlias = Tensor | tuple[Tensor, Tensor]
Kind: TypeAlias = Literal["waveform", "specgram"]

# Units of time a frame of labels, where the number of samples is not known: the middle of a frame
# and its edges are then whole numbers.
_UNITS = 4096
_KEPT: Any = ...  # a constant that every compiler supports: the part stays as it is
_ANY_TIME = 2**24  # units where there are no frames either


class Batch(NamedTuple):
    """The data that goes through a tree of transforms: sound, lengths and labels.

    Either sound or labels may be missing: `RandomTransform.transform` carries sound,
    `RandomTransform.targets` labels. It is a named tuple, because every call of a transform makes
    some and a dataclass takes several times as long.

    Args:
        signal: Waveforms ``(batch, channel, time)`` or spectrograms ``(batch, channel, freq,
            frame)``, float32 or float64; None carries labels alone.
        time: Samples, or frames, of the signal; None if it is not known.
        lengths: Where examples end, ``(batch,)`` int64. None means at ``time``; if ``time`` is None
            too, the ends are unknown.
        targets: The labels.
        relative: Whether ``time`` counts units of an unknown length in place of samples.
    """

    signal: Tensor | None = None
    time: int | None = None
    lengths: Tensor | None = None
    targets: Labels = {}  # never edited
    relative: bool = False

    @staticmethod
    def of(signal: Tensor, lengths: Tensor | None) -> Batch:
        """Carry a signal alone."""
        return Batch(signal, signal.shape[-1], lengths)

    @staticmethod
    def of_targets(targets: Labels, lengths: Tensor | None, time: int | None) -> Batch:
        """Carry labels alone.

        Without ``time`` it is taken from the ``waveform`` among the targets. Without that and
        without lengths, time is counted in units, which is enough for rates and fractions.
        """
        waveform, frames = targets.get("waveform"), targets.get("frames")
        if time is None and isinstance(waveform, Tensor):
            time = waveform.shape[-1]
        if time is not None or lengths is not None:
            return Batch(None, time, lengths, dict(targets))
        units = frames.shape[-1] * _UNITS if isinstance(frames, Tensor) else _ANY_TIME
        return Batch(None, units, None, dict(targets), relative=True)

    @property
    def sound(self) -> Tensor:
        """The signal, for callers that know that it is there."""
        return cast(Tensor, self.signal)

    @property
    def ends_are_known(self) -> bool:
        """Whether ``lengths``, or ``time``, says where examples end."""
        return self.time is not None or self.lengths is not None

    def carry(
        self,
        *,
        signal: Any = _KEPT,
        time: Any = _KEPT,
        lengths: Any = _KEPT,
        targets: Any = _KEPT,
        relative: Any = _KEPT,
    ) -> Batch:
        """Return a batch with some parts replaced."""
        # Compilers before torch 2.11 support neither `_replace` nor a loop over `_fields`.
        return Batch(
            self.signal if signal is _KEPT else signal,
            self.time if time is _KEPT else time,
            self.lengths if lengths is _KEPT else lengths,
            self.targets if targets is _KEPT else targets,
            self.relative if relative is _KEPT else relative,
        )


class RandomTransform(nn.Module, ABC):
    """Draw parameters per example, then apply them with a deterministic function.

    Every transform is a module without learnable parameters, with an empty ``state_dict`` and
    without state from a call. Derive your own from `WaveformTransform` or `SpecgramTransform`, and
    store each argument of the constructor as an attribute of the same name: configs and ``repr``
    read it there.
    """

    #: Whether an example's result also depends on the others of its batch, as in mixup.
    mixes_examples: bool = False
    #: Whether ``torch.compile(fullgraph=True)`` supports the transform; a codec is an exception.
    compilable: bool = True
    #: Whether gradients flow from the result to the waveform.
    differentiable: bool = True
    #: What it transforms, ``"waveform"`` or ``"specgram"``; None is either.
    kind: Kind | None = None

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs.

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
        label: Tensor | None = None,
    ) -> Params:
        """Draw the parameters of each example.

        Args:
            waveform: The batch; only its shape and device are used.
            lengths: Valid samples per example; only checked.
            keys: ``(batch,)`` int64 from `augspec.example_keys`. Without them keys are drawn from
                ``generator`` or from torch's default generator.
            generator: Source of the keys.
            label: Class numbers ``(batch,)`` or classes ``(batch, classes)``. Only transforms that
                mix examples use them, if ``partners`` is set.

        Raises:
            TypeError: If ``waveform``, ``lengths`` or ``keys`` has the wrong type or dtype.
            ValueError: If one of them has the wrong shape, or ``keys`` and ``generator`` are both
                given.
        """
        self.check(waveform, lengths)
        return self._draw_from(waveform, keys, generator, label)

    def transform(self, waveform: Tensor, params: Params, lengths: Tensor | None = None) -> Result:
        """Apply ``params``: pure and deterministic, in ``train()`` and ``eval()``.

        Returns:
            The waveform, or ``(waveform, lengths)`` when ``lengths`` was passed.
        """
        self.check(waveform, lengths)
        return self._call(waveform, params, lengths, by_mode=False)

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        *,
        keys: Tensor | None = None,
        generator: torch.Generator | None = None,
        label: Tensor | None = None,
    ) -> Result:
        """Draw and apply; in ``eval()``, the identity unless a transform has ``in_eval``.

        Returns:
            The waveform, or ``(waveform, lengths)`` when ``lengths`` was passed.
        """
        self.check(waveform, lengths)
        if not self.acts():
            return waveform if lengths is None else (waveform, lengths)
        params = self._draw_from(waveform, keys, generator, label)
        return self._call(waveform, params, lengths, by_mode=True)

    def targets(
        self,
        targets: Labels,
        params: Params,
        lengths: Tensor | None = None,
        *,
        time: int | None = None,
    ) -> Labels:
        """Return the labels after the transform with ``params``.

        The ``frames`` of an example are labels at equal steps over its whole waveform, including
        padding: frame ``i`` of ``n`` describes the samples from ``i * time / n`` to ``(i + 1) *
        time / n``. They are cut, stretched and moved as the sound is. Each new frame is the old one
        that sounds in its middle, or zero where there is only silence. Their number changes as the
        duration does. A ``label`` of the same classes is their weak label: a class that has no
        frame left is removed from it.

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
        return self.run_targets(targets, params, lengths, time, by_mode=False)

    def run_targets(
        self,
        targets: Labels,
        params: Params,
        lengths: Tensor | None = None,
        time: int | None = None,
        *,
        by_mode: bool,
    ) -> Labels:
        """Run `targets`; ``by_mode`` skips transforms that do not act in the present mode."""
        batch = Batch.of_targets(targets, lengths, time)
        return self.walk(batch, params, by_mode=by_mode).targets

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of every `Schedule` inside; `augspec.DeviceLoader` calls it.

        The epoch changes what `make_params` draws; `transform` does not depend on it.

        Args:
            epoch: Number of the epoch, from 0.
        """
        for part in self.modules():
            if isinstance(part, RandomTransform):
                part.begin_epoch(epoch)

    def _draw_from(
        self,
        waveform: Tensor,
        keys: Tensor | None,
        generator: torch.Generator | None,
        label: Tensor | None,
    ) -> Params:
        keys = resolve_keys(waveform, keys, generator)
        draw = Draw(keys, type(self).__name__, waveform.shape[1], label=label)
        if is_launched(keys):
            draw = draw.all_together(self.places_drawn(draw.path))
        with alone(keys):
            return self.draw_params(draw)

    def _call(
        self, waveform: Tensor, params: Params, lengths: Tensor | None, *, by_mode: bool
    ) -> Result:
        out, new_lengths = enter(self._run, waveform, params, lengths, by_mode=by_mode)
        return out if lengths is None or new_lengths is None else (out, new_lengths)

    def _run(
        self, waveform: Tensor, params: Params, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[Tensor, Tensor | None]:
        out = self.walk(Batch.of(waveform, lengths), params, by_mode=by_mode)
        return out.sound, out.lengths

    # The methods that walk a tree of transforms.

    @abstractmethod
    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input has the wrong rank, dtype or lengths."""

    @abstractmethod
    def draw_params(self, draw: Draw) -> Params:
        """Draw the params of this part of a tree."""

    def places_drawn(self, path: str) -> Iterator[tuple[str, str]]:
        """Name the draws of this part of a tree, by path and name, that a GPU makes together.

        Draws that are not named are made one by one.

        Args:
            path: Path of the `augspec.random.Draw` that `draw_params` will get.
        """
        yield from ()

    def out_channels(self, channels: int) -> int:
        """Return the number of output channels, for which the next transform draws."""
        return channels

    def scale_params(self, params: Any, magnitude: Tensor) -> Any:
        """Bring the params of this part nearer to the identity; policies and schedules use it.

        Args:
            params: What `draw_params` gave.
            magnitude: 0 for the identity to 1 for ``params``, ``(batch,)`` or one number.
        """
        return params

    def make_room_for_neutral(self) -> None:
        """Leave room for params between the drawn and the neutral ones, as `scale_params` makes.

        Policies and schedules call it in their constructor. The size of a result is static: without
        this call, an example would be cut at rate 1 if every rate of the range makes it shorter.
        """

    def adopt_sample_rate(self, rate: int) -> None:
        """Take the sample rate of a front end if none was given; `augspec.Frontend` calls it.

        Args:
            rate: In Hz.

        Raises:
            ValueError: If a front end of another rate holds the transform.
        """

    def begin_epoch(self, epoch: int) -> None:
        """Store the epoch if draws depend on it."""

    @abstractmethod
    def acts(self) -> bool:
        """Whether ``forward`` does anything in the present mode."""

    @abstractmethod
    def walk(self, batch: Batch, params: Any, *, by_mode: bool) -> Batch:
        """Take sound, ends and labels through this part of a tree.

        Args:
            batch: A checked batch; its tensors are never edited.
            params: The params of this part.
            by_mode: Whether to skip a part that does not act in the present mode (``forward``).

        Raises:
            ValueError: If params do not fit, or labels need a time that is not known.
        """


def resolve_keys(
    waveform: Tensor, keys: Tensor | None, generator: torch.Generator | None
) -> Tensor:
    """Check the keys that were passed, or draw fresh ones."""
    batch = waveform.shape[0]
    if keys is None:
        return random.fresh_keys(batch, waveform.device, generator)
    if generator is not None:
        raise ValueError("`keys` and `generator` must not both be given: keys determine every draw")
    if not isinstance(keys, Tensor) or keys.dtype != torch.int64:
        got = keys.dtype if isinstance(keys, Tensor) else type(keys).__name__
        raise TypeError(f"`keys` must be int64 from augspec.example_keys, got {got}")
    if keys.shape != (batch,):
        raise ValueError(f"`keys` must have shape ({batch},), got {tuple(keys.shape)}")
    return keys.to(waveform.device, non_blocking=True)


def check_probability(p: float) -> float:
    """Check that ``p`` is a probability and give it as a float."""
    if not is_finite(p) or not 0.0 <= p <= 1.0:
        raise ValueError(f"`p` must be a probability in [0, 1], got {p!r}")
    return float(p)
