"""The speed of a vocoder in the input: one rate, or a curve of rates.

Places are samples of the output. Positions in the input are 32.32 fixed-point integers, exact at
any length and on every device.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec import native
from augspec._compile import floor_divide, runs_triton, triton_op
from augspec._constants import where_else
from augspec.functional.onset import Grid
from augspec.functional.resample import fixed_point
from augspec.functional.sinc import ONE
from augspec.functional.timemap import copy_attacks, map_time, onsets_around

__all__ = ["CurvedPace", "Pace", "SteadyPace", "mean_rate"]


class Pace(ABC):
    """The speed of each example, in input samples per output sample."""

    @abstractmethod
    def some(self, part: slice) -> Self:
        """Return the pace of some examples."""

    @abstractmethod
    def place(self, place: Tensor, onsets: Grid, n_fft: int) -> tuple[Tensor, Tensor]:
        """Choose the input sample at the center of a frame at each ``place``, by `map_time`.

        Args:
            place: Output samples, ``(place,)`` int64.
            onsets: The result of `augspec.functional.onset.find_onsets` for ``n_fft``.
            n_fft: Samples of a frame.

        Returns:
            Centers, ``(example, place)`` int64, and how far ahead the next onset is.
        """

    @abstractmethod
    def unchanged(self) -> Tensor:
        """Return which examples keep their tempo exactly, bool ``(example,)``."""

    @abstractmethod
    def nan_or_zero(self) -> Tensor:
        """Return NaN for each example whose rate is not a positive number, else 0."""


@dataclass(frozen=True)
class SteadyPace(Pace):
    """One rate for each example.

    Args:
        rate: ``(example,)``, NaN where it is not a positive number.
    """

    rate: Tensor

    @classmethod
    def of(cls, rate: Tensor) -> Self:
        """Make a pace from any rates."""
        return cls(where_else(rate > 0, rate, math.nan))

    def some(self, part: slice) -> Self:
        """Return the pace of some examples."""
        return type(self)(self.rate[part])

    def place(self, place: Tensor, onsets: Grid, n_fft: int) -> tuple[Tensor, Tensor]:
        """Choose the input sample at the center of a frame at each ``place``."""
        step = (self.rate * ONE).to(torch.int64).clamp(min=1)
        return map_time(place * step.unsqueeze(-1), step, onsets, n_fft)

    def unchanged(self) -> Tensor:
        """Return which examples have a rate of 1."""
        return self.rate == 1

    def nan_or_zero(self) -> Tensor:
        """Return NaN for each example whose rate is not a positive number, else 0."""
        return self.rate - self.rate


@dataclass(frozen=True)
class CurvedPace(Pace):
    r"""Rates at equal distances over the output, and straight lines between them.

    In a piece of ``width`` samples with rates from ``a`` to ``b``, the ``c``-th sample lies ``c * a
    + c ** 2 * (b - a) / (2 * width)`` input samples after the first.

    Args:
        pieces: For each piece its first output sample, its length, its first input position, its
            first rate, and the increase of the rate up to the next piece; positions and rates are
            fixed-point, ``(example, 5, piece)`` int64.
        valid: Whether all rates of an example are positive numbers, bool ``(example,)``.
    """

    pieces: Tensor
    valid: Tensor

    @classmethod
    def over(cls, rate: Tensor, ends: Tensor) -> Self:
        """Spread rates, ``(example, point)``, over outputs of ``ends`` samples, ``(example,)``."""
        step = fixed_point(rate).clamp(min=1)
        count = step.shape[1] - 1
        point = torch.arange(count + 1, device=ends.device)
        begin = torch.div(point * ends[:, None], count, rounding_mode="floor")
        width, rise = torch.diff(begin), torch.diff(step)  # a width is 0 where ends < count
        source = nnf.pad((width * (step[:, 1:] + step[:, :-1]) // 2).cumsum(1), (1, 0))
        parts = (begin[:, :-1], width, source[:, :-1], step[:, :-1], rise)
        return cls(torch.stack(parts, 1), ((rate > 0) & rate.isfinite()).all(1))

    def some(self, part: slice) -> Self:
        """Return the pace of some examples."""
        return type(self)(self.pieces[part], self.valid[part])

    def at(self, place: Tensor) -> tuple[Tensor, Tensor]:
        """Return the position in the input at each place, and the rate there, fixed-point.

        Before the first point and after the last the rate is constant.

        Args:
            place: Samples of the output, ``(example, place)`` int64.
        """
        later = self.pieces[:, 0, None, 1:]
        piece = (place.unsqueeze(-1) >= later).sum(-1)
        found = self.pieces.gather(2, piece[:, None].expand(-1, 5, -1))
        begin, width, source, step, rise = found.unbind(1)
        since = place - begin
        inside = torch.minimum(since.clamp(min=0), width)
        risen = inside * rise
        here = step + floor_divide(risen, width)
        bend = floor_divide(risen, 2 * width) * inside
        return source + inside * step + bend + (since - inside) * here, here

    def place(self, place: Tensor, onsets: Grid, n_fft: int) -> tuple[Tensor, Tensor]:
        """Choose the input sample at the center of a frame at each ``place``."""
        if runs_triton(place, self.pieces):
            placed: tuple[Tensor, Tensor] = torch.ops.augspec.map_curve(
                place, self.pieces, *onsets, n_fft
            )
            return placed
        if self.pieces.numel() and native.applies(place, self.pieces, *onsets):
            centers, until = place.new_empty(2, len(self.pieces), len(place)).unbind()
            native.call(
                "augspec_map_curve", place, len(place), self.pieces, len(self.pieces),
                self.pieces.shape[-1], *onsets, onsets[0].shape[-1], n_fft, native.threads(),
                out=(centers, until),
            )  # fmt: skip
            return centers, until
        position, step = self.at(place.expand(len(self.pieces), -1))
        plain = (position + ONE // 2) >> 32
        around = onsets_around(plain, onsets, n_fft)
        since, until, steps = self._distances(torch.stack(around), place, position, step, n_fft)
        # The mean rate from here to the onset is half the sum of both rates on a line.
        mean = (step + torch.where(since < until, steps[0], steps[1])) // 2
        return copy_attacks(plain, around, (since, until), mean, n_fft), until

    def _distances(
        self, onset: Tensor, place: Tensor, position: Tensor, step: Tensor, n_fft: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Find the distances from frames to onsets in the output, by two steps of Newton's method.

        Args:
            onset: The onset before and the one after each frame, ``(2, example, frame)``.
            place: Positions of the frames in the output.
            position: Their positions in the input, fixed-point.
            step: Rates there, fixed-point.
            n_fft: Samples of a frame.

        Returns:
            Output samples since the one before and until the one after, and the rates at both.
        """
        side = torch.stack((-torch.ones_like(step), torch.ones_like(step)))
        target, distance = side * onset * ONE, torch.zeros_like(onset)
        for _ in range(2):
            left = floor_divide(target - side * position + step // 2, step)
            # Beyond the distance at which an attack can move a frame, the exact value does not
            # matter.
            distance = distance + left.clamp(-64 * n_fft, 64 * n_fft)
            heard = (place + side * distance).transpose(0, 1).flatten(1)
            position, step = (one.unflatten(1, (2, -1)).transpose(0, 1) for one in self.at(heard))
        since, until = distance.unbind()
        return since, until, step

    def unchanged(self) -> Tensor:
        """Return which examples have a rate of 1 at all points."""
        return ((self.pieces[:, 3] == ONE) & (self.pieces[:, 4] == 0)).all(1)

    def nan_or_zero(self) -> Tensor:
        """Return NaN for each example with a rate that is not a positive number, else 0."""
        return torch.zeros_like(self.valid, dtype=torch.float32).masked_fill(~self.valid, math.nan)

    def one_rate(self) -> Tensor:
        """Return 1 for each unchanged example, NaN as in `nan_or_zero`, else another number."""
        return self.nan_or_zero() + torch.where(self.unchanged(), 1.0, 2.0)


@triton_op(
    "map_curve",
    "(Tensor place, Tensor pieces, Tensor last, Tensor first, SymInt n_fft) -> (Tensor, Tensor)",
)
def _by_triton(
    place: Tensor, pieces: Tensor, last: Tensor, first: Tensor, n_fft: int
) -> tuple[Tensor, Tensor]:
    from augspec.functional import timemap_triton  # Triton is not always installed

    return timemap_triton.map_curve(place, pieces, last, first, n_fft)


@_by_triton.register_fake
def _(
    place: Tensor, pieces: Tensor, _last: Tensor, _first: Tensor, _n_fft: int
) -> tuple[Tensor, Tensor]:
    shape = len(pieces), len(place)
    return place.new_empty(shape), place.new_empty(shape)


def mean_rate(rate: Tensor) -> Tensor:
    """Return the mean of a curve of rates over the output, which divides its length.

    Args:
        rate: Rates at equal distances, with straight lines between them, ``(batch, point)``.

    Returns:
        ``(batch,)``; exactly the rate where all points are equal.
    """
    step = fixed_point(rate)
    twice = 2 * step.sum(1) - step[:, 0] - step[:, -1]
    mean = torch.div(twice, 2 * (step.shape[1] - 1), rounding_mode="floor")
    return mean.to(rate.dtype if rate.dtype == torch.float64 else torch.float32) / ONE
