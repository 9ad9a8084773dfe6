"""Settings that change from epoch to epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor

from augspec.functional.checks import LARGEST, as_whole, is_finite
from augspec.params import Params
from augspec.random import Draw
from augspec.transforms._dispatch import NOTHING
from augspec.transforms.base import RandomTransform
from augspec.transforms.compose import Composite, Step, check_body
from augspec.transforms.level import Gain

__all__ = ["Schedule"]

_SETTINGS = ("p", "magnitude")


class Schedule(Composite):
    """Let the probability or the strength of a transform follow the epoch.

    Values are interpolated linearly between the given epochs and stay constant outside them. The
    epoch only changes what ``make_params`` draws; ``transform`` depends on its params alone.
    `augspec.DeviceLoader` sets the epoch. In your own training loop, call ``set_epoch`` of the
    front end, or of any transform that holds schedules.

    In ``params``, ``options`` holds the one transform's params and ``choice`` is 0.

    Args:
        body: The transform; a `Chain` is one too.
        settings: ``{"p": [(epoch, value), ...]}`` sets the probability that ``body`` is applied to
            an example, in addition to the probabilities inside it. ``"magnitude"``, in the same
            form, sets its strength: 1 keeps what it draws, 0 gives the neutral value of every
            parameter that has one.

    Shape:
        As ``body``.

    Raises:
        TypeError: If ``body`` is not a `RandomTransform`.
        ValueError: If a setting is not known, epochs are not whole and rising, or a value is not in
            [0, 1]; in use, if ``body`` shortens examples while ``p`` may leave others as they are.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> shift = T.Schedule(T.PitchShift(), {"p": [(0, 0.0), (10, 1.0)]})
        >>> waveform = torch.zeros(1000, 1, 100)
        >>> shift.make_params(waveform)["applied"].any()
        tensor(False)
        >>> shift.set_epoch(10)
        >>> shift.make_params(waveform)["applied"].all()
        tensor(True)
    """

    epoch: Tensor

    def __init__(
        self, body: RandomTransform, settings: Mapping[str, Sequence[Sequence[float]]]
    ) -> None:
        check_body(body)
        super().__init__([body])
        self.settings = _check_settings(settings)
        if "magnitude" in self.settings:
            self.make_room_for_neutral()
        # A tensor, so that a compiled function takes the epoch as an input; an integer, so that
        # `half()` leaves it alone.
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64), persistent=False)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(Gain(), {"p": [(0, 0.5), (10, 1.0)], "magnitude": [(0, 0.2), (20, 1.0)]})

    @property
    def body(self) -> RandomTransform:
        """The transform that follows the schedule."""
        return next(iter(self))

    def begin_epoch(self, epoch: int) -> None:
        """Store the epoch."""
        self.epoch.fill_(epoch)

    def draw_params(self, draw: Draw) -> Params:
        """Draw the params of the transform as they are at this epoch."""
        applied = draw.uniform("applied") < self._value("p")
        options = self._draw_options(draw)
        if "magnitude" in self.settings:
            options = self._scale_options(options, self._value("magnitude"))
        return {"applied": applied, "choice": torch.zeros_like(draw.keys), "options": options}

    def _value(self, name: str) -> Tensor:
        """Interpolate a setting at the epoch."""
        points = self.settings.get(name, [(0, 1.0)])
        value = torch.full((), points[0][1], dtype=torch.float32, device=self.epoch.device)
        for (start, low), (stop, high) in pairwise(points):
            passed = ((self.epoch - start).float() / (stop - start)).clamp(0.0, 1.0)
            value = value + (high - low) * passed
        return value

    def _steps(self, params: Any, *, by_mode: bool) -> Iterator[Step]:
        choice = torch.where(params["applied"], params["choice"], NOTHING)
        may_pass = "p" in self.settings
        yield self._options(params["options"], choice, by_mode=by_mode, may_pass=may_pass)

    def extra_repr(self) -> str:
        """Show the settings and the epoch."""
        return f"settings={self.settings}, epoch={self.epoch.item()}"


def _check_settings(
    settings: Mapping[str, Sequence[Sequence[float]]],
) -> dict[str, list[tuple[int, float]]]:
    if not isinstance(settings, Mapping) or not set(settings) <= set(_SETTINGS) or not settings:
        got = list(settings) if isinstance(settings, Mapping) else settings
        raise ValueError(f"`settings` must have `p`, `magnitude` or both, got {got!r}")
    return {name: _check_points(name, settings[name]) for name in _SETTINGS if name in settings}


def _check_points(name: str, points: Sequence[Sequence[float]]) -> list[tuple[int, float]]:
    message = f"`settings` must give `{name}` as (epoch, value), ..., got {points!r}"
    if isinstance(points, str) or not isinstance(points, Sequence) or not points:
        raise ValueError(message)
    checked = []
    for point in points:
        if not isinstance(point, Sequence) or isinstance(point, str) or len(point) != 2:
            raise ValueError(message)
        epoch, value = as_whole(point[0]), point[1]
        if epoch is None or abs(epoch) > LARGEST:
            got = f"{point[0]!r:.60}"
            raise ValueError(f"`settings` must have whole epochs for `{name}`, got {got}")
        if not is_finite(value) or not 0.0 <= value <= 1.0:
            raise ValueError(f"`settings` must have `{name}` in [0, 1], got {value!r}")
        checked.append((epoch, float(value)))
    epochs = [epoch for epoch, _ in checked]
    if epochs != sorted(set(epochs)):
        raise ValueError(f"`settings` must have rising epochs for `{name}`, got {epochs}")
    return checked
