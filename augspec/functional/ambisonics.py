"""Rotation of a sound field of first order: one small matrix for each example."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from augspec.functional.checks import check_parameter, check_waveform
from augspec.native import samples
from augspec.native.samples import Part

__all__ = ["ambisonics_rotation", "rotate_directions"]

CHANNELS = 4  # channels of a first-order sound field
# The axes of the channels after the first one, which has no direction.
_AXES = {"acn": "yzx", "fuma": "xyz"}


def ambisonics_rotation(
    waveform: Tensor,
    yaw: Tensor,
    pitch: Tensor,
    roll: Tensor,
    mirror_y: Tensor,
    mirror_z: Tensor,
    channel_order: Literal["acn", "fuma"] = "acn",
) -> Tensor:
    """Rotate the sound field of each example: sources move and keep their sound.

    Axes are those of ambisonics: x to the front, y to the left, z up. A field is mirrored first,
    then turned by roll, pitch and yaw. The first channel, W, stays. The scaling of W relative to
    the others (SN3D, N3D, FuMa) does not matter.

    Args:
        waveform: The batch: W and the three channels of the first order.
        yaw: Angle to the left about the vertical axis, in degrees, ``(batch,)``.
        pitch: Angle by which the front goes up, in degrees, ``(batch,)``.
        roll: Angle by which the left side goes up, in degrees, ``(batch,)``.
        mirror_y: Whether left and right are exchanged, bool ``(batch,)``.
        mirror_z: Whether up and down are exchanged, bool ``(batch,)``.
        channel_order: ``"acn"`` for W, Y, Z, X (AmbiX), ``"fuma"`` for W, X, Y, Z.

    Shape:
        ``(batch, 4, time)`` in and out.

    Raises:
        ValueError: If there are not four channels, or ``channel_order`` is not known.

    References:
        M. Kronlachner and F. Zotter, "Spatial transformations for the enhancement of Ambisonic
        recordings", ICSA 2014. L. Mazzon et al., "First order Ambisonics domain spatial
        augmentation for DNN-based direction of arrival estimation", DCASE 2019.
    """
    check_waveform(waveform)
    if waveform.shape[1] != CHANNELS:
        raise ValueError(
            f"`waveform` must have {CHANNELS} channels, a sound field of first order, got "
            f"{waveform.shape[1]}"
        )
    if channel_order not in _AXES:
        raise ValueError(f"`channel_order` must be 'acn' or 'fuma', got {channel_order!r}")
    for name, angle in (("yaw", yaw), ("pitch", pitch), ("roll", roll)):
        check_parameter(name, angle, waveform, "batch")
    for name, mirror in (("mirror_y", mirror_y), ("mirror_z", mirror_z)):
        check_parameter(name, mirror, waveform, "batch", kind="bool")
    entries = _matrix(yaw, pitch, roll, mirror_y, mirror_z, waveform.dtype)
    axes = _AXES[channel_order]
    matrix = torch.stack([entries[to + of] for to in axes for of in axes], -1)
    matrix = matrix.unflatten(-1, (3, 3))
    if samples.can_compute(waveform, matrix):
        return _rotate_natively(waveform, matrix)
    turned = matrix @ waveform[:, 1:]
    return torch.cat([waveform[:, :1], turned], dim=1)


def _rotate_natively(waveform: Tensor, matrix: Tensor) -> Tensor:
    """Mix the channels of each example by the matrix of its directions in one pass."""
    batch, channels, _ = waveform.shape
    whole = torch.eye(channels, dtype=matrix.dtype).repeat(batch, 1, 1)  # (batch, to, from)
    whole[:, 1:, 1:] = matrix
    parts = [
        Part(one.expand_as(waveform), weights.squeeze(-1))
        for one, weights in zip(waveform.split(1, 1), whole.split(1, 2), strict=True)
    ]
    return samples.mix(waveform.shape, *parts)


def rotate_directions(
    direction: Tensor,
    yaw: Tensor,
    pitch: Tensor,
    roll: Tensor,
    mirror_y: Tensor,
    mirror_z: Tensor,
) -> Tensor:
    """Turn directions as `ambisonics_rotation` turns the sources that lie there.

    Args:
        direction: Vectors (x, y, z) of any length, floating point.
        yaw: Angle to the left in degrees, ``(batch,)``.
        pitch: Angle by which the front goes up, in degrees, ``(batch,)``.
        roll: Angle by which the left side goes up, in degrees, ``(batch,)``.
        mirror_y: Whether left and right are exchanged, bool ``(batch,)``.
        mirror_z: Whether up and down are exchanged, bool ``(batch,)``.

    Shape:
        ``direction`` ``(batch, ..., 3)`` in and out.

    Raises:
        ValueError: If a shape does not fit.

    Example:
        >>> front, quarter = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([90.0])
        >>> none, no = torch.zeros(1), torch.tensor([False])
        >>> rotate_directions(front, quarter, none, none, no, no).round(decimals=3) + 0.0
        tensor([[0., 1., 0.]])
    """
    if direction.ndim < 2 or direction.shape[-1] != 3:
        raise ValueError(f"`direction` must be (batch, ..., 3), got {tuple(direction.shape)}")
    entries = _matrix(yaw, pitch, roll, mirror_y, mirror_z, direction.dtype)
    matrix = torch.stack([entries[to + of] for to in "xyz" for of in "xyz"], -1)
    # Use sums of products, because a GPU may round a matrix product to fewer digits.
    rows = matrix.reshape(-1, *[1] * (direction.ndim - 2), 3, 3)
    return (rows * direction.unsqueeze(-2)).sum(-1)


def _matrix(
    yaw: Tensor, pitch: Tensor, roll: Tensor, mirror_y: Tensor, mirror_z: Tensor, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Return the entries of each example's matrix: ``"xy"`` is the factor from y to x."""
    radians = torch.deg2rad(torch.stack([yaw, pitch, roll]).to(dtype))
    (cy, cp, cr), (sy, sp, sr) = radians.cos().unbind(0), radians.sin().unbind(0)
    left, up = (torch.where(mirror, -1.0, 1.0).to(dtype) for mirror in (mirror_y, mirror_z))
    return {
        "xx": cy * cp,
        "xy": (-sy * cr - cy * sp * sr) * left,
        "xz": (sy * sr - cy * sp * cr) * up,
        "yx": sy * cp,
        "yy": (cy * cr - sy * sp * sr) * left,
        "yz": (-cy * sr - sy * sp * cr) * up,
        "zx": sp,
        "zy": cp * sr * left,
        "zz": cp * cr * up,
    }
