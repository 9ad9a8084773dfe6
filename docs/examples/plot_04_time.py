"""
Time
====

These transforms move, cut or repeat sound in time. Frame labels and lengths follow.
"""

from showing import note, show, show_sounds

from augspec import transforms as T

mallet = note("mallet", pitch=72)

# %%
# RandomCrop
# ----------
# :class:`~augspec.transforms.RandomCrop`: one of the cheapest transforms; it sets the size of a
# batch. Most crops should contain what the class depends on, such as an attack.

show(mallet, T.RandomCrop(16_000))

# %%
# CenterCrop
# ----------
# :class:`~augspec.transforms.CenterCrop`: the crop for validation: it also acts in ``eval()``.

show(mallet, T.CenterCrop(16_000), n=1)

# %%
# PadTo
# -----
# :class:`~augspec.transforms.PadTo`: adds silence up to a size, also in ``eval()``.

show(mallet, T.PadTo(32_000, where="center"), n=1)

# %%
# Shift
# -----
# :class:`~augspec.transforms.Shift`: for events that may begin anywhere. With ``rollover`` the end
# is moved to the start, which suits textures but not single notes.

show(mallet, T.Shift((-0.3, 0.3), rollover=False))

# %%
# TimeReverse
# -----------
# :class:`~augspec.transforms.TimeReverse`: the mean spectrum stays, but attacks become slow rises,
# which sounds like another instrument. For textures, or as a class of its own.

show(mallet, T.TimeReverse(), n=1)

# %%
# Mute
# ----
# :class:`~augspec.transforms.Mute`: a gap, as from a drop-out. It is like
# :class:`~augspec.transforms.TimeMask`, but on the waveform. Up to a fifth of the example is usual.

show(mallet, T.Mute((0.1, 0.3)))

# %%
# RepeatPart
# ----------
# :class:`~augspec.transforms.RepeatPart`: a part is repeated, as by a stuck record or a stuttering
# stream. It is rare in most data, so use a small ``p``.

show(mallet, T.RepeatPart((0.05, 0.2), (1, 3)))

# %%
# Resample
# --------
# :class:`~augspec.transforms.Resample`: changes the sample rate of whole batches, also in
# ``eval()``. Nothing is random. With half the rate, no sound is left above a quarter of the old
# rate.

resample = T.Resample(16_000, 8000)
sounds = {"16 kHz": mallet, "8 kHz": resample(mallet[None])[0]}
show_sounds(sounds, resample, [16_000, 8000])
