"""torchvision's ``transforms.v2``: one sample at a time, a tensor or a dictionary."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from augspec.frontend import Frontend
from augspec.random import fresh_keys
from augspec.transforms.base import RandomTransform

__all__ = ["to_torchvision"]


_LABELS = ("label", "pitch", "frames")


class ToTorchvision(nn.Module):
    """A transform of augspec on one sample: see `to_torchvision`."""

    def __init__(self, transform: RandomTransform | Frontend) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, sample: Tensor | dict[str, Any]) -> Tensor | dict[str, Any]:
        """Transform a waveform, or a sample with a waveform and its labels."""
        if isinstance(sample, Tensor):
            return self._waveform(sample, fresh_keys(1, sample.device))
        if not isinstance(sample, dict) or "waveform" not in sample:
            got = sorted(sample) if isinstance(sample, dict) else type(sample).__name__
            raise TypeError(f"`sample` must be a tensor or a dictionary with `waveform`, got {got}")
        waveform = sample["waveform"]
        keys = fresh_keys(1, waveform.device)
        made = self._waveform(waveform, keys)
        params = self.transform.make_params(waveform[None], keys=keys)
        labels = {name: value for name, value in sample.items() if name in _LABELS}
        batched = {name: torch.as_tensor(value)[None] for name, value in labels.items()}
        new = self.transform.run_targets(batched, params, None, waveform.shape[-1], by_mode=True)
        new = {
            name: value[0] if isinstance(labels.get(name), Tensor) else value[0].tolist()
            for name, value in new.items()
        }
        return {**sample, **new, "waveform": made}

    def _waveform(self, waveform: Tensor, keys: Tensor) -> Tensor:
        if waveform.ndim != 2:
            raise ValueError(
                f"`waveform` must be (channel, time), got shape {tuple(waveform.shape)}"
            )
        made: Tensor = self.transform(waveform[None], keys=keys)
        return made[0]


def to_torchvision(transform: RandomTransform | Frontend) -> ToTorchvision:
    """Make a callable for torchvision's ``v2.Compose``: one sample in, one out.

    A sample is a ``(channel, time)`` tensor, or a dictionary as from augspec's datasets. In a
    dictionary ``waveform`` is replaced, and ``label``, ``pitch`` and ``frames`` follow. Keys are
    drawn from torch's default generator. For batches call the transform directly.

    Args:
        transform: A transform, a chain, or a front end, whose spectrogram then replaces
            ``waveform``.

    Raises:
        TypeError: If ``transform`` is not an augspec transform.

    Example:
        >>> from augspec import interop, transforms as T
        >>> gain = interop.to_torchvision(T.Gain((-6.0, 6.0)))
        >>> gain({"waveform": torch.zeros(1, 100), "label": 3})["label"]
        3
    """
    if not isinstance(transform, RandomTransform | Frontend):
        raise TypeError(f"`transform` must be an augspec transform, got {type(transform).__name__}")
    return ToTorchvision(transform)
