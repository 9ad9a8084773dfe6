"""
Features
========

What a network gets to see of one note. Names, defaults and meanings are torchaudio's; the axes
below are drawn from the features' own settings. All work per example, so that a batch changes
nothing.
"""

# sphinx_gallery_thumbnail_number = 4

import torch
from showing import Page, about, note

from augspec import features as F
from augspec import plot

trumpet = note("brass", pitch=58)


def draw(feature, *stages):
    feature = torch.nn.Sequential(feature, *stages)
    title = type(feature[-1]).__name__
    plot.specgram(feature(trumpet[None])[0], feature, sample_rate=16_000, title=title)
    return Page(about(feature[-1]))


# %%
# Spectrogram
# -----------
# :class:`~augspec.features.Spectrogram`: bins equally far apart in Hz. A loud partial hides all
# others in a picture of power: take dB.

draw(F.Spectrogram(n_fft=1024, hop_length=256))

# %%
# AmplitudeToDB
# -------------
# :class:`~augspec.features.AmplitudeToDB`: behind any spectrogram; ``top_db`` and ``ref="max"``
# are per example.

draw(F.Spectrogram(n_fft=1024, hop_length=256), F.AmplitudeToDB(top_db=80.0))

# %%
# MelSpectrogram
# --------------
# :class:`~augspec.features.MelSpectrogram`: bands as wide as the ear's.

draw(F.MelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=80))

# %%
# LogMelSpectrogram
# -----------------
# :class:`~augspec.features.LogMelSpectrogram`: the usual one. 40 to 64 bands do for families of
# instruments, 80 to 128 are usual for speech and tagging; at low frequencies many bands want a
# large ``n_fft``.

draw(F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=80))

# %%
# Normalize
# ---------
# :class:`~augspec.features.Normalize`: with fixed numbers level stays a cue; without, each
# example by its own mean and deviation, and :class:`~augspec.transforms.Gain` does nothing.

draw(F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=80), F.Normalize())

# %%
# PCEN
# ----
# :class:`~augspec.features.PCEN`: each band is divided by its recent past: attacks come out,
# steady noise goes. For sounds far away.

draw(F.PCEN(16_000, n_fft=1024, hop_length=256, n_mels=80))

# %%
# MFCC
# ----
# :class:`~augspec.features.MFCC`: the shape of the spectrum in few numbers, for small
# classifiers.

draw(F.MFCC(16_000, n_mfcc=20, melkwargs={"n_fft": 1024, "hop_length": 256, "n_mels": 64}))

# %%
# Fbank
# -----
# :class:`~augspec.features.Fbank`: Kaldi's filter banks, which models of speech and many pretrained
# transformers want; :func:`~augspec.features.preset` has their settings.

draw(F.Fbank(16_000, 80, window="hann"))

# %%
# CQT
# ---
# :class:`~augspec.features.CQT`: bins equally far apart in pitch; transposing is shifting.

draw(F.CQT(16_000, hop_length=256, f_min=55.0), F.AmplitudeToDB("magnitude", top_db=60.0))

# %%
# ToMultiple
# ----------
# :class:`~augspec.features.ToMultiple`: padded, or resized, so that a network can halve it as often
# as it wants.

draw(
    F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=80),
    F.ToMultiple(64, value=-100.0),
)

# %%
# Delta
# -----
# :class:`~augspec.features.Delta`: how a feature changes in time; ``order=(0, 1)`` keeps the
# feature itself as the first channel.

draw(F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=80), F.Delta())
