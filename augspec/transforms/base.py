"""The base of every transform: parameters drawn once per example, then a deterministic function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeAlias

import torch
from torch import Tensor, nn

from augspec import random
from augspec.functional.checks import check_specgram, check_waveform
from augspec.functional.shapes import fit, like, working_dtype
from augspec.params import Params
from augspec.random import Draw

__all__ = ["LeafTransform", "RandomTransform", "SpecgramTransform", "WaveformTransform"]

Result: TypeAlias = Tensor | tuple[Tensor, Tensor]


class RandomTransform(nn.Module, ABC):
    """Draw parameters per example, then apply them with a deterministic function.

    What every transform is: a module with no learnable parameter and an empty ``state_dict``, which
    keeps nothing of a call. Write your own from `WaveformTransform` or `SpecgramTransform`, and
    keep each argument of the constructor as an attribute of its name: configs and ``repr`` read it
    there.
    """

    #: Whether an example's result also depends on the others of its batch, as in mixup.
    mixes_examples: ClassVar[bool] = False
    #: Whether ``torch.compile(fullgraph=True)`` takes the transform: no codec.
    compilable: ClassVar[bool] = True
    #: Whether gradients flow from the result to the waveform.
    differentiable: ClassVar[bool] = True

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
                ``waveform`` in ``targets``, if it is there. Only ``frames`` need it.

        Raises:
            ValueError: If ``frames`` are to be moved and the time is not known.
        """
        time = time_of(targets, time)
        return self.run_targets(dict(targets), params, lengths, time, by_mode=False)

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


