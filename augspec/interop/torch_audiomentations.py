"""torch-audiomentations: wrapped transforms get one example at a time."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from augspec.functional.checks import check_waveform
from augspec.interop._peer import PeerTransform, import_peer
from augspec.random import fresh_keys
from augspec.transforms.base import RandomTransform

__all__ = ["from_torch_audiomentations", "to_torch_audiomentations"]

import_peer("torch_audiomentations")
from torch_audiomentations.core.composition import BaseCompose  # noqa: E402
from torch_audiomentations.core.transforms_interface import BaseWaveformTransform  # noqa: E402
from torch_audiomentations.utils.object_dict import ObjectDict  # noqa: E402

# The public module of the library, and the bases of the transforms that a config may name.
PUBLIC, BASES = "torch_audiomentations", (BaseWaveformTransform, BaseCompose)


class FromTorchAudiomentations(PeerTransform):
    """A torch-audiomentations transform in a chain: see `from_torch_audiomentations`."""

    # Several of them edit tensors in place that autograd needs.
    differentiable = False

    def __init__(self, peer: torch.nn.Module, sample_rate: int, *, p: float = 1.0) -> None:
        super().__init__(peer, p=p)
        self.peer.train()  # in eval() it would do nothing; the wrapper uses its own mode
        self.sample_rate = sample_rate

    def check(self, waveform: Tensor, lengths: Tensor | None) -> None:
        """Raise a clear error if the input is not a batch of waveforms."""
        check_waveform(waveform, lengths)

    def _call_peer(self, example: Tensor) -> Any:
        # Some of them fail because they mix float64 input with float32 kernels.
        made = self.peer(example[None].float(), sample_rate=self.sample_rate)
        made = made["samples"] if isinstance(made, dict) else made
        return made.squeeze(0) if isinstance(made, Tensor) else made


def from_torch_audiomentations(
    t: torch.nn.Module, sample_rate: int, *, p: float = 1.0
) -> FromTorchAudiomentations:
    """Make a transform of augspec from one of torch-audiomentations, or a Compose of them.

    It runs on the CPU in float32, one example at a time, so that a Compose chooses per example.
    Gradients flow if the transform supports them. Its params are ``applied`` and the ``seed`` of
    the example.

    Args:
        t: A torch-audiomentations transform. Its own ``p``, 0.5 by default, applies in addition to
            ``p``.
        sample_rate: Sample rate in Hz.
        p: Probability that an example is passed to ``t``.

    Raises:
        ImportError: If torch-audiomentations or torchaudio cannot be imported.
        TypeError: If ``t`` is not a module.
        ValueError: When called, if ``t`` changes the shape.
    """
    if not isinstance(t, torch.nn.Module):
        raise TypeError(f"`t` must be a torch-audiomentations module, got {type(t).__name__}")
    return FromTorchAudiomentations(t, sample_rate, p=p)


class ToTorchAudiomentations(BaseWaveformTransform):  # type: ignore[misc]
    """A transform of augspec in torch-audiomentations: see `to_torch_audiomentations`."""

    requires_sample_rate = False

    def __init__(self, transform: RandomTransform, output_type: str) -> None:
        super().__init__(p=1.0, output_type="dict")
        self.output_type = output_type
        self.transform = transform
        self.transform_parameters: dict[str, Tensor] = {}

    def forward(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> Any:
        """Transform a batch; keys stay the same while the parameters are frozen."""
        keys = self.transform_parameters.get("keys")
        if keys is None or not self.are_parameters_frozen:
            keys = fresh_keys(samples.shape[0], samples.device)
            self.transform_parameters = {"keys": keys}
        made = self.transform(samples, keys=keys)
        if targets is not None:
            targets = self._targets(samples, targets, keys)
        if self.output_type == "tensor":
            return made
        return ObjectDict(
            samples=made, sample_rate=sample_rate, targets=targets, target_rate=target_rate
        )

    def _targets(self, samples: Tensor, targets: Tensor, keys: Tensor) -> Tensor:
        """Apply the transform to their targets, ``(batch, channel, frame, class)``.

        With one frame they are labels of the whole example.
        """
        batch, channels, frames, classes = targets.shape
        name = "label" if frames == 1 else "frames"
        ours = targets.transpose(2, 3).reshape(batch, channels * classes, frames)
        ours = ours.squeeze(2) if frames == 1 else ours
        params = self.transform.make_params(samples, keys=keys)
        new = self.transform.run_targets(
            {name: ours}, params, None, samples.shape[-1], by_mode=True
        )
        made: Tensor = new[name]
        return made.reshape(batch, channels, classes, -1).transpose(2, 3)


def to_torch_audiomentations(
    transform: RandomTransform, *, output_type: Literal["dict", "tensor"] = "dict"
) -> ToTorchAudiomentations:
    """Make a module for torch-audiomentations and its Compose, SomeOf and OneOf.

    Draws stay per example, on the device of the batch, and ``targets`` follow. Keys are drawn from
    torch's default generator: ``torch.manual_seed`` makes them reproducible. With frozen parameters
    the keys are repeated.

    Args:
        transform: A transform of waveforms, or a chain.
        output_type: Result outside a Compose: an ``ObjectDict`` with ``samples``, as in that
            library, or the tensor.

    Raises:
        ImportError: If torch-audiomentations or torchaudio cannot be imported.
        TypeError: If ``transform`` is not an augspec transform.
        ValueError: If ``output_type`` is neither.
    """
    if not isinstance(transform, RandomTransform):
        raise TypeError(f"`transform` must be an augspec transform, got {type(transform).__name__}")
    if output_type not in ("dict", "tensor"):
        raise ValueError(f'`output_type` must be "dict" or "tensor", got {output_type!r}')
    return ToTorchAudiomentations(transform, output_type)
