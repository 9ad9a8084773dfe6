"""
Distortion
==========

What cheap microphones, converters and codecs do. All of these add partials that were not there:
for a network that tells timbres apart, begin with little and with ``p`` below one half.
"""

from showing import note, show

from augspec import transforms as T

flute = note("flute", pitch=67)

# %%
# Clip
# ----
# :class:`~augspec.transforms.Clip`: samples beyond a threshold are cut. With ``relative=True`` -6
# dB is heard, -12 dB is rough.

show(flute, T.Clip((-18.0, -3.0), relative=True))

# %%
# ClippingDistortion
# ------------------
# :class:`~augspec.transforms.ClippingDistortion`: a share of the samples is clipped, whatever the
# level. Up to 10 percent is mild, 40 is an overdriven input.

show(flute, T.ClippingDistortion((10.0, 40.0)))

# %%
# TanhDistortion
# --------------
# :class:`~augspec.transforms.TanhDistortion`: soft saturation, odd harmonics, the same RMS. Up to
# 0.3 is warmth, from 0.6 a fuzz.

show(flute, T.TanhDistortion((0.1, 0.8)))

# %%
# BitCrush
# --------
# :class:`~augspec.transforms.BitCrush`: 8 bits hiss behind quiet sounds, 5 bits rattle; 16 cannot
# be heard.

show(flute, T.BitCrush((4, 8)))

# %%
# MuLaw
# -----
# :class:`~augspec.transforms.MuLaw`: 256 values are telephony; fewer are rougher.

show(flute, T.MuLaw((16, 256)))

# %%
# ALaw
# ----
# :class:`~augspec.transforms.ALaw`: the codec of telephony outside North America and Japan. It
# hisses a little, more beside quiet sounds than mu-law with 256 values.

show(flute, T.ALaw())

# %%
# Telephone
# ---------
# :class:`~augspec.transforms.Telephone`: the band of a line, 8 kHz, and 8 bits of mu-law or A-law.
# Train with it where recordings of calls are heard; half of the examples is usual.

show(flute, T.Telephone())

# %%
# PacketLoss
# ----------
# :class:`~augspec.transforms.PacketLoss`: gaps of 20 ms and more, as in a bad call over a network.
# Up to a tenth is usual; with ``concealment="repeat"`` the gaps are filled as decoders fill them.

show(flute, T.PacketLoss((0.05, 0.3), (1.0, 4.0)))

# %%
# Aliasing
# --------
# :class:`~augspec.transforms.Aliasing`: a lower sample rate without its filter: mirrored partials
# at frequencies that fit no harmony. Rates near the sample rate fold little.

show(flute, T.Aliasing((3000.0, 12_000.0), sample_rate=16_000))

# %%
# Codec
# -----
# :class:`~augspec.transforms.Codec`: real encoders, one file at a time **on the CPU**, the
# dearest of all transforms. Levels up to 0.8 are what files on the web have; above 0.9 sounds are
# as in an old telephone. For large data encode a part of it beforehand.

show(flute, T.Codec(16_000, ("mp3", "vorbis"), (0.5, 0.95)))
