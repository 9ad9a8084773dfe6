"""Levels and signs."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from augspec.compat.torch_audiomentations._base import ObjectDict
from augspec.compat.torch_audiomentations._transform import Transform
from augspec.functional.level import amplitude
from augspec.functional.shapes import like

__all__ = ["Gain", "PeakNormalization", "PolarityInversion"]


class Gain(Transform):
    """Multiply by a gain that is uniform in dB.

    Args:
        min_gain_in_db: Lowest gain in dB.
        max_gain_in_db: Highest gain in dB.
    """

    min_gain_in_db: float = -18.0
    max_gain_in_db: float = 6.0

    requires_sample_rate: ClassVar[bool] = False

    def _validate(self) -> None:
        self.check_range("min_gain_in_db", "max_gain_in_db")

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw the gains."""
        draw = self.draw(len(samples))
        gain_db = draw.uniform("gain_db", self.min_gain_in_db, self.max_gain_in_db)
        factors = amplitude(gain_db).to(samples.device, non_blocking=True)
        self.transform_parameters["gain_factors"] = like(factors, samples)

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Multiply."""
        factors = self.transform_parameters["gain_factors"].to(samples)
        return self._move(samples * factors, targets, sample_rate, target_rate)


class PeakNormalization(Transform):
    """Divide by the largest absolute sample, so that it becomes 1. Silence stays silence.

    With frozen parameters it divides by the peaks of the last batch.

    Args:
        apply_to: ``"all"``, or ``"only_too_loud_sounds"`` for those that exceed 1.
    """

    apply_to: str = "all"

    requires_sample_rate: ClassVar[bool] = False

    def _validate(self) -> None:
        if self.apply_to not in ("all", "only_too_loud_sounds"):
            raise ValueError(
                f'`apply_to` must be "all" or "only_too_loud_sounds", got {self.apply_to!r}'
            )

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Find the peaks."""
        peak = samples.detach().abs().amax((1, 2))
        chosen = peak > (0.0 if self.apply_to == "all" else 1.0)
        self.transform_parameters["selector"] = chosen
        self.transform_parameters["divisors"] = like(torch.where(chosen, peak, 1.0), samples)

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Divide."""
        divisors = self.transform_parameters["divisors"]
        return self._move(samples / divisors, targets, sample_rate, target_rate)


class PolarityInversion(Transform):
    """Change the sign of every sample."""

    requires_sample_rate: ClassVar[bool] = False

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Negate."""
        return self._move(-samples, targets, sample_rate, target_rate)
