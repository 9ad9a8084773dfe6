"""The base of all transforms with this calling convention."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from augspec._door import enter
from augspec.native.alone import as_set, is_foreign
from augspec.random import Draw, fresh_keys
from augspec.transforms.base import check_probability

__all__ = [
    "BaseWaveformTransform",
    "EmptyPathException",
    "ModeNotSupportedException",
    "MultichannelAudioNotSupportedException",
    "ObjectDict",
]

# From coarse to fine: `p_mode` cannot be finer than `mode`.
_LEVELS = ("per_batch", "per_example", "per_channel")


class EmptyPathException(ValueError):  # noqa: N818 (their name)
    """A path has no audio files."""


class ModeNotSupportedException(ValueError):  # noqa: N818 (their name)
    """A transform does not have a mode."""


class MultichannelAudioNotSupportedException(ValueError):  # noqa: N818 (their name)
    """A transform takes audio of one channel only."""


class ObjectDict(dict[str, Any]):
    """A dictionary whose values are attributes too: ``result.samples`` is ``result["samples"]``."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class BaseWaveformTransform(nn.Module):
    """The base of the transforms, and of those that you write.

    A batch is cut into rows: the whole batch, its examples or its channels, as ``mode`` says. Rows
    are picked with probability ``p``. A subclass draws for the picked rows in
    ``randomize_parameters`` and transforms them in ``apply_transform``; the other rows are returned
    bit for bit.

    Args:
        mode: Which rows share parameters: ``"per_batch"``, ``"per_example"`` or ``"per_channel"``.
        p: Probability that a row is transformed.
        p_mode: Which rows are picked together: as ``mode``, or coarser. None is ``mode``.
        sample_rate: Sample rate in Hz; the argument of a call overrides it.
        target_rate: Frames of targets per second; the argument of a call overrides it.
        output_type: ``"dict"`` for an `ObjectDict`, or ``"tensor"``, the default.

    Raises:
        ModeNotSupportedException: If the class does not have the mode.
        ValueError: If another argument is out of its range.
    """

    supported_modes: ClassVar[Any] = {"per_batch", "per_example", "per_channel"}
    supports_multichannel: ClassVar[bool] = True
    requires_sample_rate: ClassVar[bool] = True
    supports_target: ClassVar[bool] = True
    requires_target: ClassVar[bool] = False
    # Whether `apply_transform` may write into its input or return it, so that it gets a copy.
    _needs_copy: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "apply_transform" in vars(cls) and "_needs_copy" not in vars(cls):
            cls._needs_copy = True  # what the base class promises does not hold for this method

    def __init__(
        self,
        mode: str = "per_example",
        p: float = 0.5,
        p_mode: str | None = None,
        sample_rate: int | None = None,
        target_rate: int | None = None,
        output_type: str | None = None,
    ) -> None:
        super().__init__()
        if mode not in self.supported_modes:
            known = ", ".join(sorted(self.supported_modes))
            raise ModeNotSupportedException(
                f"`mode` of {type(self).__name__} must be one of {known}, got {mode!r}"
            )
        p_mode = mode if p_mode is None else p_mode
        if p_mode not in _LEVELS or _LEVELS.index(p_mode) > _LEVELS.index(mode):
            raise ValueError(f"`p_mode` must be `mode` ({mode!r}) or coarser, got {p_mode!r}")
        self.mode = mode
        self.p = check_probability(p)
        self.p_mode = p_mode
        self.sample_rate = sample_rate
        self.target_rate = target_rate
        self.output_type = check_output_type(output_type)
        self.transform_parameters: dict[str, Any] = {}
        self.are_parameters_frozen = False

    def forward(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> Any:
        """Transform the picked rows of a batch; in ``eval()`` nothing is changed.

        Args:
            samples: The batch.
            sample_rate: Sample rate in Hz.
            targets: Labels, which are transformed too.
            target_rate: Frames of targets per second.

        Shape:
            ``samples`` ``(batch, channel, time)``, ``targets`` ``(batch, channel, frame, class)``;
            both keep their shape.

        Raises:
            RuntimeError: If a shape does not fit, or the sample rate or targets are missing.
        """
        plain = ObjectDict(
            samples=samples, sample_rate=sample_rate, targets=targets, target_rate=target_rate
        )
        if not self.training:
            return self._pack(plain)
        self._check(samples, targets)
        if samples.numel() == 0:
            warnings.warn(f"`samples` of {type(self).__name__} is empty", stacklevel=2)
            return self._pack(plain)
        rate = sample_rate or self.sample_rate
        if rate is None and self.is_sample_rate_required():
            raise RuntimeError(f"`sample_rate` is required by {type(self).__name__}")
        plain.sample_rate = rate
        plain.target_rate = self._rate_of_targets(samples, rate, targets, target_rate)

        def run(samples: Tensor) -> tuple[Tensor, ObjectDict]:
            with as_set() if is_foreign(type(self)) else nullcontext():
                made = self._run(ObjectDict(plain, samples=samples))
            return made.samples, made

        samples, made = enter(run, samples)
        return self._pack(ObjectDict(made, samples=samples))

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw for the picked rows, into ``transform_parameters``."""

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Transform the picked rows."""
        raise NotImplementedError(f"{type(self).__name__} must have `apply_transform`")

    def freeze_parameters(self) -> None:
        """Keep the parameters: the next calls use those of the last call."""
        self.are_parameters_frozen = True

    def unfreeze_parameters(self) -> None:
        """Draw parameters for each call again."""
        self.are_parameters_frozen = False

    def is_sample_rate_required(self) -> bool:
        """Return whether a call needs a sample rate."""
        return self.requires_sample_rate

    def is_target_required(self) -> bool:
        """Return whether a call needs targets."""
        return self.requires_target

    def draw(self, rows: int) -> Draw:
        """Return new draws for ``rows`` rows, on the CPU.

        They are few numbers, and on the CPU values that follow from them, such as the length of a
        filter, are known without waiting for a GPU.
        """
        return Draw(fresh_keys(rows, torch.device("cpu")), type(self).__name__)

    def _check(self, samples: Tensor, targets: Tensor | None) -> None:
        if not isinstance(samples, Tensor) or samples.ndim != 3:
            got = tuple(samples.shape) if isinstance(samples, Tensor) else type(samples).__name__
            raise RuntimeError(f"`samples` must be a tensor (batch, channel, time), got {got}")
        if samples.shape[1] > 1 and not self.supports_multichannel:
            raise MultichannelAudioNotSupportedException(
                f"`samples` of {type(self).__name__} must have one channel, got {samples.shape[1]}"
            )
        if targets is None:
            if self.is_target_required():
                raise RuntimeError(f"`targets` is required by {type(self).__name__}")
            return
        if not isinstance(targets, Tensor) or targets.ndim != 4:
            got = tuple(targets.shape) if isinstance(targets, Tensor) else type(targets).__name__
            raise RuntimeError(
                "`targets` must be a tensor (batch, channel, frame, class), with one frame if they "
                f"are about the whole of an example, got {got}"
            )
        if targets.shape[:2] != samples.shape[:2]:
            raise RuntimeError(
                "`targets` must have as many examples and channels as `samples`, "
                f"{tuple(samples.shape[:2])}, got {tuple(targets.shape[:2])}"
            )

    def _rate_of_targets(
        self, samples: Tensor, rate: int | None, targets: Tensor | None, given: int | None
    ) -> int | None:
        """Return the frames of targets per second; 0 if they describe the whole example."""
        known = given or self.target_rate
        if targets is None or known is not None:
            return known
        if targets.shape[2] == 1:
            return 0
        # Without a sample rate it is not needed.
        return None if rate is None else round(rate * targets.shape[2] / samples.shape[-1])

    def _run(self, batch: ObjectDict) -> ObjectDict:
        samples, targets = batch.samples, batch.targets
        picked = self._pick(*samples.shape[:2])
        index = picked.nonzero().squeeze(1).to(samples.device, non_blocking=True)
        if index.numel() == 0:
            return batch
        every = index.numel() == picked.numel()
        rows = self._cut(samples)
        labels = None if targets is None else self._cut(targets)
        chosen = ObjectDict(
            batch,
            samples=rows[index] if not every else rows.clone() if self._needs_copy else rows,
            targets=labels if labels is None or every else labels[index],
        )
        if not self.are_parameters_frozen or len(self.transform_parameters) < 2:
            self.randomize_parameters(**chosen)
        made = self.apply_transform(**chosen)
        out = made.samples if every else rows.index_copy(0, index, made.samples.to(rows.dtype))
        moved = made.targets
        if moved is not None and labels is not None:
            moved = moved if every else labels.index_copy(0, index, moved.to(labels.dtype))
            moved = moved.reshape(targets.shape)
        return ObjectDict(made, samples=out.reshape(samples.shape), targets=moved)

    def _pick(self, batch: int, channels: int) -> Tensor:
        """Return which rows are transformed, on the CPU."""
        counts = {"per_batch": 1, "per_example": batch, "per_channel": batch * channels}
        kept = self.transform_parameters.get("should_apply")
        if kept is None or not self.are_parameters_frozen:
            kept = self.draw(counts[self.p_mode]).bernoulli("applied", self.p)
            self.transform_parameters = {"should_apply": kept}
        elif len(kept) != counts[self.p_mode]:
            raise RuntimeError(
                f"`samples` must have the shape that the frozen parameters of "
                f"{type(self).__name__} are for, {len(kept)} rows, got {counts[self.p_mode]}"
            )
        return kept.repeat_interleave(counts[self.mode] // len(kept))

    def _cut(self, tensor: Tensor) -> Tensor:
        """Cut a batch into the rows that share their parameters."""
        batch, channels, *rest = tensor.shape
        if self.mode == "per_batch":
            return tensor.reshape(1, batch * channels, *rest)
        return tensor.reshape(-1, 1, *rest) if self.mode == "per_channel" else tensor

    def _pack(self, made: ObjectDict) -> Any:
        return made.samples if self.output_type == "tensor" else made


def check_output_type(output_type: str | None) -> str:
    """Check ``output_type`` and return it; the default is the tensor."""
    if output_type not in (None, "tensor", "dict"):
        raise ValueError(f'`output_type` must be "dict" or "tensor", got {output_type!r}')
    return output_type or "tensor"
