"""Grouping of channels that share one parameter."""

from __future__ import annotations

import torch
from torch import Tensor


def split_units(sound: Tensor, *parameters: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Regroup a batch into units with one parameter each.

    A unit is an example with all its channels if parameters are ``(batch,)``. If one is ``(batch,
    channel)``, each channel is a unit.

    Args:
        sound: Audio.
        *parameters: One number per example or per channel.

    Shape:
        ``sound``: (batch, channel, time); each parameter: (batch,) or (batch, channel); the output
        is (unit, channel, time) and parameters of (unit,).
    """
    batch, channels = sound.shape[:2]
    if all(values.ndim == 1 for values in parameters):
        return sound, list(parameters)
    spread = [values if values.ndim == 2 else values[:, None] for values in parameters]
    spread = [values.expand(batch, channels).reshape(-1) for values in spread]
    return sound.reshape(batch * channels, 1, -1), spread


def sum_channels(values: Tensor) -> Tensor:
    """Sum over dimension 1, the channels; values that are not finite are ignored.

    Otherwise NaN in one channel would spread to the others.
    """
    if values.shape[1] == 1:
        return values.squeeze(1)
    return torch.where(values.isfinite(), values, 0.0).sum(1)
