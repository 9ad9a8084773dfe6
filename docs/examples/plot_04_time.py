"""
Time
====

Where things are, and whether they are there. Labels of frames and lengths follow.
"""

from showing import note, show, show_sounds

from augspec import transforms as T

mallet = note("mallet", pitch=72)

# %%
# RandomCrop
# ----------
# :class:`~augspec.transforms.RandomCrop`: among the cheapest there are, and it sets the size of a
# batch. What the class depends on, such as an attack, has to be within most crops.

show(mallet, T.RandomCrop(16_000))

# %%
# CenterCrop
# ----------
# :class:`~augspec.transforms.CenterCrop`: its counterpart for validation, which acts in
# ``eval()`` too.

show(mallet, T.CenterCrop(16_000), n=1)

# %%
# PadTo
# -----
# :class:`~augspec.transforms.PadTo`: silence up to a size, in ``eval()`` too.

show(mallet, T.PadTo(32_000, where="center"), n=1)

# %%
# Shift
# -----
# :class:`~augspec.transforms.Shift`: for events that begin anywhere. With ``rollover`` the end
# comes in at the start, which suits textures, and not single notes.

show(mallet, T.Shift((-0.3, 0.3), rollover=False))

# %%
# TimeReverse
# -----------
# :class:`~augspec.transforms.TimeReverse`: keeps the mean spectrum and turns attacks into swells:
# another instrument to the ear. For textures, or as a label of its own.

show(mallet, T.TimeReverse(), n=1)

# %%
# Mute
# ----
# :class:`~augspec.transforms.Mute`: a gap, as drop-outs leave them:
# :class:`~augspec.transforms.TimeMask` on the waveform. Up to a fifth of the example is usual.

show(mallet, T.Mute((0.1, 0.3)))

# %%
# RepeatPart
# ----------
# :class:`~augspec.transforms.RepeatPart`: a stuck record, or a stutter of a stream. Rare in most
# data: a small ``p``.

show(mallet, T.RepeatPart((0.05, 0.2), (1, 3)))

# %%
# Resample
# --------
# :class:`~augspec.transforms.Resample`: another sample rate for whole batches, in ``eval()`` too;
# nothing random. Half the rate has no sound above a quarter of the old one.

resample = T.Resample(16_000, 8000)
sounds = {"16 kHz": mallet, "8 kHz": resample(mallet[None])[0]}
show_sounds(sounds, resample, [16_000, 8000])
