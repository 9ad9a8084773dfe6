"""Noise, and other examples of the batch, at a drawn signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, ClassVar

import torch
from torch import Tensor

from augspec.compat.torch_audiomentations._base import ObjectDict
from augspec.compat.torch_audiomentations._files import Banks, Paths
from augspec.compat.torch_audiomentations._transform import Transform
from augspec.functional.noise import add_noise, colored_noise
from augspec.functional.shapes import span_start

__all__ = ["AddBackgroundNoise", "AddColoredNoise", "Mix"]

# With this slope in dB per octave white noise falls as 1 / f.
_SLOPE_DB = 6.0


class _Noise(Transform):
    """Add a sound at a random level relative to that of each channel."""

    min_snr_in_db: float
    max_snr_in_db: float

    def _validate(self) -> None:
        self.check_range("min_snr_in_db", "max_snr_in_db")

    def _draw_snr(self, samples: Tensor) -> None:
        draw = self.draw(len(samples))
        snr = draw.uniform("snr_db", self.min_snr_in_db, self.max_snr_in_db)
        self.transform_parameters["snr_in_db"] = snr.to(samples.device, non_blocking=True)

    def _add(self, samples: Tensor, noise: Tensor) -> Tensor:
        snr = self.transform_parameters["snr_in_db"][:, None].expand(samples.shape[:2])
        return add_noise(samples, noise.to(samples.dtype).expand_as(samples), snr)


class AddBackgroundNoise(_Noise):
    """Add a part of a random audio file, the same to all channels of a row.

    The files are decoded once, at the first call, mixed down to one channel and resampled to the
    sample rate of the audio (`augspec.Bank`). A short one is looped.

    Args:
        background_paths: A folder, a file, or a list of those.
        min_snr_in_db: Lowest signal-to-noise ratio in dB.
        max_snr_in_db: Highest signal-to-noise ratio in dB.

    Raises:
        EmptyPathException: If there is no audio file.
    """

    background_paths: Paths
    min_snr_in_db: float = 3.0
    max_snr_in_db: float = 30.0

    def _open(self) -> None:
        self._banks = Banks("background_paths", self.background_paths)
        self.background_paths: Sequence[str | PathLike[str]] = self._banks.paths

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw a file, a place in it and a ratio."""
        self._draw_snr(samples)
        draw = self.draw(len(samples))
        sound = draw.integers("sound", 0, len(self._banks.paths))
        self.transform_parameters["background"] = (sound, draw.uniform("start"))

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Cut the noise out of the files and add it."""
        bank = self._banks.at(sample_rate)
        time = samples.shape[-1]
        sound, place = self.transform_parameters["background"]
        length = bank.length_of(sound)
        # A longer file starts at a place from which it is long enough; a shorter one at any place.
        room = torch.where(length >= time, length - time, length - 1)
        start = span_start(place, room)
        noise = bank.take(sound.to(samples.device), start.to(samples.device), time)
        return self._move(self._add(samples, noise[:, None]), targets, sample_rate, target_rate)


class AddColoredNoise(_Noise):
    """Add noise with a constant spectral slope, the same to all channels of a row.

    Args:
        min_snr_in_db: Lowest signal-to-noise ratio in dB.
        max_snr_in_db: Highest signal-to-noise ratio in dB.
        min_f_decay: Lowest exponent, at least -2: the amplitude falls as ``1 / f ** f_decay``, by
            6 dB per octave for 1. This is what torch-audiomentations computes; its documentation
            states it for the power.
        max_f_decay: Highest exponent, at most 2.
    """

    min_snr_in_db: float = 3.0
    max_snr_in_db: float = 30.0
    min_f_decay: float = -2.0
    max_f_decay: float = 2.0

    def _validate(self) -> None:
        super()._validate()
        self.check_range("min_f_decay", "max_f_decay", at_least=-2.0)
        if self.max_f_decay > 2.0:
            raise ValueError(f"`max_f_decay` must be at most 2, got {self.max_f_decay:g}")

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw a ratio, an exponent and a key for the noise."""
        self._draw_snr(samples)
        draw = self.draw(len(samples))
        decay = draw.uniform("f_decay", self.min_f_decay, self.max_f_decay)
        for name, value in (("f_decay", decay), ("noise", draw.key("noise"))):
            self.transform_parameters[name] = value.to(samples.device, non_blocking=True)

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Make the noise and add it."""
        slope = -_SLOPE_DB * self.transform_parameters["f_decay"]
        key, time = self.transform_parameters["noise"], samples.shape[-1]
        noise = colored_noise(key, slope, 1, time, dtype=samples.dtype)
        return self._move(self._add(samples, noise), targets, sample_rate, target_rate)


class Mix(_Noise):
    """Add another row of the batch.

    Args:
        min_snr_in_db: Lowest level above the row that is added, in dB.
        max_snr_in_db: Highest level above the row that is added, in dB.
        mix_target: ``"union"`` takes the larger of both targets, ``"original"`` leaves them.
    """

    min_snr_in_db: float = 0.0
    max_snr_in_db: float = 5.0
    mix_target: str = "union"

    supported_modes: ClassVar[Any] = {"per_example", "per_channel"}
    requires_sample_rate: ClassVar[bool] = False

    def _validate(self) -> None:
        super()._validate()
        if self.mix_target not in ("original", "union"):
            raise ValueError(f'`mix_target` must be "original" or "union", got {self.mix_target!r}')

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw a ratio and another row; it may be the row itself."""
        self._draw_snr(samples)
        other = self.draw(len(samples)).integers("sample_idx", 0, len(samples))
        self.transform_parameters["sample_idx"] = other.to(samples.device, non_blocking=True)

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Add the other row, and join the targets."""
        other = self.transform_parameters["sample_idx"]
        if targets is not None and self.mix_target == "union":
            targets = torch.maximum(targets, targets[other])
        mixed = self._add(samples, samples[other])
        return self._move(mixed, targets, sample_rate, target_rate)
