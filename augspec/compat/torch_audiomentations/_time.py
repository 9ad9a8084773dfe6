"""Transforms in time: shift, inversion, padding and crop."""

from __future__ import annotations

import warnings
from typing import ClassVar

import torch
from torch import Tensor, nn

from augspec.compat.torch_audiomentations._base import ObjectDict
from augspec.compat.torch_audiomentations._transform import Transform
from augspec.functional import edit
from augspec.functional.checks import check_positive
from augspec.functional.crop import crop
from augspec.random import Draw, fresh_keys

__all__ = ["Padding", "RandomCrop", "Shift", "TimeInversion"]


class Padding(Transform):
    """Silence a part of random length at the start or the end of a row. Targets stay.

    Args:
        min_fraction: Smallest part, as a fraction of the time.
        max_fraction: Largest part, at most 1.
        pad_section: ``"end"`` or ``"start"``.
    """

    min_fraction: float = 0.1
    max_fraction: float = 0.5
    pad_section: str = "end"
    mode: ClassVar[str] = "per_batch"  # type: ignore[misc]

    requires_sample_rate: ClassVar[bool] = False

    def _validate(self) -> None:
        self.check_range("min_fraction", "max_fraction", at_least=0.0)
        if self.max_fraction > 1.0:
            raise ValueError(f"`max_fraction` must be at most 1, got {self.max_fraction:g}")
        if self.pad_section not in ("start", "end"):
            raise ValueError(f'`pad_section` must be "start" or "end", got {self.pad_section!r}')

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw the number of silenced samples."""
        time = samples.shape[-1]
        low, high = int(time * self.min_fraction), int(time * self.max_fraction)
        length = self.draw(len(samples)).integers("pad_length", low, high + 1)
        self.transform_parameters["pad_length"] = length.to(samples.device, non_blocking=True)

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Silence."""
        length = self.transform_parameters["pad_length"][:, None, None]
        place = torch.arange(samples.shape[-1], device=samples.device)
        if self.pad_section == "end":
            place = place.flip(0)
        padded = samples.masked_fill(place < length, 0)
        return self._move(padded, targets, sample_rate, target_rate)


class Shift(Transform):
    """Move a row in time by a random number of samples, and its targets with it.

    Args:
        min_shift: Smallest shift; negative is towards the start.
        max_shift: Largest shift.
        shift_unit: ``"fraction"`` of the time, ``"samples"`` or ``"seconds"``.
        rollover: Move the part that leaves at one end to the other end. With False it is lost, and
            silence fills the gap.
    """

    min_shift: float = -0.5
    max_shift: float = 0.5
    shift_unit: str = "fraction"
    rollover: bool = True

    _needs_copy: ClassVar[bool] = False

    def _validate(self) -> None:
        self.check_range("min_shift", "max_shift")
        if self.shift_unit not in ("fraction", "samples", "seconds"):
            raise ValueError(
                f'`shift_unit` must be "fraction", "samples" or "seconds", got {self.shift_unit!r}'
            )

    def is_sample_rate_required(self) -> bool:
        """Return whether the shift is in seconds."""
        return self.shift_unit == "seconds"

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw the shifts, in samples."""
        units = {"fraction": samples.shape[-1], "samples": 1, "seconds": sample_rate or 0}
        unit = units[self.shift_unit]
        low, high = round(self.min_shift * unit), round(self.max_shift * unit)
        shift = self.draw(len(samples)).integers("shift", low, high + 1)
        shift = shift.to(samples.device, non_blocking=True)
        self.transform_parameters["num_samples_to_shift"] = shift

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Move samples and frames."""
        shift = self.transform_parameters["num_samples_to_shift"]
        if targets is not None and targets.shape[-2] > 1:
            frames = shift.double() * targets.shape[-2] / samples.shape[-1]
            moved = _shift(targets.mT, frames.round().long(), self.rollover)
            targets = moved.mT
        if samples.is_floating_point():
            moved = edit.shift(samples, shift, rollover=self.rollover)
        else:  # the kernel does not take integers
            moved = _shift(samples, shift, self.rollover)
        return self._move(moved, targets, sample_rate, target_rate)


def _shift(values: Tensor, shift: Tensor, rollover: bool) -> Tensor:
    """Move ``(row, channel, ..., time)`` by ``(row,)`` places."""
    time = values.shape[-1]
    place = torch.arange(time, device=values.device) - shift[:, None]
    shape = (len(values), *[1] * (values.ndim - 2), time)
    source = place.reshape(shape)
    moved = values.take_along_dim(source % time, -1)
    return moved if rollover else moved.masked_fill((source < 0) | (source >= time), 0)


class TimeInversion(Transform):
    """Play a row backwards, and its targets with it."""

    requires_sample_rate: ClassVar[bool] = False
    _needs_copy: ClassVar[bool] = False

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Flip samples and frames."""
        targets = None if targets is None else targets.flip(-2)
        return self._move(samples.flip(-1), targets, sample_rate, target_rate)


class RandomCrop(nn.Module):
    """Cut a part of fixed length out of each example, at a random place.

    Shorter examples are returned as they are.

    Args:
        max_length: Length of the part.
        sampling_rate: Sample rate in Hz.
        max_length_unit: ``"seconds"`` or ``"samples"``.
    """

    supports_multichannel: ClassVar[bool] = True

    def __init__(
        self, max_length: float, sampling_rate: int, max_length_unit: str = "seconds"
    ) -> None:
        super().__init__()
        check_positive("max_length", max_length)
        if max_length_unit not in ("seconds", "samples"):
            raise ValueError(
                f'`max_length_unit` must be "seconds" or "samples", got {max_length_unit!r}'
            )
        self.sampling_rate = sampling_rate
        unit = sampling_rate if max_length_unit == "seconds" else 1
        self.num_samples = int(max_length * unit)

    def forward(self, samples: Tensor, sampling_rate: int | None = None) -> Tensor:
        """Cut the parts: ``(batch, channel, time)`` in and out."""
        if samples.ndim != 3:
            raise RuntimeError(
                f"`samples` must be a tensor (batch, channel, time), got {tuple(samples.shape)}"
            )
        if samples.numel() == 0:
            warnings.warn("`samples` of RandomCrop is empty", stacklevel=2)
            return samples
        room = samples.shape[-1] - self.num_samples
        if room <= 0:
            return samples
        draw = Draw(fresh_keys(len(samples), torch.device("cpu")), "RandomCrop")
        start = draw.integers("start", 0, room + 1).to(samples.device, non_blocking=True)
        return crop(samples, start, self.num_samples)
