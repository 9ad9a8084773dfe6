"""
Distortion
==========

Distortion as by cheap microphones, converters and codecs. All of these add new partials. If the
network has to recognise timbre, start with a weak setting and with ``p`` below one half.
"""

from showing import note, show

from augspec import transforms as T

flute = note("flute", pitch=67)

# %%
# Clip
# ----
# :class:`~augspec.transforms.Clip`: samples beyond a threshold are clipped. With ``relative=True``,
# -6 dB can be heard and -12 dB sounds rough.

show(flute, T.Clip((-18.0, -3.0), relative=True))

# %%
# ClippingDistortion
# ------------------
# :class:`~augspec.transforms.ClippingDistortion`: a percentage of the samples is clipped, at any
# level. Up to 10 percent is mild, 40 sounds like an overdriven input.

show(flute, T.ClippingDistortion((10.0, 40.0)))

# %%
# TanhDistortion
# --------------
# :class:`~augspec.transforms.TanhDistortion`: soft saturation, which adds odd harmonics and keeps
# the RMS. Up to 0.3 is a light, from 0.6 a heavy distortion.

show(flute, T.TanhDistortion((0.1, 0.8)))

# %%
# BitCrush
# --------
# :class:`~augspec.transforms.BitCrush`: with 8 bits quiet sounds get a hiss, with 5 bits a rattle;
# 16 bits cannot be heard.

show(flute, T.BitCrush((4, 8)))

# %%
# MuLaw
# -----
# :class:`~augspec.transforms.MuLaw`: 256 values are those of telephony; fewer sound rougher.

show(flute, T.MuLaw((16, 256)))

# %%
# ALaw
# ----
# :class:`~augspec.transforms.ALaw`: the codec of telephony outside North America and Japan. It adds
# a little hiss, more to quiet sounds than mu-law with 256 values.

show(flute, T.ALaw())

# %%
# Telephone
# ---------
# :class:`~augspec.transforms.Telephone`: the frequency band of a telephone line, 8 kHz, and 8 bits
# of mu-law or A-law. Use it if the network will hear calls; half of the examples is usual.

show(flute, T.Telephone())

# %%
# PacketLoss
# ----------
# :class:`~augspec.transforms.PacketLoss`: gaps of 20 ms and more, as in a bad internet call. A loss
# of up to a tenth is usual. ``concealment="repeat"`` fills the gaps as decoders do.

show(flute, T.PacketLoss((0.05, 0.3), (1.0, 4.0)))

# %%
# Aliasing
# --------
# :class:`~augspec.transforms.Aliasing`: a lower sample rate without a filter, which mirrors
# partials to inharmonic frequencies. New rates near the sample rate have little effect.

show(flute, T.Aliasing((3000.0, 12_000.0), sample_rate=16_000))

# %%
# Codec
# -----
# :class:`~augspec.transforms.Codec`: real encoders, one example at a time **on the CPU**. It is the
# slowest of all transforms. Files on the web have levels up to 0.8; above 0.9 it sounds like an old
# telephone. For large data, encode a part of it beforehand.

show(flute, T.Codec(16_000, ("mp3", "vorbis"), (0.5, 0.95)))
