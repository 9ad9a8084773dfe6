"""
Pitch, tempo and formants
=========================

A phase vocoder that locks phases and keeps attacks, for every example its own ratio, in one
batched operation. Before a magnitude feature no vocoder runs at all: the front end folds stretch,
pitch and speed into the spectrogram (:doc:`/fusion`), at a fraction of the costs below; what that
is, and how both compare with others, stands in :doc:`/benchmarks`.
"""

from showing import note, show

from augspec import transforms as T

voice = note("vocal", pitch=60)
keys = note("keyboard", pitch=60)

# %%
# TimeStretch
# -----------
# :class:`~augspec.transforms.TimeStretch`: 0.9 to 1.1 is hardly noticed, 0.8 to 1.25 clearly;
# beyond a factor of 1.5 attacks and decays are no longer those of the instrument.

show(keys, T.TimeStretch((0.8, 1.25)))

# %%
# PitchShift
# ----------
# :class:`~augspec.transforms.PitchShift`: formants move along, so that beyond 2 semitones a voice
# or an instrument sounds smaller or larger. The ablation recipe has one semitone.

show(voice, T.PitchShift((-4.0, 4.0)))

# %%
# With ``preserve_formants=True`` the spectral envelope stays, as when a singer sings another
# note.

show(voice, T.PitchShift((-4.0, 4.0), preserve_formants=True))

# %%
# PitchAndTempo
# -------------
# :class:`~augspec.transforms.PitchAndTempo`: both with one vocoder, at the price of one.

show(keys, T.PitchAndTempo((-3.0, 3.0), (0.8, 1.25)))

# %%
# Speed
# -----
# :class:`~augspec.transforms.Speed`: a record played faster: pitch and tempo together, by
# resampling alone, free of artefacts and cheap. 0.9 to 1.1 is the classic of speech recognition.

show(keys, T.Speed((0.85, 1.15)))

# %%
# FormantShift
# ------------
# :class:`~augspec.transforms.FormantShift`: another body at the same pitch. 2 semitones are
# another speaker, 4 another age.

show(voice, T.FormantShift((-4.0, 4.0)))

# %%
# VTLP
# ----
# :class:`~augspec.transforms.VTLP`: perturbed vocal tract length with the range of its paper, 0.9
# to 1.1.

show(voice, T.VTLP((0.85, 1.15)))

# %%
# WowFlutter
# ----------
# :class:`~augspec.transforms.WowFlutter`: a tape or a record whose speed swings, slowly and fast.
# Strong here, to be heard; 0.1 to 1 % is what machines do.

show(keys, T.WowFlutter(wow=(0.01, 0.02), flutter=(0.002, 0.005), sample_rate=16_000))

# %%
# TempoCurve
# ----------
# :class:`~augspec.transforms.TempoCurve`: a tempo that rises and falls within the example, as a
# player's does; the pitch stays. Labels of frames follow the curve.

show(keys, T.TempoCurve((0.7, 1.4), points=3))
