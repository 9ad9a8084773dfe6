"""
Inside the spectrogram
======================

What a phase vocoder does, why a spectrogram does not need one, and the errors of both ways.
:doc:`/fusion` explains these pictures.
"""

import math

import torch
from matplotlib import pyplot as plt

import augspec
from augspec import features as F
from augspec import plot
from augspec import transforms as T

# %%
# Where frames are taken
# ----------------------
# A spectrogram takes a frame every ``hop_length`` samples. To play a sound at another tempo, a
# phase vocoder takes its frames at a hop of ``hop_length * rate`` instead, puts them ``hop_length``
# apart, and turns their phases so that they fit. Their magnitudes stay the same. A spectrogram of
# the result has the same magnitudes, so that only the places of the frames are needed.


def tone(f0):
    """Give a plucked note of twelve partials, synthesised at a pitch."""
    time = torch.arange(24_000, dtype=torch.float64) / 16_000 - 0.3
    place = torch.arange(1, 13, dtype=torch.float64)[:, None]
    decay = torch.exp(-time.clamp(min=0.0) * (1.0 + 0.15 * place))
    partials = decay * torch.sin(2.0 * math.pi * f0 * place * time + place.square()) / place
    attack = (time / 0.004).clamp(0.0, 1.0)
    return (0.3 * attack * partials.sum(0)).float()[None, None]


sound = tone(220.0)
_, axes = plt.subplots(3, 1, figsize=(8.0, 4.0), layout="constrained", sharex=True)
seconds = torch.arange(sound.shape[-1]) / 16_000
for ax, rate in zip(axes, (1.0, 0.8, 1.25), strict=True):
    ax.plot(seconds, sound[0, 0], color="0.75", linewidth=0.5)
    places = torch.arange(0.0, 1.5, 0.064 * rate)
    ax.vlines(places, -0.5, 0.5, linewidth=0.8)
    ax.set_title(f"rate {rate:g}: {len(places)} frames, each {0.064 * rate:.3f} s after the last")
    ax.set_yticks([])
axes[-1].set_xlabel("Time in s")

# %%
# Against the ideal
# -----------------
# The same note, three semitones higher: synthesised at that pitch, computed inside the spectrogram,
# and by the vocoder. Below is the difference from the ideal in dB, where the ideal is within 60 dB
# of its peak. The RMS does not include four frames at either end, as in the tables of
# :doc:`/fusion`.


def difference(specgram, ideal):
    return torch.where(ideal > ideal.max() - 60.0, specgram - ideal, torch.nan)[0]


feature = F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=40, pad_mode="constant")
chain = T.Chain([T.PitchShift(3.0)])
ideal = feature(tone(220.0 * 2 ** (3 / 12)))[0]
shown = {"ideal": ideal}
for fuse, title in {"auto": "fused", "never": "vocoder"}.items():
    shown[title] = augspec.Frontend(chain, feature, fuse=fuse)(sound)[0]
_, axes = plt.subplots(2, 3, figsize=(8.5, 4.6), layout="constrained", sharex=True)
for ax, below, (title, specgram) in zip(axes[0], axes[1], shown.items(), strict=True):
    plot.specgram(specgram, feature, ax=ax, title=title, colorbar=False, limits=(-60.0, 25.0))
    error = difference(specgram, ideal)
    rms = error[:, 4:-4].square().nanmean().sqrt().item()
    image = below.imshow(
        error, vmin=-3, vmax=3, cmap="RdBu", origin="lower", aspect="auto", extent=(0, 1.5, 0, 40)
    )
    below.set(title=f"RMS {rms:.2f} dB", xlabel="Time in s", ylabel="Band")
axes[1, 0].figure.colorbar(image, ax=axes[1].tolist(), label="dB from ideal")

# %%
# What the planner of the front end found:

print(augspec.Frontend(chain, feature).plan(sound))
