"""
Level
=====

Gain, normalisers and compressors change how loud a sound is, and how its loudness changes in time.
If features are in dB and not normalised per example, the network sees the level. If they are
normalised, a plain gain has no effect.
"""

from showing import note, show

from augspec import transforms as T

brass = note("brass")

# %%
# Gain
# ----
# :class:`~augspec.transforms.Gain`: the level of a recording. The ablation recipe uses 6 dB up and
# down; beyond 12 dB quiet parts disappear in noise. Fused into the features it is a factor on the
# power.

show(brass, T.Gain((-12.0, 6.0)))

# %%
# GainTransition
# --------------
# :class:`~augspec.transforms.GainTransition`: the level rises or falls, as when a musician plays
# louder. Be careful if the class is recognised by its decay, as for plucked instruments.

show(brass, T.GainTransition((-24.0, 0.0), duration=(0.3, 0.8)))

# %%
# PolarityInversion
# -----------------
# :class:`~augspec.transforms.PolarityInversion`: it cannot be heard, and does not change a
# magnitude spectrogram. Use it for networks on raw waveforms, with ``p=0.5``.

show(brass, T.PolarityInversion())

# %%
# PeakNormalize
# -------------
# :class:`~augspec.transforms.PeakNormalize`: give a constant if levels in the data differ (with
# ``in_eval=True``), or a range for random levels.

show(brass, T.PeakNormalize((-18.0, 0.0)))

# %%
# RMSNormalize
# ------------
# :class:`~augspec.transforms.RMSNormalize`: a single loud sample changes the RMS less than the
# peak. -30 to -15 dB leaves room for peaks.

show(brass, T.RMSNormalize((-30.0, -15.0)))

# %%
# LoudnessNormalize
# -----------------
# :class:`~augspec.transforms.LoudnessNormalize`: perceived loudness by ITU-R BS.1770. Broadcast
# uses -23 LUFS, streaming services about -14.

show(brass, T.LoudnessNormalize((-31.0, -13.0), sample_rate=16_000))

# %%
# Compressor
# ----------
# :class:`~augspec.transforms.Compressor`: it makes loud parts quieter, as a mixing desk does.
# Ratios of 2 to 4 are usual, 8 is strong. With a threshold far below the level of the example it
# acts as a gain. ``relative=True`` sets the threshold relative to the peak of each example.

show(brass, T.Compressor((-30.0, -10.0), (2.0, 8.0), sample_rate=16_000, relative=True))

# %%
# Limiter
# -------
# :class:`~augspec.transforms.Limiter`: it reduces peaks smoothly. Even its strongest setting is
# milder than distortion.

show(brass, T.Limiter((-24.0, -6.0), sample_rate=16_000, relative=True))
