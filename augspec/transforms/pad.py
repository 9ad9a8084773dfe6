"""A transform that pads examples to a size."""

from __future__ import annotations

from typing import Self, get_args

import torch
from torch import Tensor

from augspec.functional import edit
from augspec.functional.checks import check_size
from augspec.functional.edit import PadWhere
from augspec.random import Draw
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["PadTo"]


class PadTo(FusableTransform):
    """Pad each example with silence to a number of samples, in ``eval()`` too.

    What is longer stays as it is: put a crop before or behind for a fixed time. ``lengths`` come
    out as the sample behind the example's last.

    Args:
        size: Samples of the result.
        where: Where the silence goes: at the ``"end"``, at the ``"start"``, or half of it at each
            with ``"center"``.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, max(time, size))``.

    Raises:
        ValueError: If ``size`` is not a positive integer or ``where`` not one of the three.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.PadTo(5, where="center")(torch.ones(1, 1, 2))
        tensor([[[0., 1., 1., 0., 0.]]])
    """

    in_eval = True
    sets_shape = True

    def __init__(self, size: int, *, where: PadWhere = "end") -> None:
        super().__init__()
        self.size = check_size(size)
        if where not in get_args(PadWhere):
            raise ValueError(f"`where` must be one of {get_args(PadWhere)}, got {where!r}")
        self.where: PadWhere = where

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls(3000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return edit.pad_to(waveform, self.size, self.where, lengths)

    def _lengths(self, time: int, params: dict[str, Tensor], lengths: Tensor | None) -> Tensor:
        if lengths is None:
            lengths = torch.full_like(params["applied"], time, dtype=torch.int64)
        return edit.pad_start(lengths, self.size, self.where) + lengths

    def _size(self, time: int) -> int:
        return max(time, self.size)

    def _source(
        self, position: Tensor, time: int, params: dict[str, Tensor], lengths: Tensor
    ) -> Tensor:
        return position - edit.pad_start(lengths, self.size, self.where)[:, None]

    @property
    def fusable(self) -> bool:
        """Whether the example stays where it is."""
        return self.where == "end"

    def warp(self, warp: Warp, params: dict[str, Tensor]) -> Warp:
        """Go on in silence."""
        return warp.cut(torch.zeros_like(warp.ends), max(self.size, warp.size), warp.ends)
