"""Shuffling of channels, and the identity."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor

from augspec.compat.torch_audiomentations._base import ObjectDict
from augspec.compat.torch_audiomentations._transform import Transform

__all__ = ["Identity", "ShuffleChannels"]


class Identity(Transform):
    """Change nothing: for programs that switch augmentation off."""

    requires_sample_rate: ClassVar[bool] = False

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Return the input."""
        return self._move(samples, targets, sample_rate, target_rate)


class ShuffleChannels(Transform):
    """Put the channels of each example, and of its targets, into a random order.

    With one channel there is nothing to shuffle; a warning says so.
    """

    supported_modes: ClassVar[Any] = {"per_example"}
    requires_sample_rate: ClassVar[bool] = False

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw an order, each equally likely."""
        draw = self.draw(len(samples))
        places = torch.stack(
            [draw.uniform(f"place_{channel}") for channel in range(samples.shape[1])], 1
        )
        order = places.argsort(dim=1, stable=True).to(samples.device, non_blocking=True)
        self.transform_parameters["permutations"] = order

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Take the channels in their new order."""
        if samples.shape[1] == 1:
            warnings.warn("`samples` has one channel: there is nothing to shuffle", stacklevel=2)
        order = self.transform_parameters["permutations"]
        row = torch.arange(len(samples), device=samples.device)[:, None]
        samples = samples[row, order]  # copies whole channels; a gather would copy single samples
        if targets is not None:
            targets = targets[row, order]
        return self._move(samples, targets, sample_rate, target_rate)
