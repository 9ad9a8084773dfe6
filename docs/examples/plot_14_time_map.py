"""
The time map
============

Where a stretch takes its frames around attacks. :doc:`/time-map` explains these pictures.
"""

import math

import torch
from matplotlib import pyplot as plt

from augspec.functional.onset import find_onsets
from augspec.functional.sinc import ONE
from augspec.functional.timemap import map_time

SAMPLE_RATE, N_FFT = 16_000, 1024


def plucked(onsets, seconds=0.9):
    """Give notes of twelve partials that begin at the onsets, in seconds: ``(1, time)``."""
    time = torch.arange(int(seconds * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    place = torch.arange(1, 13, dtype=torch.float64)[:, None]
    sound = torch.zeros_like(time)
    for onset, f0 in zip(onsets, (220.0, 277.2, 622.3), strict=True):
        own = time - onset
        decay = torch.exp(-own.clamp(min=0.0) * (20.0 + place))
        partials = (decay * torch.sin(2.0 * math.pi * f0 * place * own) / place).sum(0)
        sound += 0.3 * (own / 0.004).clamp(0.0, 1.0) * partials
    return sound.float()[None]


def centers(sound, rate):
    """Say at which input sample the map takes what is heard at each output sample, both in s."""
    step = torch.tensor([int(rate * ONE)])
    output = torch.arange(int(sound.shape[-1] / rate))
    center, _ = map_time(output[None] * step, step, find_onsets(sound, N_FFT), N_FFT)
    return output / SAMPLE_RATE, center[0] / SAMPLE_RATE


# %%
# The map of a stretch
# --------------------
# Three notes; the last two are so close that their copies touch. The dashed line is the plain
# stretch. At each onset (dots) the map has slope 1.

places = (0.15, 0.45, 0.52)
sound = plucked(places)
_, axes = plt.subplots(1, 2, figsize=(8.0, 4.2), layout="constrained")
for ax, rate in zip(axes, (0.6, 1.6), strict=True):
    output, center = centers(sound, rate)
    ax.plot(output, rate * output, "--", color="0.6", label="plain stretch")
    ax.plot(output, center, label="time map")
    ax.plot([place / rate for place in places], places, "o", color="C1", label="attacks")
    ax.set(title=f"rate {rate:g}", xlabel="Output time in s", ylabel="Input time in s")
axes[0].legend()

# %%
# What it adds to the plain stretch
# ---------------------------------
# The map minus the plain stretch. It rises or falls at slope ``1 - rate`` within half a frame (32
# ms) of an attack, and returns to 0 on both sides; halfway between two attacks it is 0.

_, axes = plt.subplots(2, 1, figsize=(8.0, 4.2), layout="constrained")
for ax, rate in zip(axes, (0.8, 1.25), strict=True):
    output, center = centers(sound, rate)
    ax.axhline(0.0, color="0.6", linestyle="--")
    ax.plot(output, 1000 * (center - rate * output))
    for place in places:
        ax.axvspan(place / rate - 0.032, place / rate + 0.032, color="C1", alpha=0.15)
        ax.axvline(place / rate, color="C1", linewidth=0.8)
    ax.set(title=f"rate {rate:g}", ylabel="Moved by, ms")
axes[-1].set_xlabel("Output time in s")
