"""Transforms in sequence, or some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from augspec.compat.torch_audiomentations._base import (
    BaseWaveformTransform,
    ObjectDict,
    check_output_type,
)
from augspec.random import Draw, fresh_keys
from augspec.transforms.base import check_probability

__all__ = ["BaseCompose", "Compose", "OneOf", "SomeOf"]


class BaseCompose(nn.Module):
    """The base of transforms made of other transforms.

    A part may be any module from samples to samples, such as a transform of augspec, which leaves
    targets as they are.

    Args:
        transforms: The parts.
        shuffle: Apply them in a new order at each call.
        p: Probability that a batch is transformed.
        p_mode: Only ``"per_batch"``.
        output_type: ``"dict"`` for an `ObjectDict`, or ``"tensor"``, the default.

    Raises:
        TypeError: If a part is not a module.
        ValueError: If another argument is out of its range.
    """

    def __init__(
        self,
        transforms: Sequence[nn.Module],
        shuffle: bool = False,
        p: float = 1.0,
        p_mode: str = "per_batch",
        output_type: str | None = None,
    ) -> None:
        super().__init__()
        if p_mode != "per_batch":
            raise ValueError(f'`p_mode` must be "per_batch", got {p_mode!r}')
        for part in transforms:
            if not isinstance(part, nn.Module):
                raise TypeError(f"`transforms` must be modules, got {type(part).__name__}")
        self.p = check_probability(p)
        self.p_mode = p_mode
        self.shuffle = shuffle
        self.output_type = check_output_type(output_type)
        self.are_parameters_frozen = False
        #: The parts that the last call applied, in order.
        self.transform_indexes: list[int] = []
        self._drawn = False
        self.transforms = nn.ModuleList(transforms)
        for part in self.transforms:
            if _keeps_the_convention(part):
                part.output_type = "dict"

    def forward(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> Any:
        """Send a batch through the parts; the arguments are those of a transform."""
        batch = ObjectDict(
            samples=samples, sample_rate=sample_rate, targets=targets, target_rate=target_rate
        )
        if self.training:
            if not (self.are_parameters_frozen and self._drawn):
                self.randomize_parameters()
            for index in self.transform_indexes:
                part = self.transforms[index]
                if _keeps_the_convention(part):
                    batch = ObjectDict(part(**batch))
                else:
                    batch = ObjectDict(batch, samples=part(batch.samples))
        return batch.samples if self.output_type == "tensor" else batch

    def randomize_parameters(self) -> None:
        """Draw which parts are applied to the batch, and their order."""
        draw = Draw(fresh_keys(1, torch.device("cpu")), type(self).__name__)
        self._drawn = True
        picked = bool(draw.bernoulli("applied", self.p))
        self.transform_indexes = self._choose(draw) if picked else []

    def _choose(self, draw: Draw) -> list[int]:
        """Choose parts for a batch that is transformed."""
        every = list(range(len(self.transforms)))
        return _shuffled(draw, len(every)) if self.shuffle else every

    def freeze_parameters(self) -> None:
        """Keep the parameters and the choice: the next calls use those of the last call."""
        self._freeze(True)

    def unfreeze_parameters(self) -> None:
        """Draw for each call again."""
        self._freeze(False)

    def _freeze(self, frozen: bool) -> None:
        self.are_parameters_frozen = frozen
        for part in self.transforms:
            if _keeps_the_convention(part):
                (part.freeze_parameters if frozen else part.unfreeze_parameters)()

    @property
    def supported_modes(self) -> set[str]:
        """The modes that every part has."""
        modes = {"per_batch", "per_example", "per_channel"}
        for part in self.transforms:
            modes &= set(getattr(part, "supported_modes", modes))
        return modes


class Compose(BaseCompose):
    """Apply transforms one after the other; see `BaseCompose` for the arguments."""


class SomeOf(BaseCompose):
    """Apply some of the transforms, chosen for each batch, in their order.

    Args:
        num_transforms: Number of transforms: a number, or ``(least, most)``, where None is all.
        transforms: The transforms to choose from.
        p: Probability that a batch is transformed.
        p_mode: Only ``"per_batch"``.
        output_type: ``"dict"`` for an `ObjectDict`, or ``"tensor"``, the default.
    """

    def __init__(
        self,
        num_transforms: int | Sequence[int | None],
        transforms: Sequence[nn.Module],
        p: float = 1.0,
        p_mode: str = "per_batch",
        output_type: str | None = None,
    ) -> None:
        super().__init__(transforms, p=p, p_mode=p_mode, output_type=output_type)
        both = [num_transforms] * 2 if isinstance(num_transforms, int) else list(num_transforms)
        least, most = both
        most = len(transforms) if most is None else most
        if least is None or not 1 <= least <= most <= len(transforms):
            raise ValueError(
                f"`num_transforms` must lie in [1, {len(transforms)}], the number of "
                f"`transforms`, got {num_transforms!r}"
            )
        self.num_transforms = num_transforms
        self.min_num_transforms, self.max_num_transforms = least, most

    def _choose(self, draw: Draw) -> list[int]:
        least, most = self.min_num_transforms, self.max_num_transforms
        count = int(draw.integers("count", least, most + 1))
        return sorted(_shuffled(draw, len(self.transforms))[:count])


class OneOf(SomeOf):
    """Apply one of the transforms, chosen for each batch.

    Args:
        transforms: The transforms to choose from.
        p: Probability that a batch is transformed.
        p_mode: Only ``"per_batch"``.
        output_type: ``"dict"`` for an `ObjectDict`, or ``"tensor"``, the default.
    """

    def __init__(
        self,
        transforms: Sequence[nn.Module],
        p: float = 1.0,
        p_mode: str = "per_batch",
        output_type: str | None = None,
    ) -> None:
        super().__init__(1, transforms, p=p, p_mode=p_mode, output_type=output_type)


def _keeps_the_convention(part: Any) -> TypeGuard[BaseWaveformTransform | BaseCompose]:
    """Whether a part takes all arguments of the convention: ours, and torch-audiomentations'."""
    return hasattr(part, "freeze_parameters") and hasattr(part, "output_type")


def _shuffled(draw: Draw, count: int) -> list[int]:
    """Put ``count`` places into a random order."""
    places = torch.stack([draw.uniform(f"place_{i}") for i in range(count)], 1)
    order: list[int] = places.argsort(dim=1, stable=True)[0].tolist()
    return order
