"""The front end: transforms of the waveform, the features and transforms of the spectrogram."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn

from augspec._compile import is_launched, one_graph
from augspec._door import enter
from augspec._sample_rate import settle_sample_rate
from augspec.features.multiple import ToMultiple
from augspec.features.protocol import HasFrameLengths
from augspec.features.spectrogram import MagnitudeFeature
from augspec.functional.checks import check_waveform
from augspec.fusion import (
    FusablePart,
    Part,
    belongs_into_feature,
    check_parts_of_features,
    fused_features,
    split_chain,
)
from augspec.native.alone import alone, as_set, is_foreign
from augspec.params import Params
from augspec.random import Draw, example_keys
from augspec.transforms.base import Batch, RandomTransform, Result, resolve_keys
from augspec.transforms.compose import Chain, called

__all__ = ["Frontend"]


def _as_chain(name: Literal["waveform", "specgram"], transforms: RandomTransform | None) -> Chain:
    if transforms is not None and not isinstance(transforms, RandomTransform):
        place = "; give it as `features`" if isinstance(transforms, nn.Module) else ""
        raise TypeError(
            f"`{name}` must be a transform such as T.Chain([...]), got {called(transforms)}{place}"
        )
    if transforms is not None and transforms.kind not in (None, name):
        other = "specgram" if name == "waveform" else "waveform"
        raise ValueError(
            f"`{name}` must transform {name}s, got {type(transforms).__name__} of {other}s: give "
            f"it as `{other}`"
        )
    if isinstance(transforms, Chain):
        return transforms
    return Chain([] if transforms is None else [transforms])


class Frontend(nn.Module):
    """Turn raw waveforms into augmented, training-ready spectrograms.

    In ``train()`` it augments. In ``eval()`` it computes the plain features and applies only
    transforms that also act there, such as `augspec.transforms.CenterCrop`.

    Transforms that need a sample rate and were given none, such as `augspec.transforms.PitchShift`,
    take the one of the features.

    Args:
        waveform: Transforms of the waveform: a chain or a single one.
        features: The module that computes the spectrogram: a feature of `augspec.features`, or an
            ``nn.Sequential`` of a feature and the stages after it, such as
            `augspec.features.Normalize`.
        specgram: Transforms of the spectrogram.
        fuse: ``"auto"`` computes transforms inside the spectrogram where possible; ``"never"`` runs
            stage by stage. `plan` shows the steps.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, freq, frame)``.

    Raises:
        TypeError: If ``waveform`` or ``specgram`` is not a transform, or ``features`` is not a
            module.
        ValueError: If ``fuse`` is not known, or ``waveform`` holds a transform of spectrograms or
            ``specgram`` one of waveforms, or if two parts have different sample rates.

    Example:
        >>> import torch, augspec
        >>> from augspec import features as F, transforms as T
        >>> frontend = augspec.Frontend(
        ...     waveform=T.Chain([T.PitchShift((-2.0, 2.0)), T.RandomCrop(8_000)]),
        ...     features=F.LogMelSpectrogram(16_000, n_fft=512, hop_length=250, n_mels=40),
        ...     specgram=T.TimeMask(8),
        ... )
        >>> frontend(torch.randn(2, 1, 16_000)).shape
        torch.Size([2, 1, 40, 33])
    """

    def __init__(
        self,
        waveform: RandomTransform | None = None,
        features: nn.Module | None = None,
        specgram: RandomTransform | None = None,
        fuse: Literal["auto", "never"] = "auto",
    ) -> None:
        super().__init__()
        if not isinstance(features, nn.Module):
            raise TypeError(
                "`features` must be a module such as F.LogMelSpectrogram(sample_rate=16_000), got "
                f"{type(features).__name__}"
            )
        if fuse not in ("auto", "never"):
            raise ValueError(f'`fuse` must be "auto" or "never", got {fuse!r}')
        self.waveform = _as_chain("waveform", waveform)
        self.features = features
        self.specgram = _as_chain("specgram", specgram)
        self.fuse = fuse
        settle_sample_rate(self.waveform, features, self.specgram)
        check_parts_of_features(self.waveform, self._stages()[0])

    def make_params(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        *,
        keys: Tensor | None = None,
        generator: torch.Generator | None = None,
        label: Tensor | None = None,
    ) -> Params:
        """Draw the parameters of every transform: ``{"waveform": [...], "specgram": [...]}``.

        See `augspec.transforms.RandomTransform.make_params` for the arguments and errors.
        """
        check_waveform(waveform, lengths)
        return self._draw(resolve_keys(waveform, keys, generator), waveform.shape[1], label)

    def _draw(self, keys: Tensor, channels: int, label: Tensor | None) -> dict[str, Any]:
        draw = Draw(keys, "Frontend.waveform", channels, label=label)
        channels = self.waveform.out_channels(channels)
        for stage in self._stages():
            channels = _out_channels(stage, channels)
        below = "Frontend.specgram"
        if is_launched(keys):
            places = self.waveform.places_drawn(draw.path), self.specgram.places_drawn(below)
            draw = draw.all_together(chain(*places))
        with alone(keys):
            return {
                "waveform": self.waveform.draw_params(draw),
                "specgram": self.specgram.draw_params(replace(draw, path=below, channels=channels)),
            }

    def transform(self, waveform: Tensor, params: Params, lengths: Tensor | None = None) -> Result:
        """Compute the features with ``params``: deterministic, in ``train()`` and ``eval()``.

        Returns:
            The spectrogram, or ``(specgram, lengths)``, in frames, when ``lengths`` was passed.
        """
        return self.run(waveform, params, lengths, by_mode=False)

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        *,
        keys: Tensor | None = None,
        generator: torch.Generator | None = None,
        label: Tensor | None = None,
    ) -> Result:
        """Draw parameters and compute the features; in ``eval()`` the plain features.

        Returns:
            The spectrogram, or ``(specgram, lengths)``, in frames, when ``lengths`` was passed.
        """
        if self.acts():
            made, _ = self.draw_and_run(
                waveform, lengths, keys=keys, generator=generator, label=label
            )
            return made
        check_waveform(waveform, lengths)
        ragged = lengths is not None
        specgram, frames = enter(self._features, waveform, lengths, [], ragged=ragged)
        return specgram if frames is None else (specgram, frames)

    def draw_and_run(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        *,
        keys: Tensor | None = None,
        generator: torch.Generator | None = None,
        label: Tensor | None = None,
    ) -> tuple[Result, Params]:
        """Run `forward` as in ``train()``, and also return the parameters, for `targets`.

        On a GPU the draws, transforms and features are compiled as one graph at the first batch.

        Returns:
            The result of `forward`, and the params as `make_params` returns them.
        """
        check_waveform(waveform, lengths)
        keys = resolve_keys(waveform, keys, generator)
        whole = self.waveform.compilable and self.specgram.compilable
        augment = _augment_whole if whole else _augment
        specgram, frames, params = augment(self, waveform, lengths, keys, label)
        return specgram if lengths is None or frames is None else (specgram, frames), params

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of every `augspec.transforms.Schedule` inside.

        `augspec.DeviceLoader` calls it.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self.waveform.set_epoch(epoch)
        self.specgram.set_epoch(epoch)

    def acts(self) -> bool:
        """Whether ``forward`` augments in the present mode."""
        return self.waveform.acts() or self.specgram.acts()

    def targets(
        self,
        targets: dict[str, Any],
        params: Params,
        lengths: Tensor | None = None,
        *,
        time: int | None = None,
    ) -> dict[str, Any]:
        """Return the labels after all transforms with ``params``.

        See `augspec.transforms.RandomTransform.targets`.
        """
        return self.run_targets(targets, params, lengths, time, by_mode=False)

    def run_targets(
        self,
        targets: dict[str, Any],
        params: Any,
        lengths: Tensor | None = None,
        time: int | None = None,
        *,
        by_mode: bool,
    ) -> dict[str, Any]:
        """Apply waveform and spectrogram transforms to labels."""
        _check_params(params)
        batch = Batch.of_targets(targets, lengths, time)
        batch = self.waveform.walk(batch, params["waveform"], by_mode=by_mode)
        batch = self._to_frames(batch)
        return self.specgram.walk(batch, params["specgram"], by_mode=by_mode).targets

    def _to_frames(self, batch: Batch) -> Batch:
        """Return where examples end in frames; None if the feature cannot tell."""
        if batch.relative:
            return batch
        first, *others = self._stages()
        resized = any(isinstance(stage, ToMultiple) for stage in others)
        if not isinstance(first, HasFrameLengths) or batch.time is None or resized:
            return batch.carry(time=None, lengths=None)
        frames = int(first.frame_lengths(torch.tensor([batch.time])))
        ends = None if batch.lengths is None else first.frame_lengths(batch.lengths)
        return batch.carry(time=frames, lengths=ends)

    def plan(self, waveform: Tensor) -> str:
        """Describe how a batch of this shape is computed, one step per line."""
        keys = example_keys(0, 0, torch.arange(waveform.shape[0]))
        params: Any = self.make_params(waveform, keys=keys)
        before, fused = self._split(params["waveform"], by_mode=False)
        feature, *others = self._stages()
        steps = [f"{_name(part)}: on the waveform" for part, _ in before]
        if fused:
            names = ", ".join(_name(part) for part, _ in fused)
            steps.append(f"{_name(feature)}, with {names} fused into it")
        else:
            steps.append(f"{_name(feature)}: features; nothing is fused into them")
        steps += [f"{_name(stage)}: on the features" for stage in others]
        steps += [f"{_name(part)}: on the spectrogram" for part in self.specgram]
        return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))

    def extra_repr(self) -> str:
        """Show the setting of fusion."""
        return f"fuse={self.fuse!r}"

    def run(
        self, waveform: Tensor, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> Result:
        """Compute the features; ``by_mode`` skips transforms that do not act in this mode."""
        check_waveform(waveform, lengths)
        _check_params(params)
        specgram, frames = enter(self._run, waveform, params, lengths, by_mode=by_mode)
        return specgram if lengths is None or frames is None else (specgram, frames)

    def _run(
        self, waveform: Tensor, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> tuple[Tensor, Tensor | None]:
        before, fused = self._split(params["waveform"], by_mode=by_mode)
        batch = Batch.of(waveform, lengths)
        for transform, own in before:
            batch = transform.walk(batch, own, by_mode=by_mode)
        # Lengths that only the chain tracks are not used here: without ``lengths`` from the caller,
        # the features are those of the whole tensor.
        ragged = lengths is not None
        specgram, frames = self._features(batch.sound, batch.lengths, fused, ragged=ragged)
        out = self.specgram.walk(Batch.of(specgram, frames), params["specgram"], by_mode=by_mode)
        return out.sound, out.lengths

    def _split(self, params: Any, *, by_mode: bool) -> tuple[list[Part], list[FusablePart]]:
        before, fused = split_chain(self.waveform, params, by_mode=by_mode)
        first = self._stages()[0]
        if self.fuse == "auto" and isinstance(first, MagnitudeFeature) and first.fusable:
            return before, fused
        inside = [part for part in fused if belongs_into_feature(part.transform)]
        stays = (Part(*part) for part in fused if not belongs_into_feature(part.transform))
        return [*before, *stays], inside

    def _stages(self) -> list[nn.Module]:
        return list(self.features) if isinstance(self.features, nn.Sequential) else [self.features]

    def _features(
        self, waveform: Tensor, ends: Tensor | None, fused: list[FusablePart], *, ragged: bool
    ) -> tuple[Tensor, Tensor | None]:
        first, *others = self._stages()
        frames: Tensor | None = None
        if fused and isinstance(first, MagnitudeFeature):
            specgram, frames = fused_features(waveform, ends, fused, first, ragged=ragged)
        else:
            specgram, frames = _run_stage(first, waveform, ends, ragged=ragged)
        for stage in others:
            specgram, frames = _run_stage(stage, specgram, frames, ragged=ragged)
        return specgram, frames if ragged else None


def _augment(
    frontend: Frontend,
    waveform: Tensor,
    lengths: Tensor | None,
    keys: Tensor,
    label: Tensor | None,
) -> tuple[Tensor, Tensor | None, Params]:
    params = frontend._draw(keys, waveform.shape[1], label)
    specgram, frames = enter(frontend._run, waveform, params, lengths, by_mode=True)
    return specgram, frames, params


_augment_whole = one_graph(_augment)


def _run_stage(
    stage: nn.Module, signal: Tensor, ends: Tensor | None, *, ragged: bool
) -> tuple[Tensor, Tensor | None]:
    """Call a part of the features; that of another library has torch's threads."""
    with as_set() if is_foreign(type(stage)) else nullcontext():
        return stage(signal, ends) if ragged else (stage(signal), None)


def _out_channels(stage: nn.Module, channels: int) -> int:
    """Return the number of output channels of a stage; by default the number of its input."""
    count: Any = getattr(stage, "out_channels", None)
    return channels if count is None else int(count(channels))


def _check_params(params: Any) -> None:
    if not isinstance(params, dict) or set(params) != {"waveform", "specgram"}:
        raise ValueError('`params` must be {"waveform": ..., "specgram": ...} from `make_params`')


def _name(module: nn.Module) -> str:
    return type(module).__name__
