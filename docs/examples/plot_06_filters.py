"""
Filters and equalisers
======================

Filters as in microphones, loudspeakers, rooms and mixing desks. Each example has coefficients of
its own, and the recursions are exact.
"""

from showing import note, show

from augspec import transforms as T

organ = note("organ", pitch=48)

# %%
# LowPass
# -------
# :class:`~augspec.transforms.LowPass`: from a dull microphone (6 kHz) to a sound behind a wall (500
# Hz).

show(organ, T.LowPass((500.0, 4000.0), sample_rate=16_000))

# %%
# HighPass
# --------
# :class:`~augspec.transforms.HighPass`: small loudspeakers have no bass below 200 to 500 Hz.

show(organ, T.HighPass((100.0, 1000.0), sample_rate=16_000))

# %%
# BandPass
# --------
# :class:`~augspec.transforms.BandPass`: a telephone, with its centre near 1 kHz and a ``q`` near
# 0.5; a large ``q`` leaves one partial.

show(organ, T.BandPass((400.0, 2000.0), (0.3, 2.0), sample_rate=16_000))

# %%
# BandStop
# --------
# :class:`~augspec.transforms.BandStop`: a notch. A wide one (``q`` below 1) removes one or two
# harmonics.

show(organ, T.BandStop((200.0, 2000.0), (0.5, 2.0), sample_rate=16_000))

# %%
# LowShelf
# --------
# :class:`~augspec.transforms.LowShelf`: the bass control; 6 dB is moderate, 12 dB is strong.

show(organ, T.LowShelf((100.0, 800.0), (-12.0, 12.0), sample_rate=16_000))

# %%
# HighShelf
# ---------
# :class:`~augspec.transforms.HighShelf`: the treble control.

show(organ, T.HighShelf((1000.0, 4000.0), (-12.0, 12.0), sample_rate=16_000))

# %%
# PeakingEQ
# ---------
# :class:`~augspec.transforms.PeakingEQ`: one resonance.

show(organ, T.PeakingEQ((200.0, 4000.0), (-12.0, 12.0), sample_rate=16_000))

# %%
# RandomEQ
# --------
# :class:`~augspec.transforms.RandomEQ`: several bands for less than the cost of two filters. Start
# with this one if recordings come from unknown devices.

show(organ, T.RandomEQ(4, (-9.0, 9.0), sample_rate=16_000))

# %%
# TiltEQ
# ------
# :class:`~augspec.transforms.TiltEQ`: makes the whole spectrum brighter or duller; 3 dB per octave
# is already strong.

show(organ, T.TiltEQ((-4.0, 4.0), sample_rate=16_000))

# %%
# AirAbsorption
# -------------
# :class:`~augspec.transforms.AirAbsorption`: the effect of distance outdoors. Below 8 kHz it can be
# seen only from about a hundred metres.

show(organ, T.AirAbsorption((20.0, 300.0), sample_rate=16_000))
