"""Rotation of first-order sound fields and of the directions of their sources."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from augspec.functional import ambisonics
from augspec.functional.checks import check_flag
from augspec.functional.shapes import like
from augspec.params import Labels, Values
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Drawn, Number, Uniform, Words, setting

__all__ = ["AmbisonicsRotation"]


class Mirror(Drawn):
    """Whether two sides are exchanged: True for half of the examples if the setting is on."""

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw a bool for each example."""
        return draw.bernoulli(self.name, 0.5 if transform.mirror else 0.0)


def _check_step(name: str, value: float | None) -> float | None:
    return None if value is None else Number(0.001, 180.0)(name, value)


class AmbisonicsRotation(WaveformTransform, kernel=ambisonics.ambisonics_rotation):
    """Turn the sound field of each example, and the directions of its sources with it.

    The input is first-order ambisonics of four channels. x is to the front, y to the left, z up. A
    field is turned by roll, then pitch, then yaw. ``targets`` also turns labels of direction:
    ``direction`` ``(batch, ..., 3)``, vectors (x, y, z) of any length, such as ACCDOA's; or
    ``azimuth``, to the left, and ``elevation``, up, in degrees, both ``(batch, ...)``.

    ``AmbisonicsRotation(step=90.0, mirror=True)`` gives the 16 patterns of channel swapping that
    are common in sound event localisation.

    Args:
        yaw: Range of the angle to the left, in degrees, uniform; a number is a constant.
        pitch: Range of the angle by which the front goes up, in degrees, uniform; a number is a
            constant.
        roll: Range of the angle by which the left side goes up, in degrees, uniform; a number is a
            constant.
        channel_order: ``"acn"`` for W, Y, Z, X (AmbiX), ``"fuma"`` for W, X, Y, Z.
        step: Round angles to multiples of this many degrees, in [0.001, 180]; None leaves them.
        mirror: Exchange left and right in half of the examples, and up and down in half.
        p: Probability that an example is turned.

    Shape:
        ``(batch, 4, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or leaves [-180, 180], or ``channel_order`` is not known;
            on a call, if there are not four channels; from ``targets``, if ``azimuth`` comes
            without ``elevation`` or the other way round.

    References:
        L. Mazzon et al., "First order Ambisonics domain spatial augmentation for DNN-based
        direction of arrival estimation", DCASE 2019, https://arxiv.org/abs/1910.04388.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> turn, field = T.AmbisonicsRotation(90.0), torch.randn(2, 4, 1000)
        >>> params = turn.make_params(field)
        >>> labels = {"azimuth": torch.tensor([0.0, 30.0]), "elevation": torch.zeros(2)}
        >>> turn.targets(labels, params)["azimuth"].round()
        tensor([ 90., 120.])
    """

    #: Number of channels of the batches that contract tests and pages make.
    in_channels: ClassVar[int] = ambisonics.CHANNELS

    yaw: Uniform = Uniform(
        default=(-180.0, 180.0), at_least=-180.0, at_most=180.0, neutral=0.0, unit="degrees"
    )
    pitch: Uniform = Uniform(
        default=0.0, at_least=-180.0, at_most=180.0, neutral=0.0, unit="degrees"
    )
    roll: Uniform = Uniform(
        default=0.0, at_least=-180.0, at_most=180.0, neutral=0.0, unit="degrees"
    )
    channel_order: Literal["acn", "fuma"] = setting(
        default="acn", check=Words("acn", "fuma"), kw_only=True
    )
    step: float | None = setting(default=None, check=_check_step, kw_only=True)
    mirror: bool = setting(default=False, check=check_flag, kw_only=True)
    mirror_y = Mirror()
    mirror_z = Mirror()
    per_channel: bool = setting(default=False, init=False)

    def _draw(self, draw: Draw) -> Values:
        params = super()._draw(draw)
        if self.step is None:
            return params
        steps = {name: params[name] / self.step for name in ("yaw", "pitch", "roll")}
        return {**params, **{name: turns.round() * self.step for name, turns in steps.items()}}

    def _targets(self, targets: Labels, params: Values, lengths: Tensor | None) -> Labels:
        moved = dict(targets)
        if "direction" in targets:
            moved["direction"] = self._turn(targets["direction"], params)
        if ("azimuth" in targets) != ("elevation" in targets):
            raise ValueError("`targets` must have both `azimuth` and `elevation` or neither")
        if "azimuth" in targets:
            angles = tuple(_as_float(targets[name]) for name in ("azimuth", "elevation"))
            turned = _to_angles(self._turn(_to_vectors(*angles), params))
            for name, old, new in zip(("azimuth", "elevation"), angles, turned, strict=True):
                moved[name] = torch.where(like(params["applied"], old), new, old)
        return moved

    def _turn(self, direction: Tensor, params: Values) -> Tensor:
        names = ("yaw", "pitch", "roll", "mirror_y", "mirror_z")
        turned = ambisonics.rotate_directions(direction, *(params[name] for name in names))
        return torch.where(like(params["applied"], direction), turned, direction)


def _as_float(angle: Tensor) -> Tensor:
    return angle if angle.is_floating_point() else angle.to(torch.float32)


def _to_vectors(azimuth: Tensor, elevation: Tensor) -> Tensor:
    azimuth, elevation = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    flat = elevation.cos()
    return torch.stack([azimuth.cos() * flat, azimuth.sin() * flat, elevation.sin()], -1)


def _to_angles(direction: Tensor) -> tuple[Tensor, Tensor]:
    x, y, z = direction.unbind(-1)
    return torch.rad2deg(torch.atan2(y, x)), torch.rad2deg(torch.atan2(z, torch.hypot(x, y)))
