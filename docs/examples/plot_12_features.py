"""
Features
========

The features of one note, as a network gets them. Names, defaults and meanings are torchaudio's. The
axes below come from the settings of the features. Each example is computed by itself, so that its
batch changes nothing.
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
# :class:`~augspec.features.Spectrogram`: bins with equal distances in Hz. In a picture of power one
# loud partial hides all others, so use dB.

draw(F.Spectrogram(n_fft=1024, hop_length=256))

# %%
# AmplitudeToDB
# -------------
# :class:`~augspec.features.AmplitudeToDB`: converts any spectrogram to dB; ``top_db`` and
# ``ref="max"`` are per example.

draw(F.Spectrogram(n_fft=1024, hop_length=256), F.AmplitudeToDB(top_db=80.0))

# %%
# MelSpectrogram
# --------------
# :class:`~augspec.features.MelSpectrogram`: frequency bands similar to those of the ear.

draw(F.MelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=80))

# %%
# LogMelSpectrogram
# -----------------
# :class:`~augspec.features.LogMelSpectrogram`: the most usual feature. 40 to 64 bands are enough
# for families of instruments, 80 to 128 are usual for speech and tagging. Many bands need a large
# ``n_fft`` at low frequencies.

draw(F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=80))

# %%
# Normalize
# ---------
# :class:`~augspec.features.Normalize`: with fixed numbers the network still sees the level.
# Without, each example is normalised by its own mean and deviation, and
# :class:`~augspec.transforms.Gain` has no effect.

draw(F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=80), F.Normalize())

# %%
# PCEN
# ----
# :class:`~augspec.features.PCEN`: each band is divided by its recent average. This makes attacks
# stronger and removes steady noise. For distant sounds.

draw(F.PCEN(16_000, n_fft=1024, hop_length=256, n_mels=80))

# %%
# MFCC
# ----
# :class:`~augspec.features.MFCC`: a few numbers for the shape of the spectrum, for small
# classifiers.

draw(F.MFCC(16_000, n_mfcc=20, melkwargs={"n_fft": 1024, "hop_length": 256, "n_mels": 64}))

# %%
# Fbank
# -----
# :class:`~augspec.features.Fbank`: Kaldi's filter banks, which models of speech and many pretrained
# transformers use; :func:`~augspec.features.preset` has their settings.

draw(F.Fbank(16_000, 80, window="hann"))

# %%
# CQT
# ---
# :class:`~augspec.features.CQT`: bins with equal distances in pitch, so that a transposition is a
# shift.

draw(F.CQT(16_000, hop_length=256, f_min=55.0), F.AmplitudeToDB("magnitude", top_db=60.0))

# %%
# ToMultiple
# ----------
# :class:`~augspec.features.ToMultiple`: pads or resizes the spectrogram to a multiple of a number,
# for networks that halve its size several times.

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
