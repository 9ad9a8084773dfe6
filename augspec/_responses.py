"""Synthetic impulse responses of cheap devices and of rooms."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from augspec.functional.checks import check_count, check_range
from augspec.random import example_keys, uniform

__all__ = ["DEVICES", "device_responses", "room_responses"]

_Floats = npt.NDArray[np.float64]

#: Response of each kind of device in dB at frequencies in Hz, interpolated linearly over octaves
#: and constant outside. We drew them after typical devices; no device was measured.
DEVICES: dict[str, tuple[tuple[float, float], ...]] = {
    "smartphone speaker": (
        (100, -45), (200, -26), (400, -9), (800, 0), (1600, 2), (3500, 5), (7000, -1), (12000, -9)
    ),
    "laptop speakers": (
        (80, -36), (200, -14), (350, -3), (700, 1), (1500, -3), (3000, 3), (8000, -2), (15000, -10)
    ),
    "laptop microphone": (
        (60, -18), (150, -4), (400, 0), (1200, -2), (2500, 3), (5000, 7), (9000, 0), (16000, -12)
    ),
    "headset microphone": (
        (80, -20), (200, -5), (500, 0), (2000, 2), (4000, 6), (7000, 2), (8500, -18), (12000, -40)
    ),
    "earpiece": (
        (100, -32), (250, -8), (400, 0), (1000, 3), (2200, 0), (3200, 4), (3900, -12), (6000, -45)
    ),
    "kitchen radio": (
        (80, -30), (160, -6), (250, 3), (600, 0), (1500, 2), (3500, -2), (5000, -14), (9000, -40)
    ),
    "television": (
        (60, -20), (120, -6), (200, 2), (500, -2), (1200, 1), (3000, -3), (9000, 1), (16000, -8)
    ),
    "megaphone": (
        (150, -50), (300, -28), (500, -6), (900, 4), (1800, 8), (2800, 2), (4500, -14), (8000, -45)
    ),
    "intercom": (
        (150, -40), (300, -10), (600, 2), (1100, -3), (2000, 6), (2900, -5), (3600, -24), (6e3, -46)
    ),
    "old ribbon microphone": (
        (40, 0), (100, 3), (300, 1), (1000, 0), (3000, -3), (6000, -8), (10000, -18), (16000, -36)
    ),
}  # fmt: skip
_DEVICE_SECONDS = 0.064
_SOUND = 343.0  # metres a second
_CLEAR = 0.5  # metres between a wall and a source or microphone


def device_responses(sample_rate: int) -> list[Tensor]:
    """Make the minimum-phase responses of `DEVICES`, ``(time,)`` each, of 64 ms."""
    return [torch.from_numpy(_minimum_phase(points, sample_rate)).float() for points in _points()]


def _points() -> list[_Floats]:
    return [np.array(points, dtype=np.float64) for points in DEVICES.values()]


def _minimum_phase(points: _Floats, sample_rate: int) -> _Floats:
    """Make the minimum-phase response whose gain passes through points of Hz and dB.

    It uses the cepstrum: twice the positive-time part of the logarithm of the gain (Oppenheim and
    Schafer, "Discrete-time signal processing", chapter 13).
    """
    size = 1 << math.ceil(math.log2(16 * _DEVICE_SECONDS * sample_rate))
    freq = np.fft.rfftfreq(size, 1.0 / sample_rate)
    octaves = np.log2(np.maximum(freq, 1.0))
    gain_db = np.interp(octaves, np.log2(points[:, 0]), points[:, 1])
    cepstrum = np.fft.irfft(gain_db * (math.log(10.0) / 20.0))
    cepstrum[1 : size // 2] *= 2.0
    cepstrum[size // 2 + 1 :] = 0.0
    response = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))
    taps = max(8, round(_DEVICE_SECONDS * sample_rate))
    end = taps // 4
    fade = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, end + 1) / (end + 1))
    faded: _Floats = response[:taps] * np.concatenate([np.ones(taps - end), fade])
    return faded


def room_responses(
    count: int,
    sample_rate: int,
    *,
    seed: int,
    size: tuple[float, float],
    height: tuple[float, float],
    rt60: tuple[float, float],
    channels: int,
    spacing: float,
) -> list[Tensor]:
    """Make responses of box-shaped rooms by the image-source method, ``(channel, time)`` each.

    See `augspec.Bank.from_rooms` for the arguments.
    """
    try:
        import pyroomacoustics
    except ImportError as error:
        raise ImportError(
            "`Bank.from_rooms` needs pyroomacoustics: pip install pyroomacoustics"
        ) from error
    count = check_count("count", count, 1, 100_000)
    channels = check_count("channels", channels, 1, 64)
    keys = example_keys(seed, 0, range(count))
    span = max(size[0] - 2 * _CLEAR, 0.0)
    if (channels - 1) * spacing > span:
        raise ValueError(
            f"`spacing` of {spacing:g} m between {channels} microphones must fit into the "
            f"smallest room: {span:g} m are free there"
        )

    def draw(name: str, bounds: tuple[float, float]) -> list[float]:
        return [float(value) for value in uniform(keys, "Rooms", name, *bounds)]

    lengths, widths = draw("length", size), draw("width", size)
    heights, times = draw("height", height), draw("rt60", rt60)
    places = [draw(f"place{i}", (0.0, 1.0)) for i in range(6)]
    responses = []
    for i in range(count):
        box = np.array([lengths[i], widths[i], heights[i]])
        surface = 2.0 * (box[0] * box[1] + box[0] * box[2] + box[1] * box[2])
        # Sabine's formula; an absorption cannot exceed 1.
        absorbed = min(24.0 * math.log(10.0) / _SOUND * box.prod() / surface / times[i], 0.99)
        room = pyroomacoustics.ShoeBox(
            box,
            fs=sample_rate,
            materials=pyroomacoustics.Material(absorbed),
            max_order=_order(box, times[i]),
        )
        unit = np.array([place[i] for place in places])
        row = np.arange(channels) * spacing
        free = box - 2 * _CLEAR
        free[0] -= row[-1]
        first = _CLEAR + np.maximum(free, 0.0) * unit[:3]
        source = _CLEAR + np.maximum(box - 2 * _CLEAR, 0.0) * unit[3:]
        room.add_source(source)
        room.add_microphone_array(np.stack([first + np.array([x, 0.0, 0.0]) for x in row], axis=1))
        room.compute_rir()
        longest = max(len(one[0]) for one in room.rir)
        rows = [np.pad(one[0], (0, longest - len(one[0]))) for one in room.rir]
        responses.append(torch.from_numpy(np.stack(rows)).float())
    return responses


def _order(box: _Floats, seconds: float) -> int:
    """Return the number of reflections after a time, for the nearest walls."""
    return max(1, math.ceil(_SOUND * seconds / float(box.min())))


def check_room_ranges(**ranges: float | tuple[float, float]) -> dict[str, tuple[float, float]]:
    """Check the ranges of `room_responses`: metres, and seconds."""
    limits = {"size": (1.5, 100.0), "height": (1.5, 30.0), "rt60": (0.05, 5.0)}
    return {
        name: check_range(name, value, at_least=limits[name][0], at_most=limits[name][1])
        for name, value in ranges.items()
    }
