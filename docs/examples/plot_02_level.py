"""
Level
=====

Gain, normalisers, compressors: how loud it is, and how loudness changes in time. Where features
are in dB and are not normalised per example, a network sees level; where they are normalised, a
plain gain does nothing.
"""

from showing import note, show

from augspec import transforms as T

brass = note("brass")

# %%
# Gain
# ----
# :class:`~augspec.transforms.Gain`: levels at which a recording may arrive. 6 dB up and down is
# the range of the ablation recipe; beyond 12 dB quiet parts sink into noise. Fused into the
# features it is a factor on the power.

show(brass, T.Gain((-12.0, 6.0)))

# %%
# GainTransition
# --------------
# :class:`~augspec.transforms.GainTransition`: a player who swells or fades. Take care where the
# decay tells the class, as it does for plucked instruments.

show(brass, T.GainTransition((-24.0, 0.0), duration=(0.3, 0.8)))

# %%
# PolarityInversion
# -----------------
# :class:`~augspec.transforms.PolarityInversion`: inaudible, and invisible to a magnitude
# spectrogram. For networks on raw waveforms; ``p=0.5`` is the natural choice.

show(brass, T.PolarityInversion())

# %%
# PeakNormalize
# -------------
# :class:`~augspec.transforms.PeakNormalize`: a constant for data of mixed levels (then with
# ``in_eval=True``), a range for random ones.

show(brass, T.PeakNormalize((-18.0, 0.0)))

# %%
# RMSNormalize
# ------------
# :class:`~augspec.transforms.RMSNormalize`: less moved by a single loud sample than the peak. -30
# to -15 dB leaves room for peaks above it.

show(brass, T.RMSNormalize((-30.0, -15.0)))

# %%
# LoudnessNormalize
# -----------------
# :class:`~augspec.transforms.LoudnessNormalize`: loudness as heard, by ITU-R BS.1770. Broadcast
# is at -23 LUFS, streaming services near -14.

show(brass, T.LoudnessNormalize((-31.0, -13.0), sample_rate=16_000))

# %%
# Compressor
# ----------
# :class:`~augspec.transforms.Compressor`: what a mixing desk does. Ratios of 2 to 4 are usual, 8
# is heavy; with thresholds far below the example's level it is a gain. ``relative=True`` takes
# the threshold from each example's peak.

show(brass, T.Compressor((-30.0, -10.0), (2.0, 8.0), sample_rate=16_000, relative=True))

# %%
# Limiter
# -------
# :class:`~augspec.transforms.Limiter`: peaks give way, without a corner. Against distortion at
# its worst setting it is mild.

show(brass, T.Limiter((-24.0, -6.0), sample_rate=16_000, relative=True))
