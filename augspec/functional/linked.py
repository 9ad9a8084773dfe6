"""Channels that share their decisions: an example with one parameter for all its channels."""

from __future__ import annotations

import torch
from torch import Tensor


def split_units(sound: Tensor, *parameters: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Regroup a batch into units that share their decisions, with a parameter for each unit.

    That is an example with all its channels where parameters are ``(batch,)``. Where one is
    ``(batch, channel)``, each channel is a unit: they are to be taken apart.

    Args:
        sound: Audio.
        *parameters: Numbers an example or a channel.

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
    """Sum over dimension 1, the channels; one that is not finite has no say.

    Otherwise NaN in one channel would come out of the others too.
    """
    if values.shape[1] == 1:
        return values.squeeze(1)
    return torch.where(values.isfinite(), values, 0.0).sum(1)