class LeafTransform(RandomTransform, ABC):
    """A transform that is not made of others.

    `_draw` says what is random, `_transform` what is computed. One that changes where examples end
    gives `_lengths` too; one that changes labels, `_targets`.

    Args:
        p: Probability that an example is transformed; one that is not comes out bit for bit.
        per_channel: Draw for each channel of an example rather than once for all.

    Raises:
        ValueError: If ``p`` is not in [0, 1].
    """

    #: Whether ``forward`` also acts in ``eval()``.
    in_eval: bool = False
    #: Whether the size of the output is a setting: such a transform takes no ``p``.
    sets_shape: ClassVar[bool] = False
    #: Value of each parameter at which the function is the identity or close to it. An example that
    #: is not picked gets it, so that the branch not taken gives no NaN gradient.
    neutral: ClassVar[Mapping[str, float]] = {}
    #: Whether the function at `neutral` is the identity bit for bit.
    neutral_is_exact: ClassVar[bool] = False

    def __init__(self, *, p: float = 1.0, per_channel: bool = False) -> None:
        super().__init__()
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0.0 <= p <= 1.0:
            raise ValueError(f"`p` must be a probability in [0, 1], got {p!r}")
        self.p = float(p)
        self.per_channel = bool(per_channel)

    @abstractmethod
    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        """Draw the parameters: float32, int64 or bool, ``(batch,)`` or ``(batch, channel)``."""

    @abstractmethod
    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        """Compute the result; ``waveform`` is float32 or float64 and must not be edited."""

    def _lengths(
        self,
        time: int,
        params: dict[str, Tensor],
        lengths: Tensor | None,
    ) -> Tensor | None:
        """Say where examples end afterwards; ``lengths`` None means at ``time``."""
        return lengths

    def _size(self, time: int) -> int:
        """Say how many samples or frames become of ``time``."""
        return time

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor | None:
        """Say which sample of the input is heard at a sample of the output: frame labels follow.

        Args:
            position: Samples of the output, ``(1, place)`` int64.
            time: Samples of the input.
            params: The params; an example that is not picked is seen to.
            lengths: Where examples end in the input.

        Returns:
            Samples of the input, int64, broadcastable with ``(batch, place)``, negative where none
            is heard; None says that nothing moves.
        """
        return None

    def _targets(
        self,
        targets: dict[str, Any],
        params: dict[str, Tensor],
        lengths: Tensor | None,
    ) -> dict[str, Any]:
        """Say what happens to labels; ``frames`` follow from `_source`."""
        return targets

    def draw_params(self, draw: Draw) -> Params:
        """Draw whether the transform is applied, and its parameters."""
        params = self._draw(draw.per_channel(self.per_channel))
        return {"applied": draw.bernoulli("applied", self.p), **params}

    def acts(self) -> bool:
        """Whether ``forward`` does anything in the present mode."""
        return self.training or self.in_eval

    def run(
        self, waveform: Tensor, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Apply the function to the examples that are picked."""
        if by_mode and not self.acts():
            return waveform, lengths
        params = self.neutralise(params)
        out = self._transform(waveform, params, lengths)
        if not (self.sets_shape or self.neutral_is_exact):
            out = torch.where(like(params["applied"], out), out, fit(waveform, out.shape[-1]))
        return out, self._lengths(waveform.shape[-1], params, lengths)

    def run_targets(
        self,
        targets: dict[str, Any],
        params: Any,
        lengths: Tensor | None,
        time: int | None = None,
        *,
        by_mode: bool,
    ) -> dict[str, Any]:
        """Apply the transform to the labels of the examples that are picked."""
        if by_mode and not self.acts():
            return targets
        params = self.neutralise(params)
        targets = self._targets(targets, params, lengths)
        if "frames" not in targets or type(self)._source is LeafTransform._source:
            return targets
        if time is None:
            raise ValueError(
                f"`targets` has `frames`, which {type(self).__name__} moves: give `time`, the "
                "number of samples of the waveform before"
            )
        return {**targets, "frames": self._move_frames(targets["frames"], time, params, lengths)}

    def _move_frames(
        self, frames: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        """Take for each frame of the output the one of the input that is heard in its middle."""
        if lengths is None:
            lengths = torch.full(frames.shape[:1], time, dtype=torch.int64, device=frames.device)
        ends = self._lengths(time, params, lengths)
        count, size = frames.shape[-1], self._size(time)
        new_count = max(1, round(count * size / time))
        place = torch.arange(new_count, device=frames.device)[None]
        position = (2 * place + 1) * size // (2 * new_count)
        source = self._source(position, time, params, lengths)
        if source is None:
            return frames
        if not self.sets_shape:
            source = torch.where(params["applied"][:, None], source, position)
        heard = (source >= 0) & (source < lengths[:, None])
        if ends is not None:
            heard = heard & (position < ends[:, None])
        index = source.clamp(0, time - 1) * count // time
        index = index[:, None].expand(*frames.shape[:2], -1)
        taken = frames.gather(-1, index)
        return torch.where(heard[:, None], taken, torch.zeros_like(taken))

    def run_lengths(
        self, time: int, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[int, Tensor | None]:
        """Say what the transform makes of the time and the lengths."""
        if by_mode and not self.acts():
            return time, lengths
        return self._size(time), self._lengths(time, self.neutralise(params), lengths)

    def neutralise(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        """Give examples that are not picked the parameters of the identity."""
        applied = params["applied"]
        return {
            name: torch.where(like(applied, value), value, self.neutral[name])
            if name in self.neutral
            else value
            for name, value in params.items()
        }

    def extra_repr(self) -> str:
        """Show the settings under the names that the constructor has."""
        settings = {
            name: value
            for name, value in vars(self).items()
            if not name.startswith("_") and name not in ("training", "p", "per_channel")
        }
        if not self.sets_shape:
            settings["p"] = self.p
        return ", ".join(f"{name}={value!r}" for name, value in settings.items())


class WaveformTransform(LeafTransform, ABC):
    """A transform of waveforms, ``(batch, channel, time)``; ``lengths`` are in samples."""

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input is no batch of waveforms."""
        check_waveform(waveform, lengths)


class SpecgramTransform(LeafTransform, ABC):
    """A transform of spectrograms, ``(batch, channel, freq, frame)``; ``lengths`` are in frames."""

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input is no batch of spectrograms."""
        check_specgram(waveform, lengths)


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


def time_of(targets: dict[str, Any], time: int | None) -> int | None:
    """Give the time that was said, or that of the waveform in a batch."""
    waveform = targets.get("waveform")
    return waveform.shape[-1] if time is None and isinstance(waveform, Tensor) else time
