"""A transform that pads examples to a size."""

from __future__ import annotations

from typing import Self, get_args

import torch
from torch import Tensor

from augspec.functional import edit
from augspec.functional.checks import check_size
from augspec.functional.edit import PadWhere
from augspec.params import Values
from augspec.transforms.base import ends_at
from augspec.transforms.declare import Words, setting
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["PadTo"]


class PadTo(FusableTransform, kernel=edit.pad_to):
    """Pad each example with silence to a number of samples, in ``eval()`` too.

    Longer examples stay as they are: add a crop before or after it for a fixed size. ``lengths``
    become the end of each example's sound, counted from the start of the tensor.

    Args:
        size: Least number of samples of the result.
        where: Where the silence goes: at the ``"end"``, at the ``"start"``, or half of it at each
            with ``"center"``.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, max(time, size))``.

    Raises:
        ValueError: If ``size`` is not a positive integer or ``where`` is not one of the three.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.PadTo(5, where="center")(torch.ones(1, 1, 2))
        tensor([[[0., 1., 1., 0., 0.]]])
    """

    in_eval = True
    sets_shape = True
    keeps_samples = True

    size: int = setting(check=check_size)
    where: PadWhere = setting(default="end", check=Words(*get_args(PadWhere)), kw_only=True)
    p: float = setting(default=1.0, init=False)
    per_channel: bool = setting(default=False, init=False)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(3000)

    def _lengths(self, time: int, params: Values, lengths: Tensor | None) -> Tensor:
        ends = ends_at(time, params, lengths)
        return edit.pad_start(ends, self.size, self.where) + ends

    def _size(self, time: int) -> int:
        return max(time, self.size)

    def _source(self, position: Tensor, time: int, params: Values, lengths: Tensor) -> Tensor:
        return position - edit.pad_start(lengths, self.size, self.where)[:, None]

    @property
    def fusable(self) -> bool:
        """Whether the example stays where it is."""
        return self.where == "end"

    def warp(self, warp: Warp, params: Values) -> Warp:
        """Extend the example with silence."""
        return warp.cut(torch.zeros_like(warp.ends), max(self.size, warp.size), warp.ends)
