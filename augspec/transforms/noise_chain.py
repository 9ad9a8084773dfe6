"""Transforms of the noise itself, before it is added."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from augspec.params import Values
from augspec.random import Draw
from augspec.transforms.declare import setting
from augspec.transforms.tree import Batch, RandomTransform
from augspec.transforms.vocoder import RateTransform

__all__ = ["TransformsNoise"]


def _check(name: str, value: Any) -> RandomTransform | None:
    if value is None:
        return None
    if not isinstance(value, RandomTransform):
        raise TypeError(f"`{name}` must be a transform or a chain, got {type(value).__name__}")
    if value.kind == "specgram":
        raise ValueError(f"`{name}` must take waveforms, got {type(value).__name__}")
    if value.mixes_examples:
        raise ValueError(
            f"`{name}` must not mix the examples of a batch, got {type(value).__name__}"
        )
    return value


class TransformsNoise(RateTransform, ABC):
    """A transform that applies other transforms to its noise before adding it.

    Its params hold theirs under ``noise_transform``.

    Args:
        noise_transform: A transform, or a chain, of the noise; it must keep the shape.
    """

    noise_transform: RandomTransform | None = setting(default=None, check=_check, kw_only=True)

    @abstractmethod
    def _noise_channels(self, channels: int) -> int:
        """Return the number of channels of the noise for a waveform of ``channels``."""

    def _validate(self) -> None:
        super()._validate()
        if self.noise_transform is None:
            return
        if not self.noise_transform.compilable:
            self.compilable = False
        rate = self._effective_rate()
        for part in self.noise_transform.modules():
            said = getattr(part, "sample_rate", None)
            if isinstance(said, int) and said != rate:
                raise ValueError(
                    f"`noise_transform` must have the sample rate of the noise, {rate}, got {said} "
                    f"in {type(part).__name__}"
                )
            if isinstance(part, RandomTransform):
                part.adopt_sample_rate(rate)

    def draw_params(self, draw: Draw) -> Values:
        """Draw the params, and those of the noise's transform."""
        params = super().draw_params(draw)
        if self.noise_transform is None:
            return params
        channels = self._noise_channels(draw.channels)
        own = replace(draw, path=self._path(draw.path), channels=channels)
        nested: Any = {"noise_transform": self.noise_transform.draw_params(own)}
        return {**params, **nested}

    def places_drawn(self, path: str) -> Iterator[tuple[str, str]]:
        """Name the draws, also those of the noise's transform."""
        yield from super().places_drawn(path)
        if self.noise_transform is not None:
            yield from self.noise_transform.places_drawn(self._path(path))

    def _path(self, path: str) -> str:
        return f"{path}/{type(self.noise_transform).__name__}#0"

    def _transform_noise(self, noise: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        """Apply the noise's transform, if there is one, to ``(batch, channel, time)`` noise."""
        if self.noise_transform is None:
            return noise
        batch = Batch.of(noise, lengths)
        out = self.noise_transform.walk(batch, params["noise_transform"], by_mode=False).sound
        if out.shape != noise.shape:
            raise ValueError(
                f"`noise_transform` must keep the shape of the noise, {tuple(noise.shape)}, got "
                f"{tuple(out.shape)}"
            )
        return out
