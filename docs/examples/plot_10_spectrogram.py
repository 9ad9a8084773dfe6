"""
Spectrograms
============

Masks and warps on the features. They are cheap, since a spectrogram is small, and there is nothing
to listen to. Widths are in frames (here 16 ms) and bins (here 80 mel bands). Masked cells get the
mean of the example, because 0 would be loud in dB.
"""

from showing import Page, about, note, show

import augspec
from augspec import features as F
from augspec import plot
from augspec import transforms as T

reed = note("reed", pitch=62)

# %%
# TimeMask
# --------
# :class:`~augspec.transforms.TimeMask`: up to a fifth of the frames; wider ones hide short
# events.

show(reed, T.TimeMask(20))

# %%
# FrequencyMask
# -------------
# :class:`~augspec.transforms.FrequencyMask`: up to a fifth or a quarter of the bands.

show(reed, T.FrequencyMask(16))

# %%
# SpecAugment
# -----------
# :class:`~augspec.transforms.SpecAugment`: the policies of the paper, which are made for speech of
# many seconds. On short clips use narrower masks than those of ``"LD"``.

show(reed, T.SpecAugment("LB", max_warp=10, max_time_width=20))

# %%
# Cutout
# ------
# :class:`~augspec.transforms.Cutout`: rectangles.

show(reed, T.Cutout(24, 24, n_masks=3))

# %%
# TimeWarp
# --------
# :class:`~augspec.transforms.TimeWarp`: one moment is moved; the parts before and after it are
# stretched or compressed.

show(reed, T.TimeWarp(20))

# %%
# RandomResizeCrop
# ----------------
# :class:`~augspec.transforms.RandomResizeCrop`: a part is resized to the whole spectrogram, which
# changes tempo, pitch and place at once. It is used mostly in self-supervised learning.

show(reed, T.RandomResizeCrop((0.6, 1.5), (0.6, 1.5)))

# %%
# FrequencyShift
# --------------
# :class:`~augspec.transforms.FrequencyShift`: a cheap change of pitch. It is right only on a
# logarithmic scale such as that of :class:`~augspec.features.CQT`.

show(reed, T.FrequencyShift(6))

# %%
# FilterAugment
# -------------
# :class:`~augspec.transforms.FilterAugment`: an equaliser on the spectrogram. It costs a tenth or
# less of one on the waveform.

show(reed, T.FilterAugment((-12.0, 12.0)))

# %%
# LinearFade
# ----------
# :class:`~augspec.transforms.LinearFade`: the level changes linearly, as if the source moved.

show(reed, T.LinearFade((-20.0, 0.0), (-20.0, 0.0)))

# %%
# FreqMixStyle
# ------------
# :class:`~augspec.transforms.FreqMixStyle`: the mean and standard deviation of each bin are mixed
# with those of another example, here a bass. So the network cannot rely on the recording device.

show(reed, T.FreqMixStyle(alpha=1.0))

# %%
# MelRange
# --------
# :class:`~augspec.transforms.MelRange`: each example has its own lowest and highest frequency of
# the mel filters. Put it among the waveform transforms; the feature computes it.

mel = F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=80)
frontend = augspec.Frontend(T.MelRange((0.0, 500.0), (5000.0, 8000.0)), mel)
for key in augspec.example_keys(0, 0, range(2)):
    plot.specgram(
        frontend(reed[None], keys=key[None])[0], mel, sample_rate=16_000, title="MelRange"
    )
Page(about(frontend.waveform.transforms[0]))
