"""
Pitch, tempo and formants
=========================

A phase vocoder with phase locking, which keeps attacks. Each example has its own ratio, in one
batched operation. In a front end with a magnitude feature no vocoder runs: stretch, pitch and speed
are computed inside the spectrogram (:doc:`/fusion`), at a fraction of the costs below.
:doc:`/benchmarks` compares both with other libraries.
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
# :class:`~augspec.transforms.PitchShift`: formants are shifted, too, so that beyond 2 semitones a
# voice or an instrument sounds smaller or larger. The ablation recipe uses one semitone.

show(voice, T.PitchShift((-4.0, 4.0)))

# %%
# With ``preserve_formants=True`` the spectral envelope stays, as when a singer sings another
# note.

show(voice, T.PitchShift((-4.0, 4.0), preserve_formants=True))

# %%
# PitchAndTempo
# -------------
# :class:`~augspec.transforms.PitchAndTempo`: pitch shift and time stretch in one vocoder, at the
# cost of one.

show(keys, T.PitchAndTempo((-3.0, 3.0), (0.8, 1.25)))

# %%
# Speed
# -----
# :class:`~augspec.transforms.Speed`: pitch and tempo change together, as when a record is played
# faster. It only resamples, so it is cheap and has no artefacts. 0.9 to 1.1 is usual in speech
# recognition.

show(keys, T.Speed((0.85, 1.15)))

# %%
# FormantShift
# ------------
# :class:`~augspec.transforms.FormantShift`: the resonances move and the pitch stays. 2 semitones
# sound like another speaker, 4 like another age.

show(voice, T.FormantShift((-4.0, 4.0)))

# %%
# VTLP
# ----
# :class:`~augspec.transforms.VTLP`: vocal tract length perturbation. Its paper uses 0.9 to 1.1.

show(voice, T.VTLP((0.85, 1.15)))

# %%
# WowFlutter
# ----------
# :class:`~augspec.transforms.WowFlutter`: the speed of a tape or a record swings, slowly and fast.
# It is strong here, so that it can be heard; real machines have 0.1 to 1 %.

show(keys, T.WowFlutter(wow=(0.01, 0.02), flutter=(0.002, 0.005), sample_rate=16_000))

# %%
# TempoCurve
# ----------
# :class:`~augspec.transforms.TempoCurve`: the tempo rises and falls within the example, as a
# musician's does, and the pitch stays. Frame labels follow the curve.

show(keys, T.TempoCurve((0.7, 1.4), points=3))
